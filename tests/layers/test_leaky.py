"""Leaky units: their tails, their kinks at 0, their options and their types."""

import pickle
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import celu, elu, leaky_relu, relu, selu
from pointwise import Terms, assert_accurate, value_and_slope
from reference import mpmath
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, celu, elu, leaky_relu, rules, selu, sequential

def accepted(x: Array) -> None:
    assert_type(leaky_relu(), Layer[Unit, rules.Saved])
    assert_type(leaky_relu(slope=0.1), Layer[Unit, rules.Saved])
    assert_type(sequential(elu(0.5), celu(2), selu).forward(((), (), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    leaky_relu.forward((), x)  # rejected: it is called first
    elu("1.0")  # rejected: alpha is a number
    celu(slope=0.1)  # rejected: its option is alpha
    selu(1.0)  # rejected: it has no options
"""


def of_leaky_relu(x: Any, slope: float = 0.01) -> Terms:
    """By definition; the slope at 0 is that of the left."""
    leak = 1 if x > 0 else mpmath.mpf(slope)
    return [x * leak], [x * 0 + leak]


def of_elu(x: Any, alpha: float = 1.0) -> Terms:
    """By definition; the slope at 0 is that of the left."""
    return ([x], [x * 0 + 1]) if x > 0 else ([alpha * mpmath.expm1(x)], [alpha * mpmath.exp(x)])


def of_celu(x: Any, alpha: float = 1.0) -> Terms:
    """By definition."""
    return ([x], [x * 0 + 1]) if x > 0 else ([alpha * mpmath.expm1(x / alpha)], [mpmath.exp(x / alpha)])


def of_selu(x: Any) -> Terms:
    """By definition, with the constants of its paper."""
    scale, alpha = mpmath.mpf("1.0507009873554804934193349852946"), mpmath.mpf("1.6732632423543772848170429916717")
    value, slope = of_elu(x, alpha)
    return [scale * each for each in value], [scale * each for each in slope]


EXACT = {"leaky_relu": of_leaky_relu, "elu": of_elu, "celu": of_celu, "selu": of_selu}


def test_value_and_slope_keep_their_digits_on_the_whole_line() -> None:
    assert_accurate(leaky_relu(), of_leaky_relu, 0.0)
    assert_accurate(selu, of_selu, 0.0, -708.0)
    for alpha in (0.25, 1.0, 3.0):  # whose quotients by alpha are not all exact
        assert_accurate(elu(alpha), partial(of_elu, alpha=alpha), 0.0, -708.0)
        assert_accurate(celu(alpha), partial(of_celu, alpha=alpha), 0.0, -700 * alpha)


def test_values_by_hand() -> None:
    x = np.array([-np.log(2.0), -0.0, 0.0, 3.0])
    for layer, values, slopes in (
        (leaky_relu(0.5), [-np.log(2.0) / 2, 0, 0, 3], [0.5, 0.5, 0.5, 1]),
        (elu(4.0), [-2, 0, 0, 3], [2, 4, 4, 1]),
        (celu(0.5), [-0.375, 0, 0, 3], [0.25, 1, 1, 1]),
    ):
        out, slope = value_and_slope(layer, x)
        np.testing.assert_allclose(out, values, rtol=5e-16)
        np.testing.assert_allclose(slope, slopes, rtol=5e-16)


def test_selu_keeps_mean_0_and_variance_1_of_normal_numbers() -> None:
    out = selu.forward((), np.random.default_rng(0).standard_normal(1_000_000))[0]
    assert out.mean() == pytest.approx(0, abs=0.005)  # five standard deviations of a mean of a million
    assert out.var() == pytest.approx(1, abs=0.01)


def test_a_leak_of_nothing_is_relu_and_any_leak_is_exact() -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_array_equal(leaky_relu(0.0).forward((), x)[0], relu.forward((), x)[0])
    for slope in (0.1, 1 / 3, 1.7, 1e5):
        np.testing.assert_array_equal(leaky_relu(slope).forward((), x)[0], np.where(x > 0, x, slope * x))


def test_options_are_shown_and_pickled() -> None:
    for made, text in (
        (leaky_relu(0.2), "leaky_relu(slope=0.2)"),
        (leaky_relu(), "leaky_relu(slope=0.01)"),
        (elu(2), "elu(alpha=2.0)"),
        (elu(), "elu(alpha=1.0)"),
        (celu(), "celu(alpha=1.0)"),
    ):
        assert repr(made) == f"Layer({text})"
        assert repr(pickle.loads(pickle.dumps(made))) == f"Layer({text})"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(leaky_relu, -0.1), "leaky_relu: slope must be a finite number >= 0, got -0.1"),
        (partial(leaky_relu, np.inf), "leaky_relu: slope must be a finite number >= 0, got inf"),
        (partial(elu, -1), "elu: alpha must be a finite number >= 0, got -1.0"),
        (partial(celu, 0), "celu: alpha must be a finite number > 0, got 0.0"),
        (partial(celu, np.nan), "celu: alpha must be a finite number > 0, got nan"),
    ],
)
def test_options_out_of_range_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        make()
    assert str(raised.value) == message


def test_bad_input() -> None:
    with pytest.raises(TypeError, match="elu: alpha must be a number, got str"):
        elu(untyped("1"))
    with pytest.raises(TypeError, match=re.escape("leaky_relu: it has no parameters: params must be (), got f64[2]")):
        leaky_relu().forward(untyped(np.ones(2)), np.ones(2))
