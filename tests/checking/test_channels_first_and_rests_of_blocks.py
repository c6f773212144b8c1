"""Faults at numbers of channels that stand before positions, at equal axes, at one number, and in rests of blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own
from checking.planted import RNG

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

X = RNG(1).standard_normal((6, 4))
POSITIONS = RNG(2).standard_normal((3, 2, 5))

Sizes = Callable[[int, int], bool]


def mixed(W: Array, x: Array) -> tuple[Array, Any]:
    """A convolution of one place: W (o, c, 1), x (n, c, t)."""
    return np.einsum("oc,nct->not", W[:, :, 0], x), (own(x), own(W))


def mixing(wrong: Sizes) -> Layer[Any, Any]:
    """It, with a gradient that is half as large for some numbers of channels that go in and come out."""

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, W = cache
        dW = np.einsum("not,nct->oc", d, x)[:, :, None] * (0.5 if wrong(W.shape[1], W.shape[0]) else 1)
        return np.einsum("oc,not->nct", W[:, :, 0], d), dW

    return Layer(mixed, backward)


WRONG_CHANNELS: dict[str, Sizes] = {
    "one that goes in": lambda c, o: c == 1,
    "one that comes out": lambda c, o: o == 1,
    "as many as go in": lambda c, o: c == o,
    "more than eight come out": lambda c, o: o > 8,
    "more than 32 go in": lambda c, o: c > 32,
    "an even number comes out": lambda c, o: o % 2 == 0,
}


@pytest.mark.parametrize("name", WRONG_CHANNELS)
def test_numbers_of_channels_that_stand_first_are_tried(name: str) -> None:
    W = RNG(3).standard_normal((3, 2, 1))
    (verdict, *_) = check_layer(mixing(WRONG_CHANNELS[name]), W, POSITIONS, rng=RNG(0), only=["other_sizes"]).failures
    assert (verdict.law, verdict.field) == ("other_sizes", "grads")
    assert "in place of" in verdict.note


@pytest.mark.parametrize("seed", range(3))
def test_a_convolution_that_is_right_is_accepted(seed: int) -> None:
    W = RNG(3).standard_normal((3, 2, 1))
    report = check_layer(mixing(lambda c, o: False), W, POSITIONS, rng=RNG(seed))
    assert report.ok, str(report)


@pytest.mark.parametrize("many", [1, 9, 33])
def test_numbers_of_a_factor_for_each_channel_are_tried(many: int) -> None:
    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        return x * p[:, None], (own(x), own(p))

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, p = cache
        return d * p[:, None], (d * x).sum((0, 2)) * (1 - (len(p) == many))

    factors = RNG(3).standard_normal(2)
    (verdict,) = check_layer(Layer(forward, backward), factors, POSITIONS, rng=RNG(0), only=["other_sizes"]).failures
    assert f"(3, {many}, 5)" in verdict.note


def test_a_square_of_weights_for_as_many_rows_is_tried() -> None:
    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, W = cache
        all_alike = len(d) == W.shape[0] == W.shape[1]
        return d @ W.T, x @ d if all_alike else x.T @ d

    layer: Layer[Any, Any] = Layer(lambda W, x: (x @ W, (own(x), own(W))), backward)
    (verdict, *_) = check_layer(layer, RNG(3).standard_normal((4, 3)), X, rng=RNG(0), only=["other_sizes"]).failures
    assert verdict.field == "grads"
    assert "for x (3, 3) and parameters with as many numbers as it has rows" in verdict.note


def test_axes_of_one_length_are_tried() -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return 2 * x * (d.swapaxes(0, 1) if len({*d.shape}) == 1 else d), ()

    layer: Layer[Any, Any] = Layer(lambda p, x: (x * x, own(x)), backward)
    (verdict, *_) = check_layer(layer, (), POSITIONS, rng=RNG(0), only=["other_sizes"]).failures
    assert "for x (5, 5, 5)" in verdict.note


def test_one_number_alone_is_tried() -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return (2 * x * d if d.size > 1 else d.copy()), ()

    layer: Layer[Any, Any] = Layer(lambda p, x: (x * x, own(x)), backward)
    (verdict,) = check_layer(layer, (), X, rng=RNG(0), only=["other_sizes"]).failures
    assert verdict.note.startswith("for x (1, 1)")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("columns", [8, 16])
def test_what_is_left_of_a_block_and_not_written_is_seen_for_every_seed(columns: int, seed: int) -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        dx, whole = np.empty(d.shape, d.dtype), d.shape[1] // 8 * 8
        dx[:, :whole] = 2 * x[:, :whole] * d[:, :whole]
        return dx, ()

    layer: Layer[Any, Any] = Layer(lambda p, x: (x * x, own(x)), backward)
    report = check_layer(layer, (), RNG(1).standard_normal((6, columns)), rng=RNG(seed), only=["other_sizes"])
    assert report.failures


@pytest.mark.parametrize("seed", range(2))
def test_rows_that_are_not_written_are_seen_for_every_seed(seed: int) -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        dx, whole = np.empty(d.shape, d.dtype), max(6, len(d) // 8 * 8)
        dx[:whole] = 2 * x[:whole] * d[:whole]
        return dx, ()

    layer: Layer[Any, Any] = Layer(lambda p, x: (x * x, own(x)), backward)
    assert check_layer(layer, (), X, rng=RNG(seed), only=["independent_rows"]).failures
