"""Faults where rows and columns are many at once, at one pixel, at the numbers that training starts from, and like."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Encoder, Labels, Layer, Report, check_layer, own, read_only
from checking.planted import RNG, Planted, assert_found, squares, squares_back

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

W = RNG(8).standard_normal((5, 3))
IMAGES = RNG(7).standard_normal((3, 4, 5, 2))
TABLE = RNG(3).standard_normal((7, 4))
SENTENCES = np.array([[1, 2, 3], [4, 5, 1], [2, 2, 5]])


def products(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ w, (own(x), own(w))


def products_but(last: Callable[[Array, Array], Any]) -> Layer[Any, Any]:
    """A product whose last gradient of W is wrong for some x and W."""

    def backward(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        x, w = c
        dw = x.T @ d
        dw[-1, -1] *= 1.5 if last(x, w) else 1.0
        return d @ w.T, dw

    return Layer(products, backward)


def centred_images(p: Any, x: Array) -> tuple[Array, Any]:
    return x - x.mean((1, 2), keepdims=True), ()


def centred_images_but_for_one_pixel() -> Layer[Any, Any]:
    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        return (d if d[0, ..., 0].size == 1 else d - d.mean((1, 2), keepdims=True)), ()

    return Layer(centred_images, backward)


def scaled_and_shifted(p: tuple[Array, Array], x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    scale, shift = p
    return x * scale + shift, (own(x), own(scale), own(shift))


def at_its_start(c: tuple[Array, Array, Array], d: Array) -> tuple[Array, tuple[Array, Array]]:
    """The right gradients, but that of the scale is 0 where all of it is 1 and all shifts are 0."""
    x, scale, shift = c
    starts = (scale == 1).all() and not shift.any()
    return d * scale, ((d * x).sum(0) * (not starts), d.sum(0))


def rows_of_table(wrong: Callable[[Array], Any]) -> Encoder[Any, Any, Any]:
    """Rows of a table, whose gradient is wrong for some tables."""

    def grads(cache: tuple[Array, Labels], dout: Array) -> Array:
        table, tokens = cache
        gradient = np.zeros(table.shape, dout.dtype)
        np.add.at(gradient, tokens.reshape(-1), dout.reshape(-1, table.shape[1]))
        return gradient * dout.dtype.type(1.5 if wrong(table) else 1)

    return Encoder(lambda table, tokens: (table[tokens], (own(table), tokens.copy())), grads)


def squares_of_some_rows() -> Layer[Any, Any]:
    """Squares whose backward writes no row for which dout is 0."""

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        dx, asked = np.empty_like(d), d.any(-1)
        dx[asked] = 2 * x[asked] * d[asked]
        return dx, ()

    return Layer(squares, backward)


def kept_transposed() -> Layer[Any, Any]:
    """A product that keeps a transposed copy of W by its identity."""
    kept: dict[int, tuple[Array, Array]] = {}

    def forward(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        if id(w) not in kept:
            kept[id(w)] = w, read_only(w.T.copy())
        return x @ w, (own(x), kept[id(w)][1])

    return Layer(forward, lambda c, d: (d @ c[1], c[0].T @ d))


def douts_kept() -> Layer[Any, Any]:
    """Squares whose backward keeps a copy of dout by its identity."""
    kept: dict[int, tuple[Array, Array]] = {}

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        if id(d) not in kept:
            kept[id(d)] = d, read_only(d.copy())
        return 2 * x * kept[id(d)][1], ()

    return Layer(squares, backward)


def held_by_all_threads() -> Layer[Any, Any]:
    """A scale that all threads find in one place."""
    held: list[Array] = [np.ones(())]

    def forward(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        held[0] = p
        for _ in range(200):
            pass
        return x * held[0], (own(x), own(p))

    return Layer(forward, lambda c, d: (d * c[1], (d * c[0]).sum(0)))


def means_of_grads() -> Layer[Any, Any]:
    """A scale whose `grads` takes a mean over a second axis of rows."""

    def forward(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * p, (own(x), own(p))

    def backward(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        return d * c[1], (d * c[0]).reshape(-1, d.shape[-1]).sum(0)

    def grads(c: tuple[Array, Array], d: Array) -> Array:
        by_row: Array = (d * c[0]).sum(0)
        return by_row if d.ndim == 2 else by_row.mean(0)

    return Layer(forward, backward, grads, event_axes=1)


SCALE = RNG(9).standard_normal(5)

FOUND = {
    "rows and columns beyond 16": Planted(
        products_but(lambda x, w: len(x) > 16 and len(w) > 16), "other_sizes", "for x (36, 17)", params=W
    ),
    "a large product": Planted(
        products_but(lambda x, w: len(x) * w.size > 50_000), "other_sizes", "for x (132, 65)", params=W
    ),
    "31 columns": Planted(
        Layer(squares, lambda x, d: (squares_back(x, d)[0] * (1.5 if x.shape[-1] == 31 else 1), ())),
        "other_sizes",
        "for x (6, 31)",
    ),
    "images of one pixel": Planted(centred_images_but_for_one_pixel(), "other_sizes", "for x (1, 1, 1, 1)", IMAGES),
    "a norm at its start": Planted(
        Layer(scaled_and_shifted, at_its_start),
        "other_values",
        "for parameters of ones and zeros",
        params=(SCALE, SCALE[::-1].copy()),
    ),
    "a table of one column": Planted(
        rows_of_table(lambda table: table.shape[1] == 1),
        "other_sizes",
        "for parameters with 1 number in place of 4",
        SENTENCES,
        TABLE,
    ),
    "a table of many rows": Planted(
        rows_of_table(lambda table: len(table) > 100),
        "other_sizes",
        "for parameters with 129 numbers in place of 7",
        SENTENCES,
        TABLE,
    ),
    "a negative table": Planted(
        rows_of_table(lambda table: (table < 0).all()),
        "other_values",
        "for parameters that are negative",
        SENTENCES,
        TABLE,
    ),
    "rows that dout leaves out": Planted(squares_of_some_rows(), "all_written", "for dout with a row of zeros"),
    "parameters kept by identity": Planted(
        kept_transposed(), "calls_in_between", "a call on the same parameters", params=W
    ),
    "dout kept by identity": Planted(douts_kept(), "calls_in_between", "backward for the same array as dout"),
    "parameters in one place": Planted(held_by_all_threads(), "threads", "in several threads", params=SCALE),
    "a mean in grads": Planted(
        means_of_grads(), "grads_without_dx", "for an x which has two axes of rows", params=SCALE
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    assert_found(FOUND[name])


def sums_of_rows_beyond_a_half(slope: float) -> Layer[Any, Any]:
    """The sums of what is beyond 0.5 in each row of four, with a slope there."""

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        if x.shape[-1] != 4:
            raise ValueError("rows have four numbers")
        return np.maximum(x - x.dtype.type(0.5), 0).sum(-1, keepdims=True), own(x)

    return Layer(forward, lambda x, d: (d * np.where(x == 0.5, slope, x > 0.5).astype(d.dtype), ()))


def report_at_a_half(slope: float, seed: int) -> Report:
    x = RNG(5).standard_normal((5, 4))
    x[0, 2] = 0.5
    return check_layer(sums_of_rows_beyond_a_half(slope), (), x, rng=RNG(seed))


@pytest.mark.parametrize("seed", range(3))
def test_any_number_between_the_slopes_is_right_at_a_kink_of_a_sum(seed: int) -> None:
    assert all(report_at_a_half(slope, seed).ok for slope in (0.0, 0.5, 1.0))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slope", [-1.0, 2.0, 30.0])
def test_a_number_far_from_the_slopes_is_not_right_at_a_kink_of_a_sum(slope: float, seed: int) -> None:
    assert not report_at_a_half(slope, seed).ok


def filtered(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    """Frequencies of a row, each times a number of its own; at one column all numbers meet the one frequency."""
    made = np.fft.irfft(np.fft.rfft(x) * p, x.shape[-1])
    return made.astype(x.dtype), (own(p), own(x))


def filtered_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    p, x = c
    n, of_x, of_d = d.shape[-1], np.fft.rfft(x), np.fft.rfft(d)
    shares = np.full(of_x.shape[-1], 2.0)
    shares[0] = 1
    shares[-1] = 1 if n % 2 == 0 else 2
    by_frequency = ((of_x.conj() * of_d).real * shares / n).sum(0)
    return np.fft.irfft(of_d * p, n).astype(d.dtype), (by_frequency * np.ones(len(p))).astype(d.dtype)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_broadcast_along_a_column_alone_cannot_be_told(seed: int) -> None:
    x, p = RNG(seed).standard_normal((5, 6)), RNG(seed + 3).standard_normal(4)
    report = check_layer(Layer(filtered, filtered_back), p, x, rng=RNG(seed))
    assert not report.failures, str(report)
    assert {each.advice for each in report.undecided} == {"If this x is not meant, let forward refuse it"}
