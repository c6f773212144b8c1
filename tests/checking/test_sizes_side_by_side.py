"""Numbers of 1e-8 beside numbers of 1e8: a fault in the small ones shows, and what is right is right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, laws, own
from checking.planted import RNG, assert_sound

SIZES = np.array([1e8, 1e-8, 1.0, 1e-8])
WEIGHTS, X = RNG(1).standard_normal(4), RNG(2).standard_normal((6, 4))

Pair = tuple[Array, Array]
Change = Callable[[Array], Array]


def same(array: Array) -> Array:
    return array


def of_columns(*factors: float) -> Change:
    return lambda array: array * np.array(factors)


def last_off(array: Array) -> Array:
    array[-1, -1] *= 1.1
    return array


def waves(of_dx: Change = same, of_weights: Change = same) -> Layer[Any, Any]:
    """`sin(x) w` in units of several sizes."""

    def forward(w: Array, x: Array) -> tuple[Array, Pair]:
        return np.sin(x) * w * SIZES.astype(x.real.dtype), (own(x), own(w))

    def backward(cache: Pair, d: Array) -> tuple[Array, Array]:
        x, w = cache
        d = d * SIZES.astype(d.dtype)
        return of_dx(d * np.cos(x) * w), of_weights((d * np.sin(x)).sum(axis=0))

    return Layer(forward, backward)


FAULTS: dict[str, tuple[Layer[Any, Any], str, str]] = {
    "a sign of dx": (waves(of_columns(1, -1, 1, 1)), "dx", "column 1 is wrong, the others are right"),
    "a hundredth of dx": (waves(of_columns(1, 1, 1, 1.01)), "dx", "the last column is wrong, the others are right"),
    "an entry of dx": (waves(last_off), "dx", ""),
    "a sign of the weights": (waves(of_weights=of_columns(1, -1, 1, 1)), "grads", "entry 1 is wrong"),
    "a hundredth of the weights": (waves(of_weights=of_columns(1, 1, 1, 1.01)), "grads", "the last entry is wrong"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_in_the_small_ones_is_found(what: str) -> None:
    layer, field, words = FAULTS[what]
    verdicts = laws.derivative(layer, WEIGHTS, X, RNG(0))
    assert_sound(verdicts)
    assert [(each.field, each.note[: len(words)]) for each in verdicts if each.wrong] == [(field, words)]


def test_what_is_right_at_all_sizes_is_right() -> None:
    report = check_layer(waves(), WEIGHTS, X, rng=RNG(0))
    assert report.ok, str(report)


def in_units(slope: Callable[[Array], Array], value: Callable[[Array], Array], of_dx: Change) -> Layer[Any, Any]:
    """A function of x in units of several sizes."""

    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return value(x * SIZES.astype(x.real.dtype)), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        units = SIZES.astype(d.dtype)
        return of_dx(d * slope(x * units) * units), ()

    return Layer(forward, backward)


@pytest.mark.parametrize("factor", [1.0, -1.0, 1.01])
def test_x_of_all_sizes_moves_by_its_own(factor: float) -> None:
    layer = in_units(np.cos, np.sin, of_columns(1, factor, 1, 1))
    (verdict,) = laws.derivative(layer, (), X / SIZES, RNG(0))
    assert (verdict.ok, verdict.wrong) == (factor == 1, factor != 1), verdict


def test_numbers_beyond_float16_tell_nothing_of_it() -> None:
    report = check_layer(in_units(np.sign, np.abs, same), (), X / SIZES, rng=RNG(0))
    assert report.ok, str(report)


def test_a_wave_that_computes_in_float32_is_right_far_out() -> None:
    w, b, *x = RNG(3).standard_normal((6, 8)).astype(np.float32)

    def forward(params: Pair, x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        if x.dtype != np.float32:
            raise TypeError(f"expected float32, got {x.dtype}")
        angle = x * params[0] + params[1]
        return np.sin(angle), (own(x), own(params[0]), angle)

    def backward(cache: tuple[Array, Array, Array], d: Array) -> tuple[Array, Pair]:
        x, w, angle = cache
        back = d * np.cos(angle)
        return back * w, ((back * x).sum(axis=0), back.sum(axis=0))

    report = check_layer(Layer(forward, backward), (w, b), np.stack(x), rng=RNG(5), only=["other_values"])
    assert report.ok, str(report)
