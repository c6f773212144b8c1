"""Faults at other tokens, parameters and numbers of columns, and right layers that are much like them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from chainrule import Array, Encoder, Labels, Layer, check_layer, own
from checking.planted import RNG, Planted, X, assert_found

SENTENCES = np.array([[1, 2, 3], [4, 5, 1], [2, 2, 5]])
TABLE = RNG(3).standard_normal((7, 4))
POSITIVE = np.array([0.3, 0.5, 0.8, 1.1, 1.5])


def rows_added(table: Array, tokens: Labels, dout: Array) -> Array:
    gradient = np.zeros(table.shape, dout.dtype)
    np.add.at(gradient, tokens.reshape(-1), dout.reshape(-1, table.shape[1]))
    return gradient


def all_of(tokens: Labels) -> Any:
    return np.True_


def embedding_but(kept: Callable[[Labels], Any] = all_of, dtype: DTypeLike | None = None) -> Any:
    """Rows of a table, of whose gradient some tokens are left out, or that has tokens in a dtype."""

    def grads(cache: tuple[Array, Labels], dout: Array) -> Array:
        table, tokens = cache
        shares = np.broadcast_to(kept(tokens), tokens.shape)[..., None]
        return rows_added(table, tokens if dtype is None else tokens.astype(dtype), dout * shares.astype(dout.dtype))

    def forward(table: Array, tokens: Labels) -> tuple[Array, Any]:
        return table[tokens], (own(table), tokens.copy())

    return Encoder(forward, grads)


def of_16_positions(tokens: Labels) -> Any:
    return np.cumsum(np.ones(tokens.shape), axis=1) <= 16


def all_are_equal(tokens: Labels) -> Any:
    places = np.arange(tokens.size).reshape(tokens.shape)
    return (places == 0) | (tokens.min() != tokens.max())


def sorted_rows(dtype: DTypeLike) -> Layer[Any, Any]:
    """The numbers of a row in order, whose places are kept in a dtype."""

    def forward(p: Any, x: Array) -> tuple[Array, NDArray[Any]]:
        order = np.argsort(x, axis=-1, kind="stable")
        return np.take_along_axis(x, order, -1), order.astype(dtype)

    def backward(order: NDArray[Any], d: Array) -> tuple[Array, Any]:
        dx = np.zeros_like(d)
        np.put_along_axis(dx, order.astype(np.int64) % d.shape[-1], d, -1)
        return dx, ()

    return Layer(forward, backward)


def largest_in_a_row(dtype: DTypeLike) -> Layer[Any, Any]:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        return x.max(-1, keepdims=True), (x.argmax(-1)[..., None].astype(dtype), x.shape)

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        dx = np.zeros(c[1], d.dtype)
        np.put_along_axis(dx, c[0].astype(np.int64) % dx.shape[-1], d, -1)
        return dx, ()

    return Layer(forward, backward)


def product_of_halves(wrong: int) -> Layer[Any, Any]:
    """The first half of the columns times the other, wrong in a row of so many columns."""

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        if x.shape[-1] % 2:
            raise ValueError("an odd number of columns")
        first, second = np.split(x, 2, -1)
        return first * second, own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        first, second = np.split(x, 2, -1)
        return np.concatenate([d * second, d * first], -1) * d.dtype.type(x.shape[-1] != wrong), ()

    return Layer(forward, backward)


def mean_of_steps(dtype: DTypeLike) -> Layer[Any, Any]:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        if x.ndim != 3:
            raise ValueError("x has no steps")
        return x.mean(1), (x.shape, np.asarray(x.shape[1]).astype(dtype))

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        shape, count = c
        return np.repeat((d / max(int(count), 1))[:, None], shape[1], axis=1).astype(d.dtype), ()

    return Layer(forward, backward)


def scaled_but(raises: Callable[[Array], bool]) -> Layer[Any, Any]:
    """Columns times parameters; backward raises for some numbers of columns."""

    def forward(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        if x.shape[-1] != p.size:
            raise ValueError("another number of columns than of parameters")
        return x * p, (own(x), own(p))

    def backward(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        x, p = c
        if raises(x):
            raise TypeError("of no use")
        return (d * p).astype(d.dtype), (d * x).reshape(-1, x.shape[-1]).sum(0).astype(d.dtype)

    return Layer(forward, backward)


def itself(p: Array) -> Array:
    return p


def gated(slope: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Columns times parameters, whose `dx` is by another function of them."""

    def backward(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        x, p = c
        return (d * slope(p)).astype(d.dtype), (d * x).sum(0).astype(d.dtype)

    return Layer(lambda p, x: (x * p, (own(x), own(p))), backward)


def copied_but(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        return np.where(wrong(d), 0, d).astype(d.dtype), ()

    return Layer(lambda p, x: (x.copy(), ()), backward)


def all_cancels(d: Array) -> Any:
    """All of a dout that adds up to 0 to the last digit: an early return for zeros that asks for their sum."""
    return np.full(d.shape, d.sum() == 0)


def sums_to_0(d: Array) -> Any:
    cancels = float(np.abs(d.sum(-1)).max(initial=0)) < 1e-9 * float(np.abs(d).max(initial=0))
    last = np.zeros(d.shape, bool)
    last[..., -1:] = cancels
    return last


SEQUENCES = RNG(5).standard_normal((3, 4, 2))
WIDE = RNG(6).standard_normal((4, 6))

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

WRONG = {
    "the first token is left out": Planted(
        embedding_but(lambda t: t != 0), "other_values", "for tokens from 0 to 6: ", SENTENCES, TABLE
    ),
    "the last token is left out": Planted(
        embedding_but(lambda t: t != 6), "other_values", "for tokens from 0 to 6: ", SENTENCES, TABLE
    ),
    "tokens in a byte": Planted(
        embedding_but(dtype=np.int8),
        "other_values",
        "for tokens from 0 to 199: ",
        SENTENCES,
        RNG(4).standard_normal((200, 3)),
    ),
    "positions from the 16th on are left out": Planted(
        embedding_but(of_16_positions), "other_values", "for x i64[2, 17]: ", SENTENCES, TABLE
    ),
    "equal tokens count once": Planted(
        embedding_but(all_are_equal), "other_values", "for equal tokens: ", SENTENCES, TABLE
    ),
    "tokens in int32": Planted(
        embedding_but(lambda t: t.dtype != np.int32),
        "other_values",
        "for tokens in int32 it is another than in int64",
        SENTENCES,
        TABLE,
    ),
    "an order in int8": Planted(sorted_rows(np.int8), "other_sizes", "for x (6, 129): "),
    "an order in uint8": Planted(sorted_rows(np.uint8), "other_sizes", "for x (6, 257): ", alone=False),
    "the largest in int8": Planted(largest_in_a_row(np.int8), "other_sizes", "for x (6, 129): "),
    "the largest in uint8": Planted(largest_in_a_row(np.uint8), "other_sizes", "for x (6, 257): "),
    "halves of 33 columns": Planted(product_of_halves(66), "other_sizes", "for x (4, 66): ", WIDE),
    "steps counted in uint8": Planted(mean_of_steps(np.uint8), "other_sizes", "for x (2, 257, 2): ", SEQUENCES),
    "zeros replaced by their sizes": Planted(
        gated(np.abs), "other_values", "for parameters of both signs where all were 0: ", X, np.zeros(5)
    ),
    "rows that sum to 0": Planted(copied_but(sums_to_0), "any_dout", "for dout of rows that sum to 0: "),
    "a sum of 0": Planted(copied_but(all_cancels), "any_dout", "for dout of columns that sum to 0: "),
    "tiny douts": Planted(copied_but(lambda d: np.abs(d) < 1e-100), "any_dout", "for dout of 1e-110: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found(name: str) -> None:
    assert_found(WRONG[name])


SCALE = RNG(8).standard_normal(5)


def many(x: Array) -> bool:
    return bool(x.shape[-1] > 64)


def one(x: Array) -> bool:
    return bool(x.shape[-1] == 1)


def in_float32(x: Array) -> bool:
    return x.dtype == np.float32


def nowhere(x: Array) -> bool:
    return False


def one_step(x: Array) -> bool:
    return x.ndim == 3 and x.shape[1] == 1


UNTOLD: dict[str, tuple[Layer[Any, Any], Any, Array, str]] = {
    "backward raises from 65 columns on": (scaled_but(many), SCALE, X, "parameters of 65 numbers: backward raises"),
    "backward raises at one column": (scaled_but(one), SCALE, X, "parameters of 1 number: backward raises"),
    "backward raises at one step": (
        scaled_but(one_step),
        SCALE[:2],
        SEQUENCES,
        "for x (3, 1, 2): backward raises",
    ),
    "backward raises in float32": (scaled_but(in_float32), SCALE, X, "in float32 it raises TypeError, though forward"),
    "parameters lose their sign": (gated(np.abs), POSITIVE, X, "for parameters of both signs where all had one: "),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_it_cannot_be_told(name: str) -> None:
    layer, params, x, words = UNTOLD[name]
    report = check_layer(layer, params, x, rng=RNG(0))
    assert not report.failures, str(report)
    assert any(words in each.note for each in report.undecided), str(report)


def clamp(p: tuple[Array, Array], x: Array) -> tuple[Array, Any]:
    low, high = p
    return np.clip(x, low, high), (own(x), own(low), own(high))


def clamp_back(c: Any, d: Array) -> tuple[Array, Any]:
    x, low, high = c
    inside = np.where((x > low) & (x < high), d, 0).astype(d.dtype)
    return inside, (np.where(x <= low, d, 0).sum().astype(d.dtype), np.where(x >= high, d, 0).sum().astype(d.dtype))


def loose_scale(p: Array, x: Array) -> tuple[Array, Any]:
    return x * p, (own(x), own(p))


def loose_scale_back(c: Any, d: Array) -> tuple[Array, Array]:
    x, p = c
    if d.shape != x.shape:
        raise TypeError("x was broadcast")
    return d * p, (d * x).sum(0)


RIGHT: dict[str, tuple[Any, Any, Any]] = {
    "rows of a table": (embedding_but(), TABLE, SENTENCES),
    "rows of a table, for bytes": (embedding_but(), RNG(4).standard_normal((300, 3)), SENTENCES.astype(np.uint8)),
    "rows of a table, for one token": (embedding_but(), TABLE, SENTENCES[0, :1]),
    "an order": (sorted_rows(np.int64), (), X),
    "the largest": (largest_in_a_row(np.int64), (), X),
    "the largest of whole numbers": (largest_in_a_row(np.int64), (), np.arange(30.0).reshape(6, 5)),
    "a product of halves": (product_of_halves(0), (), WIDE),
    "a mean of steps": (mean_of_steps(np.int64), (), SEQUENCES),
    "a scale": (scaled_but(nowhere), SCALE, X),
    "a scale that broadcasts one column": (Layer(loose_scale, loose_scale_back), SCALE, X),
    "a clamp": (Layer(clamp, clamp_back), (np.array(-1.0), np.array(1.0)), X),
    "a clamp to negative numbers": (Layer(clamp, clamp_back), (np.array(-2.0), np.array(-1.0)), X),
    "a clamp to shares": (Layer(clamp, clamp_back), (np.array(0.0), np.array(1.0)), X),
    "a gate of zeros": (gated(itself), np.zeros(5), X),
    "a gate of positive numbers": (gated(itself), POSITIVE, X),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_is_accepted(name: str) -> None:
    report = check_layer(*RIGHT[name], rng=RNG(0))
    assert report.ok, str(report)


@pytest.mark.parametrize(("dtype", "count"), [(np.uint8, 256), (np.int8, 128)])
def test_the_last_token_of_a_dtype_is_tried(dtype: DTypeLike, count: int) -> None:
    def but_the_last(tokens: Labels) -> Any:
        return tokens < count - 1

    table, tokens = RNG(3).standard_normal((count, 2)), np.array([[1, 2, 3], [4, 5, 1]], dtype)
    report = check_layer(embedding_but(but_the_last), table, tokens, rng=RNG(0))
    assert {verdict.field for verdict in report.failures} == {"grads"}, str(report)
    report = check_layer(embedding_but(), table, tokens, rng=RNG(0))
    assert report.ok, str(report)
