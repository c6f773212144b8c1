"""Softplus and the logarithm of the sigmoid: their tails, and their types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import log_sigmoid, sigmoid, softplus
from pointwise import Terms, assert_accurate, value_and_slope
from reference import mpmath
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, log_sigmoid, rules, sequential, softplus

def accepted(x: Array) -> None:
    assert_type(softplus, Layer[Unit, rules.Saved])
    assert_type(sequential(softplus, log_sigmoid).forward(((), ()), x)[0], Array)

def mistakes(x: Array) -> None:
    softplus(2.0)  # rejected: it has no options
    log_sigmoid.forward(x, x)  # rejected: it has no parameters
"""


def of_softplus(x: Any) -> Terms:
    """By definition."""
    return [mpmath.log1p(mpmath.exp(x))], [1 / (1 + mpmath.exp(-x))]


def of_log_sigmoid(x: Any) -> Terms:
    """By definition."""
    return [-mpmath.log1p(mpmath.exp(-x))], [1 / (1 + mpmath.exp(x))]


EXACT = {"softplus": of_softplus, "log_sigmoid": of_log_sigmoid}


def test_value_and_slope_keep_their_digits_on_the_whole_line() -> None:
    assert_accurate(softplus, of_softplus, 0.0, 36.7, -36.7, -745.0)
    assert_accurate(log_sigmoid, of_log_sigmoid, 0.0, 36.7, -36.7, 745.0)


def test_the_one_is_the_mirror_image_of_the_other_and_the_logarithm_of_the_sigmoid() -> None:
    x = np.linspace(-30, 30, 61)
    out, slope = value_and_slope(softplus, x)
    mirrored, mirrored_slope = value_and_slope(log_sigmoid, -x)
    np.testing.assert_array_equal(mirrored, -out)
    np.testing.assert_array_equal(mirrored_slope, slope)
    # The exponential multiplies an error of out by out, which is up to 30.
    np.testing.assert_allclose(np.exp(mirrored), sigmoid.forward((), -x)[0], rtol=1e-14)


def test_values_by_hand() -> None:
    out, slope = value_and_slope(softplus, np.array([0.0, np.log(3.0)]))
    np.testing.assert_allclose(out, [np.log(2.0), np.log(4.0)], rtol=3e-16)
    np.testing.assert_allclose(slope, [0.5, 0.75], rtol=3e-16)


def test_the_output_is_the_cache_and_read_only() -> None:
    for layer in (softplus, log_sigmoid):
        out, cache = layer.forward((), np.ones((2, 3)))
        assert cache.value is out
        assert not out.flags.writeable


def test_parameters_are_refused() -> None:
    for layer in (softplus, log_sigmoid):
        with pytest.raises(TypeError, match=re.escape(f"{layer.name}: it has no parameters: params must be (), got")):
            layer.forward(untyped(np.ones(2)), np.ones(2))
