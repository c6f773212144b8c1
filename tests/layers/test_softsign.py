"""Softsign: its tails and its types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import softsign
from pointwise import Terms, assert_accurate, value_and_slope
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, rules, sequential, softsign

def accepted(x: Array) -> None:
    assert_type(softsign, Layer[Unit, rules.Saved])
    assert_type(sequential(softsign, softsign).forward(((), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    softsign(x)  # rejected: a layer is a pair, and no function
    softsign.backward(x, x)  # rejected: an array for the cache
"""


def of_softsign(x: Any) -> Terms:
    """By definition."""
    return [x / (1 + abs(x))], [1 / (1 + abs(x)) ** 2]


EXACT = {"softsign": of_softsign}


def test_value_and_slope_keep_their_digits_on_the_whole_line() -> None:
    assert_accurate(softsign, of_softsign, 0.0, 1e300, -1.7e308)


def test_values_by_hand() -> None:
    out, slope = value_and_slope(softsign, np.array([-3.0, 0.0, 1.0]))
    np.testing.assert_array_equal(out, [-0.75, 0, 0.5])
    np.testing.assert_array_equal(slope, [1 / 16, 1, 1 / 4])


def test_at_infinity_the_output_is_torchs_nan_and_the_slope_its_limit() -> None:
    out, slope = value_and_slope(softsign, np.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(out, [np.nan] * 3)
    np.testing.assert_array_equal(slope, [0, 0, np.nan])


def test_parameters_are_refused() -> None:
    with pytest.raises(TypeError, match=re.escape("softsign: it has no parameters: params must be (), got f64[2]")):
        softsign.forward(untyped(np.ones(2)), np.ones(2))
