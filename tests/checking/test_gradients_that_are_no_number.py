"""Gradients that are nan or infinite at an `x` where forward is finite, and steps of the usual size tell nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Verdict, laws, own
from checking.planted import RNG, X

WITH_ZEROS = X.copy()
WITH_ZEROS[2] = 0


def norms(x: Array) -> Array:
    return np.asarray(np.sqrt((x * x).sum(-1, keepdims=True)))


def normalised(p: Any, x: Array) -> tuple[Array, Array]:
    return x / np.maximum(norms(x), 1e-12), own(x)


def without_the_floor(x: Array, d: Array) -> tuple[Array, Any]:
    y = x / norms(x)
    return (d - y * (d * y).sum(-1, keepdims=True)) / norms(x), ()


def with_the_floor(x: Array, d: Array) -> tuple[Array, Any]:
    n = np.maximum(norms(x), 1e-12)
    y = x / n
    along = np.where(norms(x) > 1e-12, (d * y).sum(-1, keepdims=True), 0)
    return (d - y * along) / n, ()


def of_cube_roots(d_of: Callable[[Array], Array]) -> Layer[Any, Any]:
    return Layer(lambda p, x: (np.cbrt(x), own(x)), lambda x, d: (d * d_of(x), ()))


def derivative_of(layer: Layer[Any, Any], x: Array) -> Verdict:
    with np.errstate(all="ignore"):
        (verdict,) = laws.derivative(layer, (), x, RNG(0))
    return verdict


def test_a_nan_is_wrong_where_finer_steps_find_a_slope() -> None:
    verdict = derivative_of(Layer(normalised, without_the_floor), WITH_ZEROS)
    assert verdict.wrong
    assert verdict.index is not None
    assert verdict.index[0] == 2
    assert 1e9 < abs(verdict.expected) < 1e14


def test_a_number_is_not_wrong_there() -> None:
    assert not derivative_of(Layer(normalised, with_the_floor), WITH_ZEROS).wrong


@pytest.mark.parametrize("backward", [without_the_floor, with_the_floor])
def test_both_are_right_elsewhere(backward: Any) -> None:
    assert derivative_of(Layer(normalised, backward), X).ok


def test_an_infinite_slope_is_right_and_a_nan_in_its_place_cannot_be_told() -> None:
    assert derivative_of(of_cube_roots(lambda x: 1 / (3 * np.cbrt(x) ** 2)), WITH_ZEROS).ok
    verdict = derivative_of(of_cube_roots(lambda x: np.cbrt(x) / (3 * x)), WITH_ZEROS)
    assert verdict.undecided
    assert verdict.note == "dx[2, 0] is nan where forward is finite on both sides, and no slope is found"
