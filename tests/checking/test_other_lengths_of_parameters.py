"""Faults of parameters that have other lengths, and right layers whose lengths hang together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, laws, own
from checking.planted import RNG, X

Pair = tuple[Array, Array]


def product(back: Callable[[Array, Array, Array], Pair]) -> Layer[Any, Any]:
    """`x W`, with a backward for dx and dW."""

    def forward(W: Array, x: Array) -> tuple[Array, Pair]:
        return x @ W, (own(x), own(W))

    def backward(cache: Pair, d: Array) -> Pair:
        return back(*cache, d)

    return Layer(forward, backward)


def as_it_is(x: Array, W: Array, d: Array) -> Pair:
    return d @ W.T, x.T @ d


def first(n: int, d: Array, axis: int) -> Array:
    """`d`, and zeros beyond the first n numbers along an axis."""
    kept = d.copy()
    kept[(slice(n, None),) if axis == 0 else (..., slice(n, None))] = 0
    return kept


def inputs_beyond_64(x: Array, W: Array, d: Array) -> Pair:
    return d @ W.T, first(64, x.T @ d, 0)


def outputs_beyond_128(x: Array, W: Array, d: Array) -> Pair:
    return d @ W.T, first(128, x.T @ d, 1)


def dx_beyond_128(x: Array, W: Array, d: Array) -> Pair:
    return first(128, d @ W.T, 1), x.T @ d


def of_one_output(x: Array, W: Array, d: Array) -> Pair:
    return (d if d.shape[1] > 1 else d / 2) @ W.T, x.T @ d


def halves(wrong: int = 1 << 30) -> Layer[Any, Any]:
    """`(x W)_left * (x W)_right`, whose parameters have an even number of columns."""

    def forward(W: Array, x: Array) -> tuple[Array, Any]:
        if W.shape[1] % 2:
            raise ValueError("an even number of columns is halved")
        both = x @ W
        h = both.shape[1] // 2
        return both[:, :h] * both[:, h:], (own(x), own(W), own(both))

    def backward(cache: Any, d: Array) -> Pair:
        x, W, both = cache
        h = both.shape[1] // 2
        of_both = np.concatenate([d * both[:, h:], d * both[:, :h]], axis=1)
        return of_both @ W.T, x.T @ (of_both if h < wrong else first(wrong, of_both, 1))

    return Layer(forward, backward)


def gates(wrong: int = 1 << 30) -> Layer[Any, Any]:
    """`tanh(x W) U`, where W has twice the columns that U has rows: two gates, which are multiplied."""

    def forward(params: Pair, x: Array) -> tuple[Array, Any]:
        W, U = params
        if W.shape[1] != 2 * U.shape[0]:
            raise ValueError("two gates for each row of U")
        both = x @ W
        h = U.shape[0]
        hidden = both[:, :h] * both[:, h:]
        return hidden @ U, (own(x), own(W), own(U), own(both))

    def backward(cache: Any, d: Array) -> tuple[Array, Pair]:
        x, W, U, both = cache
        h = U.shape[0]
        of_hidden = d @ U.T
        of_both = np.concatenate([of_hidden * both[:, h:], of_hidden * both[:, :h]], axis=1)
        dU = (both[:, :h] * both[:, h:]).T @ d
        return of_both @ W.T, (x.T @ of_both, first(wrong, dU, 0))

    return Layer(forward, backward)


W = RNG(1).standard_normal((5, 4))
U = RNG(2).standard_normal((2, 3))

WRONG: dict[str, tuple[Layer[Any, Any], Any, str]] = {
    "inputs beyond 64": (product(inputs_beyond_64), W, "x (6, 65) and parameters with 65 numbers in place of 5"),
    "outputs beyond 128": (product(outputs_beyond_128), W, "x (6, 5) and parameters with 129 numbers in place of 4"),
    "dx beyond 128": (product(dx_beyond_128), W, "x (6, 129) and parameters with 129 numbers in place of 5"),
    "one output": (product(of_one_output), W, "x (6, 5) and parameters with 1 number in place of 4"),
    "halves beyond 32": (halves(32), W, "x (6, 5) and parameters with 64 numbers in place of 4"),
    "halves beyond 64": (halves(65), W, "x (6, 5) and parameters with 256 numbers in place of 4"),
    "gates beyond 64": (gates(64), (W, U), "x (6, 5) and parameters with 65 numbers in place of 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found(name: str) -> None:
    layer, params, words = WRONG[name]
    found = [each.note for each in laws.other_sizes(layer, params, X, RNG(0)) if each.wrong]
    assert any(note.startswith(f"for {words}: ") for note in found), found


def there_and_back(W: Array, x: Array) -> tuple[Array, Pair]:
    return x @ W @ W.T, (own(x), own(W))


def there_and_back_back(cache: Pair, d: Array) -> Pair:
    x, W = cache
    return d @ W @ W.T, x.T @ d @ W + d.T @ x @ W


def first_columns(W: Array, x: Array) -> tuple[Array, Pair]:
    """Forward takes any number of rows of W, of which it uses those that there are columns of x."""
    return x @ W[: x.shape[1]], (own(x), own(W))


def first_columns_back(cache: Pair, d: Array) -> Pair:
    x, W = cache
    return d @ W[: x.shape[1]].T, x.T @ d  # of the right shape for as many rows as columns alone


def square(W: Array, x: Array) -> tuple[Array, Pair]:
    return x @ W + W.sum(axis=0), (own(x), own(W))


def square_back(cache: Pair, d: Array) -> Pair:
    x, W = cache
    return d @ W.T, x.T @ d + d.sum(axis=0)


RIGHT: dict[str, tuple[Layer[Any, Any], Any]] = {
    "a product": (product(as_it_is), W),
    "a product with a column": (product(as_it_is), W[:, :1]),
    "a square": (Layer(square, square_back), RNG(3).standard_normal((5, 5))),
    "a matrix there and back": (Layer(there_and_back, there_and_back_back), W),
    "rows that are left over": (Layer(first_columns, first_columns_back), W),
    "halves": (halves(), W),
    "gates": (gates(), (W, U)),
    "a mask of zeros and ones": (product(as_it_is), (W > 0).astype(np.float64)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_is_accepted(name: str) -> None:
    assert [str(each) for each in laws.other_sizes(*RIGHT[name], X, RNG(0)) if not each.ok] == []


def test_one_number_that_is_only_broadcast_is_no_other_length() -> None:
    def forward(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return np.fft.irfft(np.fft.rfft(x) * w, n=x.shape[-1]), (own(w), own(x))

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        w, x = cache
        n, k = x.shape[-1], np.full(w.shape, 2.0)
        k[0] = 1.0
        if n % 2 == 0:
            k[-1] = 1.0
        dw = (k * (np.fft.rfft(dout) * np.fft.rfft(x).conj()).real / n).sum(0)
        return np.fft.irfft(np.fft.rfft(dout) * w, n=n), dw if w.size > 1 else dw.sum(keepdims=True)  # as torch does

    rng = np.random.default_rng(3)
    found = laws.other_sizes(Layer(forward, backward), rng.standard_normal(4), rng.standard_normal((3, 6)), rng)
    assert [each for each in found if each.wrong] == []
