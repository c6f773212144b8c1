import pickle
import re
from copy import deepcopy
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array, Loss, huber, mean_absolute_error, mean_squared_error, tree
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Loss, affine, huber, sgd, training_step
from chainrule.rules.losses import Slopes


def accepted(out: Array, targets: Array, params: Affine) -> None:
    assert_type(huber(), Loss[Array, Slopes])
    assert_type(huber(delta=0.5).forward(out, targets), tuple[Array, Slopes])
    step = training_step(affine, huber(2), sgd(0.1))
    assert_type(step(params, sgd(0.1).init(params), out, targets)[2], Array)


def refused(out: Array, targets: Array) -> None:
    huber.forward(out, targets)  # rejected: huber makes a loss and is none
    huber("1.0")  # rejected: delta is a number
    huber().forward(out, [1.0, 2.0])  # rejected: a list is no array
"""


def loss_and_gradient(loss: Loss[Array, Any], out: Array, targets: Array) -> tuple[Array, Array]:
    value, cache = loss.forward(out, targets)
    return value, loss.backward(cache, 1.0)


@given(rng=generators, n=sides, dtype=all_dtypes, delta=st.sampled_from([0.25, 1.0, 3.0]))
def test_it_is_the_mean_of_two_pieces(rng: np.random.Generator, n: int, dtype: Floating, delta: float) -> None:
    out, targets = normal(rng, n, 2, 5, dtype=dtype), normal(rng, n, 2, 5, dtype=dtype)
    loss, slopes = loss_and_gradient(huber(delta), out, targets)
    error = out.astype(np.longdouble) - targets
    pieces = np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2))
    few = 8 * float(np.finfo(dtype).eps)  # the roundings of a difference, three products and two means
    np.testing.assert_allclose(loss, pieces.mean(), rtol=few)
    np.testing.assert_allclose(slopes, np.clip(error, -delta, delta) / error.size, rtol=few, atol=few / error.size)
    assert loss.dtype == slopes.dtype == dtype
    assert huber(delta).rows(out, targets).shape == (n, 2)


@pytest.mark.parametrize("error", [1e-300, 1e-150, 1e-8, 0.5, 1 - 2**-53, 1.0, 1 + 2**-52, 1e4, 1e300])
@pytest.mark.parametrize("delta", [1e-3, 1.0, 1e5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_relative_accuracy_at_every_size(error: float, delta: float, sign: int) -> None:
    e, d = Fraction(error), Fraction(delta)  # exact
    exact = e * e / 2 if e <= d else d * (e - d / 2)
    loss, slopes = loss_and_gradient(huber(delta), np.array([[sign * error]]), np.array([[0.0]]))
    assert float(loss) == pytest.approx(float(exact), rel=4e-16, abs=5e-324)
    assert float(slopes[0, 0]) == sign * min(error, delta)


def test_the_pieces_meet_with_one_value_and_one_slope() -> None:
    beside = [np.nextafter(2.0, 0.0), 2.0, np.nextafter(2.0, 3.0)]
    losses = [loss_and_gradient(huber(2.0), np.array([[x]]), np.array([[0.0]])) for x in beside]
    assert [float(loss) for loss, _ in losses] == pytest.approx([2.0, 2.0, 2.0], rel=4e-16)
    assert [float(slope[0, 0]) for _, slope in losses] == pytest.approx([2.0, 2.0, 2.0], rel=4e-16)


@given(rng=generators, n=sides)
def test_between_squares_and_distances(rng: np.random.Generator, n: int) -> None:
    out, targets = normal(rng, n, 3), normal(rng, n, 3)
    half = 0.5 * mean_squared_error.forward(out, targets)[0]
    np.testing.assert_allclose(huber(1e6).forward(out, targets)[0], half, rtol=1e-14)  # no error is larger
    distance = mean_absolute_error.forward(out, targets)[0]
    np.testing.assert_allclose(huber(1e-9).forward(out, targets)[0] / 1e-9, distance, rtol=0, atol=1e-9)  # delta / 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extremes_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        loss, slopes = loss_and_gradient(huber(), np.full((4, 3), -top, dtype), np.zeros((4, 3), dtype))
    np.testing.assert_allclose(loss, top, rtol=float(4 * np.finfo(dtype).eps))
    np.testing.assert_allclose(slopes, -1 / dtype(12), rtol=float(2 * np.finfo(dtype).eps))


@pytest.mark.parametrize(("dtype", "error"), [(np.float16, 300), (np.float32, 2e19), (np.float64, 1.5e154)])
def test_a_square_whose_half_is_finite_does_not_overflow(dtype: Floating, error: float) -> None:
    loss, _ = loss_and_gradient(huber(2 * error), np.array([[error, 0]], dtype), np.zeros((1, 2), dtype))
    np.testing.assert_allclose(loss, error / 4 * error, rtol=float(4 * np.finfo(dtype).eps))


def test_infinity_and_nan() -> None:
    out = np.array([[np.inf, 1.0], [-np.inf, 1.0], [np.nan, 1.0], [3.0, 1.0]])
    with np.errstate(all="raise"):
        losses = huber().rows(out, np.zeros((4, 2)))
        slopes = 8 * loss_and_gradient(huber(), out, np.zeros((4, 2)))[1]
    np.testing.assert_array_equal(losses, [np.inf, np.inf, np.nan, 1.5])
    np.testing.assert_array_equal(slopes, [[1, 1], [-1, 1], [np.nan, 1], [1, 1]])


def test_a_copy_is_made_again_with_its_option() -> None:
    out, targets = np.array([[3.0]]), np.array([[0.0]])
    for again in (pickle.loads(pickle.dumps(huber(2.0))), deepcopy(huber(2.0))):
        assert repr(again) == "Loss(huber(delta=2.0))"
        assert tree.equal(loss_and_gradient(again, out, targets), loss_and_gradient(huber(2.0), out, targets))


def test_bad_input() -> None:
    for delta, message in (
        (0, "huber: delta must be a finite number > 0, got 0.0"),
        (-1.0, "huber: delta must be a finite number > 0, got -1.0"),
        (np.inf, "huber: delta must be a finite number > 0, got inf"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            huber(delta)
    with pytest.raises(TypeError, match="huber: delta must be a number, got str"):
        huber(untyped("1"))
    message = "huber: out must have rows of numbers (..., k), got shape (3,): add an axis, as out[:, None]"
    with pytest.raises(ValueError, match=re.escape(message)):
        huber().forward(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=re.escape("huber: targets must have the shape of out (3, 2), got (3, 1)")):
        huber().forward(np.ones((3, 2)), np.ones((3, 1)))
