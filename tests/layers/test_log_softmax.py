"""Log-softmax: finite where probabilities are 0, what is at infinity, and types."""

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, check_layer, log_softmax, softmax, softmax_cross_entropy
from layers.test_softmax import ROWS
from reference import mpmath
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, log_softmax, relu, sequential
from chainrule.layers.activations.log_softmax import LogSoftmaxCache

def accepted(x: Array) -> None:
    assert_type(log_softmax, Layer[Unit, LogSoftmaxCache])
    assert_type(log_softmax.backward(log_softmax.forward((), x)[1], x), tuple[Array, Unit])
    assert_type(sequential(relu, log_softmax).forward(((), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    log_softmax(x)  # rejected: it is a record of functions
    log_softmax.forward(x, x)  # rejected: it has no parameters
    log_softmax.backward(x, x)  # rejected: an array for the cache
"""


def exact(row: list[float], dout: list[float]) -> tuple[list[float], list[float], list[float]]:
    """The log probabilities, dx as the product with the transposed Jacobian, and p, by definition in 50 digits."""
    with mpmath.workdps(50):
        top = mpmath.mpf(max(row))
        total = mpmath.fsum(mpmath.exp(v - top) for v in row)
        out = [v - top - mpmath.log(total) for v in row]
        p = [mpmath.exp(v) for v in out]
        dx = [d - each * mpmath.fsum(dout) for d, each in zip(dout, p, strict=True)]
        return [float(v) for v in out], [float(v) for v in dx], [float(v) for v in p]


@pytest.mark.parametrize("row", [row for name, row in ROWS.items() if name != "most"])
def test_log_probabilities_and_dx_are_those_of_the_definition(row: list[float]) -> None:
    dout = [1.0, -2.0, 0.5][: len(row)]
    with np.errstate(all="raise"):
        out, cache = log_softmax.forward((), np.array([row]))
        dx, _ = log_softmax.backward(cache, np.array([dout]))
    expected, expected_dx, p = exact(row, dout)
    # The logarithm of the sum is that of a number between 1 and 1e30, and the largest of the row if it is not near 0.
    largest = np.abs(expected).max()
    np.testing.assert_allclose(out[0], expected, rtol=1e-14, atol=4 * 2**-53 * largest)
    between = np.abs(np.array(row) - max(row))
    allowed = 1e-14 * np.abs(expected_dx) + 4 * 2**-53 * 2 + np.array(p) * between * 2**-53
    np.testing.assert_array_less(np.abs(dx[0] - expected_dx), allowed + 5e-324)


@given(rng=generators, n=sides, k=sides, dtype=all_dtypes)
def test_it_is_the_logarithm_of_softmax(rng: np.random.Generator, n: int, k: int, dtype: Floating) -> None:
    x = (3 * normal(rng, n, 2, k)).astype(dtype)
    out, cache = log_softmax.forward((), x)
    dx, _ = log_softmax.backward(cache, normal(rng, n, 2, k, dtype=dtype))
    assert out.dtype == dx.dtype == dtype
    p = softmax.forward((), x.astype(np.longdouble))[0]
    # Rounded as x - max is: some units of the largest in the row, which is 30 at most.
    np.testing.assert_allclose(out, np.log(p), rtol=0, atol=30 * 2 * float(np.finfo(dtype).eps))
    assert (out <= 0).all()


def test_minus_the_entry_of_the_label_is_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    x, labels = normal(rng, 5, 4), np.array([0, 3, 1, 1, 2])
    out, cache = log_softmax.forward((), x)
    picked = np.eye(4)[labels]
    loss, slopes = softmax_cross_entropy.forward(x, labels)
    np.testing.assert_allclose(-(picked * out).sum() / 5, loss, rtol=1e-15)
    dx, _ = log_softmax.backward(cache, -picked / 5)
    np.testing.assert_allclose(dx, softmax_cross_entropy.backward(slopes, 1.0), rtol=0, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_largest_numbers_are_silent(dtype: Floating) -> None:
    most = np.finfo(dtype).max
    with np.errstate(all="raise"):
        out, cache = log_softmax.forward(
            (), np.array([[0, -most, 0], [most, most, most], [-most / 2, most / 2, 0]], dtype)
        )
        dx, _ = log_softmax.backward(cache, np.eye(3, dtype=dtype))
    np.testing.assert_array_equal(out[:, 1], np.array([-most, -np.log(np.asarray(3, dtype)), 0], dtype))
    np.testing.assert_array_equal(out[2], np.array([-most, 0, -most / 2], dtype))
    np.testing.assert_allclose(dx, np.array([[3, 0, -3], [-2, 4, -2], [0, -6, 6]]) / 6, rtol=1e-3)


def test_infinity_and_nan_are_torchs_and_stay_in_their_row() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, 0, 0], [0, -inf, 0], [inf, 0, 0], [0, inf, 0], [-inf] * 3, [0, nan, 0], [0, 0, 0]])
    with np.errstate(all="raise"):
        out, cache = log_softmax.forward((), x)
        dx, _ = log_softmax.backward(cache, np.tile([1.0, 0.0, 0.0], (7, 1)))
    gone, half = [nan] * 3, -np.log(2)
    np.testing.assert_array_equal(out[:6], [[-inf, half, half], [half, -inf, half], gone, gone, gone, gone])
    np.testing.assert_array_equal(dx[:6], [[1, -0.5, -0.5], [0.5, 0, -0.5], gone, gone, gone, gone])
    np.testing.assert_allclose(out[6], -np.log(3), rtol=1e-15)


def test_bad_input() -> None:
    for x in (np.ones((3, 0)), np.ones(())):
        with pytest.raises(ValueError, match="log_softmax") as raised:
            log_softmax.forward((), x)
        assert str(raised.value) == f"log_softmax: x must have an axis of at least one feature, got shape {x.shape}"
    with pytest.raises(TypeError, match=r"log_softmax: it has no parameters: params must be \(\), got f64\[2\]"):
        log_softmax.forward(untyped(np.ones(2)), np.ones((2, 2)))
    _, cache = log_softmax.forward((), np.ones((2, 3)))
    dout: Array = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="float32"):
        log_softmax.backward(cache, dout)


@pytest.mark.parametrize("seed", range(3))
def test_the_checker_does_not_take_the_share_of_an_unlikely_class_for_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = 50 * rng.standard_normal((4, 5))  # beside a sum of 1, exponentials of 1e-12 and less do not move at small steps
    assert check_layer(log_softmax, (), x, rng=rng).failures == ()
