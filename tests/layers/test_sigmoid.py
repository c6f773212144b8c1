import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import pointwise
from chainrule import Array, sigmoid
from pointwise import Terms
from reference import mpmath
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped


def value_and_slope(x: Array) -> tuple[Array, Array]:
    return pointwise.value_and_slope(sigmoid, x)


def exact(x: Any) -> Terms:
    """By definition."""
    e = mpmath.exp(-x)
    return [1 / (1 + e)], [e / (1 + e) ** 2]


EXACT = {"sigmoid": exact}


def test_relative_accuracy_of_value_and_slope_in_both_tails() -> None:
    x = np.concatenate([np.linspace(-700, 700, 281), [-1e-300, 0.0, 1e-8, 20.0, 36.5, -36.5]])
    out, slope = value_and_slope(x)
    with mpmath.workdps(50):
        expected, expected_slope = np.array([[float(*terms) for terms in exact(float(v))] for v in x]).T
    # Three roundings and an exponential to half a unit: four units of 1.1e-16 for the value, six for the slope.
    np.testing.assert_allclose(out, expected, rtol=4.5e-16, atol=0)
    np.testing.assert_allclose(slope, expected_slope, rtol=7e-16, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extremes_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    x = np.array([-top, -top / 4, -top / 8, -0.0, 0.0, np.finfo(dtype).tiny, top / 8, top / 4, top], dtype)
    with np.errstate(all="raise"):
        out, slope = value_and_slope(x)
    np.testing.assert_array_equal(out, [0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1])
    np.testing.assert_array_equal(slope, [0, 0, 0, 0.25, 0.25, 0.25, 0, 0, 0])
    assert out.dtype == slope.dtype == dtype


def test_infinity_and_nan() -> None:
    out, slope = value_and_slope(np.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(out, [0, 1, np.nan])
    np.testing.assert_array_equal(slope, [0, 0, np.nan])


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_reflection_and_monotonicity(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = np.sort(8 * normal(rng, n, dtype=dtype))
    out, slope = value_and_slope(x)
    mirrored, mirrored_slope = value_and_slope(-x)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(mirrored, 1 - out, rtol=0, atol=2 * eps)  # 2 units of rounding at 1
    # Four roundings each; what is below the normal numbers may vanish, as it does in float16 from -11 on.
    np.testing.assert_allclose(slope, mirrored_slope, rtol=4 * eps, atol=float(np.finfo(dtype).tiny))
    assert (np.diff(out) >= 0).all()


def test_published_values() -> None:
    # Abramowitz and Stegun give tanh(0.5) = 0.46211 71573, and s(1) = (1 + tanh(1/2)) / 2.
    out, slope = value_and_slope(np.array([1.0]))
    assert out[0] == pytest.approx((1 + 0.4621171573) / 2, abs=5e-11)
    assert slope[0] == pytest.approx((1 - 0.4621171573**2) / 4, abs=5e-11)


def test_bad_input() -> None:
    with pytest.raises(TypeError, match="sigmoid: it has no parameters"):
        sigmoid.forward(untyped(None), np.ones((2, 3)))
    with pytest.raises(TypeError, match="sigmoid: x is int64"):
        sigmoid.forward((), untyped(np.ones((2, 3), int)))
    _, cache = sigmoid.forward((), np.ones((2, 3)))
    with pytest.raises(ValueError, match="sigmoid backward: dout has shape"):
        sigmoid.backward(cache, np.ones((3, 2)))
    with pytest.raises(TypeError, match=re.escape("sigmoid backward: cache must be Saved, got f64[2, 3]")):
        sigmoid.backward(untyped(np.ones((2, 3))), np.ones((2, 3)))
