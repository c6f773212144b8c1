"""Memory, state and rows that are wrong in other calls alone; and forms that are right there."""

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Encoder, Labels, Layer, Loss, check_layer, check_loss, own, read_only
from checking.planted import RNG, Planted, X, assert_found, squares, squares_back

SCALE = RNG(9).standard_normal(5)

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def squares_but(backward: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    return Layer(squares, lambda x, d: (backward(x, d), ()))


def squares_that(act: Callable[[], Any], when: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares that do something for some x."""

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        if when(x):
            act()
        return squares(p, x)

    return Layer(forward, squares_back)


def one_buffer(when: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares whose dx is in the same memory for each dout of some kind."""
    kept: dict[Any, Array] = {}

    def backward(x: Array, d: Array) -> Array:
        if not when(d):
            return 2 * x * d
        made = kept.setdefault((d.shape, d.dtype), np.empty(d.shape, d.dtype))
        made[...] = 2 * x * d
        return made

    return squares_but(backward)


def last_of(kind: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares whose dx is another after a forward of some kind of x, but for that one."""
    last = [False]

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        last[0] = bool(kind(x))
        return squares(p, x)

    return Layer(forward, lambda x, d: (2 * x * d * (3 if last[0] and not kind(x) else 1), ()))


def kept_in(x: Array) -> tuple[Array, Array]:
    """A tangent, and a cache in the same memory if x is negative."""
    out = np.tanh(x)
    return out, out if (x < 0).all() else read_only(out.copy())


def coupled(p: Any, x: Array) -> tuple[Array, Array]:
    return x * x + (x.mean(0) if (x < 0).all() else 0), own(x)


def coupled_back(x: Array, d: Array) -> tuple[Array, Any]:
    return 2 * x * d + (d.mean(0) if (x < 0).all() else 0), ()


def narrowed(x: Array, d: Array) -> tuple[Array, Any]:
    dx = squares_back(x, d)
    if d.dtype == np.float16 and d.flags.writeable:
        d[...] = 0
    return dx


def locked(x: Array, d: Array) -> tuple[Array, Any]:
    dx = squares_back(x, d)
    if not d.any():
        d.flags.writeable = False
    return dx


FOUND = {
    "the sign of the last x": Planted(
        last_of(lambda x: (x < 0).all()), "other_calls", "in float64, for x of negative numbers: after this call"
    ),
    "a last x that was whole": Planted(
        last_of(lambda x: (x == np.round(x)).all() and x.any()),
        "other_calls",
        "in float64, for x of whole numbers: after this call",
    ),
    "a last x with 65 columns": Planted(
        last_of(lambda x: x.shape[1] > 64), "other_calls", "in float64, for x with 65 columns: after this call"
    ),
    "out as the cache": Planted(
        Layer(lambda p, x: kept_in(x), lambda t, d: (d * (1 - t * t), ())),
        "other_calls",
        "in float64, for x of negative numbers: it is writable, and shares memory with the cache",
    ),
    "one buffer for a Fortran-ordered dout": Planted(
        one_buffer(lambda d: d.flags.f_contiguous and not d.flags.c_contiguous and d.flags.writeable),
        "other_calls",
        "in float64, for a Fortran-ordered dout: it is writable, and shares memory with those of another call",
    ),
    "one buffer for a broadcast dout": Planted(
        one_buffer(lambda d: d.size > 1 and not any(d.strides)),
        "other_calls",
        "in float64, for a broadcast dout: it is writable, and shares memory with those of another call",
    ),
    "x as out, for a scale of ones": Planted(
        Layer(
            lambda s, x: (x if (s == 1).all() else x * s, (own(x), own(s))), lambda c, d: (d * c[1], (d * c[0]).sum(0))
        ),
        "other_calls",
        "in float64, for params of ones: it is writable, and shares memory with x",
        params=SCALE,
    ),
    "a dout of float16 is written to": Planted(
        Layer(squares, narrowed), "other_calls", "in float16: the call wrote to it"
    ),
    "a dout of zeros is locked": Planted(
        Layer(squares, locked), "other_calls", "in float64, for a dout of zeros: the call made it read-only"
    ),
    "grads of a dout of zeros are wide": Planted(
        Layer(
            lambda s, x: (x * s, (own(x), own(s))),
            lambda c, d: (d * c[1], (d * c[0]).sum(0)),
            lambda c, d: (d * c[0]).sum(0) if d.any() else np.zeros(c[1].shape),
        ),
        "other_calls",
        "in float32, for a dout of zeros: it comes as float64",
        params=SCALE,
    ),
    "floating-point errors at zeros": Planted(
        squares_that(lambda: np.seterr(divide="ignore"), lambda x: not x.any()),
        "other_calls",
        "in float64, for x of zeros: a call changes numpy.geterr",
    ),
    "warnings in float32": Planted(
        squares_that(lambda: warnings.simplefilter("error"), lambda x: x.dtype == np.float32 and len(x) > 64),
        "other_calls",
        "in float32, for x with 300 rows: a call changes the filters of warnings",
    ),
    "the environment beyond 64 rows": Planted(
        squares_that(lambda: os.environ.update(SQUARES="many"), lambda x: len(x) > 64),
        "other_calls",
        "in float64, for x with 300 rows: a call changes the environment",
    ),
    "negative rows share a mean": Planted(
        Layer(coupled, coupled_back), "other_calls", "in float64, for x of negative numbers: the first row"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    assert_found(FOUND[name])


def test_what_a_call_changes_is_put_back() -> None:
    assert_found(FOUND["the environment beyond 64 rows"])
    assert "SQUARES" not in os.environ


# What is right


def log_cosh(p: Any, x: Array) -> tuple[Array, Array]:
    size = np.abs(x)
    return (size + np.log1p(np.exp(-2 * size)) - np.log(2)).astype(x.dtype), own(x)


def softmax(x: Array) -> Array:
    shares = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def beside_a_target(p: Any, x: Array) -> tuple[Array, Array]:
    s = read_only(softmax(x))
    return s - x.dtype.type(0.9) * np.eye(x.shape[-1], dtype=x.dtype)[0] - x.dtype.type(0.1) / x.shape[-1], s


def shares_back(s: Array, d: Array) -> tuple[Array, Any]:
    return s * (d - (s * d).sum(-1, keepdims=True)), ()


def logarithms(p: Any, x: Array) -> tuple[Array, Array]:
    if (x.astype(np.float64) <= 0).any():
        raise ValueError("positive numbers only")
    return np.log(x), own(x)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Layer(log_cosh, lambda x, d: (d * np.tanh(x), ())), X),
        (
            Layer(
                lambda p, x: (np.sqrt(x * x + x.dtype.type(0.2)) - np.sqrt(x.dtype.type(0.2)), own(x)),
                lambda x, d: (d * x / np.sqrt(x * x + x.dtype.type(0.2)), ()),
            ),
            X,
        ),
        (Layer(beside_a_target, shares_back), X),
        (Layer(logarithms, lambda x, d: (d / x, ())), np.abs(X) + 0.1),
    ],
    ids=["log cosh", "a smooth size", "shares beside a smoothed target", "a domain that is asked for in float64"],
)
def test_numbers_that_cancel_are_not_wrong_and_no_warning_is_raised(
    layer: Layer[Any, Any], x: Array, seed: int
) -> None:
    report = check_layer(layer, (), x, rng=RNG(seed))
    assert report.ok, str(report)


def smoothed(out: Array, labels: Labels) -> Array:
    logs = out - out.max(-1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(-1, keepdims=True))
    return np.asarray(-0.9 * np.take_along_axis(logs, labels[:, None], -1)[:, 0] - 0.1 * logs.mean(-1))


def smoothed_forward(out: Array, labels: Labels) -> tuple[Array, Array]:
    k = out.shape[-1]
    slopes = softmax(out) - 0.9 * np.eye(k, dtype=out.dtype)[labels] - 0.1 / k
    return np.asarray(smoothed(out, labels).mean(), out.dtype), (slopes / len(out)).astype(out.dtype)


@pytest.mark.parametrize("seed", range(3))
def test_a_cross_entropy_with_smoothed_labels_is_right(seed: int) -> None:
    loss: Loss[Labels, Array] = Loss(smoothed_forward, lambda c, dloss: np.asarray(c * dloss, c.dtype), smoothed)
    out, labels = RNG(2).standard_normal((7, 4)), RNG(3).integers(0, 4, 7)
    report = check_loss(loss, out, labels, rng=RNG(seed))
    assert report.ok, str(report)


def gathered(table: Array, x: tuple[Labels, Array]) -> tuple[Array, Any]:
    tokens, weights = x
    return table[tokens] * weights[:, None].astype(table.dtype), (tokens.copy(), weights.copy(), table.shape)


def gathered_grads(c: Any, d: Array) -> Array:
    tokens, weights, shape = c
    table = np.zeros(shape, d.dtype)
    np.add.at(table, tokens, d * weights[:, None].astype(d.dtype))
    return table


def test_an_encoder_may_take_a_tuple() -> None:
    encoder: Encoder[Any, Any, Any] = Encoder(gathered, gathered_grads)
    x = (RNG(4).integers(0, 5, 8), RNG(5).standard_normal(8))
    report = check_layer(encoder, RNG(6).standard_normal((5, 3)), x, rng=RNG(0))
    assert report.ok, str(report)


def test_beside_a_row_of_zeros_another_row_may_be_wrong() -> None:
    def backward(x: Array, d: Array) -> Array:
        dx = 3 * d * (1 + x) ** 2
        if x.dtype == np.float32 and not x.any(axis=-1).all() and x.any():
            dx[0] *= 2
        return dx

    layer: Layer[Any, Any] = Layer(lambda p, x: ((1 + x) ** 3, own(x)), lambda x, d: (backward(x, d), ()))
    (first, *_) = check_layer(layer, (), X, rng=RNG(0), only=["other_calls"]).failures
    assert first.field == "dx"
    assert "with a row of zeros" in first.note


def test_an_eps_of_the_dtype_is_no_fault_at_zeros() -> None:
    """As torch's RMSNorm has it, whose derivative at 0 is 1 / sqrt(eps)."""

    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.finfo(x.dtype).eps)
        return x * scale, (own(x), scale)

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        x, scale = c
        return scale * (d - x * scale * scale * np.mean(d * x, axis=-1, keepdims=True)), ()

    report = check_layer(Layer(forward, backward), (), np.random.default_rng(0).standard_normal((6, 5)), rng=RNG(0))
    assert report.ok, str(report)
