"""Hard units: their pieces, their kinks, and their types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import hard_sigmoid, hard_swish, hard_tanh
from pointwise import Terms, assert_accurate, value_and_slope
from strategies import Floating
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, hard_sigmoid, hard_swish, hard_tanh, rules, sequential

def accepted(x: Array) -> None:
    assert_type(hard_tanh, Layer[Unit, rules.Saved])
    assert_type(sequential(hard_sigmoid, hard_swish).forward(((), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    hard_tanh(-2.0, 2.0)  # rejected: it has no options
    hard_swish.forward(x, x)  # rejected: it has no parameters
"""


def of_hard_tanh(x: Any) -> Terms:
    """By definition; the slope outside at a kink."""
    return [min(max(x, -1), 1)], [abs(x) < 1]


def of_hard_sigmoid(x: Any) -> Terms:
    """By definition; the slope outside at a kink. Of x / 6 and 1 / 2, which cancel at the left one."""
    inside = abs(x) < 3
    return ([x / 6, x * 0 + 0.5] if inside else [x * 0 + (x > 0)]), [(x * 0 + inside) / 6]


def of_hard_swish(x: Any) -> Terms:
    """By definition; the slope outside at a kink."""
    if abs(x) < 3:
        return [x * (x + 3) / 6], [x / 3, x * 0 + 0.5]
    return [x * (x > 0)], [x * 0 + (x > 0)]


EXACT = {"hard_tanh": of_hard_tanh, "hard_sigmoid": of_hard_sigmoid, "hard_swish": of_hard_swish}


def test_value_and_slope_are_accurate_on_the_whole_line() -> None:
    assert_accurate(hard_tanh, of_hard_tanh, -1.0, 1.0)
    assert_accurate(hard_sigmoid, of_hard_sigmoid, -3.0, 3.0)
    assert_accurate(hard_swish, of_hard_swish, -3.0, -1.5, 3.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_slope_at_a_kink_is_that_outside_and_at_its_neighbour_that_inside(dtype: Floating) -> None:
    for layer, kink, outside, inside in (
        (hard_tanh, -1, 0, 1),
        (hard_tanh, 1, 0, 1),
        (hard_sigmoid, -3, 0, 1 / 6),
        (hard_sigmoid, 3, 0, 1 / 6),
        (hard_swish, -3, 0, -0.5),
        (hard_swish, 3, 1, 1.5),
    ):
        at = np.array([kink], dtype)
        slopes = [value_and_slope(layer, x)[1][0] for x in (at, np.nextafter(at, dtype(0)))]
        np.testing.assert_allclose(slopes, [outside, inside], rtol=2 * float(np.finfo(dtype).eps))


def test_values_by_hand() -> None:
    x = np.array([-4.0, -1.5, 0.0, 1.5, 4.0])
    for layer, values, slopes in (
        (hard_tanh, [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
        (hard_sigmoid, [0, 0.25, 0.5, 0.75, 1], [0, 1 / 6, 1 / 6, 1 / 6, 0]),
        (hard_swish, [0, -0.375, 0, 1.125, 4], [0, 0, 0.5, 1, 1]),
    ):
        out, slope = value_and_slope(layer, x)
        np.testing.assert_array_equal(out, values)
        np.testing.assert_array_equal(slope, slopes)


@pytest.mark.parametrize("layer", [hard_tanh, hard_sigmoid], ids=["hard_tanh", "hard_sigmoid"])
def test_a_closed_gate_lets_nothing_through(layer: Any) -> None:
    _, cache = layer.forward((), np.array([-5.0, 5.0, np.inf, np.nan, 0.5]))
    dx, _ = layer.backward(cache, np.array([np.inf, np.nan, -np.inf, np.inf, np.inf]))
    np.testing.assert_array_equal(dx, [0, 0, 0, 0, np.inf])


def test_parameters_are_refused() -> None:
    for layer in (hard_tanh, hard_sigmoid, hard_swish):
        with pytest.raises(TypeError, match=re.escape(f"{layer.name}: it has no parameters: params must be (), got")):
            layer.forward(untyped(np.ones(2)), np.ones(2))
