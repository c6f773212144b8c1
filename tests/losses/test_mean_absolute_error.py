import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, mean_absolute_error, prediction, sgd, training_step, two_layer
from strategies import Floating, all_dtypes, generators, normal, sides

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Loss, affine, mean_absolute_error, sgd, training_step
from chainrule.rules.losses import Slopes


def accepted(out: Array, targets: Array, params: Affine) -> None:
    assert_type(mean_absolute_error, Loss[Array, Slopes])
    assert_type(mean_absolute_error.forward(out, targets), tuple[Array, Slopes])
    step = training_step(affine, mean_absolute_error, sgd(0.1))
    assert_type(step(params, sgd(0.1).init(params), out, targets)[2], Array)


def refused(out: Array, targets: Array) -> None:
    mean_absolute_error(out, targets)  # rejected: a loss is a pair of functions
    mean_absolute_error.forward(out)  # rejected: the targets are missing
    mean_absolute_error.forward(out, [1.0, 2.0])  # rejected: a list is no array
"""


def loss_and_gradient(out: Array, targets: Array) -> tuple[Array, Array]:
    loss, cache = mean_absolute_error.forward(out, targets)
    return loss, mean_absolute_error.backward(cache, 1.0)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_it_is_the_mean_over_all_entries(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    out, targets = normal(rng, n, 2, 5, dtype=dtype), normal(rng, n, 2, 5, dtype=dtype)
    loss, slopes = loss_and_gradient(out, targets)
    error = out.astype(np.longdouble) - targets
    few = 8 * float(np.finfo(dtype).eps)  # the roundings of a difference, two means and two factors
    np.testing.assert_allclose(loss, np.abs(error).mean(), rtol=few)
    np.testing.assert_allclose(slopes, np.sign(error) / error.size, rtol=few)
    assert loss.dtype == slopes.dtype == dtype
    assert mean_absolute_error.rows(out, targets).shape == (n, 2)


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-8, 1.0, 1e4, 1e300])
def test_relative_accuracy_at_every_size(size: float) -> None:
    out = np.array([[size, -size, 0.0], [-3 * size, size / 4, size]])
    targets = np.array([[0.0, size, -size], [size, size / 3, 0.0]])
    errors = [Fraction(a) - Fraction(b) for a, b in zip(out.flat, targets.flat, strict=True)]  # without any rounding
    exact = float(sum(map(abs, errors)) / 6)
    loss, slopes = loss_and_gradient(out, targets)
    # Below the normal numbers, where a sixth of the smallest is none, every rounding is half of the smallest.
    np.testing.assert_allclose(loss, exact, rtol=1e-15, atol=8 * 5e-324)
    np.testing.assert_allclose(slopes.ravel() * 6, np.sign(np.array(errors, float)), rtol=4e-16)


def test_the_slope_of_no_error_is_zero() -> None:
    loss, slopes = loss_and_gradient(np.array([[1.0, -0.0]]), np.array([[1.0, 0.0]]))
    assert loss == 0
    assert not slopes.any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extremes_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        loss, slopes = loss_and_gradient(np.full((4, 3), top, dtype), np.zeros((4, 3), dtype))
    np.testing.assert_allclose(loss, top, rtol=float(4 * np.finfo(dtype).eps))  # the mean of twelve, and not their sum
    np.testing.assert_allclose(slopes, 1 / dtype(12), rtol=float(2 * np.finfo(dtype).eps))


def test_infinity_and_nan() -> None:
    out = np.array([[np.inf, 1.0], [-np.inf, 1.0], [np.nan, 1.0], [2.0, 1.0]])
    with np.errstate(all="raise"):
        losses = mean_absolute_error.rows(out, np.zeros((4, 2)))
        slopes = 8 * loss_and_gradient(out, np.zeros((4, 2)))[1]
    np.testing.assert_array_equal(losses, [np.inf, np.inf, np.nan, 1.5])
    np.testing.assert_array_equal(slopes, [[1, 1], [-1, 1], [np.nan, 1], [1, 1]])


def test_its_best_constant_is_the_median() -> None:
    values = np.array([[0.0], [1.0], [2.0], [50.0], [100.0]])
    slopes = [loss_and_gradient(np.full((5, 1), c), values)[1].sum() for c in (1.5, 2.0, 2.5)]
    assert slopes == pytest.approx([-0.2, 0.0, 0.2], abs=1e-15)


def test_a_network_learns_a_line() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 2))
    y = x @ np.array([[2.0], [-1.0]]) + 0.5
    params = two_layer.init(rng, 2, 16, 1, std=0.5, dtype=np.float64)
    step = training_step(two_layer.network, mean_absolute_error, sgd(0.05))
    state = sgd(0.05).init(params)
    for _ in range(300):
        params, state, _ = step(params, state, x, y)
    assert mean_absolute_error.forward(prediction(two_layer.network)(params, x), y)[0] < 0.1


def test_bad_targets() -> None:
    message = "mean_absolute_error: targets must have the shape of out (3, 2), got (3,)"
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_absolute_error.forward(np.ones((3, 2)), np.ones(3))
    message = (
        "mean_absolute_error: out must have rows of numbers (..., k), got shape (3,): add an axis, as out[:, None]"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_absolute_error.forward(np.ones(3), np.ones(3))
