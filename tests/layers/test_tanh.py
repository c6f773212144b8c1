"""The hyperbolic tangent: its values, its tails and its types."""

from typing import Any

import numpy as np
import pytest

import pointwise
from chainrule import Array, tanh
from pointwise import Terms
from reference import mpmath
from strategies import Floating
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, rules, sequential, tanh

def accepted(x: Array) -> None:
    assert_type(tanh, Layer[Unit, rules.Saved])
    assert_type(sequential(tanh, tanh).forward(((), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    tanh.forward(x, x)  # rejected: it has no parameters
    tanh.backward(x, x)  # rejected: an array for the cache
"""


def value_and_slope(x: Array) -> tuple[Array, Array]:
    return pointwise.value_and_slope(tanh, x)


def exact(x: Any) -> Terms:
    """By definition; the slope as 1 / cosh^2, which does not cancel."""
    return [mpmath.tanh(x)], [1 / mpmath.cosh(x) ** 2]


EXACT = {"tanh": exact}


def test_value_and_slope_keep_their_digits_in_both_tails() -> None:
    x = np.concatenate([np.linspace(-350, 350, 281), [-1e-300, 0.0, 1e-8, 19.5, -19.5]])
    out, slope = value_and_slope(x)
    with mpmath.workdps(50):
        expected, expected_slope = np.array([[float(*terms) for terms in exact(float(v))] for v in x]).T
    # NumPy's tanh is good to two units; the slope has an exponential to half a unit and five roundings.
    np.testing.assert_allclose(out, expected, rtol=5e-16, atol=0)
    np.testing.assert_allclose(slope, expected_slope, rtol=9e-16, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extremes_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        out, slope = value_and_slope(np.array([-top, -0.0, 0.0, top], dtype))
    np.testing.assert_array_equal(out, [-1, 0, 0, 1])
    np.testing.assert_array_equal(slope, [0, 1, 1, 0])
    assert out.dtype == slope.dtype == dtype


def test_infinity_and_nan_are_torchs() -> None:
    out, slope = value_and_slope(np.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(out, [-1, 1, np.nan])
    np.testing.assert_array_equal(slope, [0, 0, np.nan])


def test_published_values() -> None:
    # Abramowitz and Stegun, table 4.15: tanh(0.5) = 0.46211 71573.
    out, slope = value_and_slope(np.array([0.5]))
    assert out[0] == pytest.approx(0.4621171573, abs=5e-11)
    assert slope[0] == pytest.approx(1 - 0.4621171573**2, abs=1e-10)


def test_parameters_are_refused() -> None:
    with pytest.raises(TypeError, match=r"tanh: it has no parameters: params must be \(\), got f64\[2\]"):
        tanh.forward(untyped(np.ones(2)), np.ones(2))
