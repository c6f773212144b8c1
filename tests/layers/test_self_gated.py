"""Units that x gates itself: their tails, where their slopes vanish, and their types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import mish, silu
from pointwise import Terms, assert_accurate, value_and_slope
from reference import mpmath
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, mish, rules, sequential, silu
from chainrule.layers.affine import AffineCache

def accepted(x: Array) -> None:
    assert_type(silu, Layer[Unit, rules.Saved])
    assert_type(mish.forward((), x)[0], Array)
    network = sequential(affine, mish)
    assert_type(network, Layer[tuple[Affine, Unit], tuple[AffineCache, rules.Saved]])

def mistakes(x: Array) -> None:
    silu(1.0)  # rejected: it has no options
    mish.forward(x, x)  # rejected: it has no parameters
    silu.backward(x, x)  # rejected: an array for the cache
"""


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def of_silu(x: Any) -> Terms:
    """By definition."""
    return [x * sigmoid(x)], [sigmoid(x), x * sigmoid(x) * sigmoid(-x)]


def of_mish(x: Any) -> Terms:
    """By definition; with 1 / cosh^2 for 1 - tanh^2, which cancels."""
    soft = mpmath.log1p(mpmath.exp(x))
    gate = mpmath.tanh(soft)
    return [x * gate], [gate, x * sigmoid(x) / mpmath.cosh(soft) ** 2]


EXACT = {"silu": of_silu, "mish": of_mish}


def test_value_and_slope_keep_their_digits_on_the_whole_line() -> None:
    # Near the zeros of the slopes, and where exp(x) is a normal number no more.
    assert_accurate(silu, of_silu, -1.2784645427610738, 0.0, -708.0, -709.5, -714.0)
    assert_accurate(mish, of_mish, -1.1924312145154262, 0.0, -708.0, -709.5, -714.0)


def test_published_values() -> None:
    # Abramowitz and Stegun, table 4.15: tanh(0.5) = 0.46211 71573, and s(1) = (1 + tanh(1/2)) / 2.
    gate = (1 + 0.4621171573) / 2
    out, slope = value_and_slope(silu, np.array([1.0]))
    assert out[0] == pytest.approx(gate, abs=5e-11)
    assert slope[0] == pytest.approx(gate + gate * (1 - gate), abs=1e-10)
    # tanh(log(2)) = (4 - 1) / (4 + 1), which is the slope at 0.
    out, slope = value_and_slope(mish, np.array([0.0]))
    assert (out[0], slope[0]) == (0, pytest.approx(0.6, rel=3e-16))


def test_parameters_are_refused() -> None:
    for layer in (silu, mish):
        with pytest.raises(TypeError, match=re.escape(f"{layer.name}: it has no parameters: params must be (), got")):
            layer.forward(untyped(np.ones(2)), np.ones(2))
