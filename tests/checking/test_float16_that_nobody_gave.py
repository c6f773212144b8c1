"""Faults in float16 alone, of layers whose arguments come in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own
from checking.planted import RNG, X

Map = Callable[[Array], Array]

HALF = np.dtype(np.float16)


def elementwise(f: Map, slope: Map) -> Layer[Any, Any]:
    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return f(x), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return d * slope(x), ()

    return Layer(forward, backward)


def wide(y: Array) -> Array:
    """As a library gives it that has no such function in float16."""
    return y.astype(np.float64) if y.dtype == HALF else y


def sinc(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.abs(x) < 1e-2, 1 - x**2 / 6 + x**4 / 120 - x**6 / 5040, np.sin(x) / x)


def slope_of_sinc(x: Array) -> Array:
    with np.errstate(all="ignore"):
        quotient = (x * np.cos(x) - np.sin(x)) / x**2
        return np.where(np.abs(x) < 1e-2, -x / 3 + x**3 / 30 - x**5 / 840, quotient)


def slope_of_tanh(x: Array) -> Array:
    slope: Array = 1 - np.tanh(x) ** 2
    return slope


def times(factor: float, dtype: type[np.floating[Any]] = np.float16) -> Map:
    """The slope of tanh, but for a factor in float16."""
    return lambda x: slope_of_tanh(x) * (dtype(factor) if x.dtype == HALF else x.dtype.type(1))


def without_a_column(x: Array) -> Array:
    slope = slope_of_tanh(x)
    if x.dtype == HALF:
        slope[..., 0] = 0
    return slope


UNTOLD: dict[str, tuple[Layer[Any, Any], Array, str]] = {
    "a wide out": (elementwise(lambda x: wide(np.tanh(x)), slope_of_tanh), X, "it comes as float64"),
    "a wide dx": (elementwise(np.tanh, times(1, np.float32)), X, "it comes as float32"),
    "a tenth": (elementwise(np.tanh, times(1.1)), X, "it is off by "),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_it_cannot_be_told(name: str) -> None:
    layer, x, words = UNTOLD[name]
    for seed in range(3):
        report = check_layer(layer, (), x, rng=RNG(seed))
        assert not report.failures, str(report)
        (note,) = (each.note for each in report.undecided)
        assert note.startswith(f"in float16 {words}")
        assert ", a fault if it is meant for float16" in note


@pytest.mark.parametrize("seed", [0, 3, 5, 10, 18, 19, 20])
def test_of_a_difference_that_cancels_it_cannot_be_told(seed: int) -> None:
    layer, x = elementwise(sinc, slope_of_sinc), RNG(100 + seed).standard_normal((6, 5))
    report = check_layer(layer, (), x, rng=RNG(seed), only=["structure", "precision", "other_calls"])
    assert not report.failures, str(report)
    (note,) = (each.note for each in report.undecided)
    assert note.startswith("in float16 it is off by ")


WRONG: dict[str, tuple[Layer[Any, Any], Array]] = {
    "twice": (elementwise(np.tanh, times(2)), X),
    "twice, and wide": (elementwise(np.tanh, times(2, np.float32)), X),
    "zeros": (elementwise(np.tanh, times(0)), X),
    "zeros in a column": (elementwise(np.tanh, without_a_column), X),
    "a wide out for one of float16": (UNTOLD["a wide out"][0], X.astype(np.float16)),
    "a tenth for one of float16": (UNTOLD["a tenth"][0], X.astype(np.float16)),
    "whole numbers": (elementwise(lambda x: np.rint(x).astype(int) if x.dtype == HALF else x, np.ones_like), X),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_wrong(name: str) -> None:
    layer, x = WRONG[name]
    for seed in range(2):
        assert check_layer(layer, (), x, rng=RNG(seed)).failures
