"""Softmax: probabilities to the last digit and the smallest number, what is at infinity, and types."""

import math

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, softmax
from reference import mpmath
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, sequential, softmax
from chainrule.layers.activations.softmax import SoftmaxCache
from chainrule.layers.affine import AffineCache

def accepted(params: Affine, x: Array) -> None:
    assert_type(softmax, Layer[Unit, SoftmaxCache])
    assert_type(softmax.forward((), x)[1].p, Array)
    assert_type(sequential(affine, softmax), Layer[tuple[Affine, Unit], tuple[AffineCache, SoftmaxCache]])

def mistakes(x: Array) -> None:
    softmax(x)  # rejected: it is a record of functions
    softmax(-1)  # rejected: it is over the last axis
    softmax.forward(x, x)  # rejected: it has no parameters
    softmax.backward(x, x)  # rejected: an array for the cache
"""

ROWS = {
    "equal": [0.5, 0.5, 0.5],
    "one": [123.0],
    "small": [1e-300, -1e-300, 0.0],
    "near": [3.0, 3.0 + 2**-51, 3.0 - 2**-51],
    "apart": [0.0, -30.0, -700.0],
    "first is least": [-60.0, 0.0, 5.0],
    "first is least by far": [-100.0, 0.0, 5.0],
    "large": [1e4, 1e4 - 1, 1e4 - 40],
    "large, below zero": [-1e4, -1e4 - 1, -1e4 - 40],
    "both": [1e4, -1e4, 0.0],
    "most": [1.7e308, -1.7e308, 1.7e308],
}


def exact(row: list[float], dout: list[float]) -> tuple[list[float], list[float]]:
    """The probabilities, and dx as the product with the Jacobian, by definition in 50 digits."""
    with mpmath.workdps(50):
        e = [mpmath.exp(mpmath.mpf(v) - max(row)) for v in row]
        p = [each / mpmath.fsum(e) for each in e]
        columns = range(len(p))
        jacobian = [[p[i] * ((i == j) - p[j]) for j in columns] for i in columns]
        dx = [mpmath.fsum(jacobian[i][j] * dout[j] for j in columns) for i in columns]
        return [float(v) for v in p], [float(v) for v in dx]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_probabilities_and_dx_are_those_of_the_definition(row: list[float]) -> None:
    dout = [1.0, -2.0, 0.5][: len(row)]
    with np.errstate(all="raise"):
        out, cache = softmax.forward((), np.array([row]))
        dx, _ = softmax.backward(cache, np.array([dout]))
    p, expected = exact(row, dout)
    # x less what is taken from it is rounded: by half a unit for each 1 between them, 700 at most where p is not 0.
    between = max(row) - np.maximum(row, max(row) - 1000)
    np.testing.assert_array_less(np.abs(out[0] - p), np.array(p) * (1e-14 + between * 2**-53) + 5e-324)
    # dout less its mean, which is 4 at most, has an error of some units of that, and the difference is weighted by p.
    np.testing.assert_array_less(np.abs(dx[0] - expected), np.array(p) * (1e-14 + between * 2**-51) + 5e-324)


@given(rng=generators, n=sides, k=sides, dtype=all_dtypes)
def test_rows_are_positive_and_sum_to_one(rng: np.random.Generator, n: int, k: int, dtype: Floating) -> None:
    out, cache = softmax.forward((), (10 * normal(rng, n, 2, k)).astype(dtype))
    dx, _ = softmax.backward(cache, normal(rng, n, 2, k, dtype=dtype))
    assert out.dtype == dx.dtype == dtype
    assert (out >= 0).all()
    few = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(out.astype(np.longdouble).sum(axis=-1), 1, atol=few)
    np.testing.assert_allclose(dx.astype(np.longdouble).sum(axis=-1), 0, atol=4 * few)  # dout is below 6


def test_what_all_entries_get_changes_nothing_going_forward_and_coming_back() -> None:
    x = np.array([[1.0, -2.0, 0.5]])
    out, cache = softmax.forward((), x + 1024.0)
    np.testing.assert_array_equal(out, softmax.forward((), x)[0])
    np.testing.assert_array_equal(softmax.backward(cache, np.full((1, 3), 8.0))[0].round(15), 0)


def test_of_two_classes_it_is_the_sigmoid_of_the_difference() -> None:
    out = softmax.forward((), np.array([[2.0, 0.0]]))[0]
    assert out[0, 0] == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-15)


def test_infinity_and_nan_are_torchs_and_stay_in_their_row() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, 0, 0], [0, -inf, 0], [inf, 0, 0], [0, inf, 0], [-inf] * 3, [0, nan, 0], [0, 0, 0]])
    with np.errstate(all="raise"):
        out, cache = softmax.forward((), x)
        dx, _ = softmax.backward(cache, np.tile([1.0, 0.0, 0.0], (7, 1)))
    gone = [nan] * 3
    np.testing.assert_array_equal(out[:6], [[0, 0.5, 0.5], [0.5, 0, 0.5], gone, gone, gone, gone])
    np.testing.assert_array_equal(dx[:6], [[0, 0, 0], [0.25, 0, -0.25], gone, gone, gone, gone])
    np.testing.assert_allclose(out[6], 1 / 3, rtol=1e-15)
    np.testing.assert_allclose(dx[6], [2 / 9, -1 / 9, -1 / 9], rtol=1e-15)


def test_a_row_of_many_classes_in_float16_sums_in_float32() -> None:
    x = np.zeros((1, 70_000), np.float16)  # more than float16 can count
    out, _ = softmax.forward((), x)
    np.testing.assert_array_equal(out, np.float16(1 / 70_000))


def test_a_vector_is_one_row() -> None:
    out, cache = softmax.forward((), np.array([0.0, 0.0, -np.inf]))
    np.testing.assert_array_equal(out, [0.5, 0.5, 0])
    np.testing.assert_array_equal(softmax.backward(cache, np.array([1.0, 0, 0]))[0], [0.25, -0.25, 0])


def test_bad_input() -> None:
    for x in (np.ones((3, 0)), np.ones(())):
        with pytest.raises(ValueError, match="softmax") as raised:
            softmax.forward((), x)
        assert str(raised.value) == f"softmax: x must have an axis of at least one feature, got shape {x.shape}"
    with pytest.raises(TypeError, match=r"softmax: it has no parameters: params must be \(\), got f64\[2\]"):
        softmax.forward(untyped(np.ones(2)), np.ones((2, 2)))
    _, cache = softmax.forward((), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(2, 2\)"):
        softmax.backward(cache, np.ones((2, 2)))
    dout: Array = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="float32"):
        softmax.backward(cache, dout)
