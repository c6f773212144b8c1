import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import mean_squared_error, prediction, sgd, training_step, two_layer
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Loss, affine, mean_squared_error, sgd, training_step
from chainrule.rules.losses import Slopes


def accepted(out: Array, targets: Array, params: Affine) -> None:
    assert_type(mean_squared_error, Loss[Array, Slopes])
    assert_type(mean_squared_error.forward(out, targets), tuple[Array, Slopes])
    assert_type(mean_squared_error.rows(out, targets), Array)
    step = training_step(affine, mean_squared_error, sgd(0.1))
    assert_type(step(params, sgd(0.1).init(params), out, targets)[2], Array)


def refused(out: Array, targets: Array) -> None:
    mean_squared_error(out, targets)  # rejected: a loss is a pair of functions
    mean_squared_error.forward(out)  # rejected: the targets are missing
    mean_squared_error.forward(out, [1.0, 2.0])  # rejected: a list is no array
    mean_squared_error.forward(out, 1.0)  # rejected: nor is a number
"""


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_it_is_the_mean_over_all_entries(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    out, targets = normal(rng, n, 2, 5, dtype=dtype), normal(rng, n, 2, 5, dtype=dtype)
    loss, cache = mean_squared_error.forward(out, targets)
    error = out.astype(np.longdouble) - targets
    few = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(loss, (error**2).mean(), rtol=few)
    np.testing.assert_allclose(mean_squared_error.backward(cache, 1.0), 2 * error / error.size, rtol=few, atol=few)
    assert loss.dtype == dtype
    assert mean_squared_error.rows(out, targets).shape == (n, 2)


def test_targets_may_be_whole_numbers_or_of_another_dtype_of_floats() -> None:
    out = np.array([[1.0, 2.0]], np.float32)
    for targets in (np.array([[0, 2]]), np.array([[0.0, 2.0]])):
        loss, _ = mean_squared_error.forward(out, targets)
        assert loss == 0.5
        assert loss.dtype == np.float32


def test_a_network_learns_a_line() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 2))
    y = x @ np.array([[2.0], [-1.0]]) + 0.5
    params = two_layer.init(rng, 2, 16, 1, std=0.5, dtype=np.float64)
    step = training_step(two_layer.network, mean_squared_error, sgd(0.1))
    state = sgd(0.1).init(params)
    for _ in range(300):
        params, state, _ = step(params, state, x, y)
    assert mean_squared_error.forward(prediction(two_layer.network)(params, x), y)[0] < 0.01


def test_bad_targets() -> None:
    out = np.ones((3, 2))
    message = "mean_squared_error: targets must have the shape of out (3, 2), got (3,)"
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_squared_error.forward(out, np.ones(3))
    message = "mean_squared_error: out must have rows of numbers (..., k), got shape (3,): add an axis, as out[:, None]"
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_squared_error.forward(np.ones(3), np.ones(3))
    message = "mean_squared_error: the mean over an empty batch is undefined, out has shape (0, 2)"
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_squared_error.forward(np.ones((0, 2)), np.ones((0, 2)))
    bad: list[tuple[Any, str]] = [
        ([[1.0, 2.0]] * 3, "targets must be an array, got list: convert it with np.asarray"),
        (np.ones((3, 2), complex), "targets must be real numbers, got complex128"),
        (np.ones((3, 2), bool), "targets must be real numbers, got bool"),
        (np.ma.masked_array(out), "targets must be a plain array, got MaskedArray"),
    ]
    for targets, message in bad:
        with pytest.raises(TypeError, match=re.escape(f"mean_squared_error: {message}")):
            mean_squared_error.forward(out, untyped(targets))
    with pytest.raises(TypeError, match="targets are an array of array_api_strict but out is of numpy: convert one"):
        mean_squared_error.forward(out, untyped(import_module("array_api_strict").ones((3, 2))))
