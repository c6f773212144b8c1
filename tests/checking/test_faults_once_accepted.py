"""Faults that the checks once accepted, and right layers that they once refused."""

import decimal
import gc
import logging
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Labels, Layer, Loss, check_layer, check_loss, own, read_only
from checking.planted import RNG, Planted, X, squares, squares_back

IMAGES = RNG(7).standard_normal((2, 3, 6, 2))


def tangent_but(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    """A tanh whose `dx` has a wrong factor in some places."""

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return (d * (1 - np.tanh(x) ** 2) * np.where(wrong(d), 0.5, 1.0)).astype(d.dtype), ()

    return Layer(lambda p, x: (np.tanh(x), own(x)), backward)


def in_a_tile(d: Array) -> Any:
    rows, columns = np.indices(d.shape)
    return (rows >= 32) & (columns >= 32)


def beyond_100_columns(x: Array) -> Any:
    return np.indices(x.shape)[-1] >= 100


def leaves_zeros_unwritten(x: Array, d: Array) -> tuple[Array, Any]:
    dx = np.empty_like(d)
    np.multiply(d, 2 * x, out=dx, where=x != 0)
    return dx, ()


def squares_but_in_float32(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares whose `dx` has a wrong factor in some places, in float32 alone."""

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        dx = 2 * x * d
        return np.where(wrong(x), 1.01 * dx, dx).astype(d.dtype) if d.dtype == np.float32 else dx, ()

    return Layer(squares, backward)


def softmax_by(largest: Callable[[Array], Array]) -> Layer[Any, Any]:
    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        e = np.exp(x - largest(x))
        y = read_only(e / e.sum(-1, keepdims=True))
        return y, y

    return Layer(forward, lambda y, d: (y * (d - (d * y).sum(-1, keepdims=True)), ()))


def sums_along_1(wrong: Callable[[tuple[int, ...]], bool]) -> Layer[Any, Any]:
    """Sums along axis 1, the last of which is lost for some shapes."""

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        dx = np.flip(np.cumsum(np.flip(d, 1), 1), 1).copy()
        dx[:, -1] *= d.dtype.type(not wrong(d.shape))
        return dx, ()

    return Layer(lambda p, x: (np.cumsum(x, 1), ()), backward)


def centred_rows(wrong: Callable[[int], bool]) -> Layer[Any, Any]:
    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        return d - (0 if wrong(len(d)) else d.mean(0)), ()

    return Layer(lambda p, x: (x - x.mean(0), ()), backward, couples_rows=True)


def two_groups() -> Layer[Any, Any]:
    """The means of two halves are taken off, of which backward counts an even number of columns."""

    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        if x.shape[-1] % 2:
            raise ValueError("an odd number of columns")
        halves = x.reshape(len(x), 2, -1)
        return (halves - halves.mean(-1, keepdims=True)).reshape(x.shape), ()

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        halves = d.reshape(len(d), 2, -1)
        count = halves.shape[-1] // 2 * 2 if halves.shape[-1] > 1 else 1
        return (halves - halves.sum(-1, keepdims=True) / count).reshape(d.shape).astype(d.dtype), ()

    return Layer(forward, backward)


def strided_filter(x: Array, w: Array) -> Array:
    if x.shape[1] < len(w):
        raise ValueError("fewer places than the kernel has")
    return np.lib.stride_tricks.sliding_window_view(x, len(w), 1)[:, ::2]


def filter_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Any]:
    x, w = c
    dx = np.zeros(x.shape, d.dtype)
    for j in range(d.shape[1]):
        dx[:, 2 * j : 2 * j + len(w)] += d[:, j : j + 1] * w
    if (x.shape[1] - len(w)) % 2:
        dx[:, 0] = 0
    return dx, np.einsum("nok,no->k", strided_filter(x, w), d)


def shifts_back(b: Array, d: Array) -> tuple[Array, Array]:
    return d.copy(), d.sum(0) if b.any() else 0 * b


def powers(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x**p, (own(x), own(p))


def powers_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    x, p = c
    dp = np.where(p == np.rint(p), 0, (d * x**p * np.log(x)).sum(0))
    return d * p * x ** (p - 1), dp.astype(d.dtype)


def biased_by_channel(p: Array, x: Array) -> tuple[Array, Any]:
    if x.shape[1] != len(p):
        raise ValueError("another number of channels")
    return x + p[:, None, None], ()


def of_channels_last(c: Any, d: Array) -> tuple[Array, Array]:
    db, steps = d.sum((0, 2, 3)), d.strides
    return d.copy(), db[::-1].copy() if steps[0] > steps[2] > steps[3] > steps[1] > 0 else db


def by_the_array() -> Layer[Any, Any]:
    kept: dict[str, Any] = {}

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        if kept.get("x") is not x:
            kept.update(x=x, y=np.tanh(x))
        return kept["y"].copy(), own(kept["y"].copy())

    return Layer(forward, lambda y, d: (d * (1 - y * y), ()))


def by_the_bytes() -> Layer[Any, Any]:
    kept: dict[bytes, Array] = {}

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return kept.setdefault(x.tobytes(), np.tanh(x)).copy(), own(np.tanh(x))

    return Layer(forward, lambda y, d: (d * (1 - y * y), ()))


def by_the_dout() -> Layer[Any, Any]:
    kept: dict[str, Any] = {}

    def grads(c: tuple[Array, Array], d: Array) -> Array:
        if kept.get("d") is not d:
            kept.update(d=d, g=(d * c[0]).sum(0))
        return np.array(kept["g"])

    return Layer(lambda p, x: (x * p, (own(x), own(p))), lambda c, d: (d * c[1], (d * c[0]).sum(0)), grads)


def meeting_in_a_buffer() -> Layer[Any, Any]:
    made: dict[Any, Array] = {}

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        buffer = made.setdefault((x.shape, x.dtype.str), np.empty(x.shape, x.dtype))
        for j in range(x.shape[1]):
            buffer[:, j] = np.tanh(x[:, j])
        return buffer.copy(), own(x)

    return Layer(forward, lambda x, d: (d * (1 - np.tanh(x) ** 2), ()))


def first(call: Callable[[], object]) -> Layer[Any, Any]:
    calls: list[object] = []

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        if not calls:
            calls.append(call())
        return squares(p, x)

    return Layer(forward, squares_back)


def doing(call: Callable[[Array], object]) -> Layer[Any, Any]:
    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        call(x)
        return squares(p, x)

    return Layer(forward, squares_back)


def seeds() -> None:
    np.random.seed(0)  # the fault


def draws_in_float16(x: Array) -> None:
    if x.dtype == np.float16:
        np.random.rand()  # the fault


BIAS, KERNEL, CHANNELS = (RNG(3).standard_normal(n) for n in (5, 3, 3))
PIXELS = RNG(7).standard_normal((2, 3, 4, 5))

PLANTED = {
    "entries of empty where x is 0": Planted(Layer(squares, leaves_zeros_unwritten), "all_written", "x with zeros"),
    "the largest number of all rows": Planted(softmax_by(np.max), "independent_rows", "a thousand times as large"),
    "a corner of the second tile": Planted(tangent_but(in_a_tile), "other_sizes", "x (33, 33)"),
    "halves of an odd width": Planted(two_groups(), "other_sizes", "for x (6, ", RNG(7).random((6, 8))),
    "thirty-two rows": Planted(centred_rows(lambda n: n % 32 == 0), "other_sizes", "x (32, 5)"),
    "eight steps": Planted(sums_along_1(lambda shape: shape[1] % 8 == 0), "other_sizes", "8, ", IMAGES),
    "two steps": Planted(sums_along_1(lambda shape: shape[1] == 2), "other_sizes", "2, ", IMAGES),
    "square images": Planted(sums_along_1(lambda shape: shape[1] == shape[2]), "other_sizes", "(2, 6, 6, 2)", IMAGES),
    "a place that no stride reaches": Planted(
        Layer(lambda p, x: (strided_filter(x, p) @ p, (own(x), own(p))), filter_back),
        "other_sizes",
        "for x (6, 6)",
        params=KERNEL,
    ),
    "large numbers of float32": Planted(
        squares_but_in_float32(lambda x: np.abs(x) > 8), "precision", "with numbers 10 times as large"
    ),
    "many columns of float32": Planted(squares_but_in_float32(beyond_100_columns), "precision", "with 129 columns"),
    "a bias of zeros": Planted(
        Layer(lambda p, x: (x + p, own(p)), shifts_back), "other_values", "for params of zeros", params=BIAS
    ),
    "whole exponents": Planted(
        Layer(powers, powers_back),
        "other_values",
        "for parameters of whole numbers",
        np.exp(X[:, :3]),
        np.array([0.5, 1.7, 2.3]),
    ),
    "a copy in Fortran's order": Planted(
        Layer(lambda p, x: (x * x, np.asfortranarray(x)), squares_back), "ownership", "shares the memory of x"
    ),
    "memory with channels last": Planted(
        Layer(biased_by_channel, of_channels_last), "any_layout", "a channels-last dout", PIXELS, CHANNELS
    ),
    "results of an array": Planted(by_the_array(), "calls_in_between", "is it kept by identity?"),
    "results of bytes": Planted(by_the_bytes(), "calls_in_between", "gives out of (6, 5), and not of (1, 6, 5)"),
    "gradients of a dout": Planted(by_the_dout(), "calls_in_between", "is it kept by identity?", params=BIAS),
    "a buffer for all threads": Planted(meeting_in_a_buffer(), "threads", "in several threads"),
    "a seed at the first call": Planted(first(seeds), "process_unchanged", "numpy.random"),
    "random numbers in float16": Planted(doing(draws_in_float16), "process_unchanged", "in another dtype"),
    "no garbage collection": Planted(doing(lambda x: gc.disable()), "process_unchanged", "the garbage collector"),
    "threads that wait": Planted(
        doing(lambda x: sys.setswitchinterval(1.0)), "process_unchanged", "the switch interval"
    ),
    "digits of decimals": Planted(
        doing(lambda x: setattr(decimal.getcontext(), "prec", 10)), "process_unchanged", "the context of decimal"
    ),
    "no log": Planted(doing(lambda x: logging.disable(50)), "process_unchanged", "the level of logging"),
    "calls of errors": Planted(doing(lambda x: np.seterrcall(print)), "process_unchanged", "numpy.geterrcall"),
}


@pytest.mark.usefixtures("without_lines_to_paste")
@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    planted = PLANTED[name]
    report = check_layer(planted.layer, planted.params, planted.x, rng=RNG(0))
    said = [f"{each.law}: {each.note}" for each in report.failures]
    assert any(each.startswith(planted.law) and planted.words in each for each in said), str(report)
    assert gc.isenabled()
    assert decimal.getcontext().prec == 28
    assert (sys.getswitchinterval(), np.geterrcall()) == (0.005, None)
    assert logging.getLogger().isEnabledFor(logging.CRITICAL)


def divides(x: Array) -> None:
    """Its context has the flags of an inexact division, in fewer digits for a while."""
    with decimal.localcontext() as context:
        context.prec = 10
        assert decimal.Decimal(1) / 3
    assert decimal.Decimal(2) / 3


def test_decimals_may_be_used() -> None:
    for seed in range(3):
        decimal.getcontext().clear_flags()
        assert check_layer(doing(divides), (), X, rng=RNG(seed), only=["process_unchanged", "structure"]).ok


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("the largest number of all rows", "large[0] *= -1000"),
        ("memory with channels last", "np.moveaxis(np.moveaxis(dout, 1, -1).copy(), -1, 1)"),
        ("results of an array", "same[...] = -2 * same - 0.125"),
        ("a copy in Fortran's order", "x[...] = -2 * x - 0.125"),
    ],
)
def test_lines_to_paste_show_it(name: str, line: str) -> None:
    planted = PLANTED[name]
    assert line in check_layer(planted.layer, planted.params, planted.x, rng=RNG(0)).example


def test_nan_at_a_kink_can_not_be_told() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return np.sqrt((x * x).sum(-1, keepdims=True)), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return d * x / np.sqrt((x * x).sum(-1, keepdims=True)), ()

    report = check_layer(Layer(forward, backward), (), X, rng=RNG(0))
    assert not report.failures
    assert [each.law for each in report.undecided] == ["other_values"]
    assert "it is nan at a kink of forward" in report.undecided[0].note


def test_rows_that_forward_takes_and_backward_does_not_are_not_left_out() -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        if len(x) == 129:
            raise ValueError("129 rows")
        return squares_back(x, d)

    report = check_layer(Layer(squares, backward), (), X, rng=RNG(0))
    notes = {each.law: each.note for each in report.undecided}
    assert "with 129 rows backward raises ValueError: 129 rows" in notes["independent_rows"], str(report)


def squared_error(o: Array, t: Array) -> tuple[Array, Array]:
    return np.asarray(((o - t) ** 2).mean(), o.dtype), (2 * (o - t) / o.size).astype(o.dtype)


def squared_errors(o: Array, t: Array) -> Array:
    return np.asarray(((o - t) ** 2).mean(-1))


def past_a_block(slopes: Array, dloss: Any) -> Array:
    slopes = slopes * dloss
    slopes[:, 64:] = 0
    return slopes


def of_several_classes(slopes: Array, dloss: Array | float) -> Array:
    return (slopes if slopes.shape[1] > 1 else slopes + 1) * dloss


def entropies(z: Array, y: Labels) -> Array:
    shifted = z - z.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(y)), y])


def entropy(z: Array, y: Labels) -> tuple[Array, Array]:
    slopes = np.exp(z - z.max(-1, keepdims=True))
    slopes /= slopes.sum(-1, keepdims=True)
    slopes[np.arange(len(y)), y] -= 1
    return np.asarray(entropies(z, y).mean(), z.dtype), (slopes / z.dtype.type(len(y))).astype(z.dtype)


def next_to_each(o: Array, t: Array) -> Array:
    others = np.where(np.eye(len(o), dtype=bool), -np.inf, o @ o.T)
    following = others[np.arange(len(o)), (np.arange(len(o)) + 1) % len(o)]
    return np.asarray(np.log(np.exp(others).sum(-1)) - following)


def of_its_next(o: Array, t: Array) -> tuple[Array, Array]:
    others = np.where(np.eye(len(o), dtype=bool), -np.inf, o @ o.T)
    slopes = np.exp(others) / np.exp(others).sum(-1, keepdims=True)
    slopes[np.arange(len(o)), (np.arange(len(o)) + 1) % len(o)] -= 1
    return np.asarray(next_to_each(o, t).mean(), o.dtype), ((slopes @ o + slopes.T @ o) / len(o)).astype(o.dtype)


def distance(o: Array, t: Array) -> tuple[Array, Array]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(o - t).mean(), o.dtype), ((o - t) / np.abs(o - t) / o.size).astype(o.dtype)


def times(slopes: Array, dloss: Array | float) -> Array:
    return slopes * dloss


@pytest.mark.parametrize(
    ("loss", "targets", "words"),
    [
        (Loss(squared_error, past_a_block, squared_errors), -X, "loss_targets: with 65 columns"),
        (Loss(entropy, of_several_classes, entropies), np.arange(6) % 5, "loss_targets: with 1 column"),
        (Loss(of_its_next, times, next_to_each), X, "mean_of_rows: rows depend on each other"),
        (
            Loss(distance, times, lambda o, t: np.abs(o - t).mean(-1)),
            -X,
            "loss_targets: where out is the targets: it is nan at a kink",
        ),
    ],
    ids=["past a block", "one class", "coupled rows", "nan at a kink"],
)
def test_a_fault_of_a_loss_is_found(loss: Loss[Any, Any], targets: Array, words: str) -> None:
    report = check_loss(loss, X, targets, rng=RNG(0))
    said = [f"{each.law}: {each.note}" for each in (*report.failures, *report.undecided)]
    assert any(each.startswith(words) for each in said), str(report)


class Named(dict[str, Array]):
    """Parameters that are fields as well, as many write them: what has no such key is a KeyError."""

    def __getattr__(self, name: str) -> Array:
        return self[name]


def test_a_function_may_close_over_anything() -> None:
    kept = Named(w=np.ones(5))

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return (kept.w * x * x).astype(x.dtype), own(x)

    report = check_layer(Layer(forward, squares_back), (), X, rng=RNG(0))
    assert report.ok, str(report)


erf = np.vectorize(math.erf, otypes=[float])


def gelu_back(x: Array, d: Array) -> tuple[Array, Any]:
    slope = 0.5 * (1 + erf(x / math.sqrt(2))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return (d * slope).astype(d.dtype), ()


def over_its_sum(p: Any, x: Array) -> tuple[Array, Array]:
    return x / np.maximum(np.abs(x).sum(1, keepdims=True), TINY), own(x)


def over_its_sum_back(x: Array, d: Array) -> tuple[Array, Any]:
    total = np.abs(x).sum(1, keepdims=True)
    inner = np.where(total > TINY, np.sign(x) * (d * x).sum(1, keepdims=True) / np.maximum(total, TINY) ** 2, 0)
    return (d / np.maximum(total, TINY) - inner).astype(d.dtype), ()


TINY = 1e-12
"""A guard against dividing by 0."""


def fifty_softplus_back(y: Array, d: Array) -> tuple[Array, Any]:
    return 50 * (d * (1 - np.exp(-y))), ()


RIGHT = {
    "the textbook's gelu": Layer(
        lambda p, x: ((0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(x.dtype), own(x)), gelu_back
    ),
    "shares of a sum that is guarded": Layer(over_its_sum, over_its_sum_back),
    "fifty times softplus": Layer(
        lambda p, x: (50 * np.logaddexp(x.dtype.type(0), x), own(np.logaddexp(x.dtype.type(0), x))), fifty_softplus_back
    ),
    "one softmax a row": softmax_by(lambda x: x.max(-1, keepdims=True)),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("seed", range(3))
def test_right_layers_are_not_called_wrong(name: str, seed: int) -> None:
    report = check_layer(RIGHT[name], (), X, rng=RNG(seed), only=["derivative", "other_values", "independent_rows"])
    assert report.ok, str(report)
