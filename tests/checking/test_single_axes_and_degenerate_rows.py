"""Faults where one axis of a parameter alone has another length, where a norm has nothing to divide by, and like."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from attrs import frozen

from chainrule import Array, Encoder, Labels, Layer, Loss, check_layer, check_loss, own, read_only, record
from checking.planted import RNG, Planted, X, assert_found, squares, squares_back

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

SENTENCES = np.array([[1, 2, 3], [4, 5, 1], [2, 2, 5]])
SIGNALS = RNG(2).standard_normal((4, 2, 8))


def normed(factor: float, eps: float = 1e-5) -> Layer[Any, Any]:
    """Rows with mean 0 and variance 1, whose dx of a row of zeros is multiplied by a factor."""

    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        centred = x - x.mean(-1, keepdims=True)
        deviation: Array = np.sqrt((centred * centred).mean(-1, keepdims=True) + x.dtype.type(eps))
        out: Array = read_only(centred / deviation)
        return out, (own(out), own(deviation), own(~x.any(-1, keepdims=True)))

    def backward(cache: Any, d: Array) -> tuple[Array, Any]:
        out, deviation, of_zeros = cache
        dx: Array = (d - d.mean(-1, keepdims=True) - out * (d * out).mean(-1, keepdims=True)) / deviation
        return np.where(of_zeros, dx * d.dtype.type(factor), dx), ()

    return Layer(forward, backward)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0, -1.0])
def test_a_row_of_zeros_is_judged_where_a_norm_adds_little_to_its_variance(factor: float) -> None:
    assert_found(Planted(normed(factor), "other_values", "for x with a row of zeros: the last row is wrong"))


@pytest.mark.parametrize("eps", [1e-2, 1e-5, 1e-8])
@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_a_row_of_zeros_that_is_given_is_judged(factor: float, eps: float) -> None:
    x = X.copy()
    x[2] = 0
    report = check_layer(normed(factor, eps), (), x, rng=RNG(0), only=["derivative"])
    assert [each.note for each in report.failures] == ["row 2 is wrong, the others are right"] * (factor != 1), report
    assert not report.undecided


def maxout(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    """The largest of several products, whose dx is wrong for some parameters."""

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        z = np.einsum("ni,kio->nko", x, p)
        which = z.argmax(1)
        return np.take_along_axis(z, which[:, None], 1)[:, 0], (own(x), own(p), which)

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, p, which = cache
        dz = (np.arange(len(p))[:, None] == which[:, None]) * d[:, None]
        dx = np.einsum("nko,kio->ni", dz, p)
        return dx * d.dtype.type(1.5 if wrong(p) else 1), np.einsum("ni,nko->kio", x, dz)

    return Layer(forward, backward)


def filtered(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    """A correlation along the last axis of x (n, c, length) with weights (m, c, size), whose dx is wrong for some."""

    def windows(x: Array, size: int) -> Array:
        return np.lib.stride_tricks.sliding_window_view(x, size, axis=-1)

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        return np.einsum("nclk,mck->nml", windows(x, p.shape[-1]), p), (own(x), own(p))

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, p = cache
        size, dx = p.shape[-1], np.zeros_like(x)
        for k in range(size):
            dx[..., k : k + d.shape[-1]] += np.einsum("nml,mc->ncl", d, p[..., k])
        return dx * d.dtype.type(1.5 if wrong(p) else 1), np.einsum("nml,nclk->mck", d, windows(x, size))

    return Layer(forward, backward)


AXES = {
    "three pieces": Planted(
        maxout(lambda p: len(p) > 2),
        "other_sizes",
        "for parameters with 3 numbers along axis 0: ",
        RNG(1).standard_normal((6, 4)),
        RNG(0).standard_normal((2, 4, 3)),
    ),
    "one piece": Planted(
        maxout(lambda p: len(p) == 1),
        "other_sizes",
        "for parameters with 1 number along axis 0: ",
        RNG(1).standard_normal((6, 4)),
        RNG(0).standard_normal((2, 4, 3)),
    ),
    "a kernel of 5 where as many channels come out as it had places": Planted(
        filtered(lambda p: p.shape[-1] == 5),
        "other_sizes",
        "for parameters with 5 numbers along axis 2: ",
        SIGNALS,
        RNG(0).standard_normal((3, 2, 3)),
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_single_axes_of_parameters_have_other_lengths(name: str) -> None:
    assert_found(AXES[name])


@pytest.mark.parametrize("seed", range(2))
def test_right_ones_are_right_for_other_lengths_of_single_axes(seed: int) -> None:
    for layer, params, x in (
        (maxout(lambda p: False), AXES["one piece"].params, AXES["one piece"].x),
        (filtered(lambda p: False), RNG(0).standard_normal((3, 2, 3)), SIGNALS),
    ):
        report = check_layer(layer, params, x, rng=RNG(seed))
        assert report.ok, str(report)


@frozen(eq=False)
@record
class Square:
    """A matrix that refuses to be none."""

    W: Array

    def __attrs_post_init__(self) -> None:
        """Ask for as many rows as columns."""
        if self.W.shape[0] != self.W.shape[1]:
            raise ValueError(f"a square, please, and not {self.W.shape}")


def test_a_record_may_refuse_other_lengths() -> None:
    def backward(cache: Any, d: Array) -> tuple[Array, Square]:
        x, W = cache
        return d @ W.T, Square(x.T @ d)

    layer: Layer[Any, Any] = Layer(lambda p, x: (x @ p.W, (own(x), p.W)), backward)
    report = check_layer(layer, Square(RNG(1).standard_normal((5, 5))), X, rng=RNG(0), only=["other_sizes"])
    assert report.ok, str(report)


def test_a_matrix_without_numbers_stays_as_it_is() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        return x * p[0], (own(x), own(p[0]))

    def backward(cache: Any, d: Array) -> tuple[Array, Any]:
        x, factors = cache
        return d * factors, ((d * x).sum(0), np.zeros((0, 4), d.dtype))

    params = RNG(1).standard_normal(5), np.zeros((0, 4))
    report = check_layer(Layer(forward, backward), params, X, rng=RNG(0), only=["other_sizes"])
    assert report.ok, str(report)


def rows_of_table(taken: Callable[[Labels], Labels]) -> Encoder[Any, Any, Any]:
    """Rows of a table, whose gradient goes to the rows that are made of the tokens."""

    def grads(cache: tuple[tuple[int, ...], Labels], dout: Array) -> Array:
        shape, tokens = cache
        gradient = np.zeros(shape, dout.dtype)
        np.add.at(gradient, taken(tokens).reshape(-1), dout.reshape(-1, shape[1]))
        return gradient

    return Encoder(lambda table, tokens: (table[tokens], (table.shape, tokens.copy())), grads)


TABLE = RNG(3).standard_normal((7, 4))


Tokens: TypeAlias = Callable[[Labels], Labels]
TAKEN: dict[str, tuple[Tokens, int]] = {
    "at most ten rows": (lambda tokens: np.minimum(tokens, 9), 33),
    "tokens in int8": (lambda tokens: tokens.astype(np.int8), 129),
    "tokens in uint8": (lambda tokens: tokens.astype(np.uint8), 257),
}


@pytest.mark.parametrize("name", TAKEN)
def test_tokens_are_of_all_rows_of_a_longer_table(name: str) -> None:
    taken, rows = TAKEN[name]
    case = f"for parameters with {rows} numbers in place of 7: "
    assert_found(Planted(rows_of_table(taken), "other_sizes", case, SENTENCES, TABLE))


def test_tokens_that_have_to_stay_below_some_number_do() -> None:
    right = rows_of_table(lambda tokens: tokens)

    def forward(table: Array, tokens: Labels) -> tuple[Array, Any]:
        if (tokens > 6).any():
            raise ValueError("there are 7 words")
        return right.forward(table, tokens)

    report = check_layer(Encoder(forward, right.grads), TABLE, SENTENCES, rng=RNG(0))
    assert report.ok, str(report)


def test_memory_of_many_numbers_is_not_shared_either() -> None:
    layer: Layer[Any, Any] = Layer(lambda p, x: (x * x, x if x.size > 4096 else own(x)), squares_back)
    assert_found(Planted(layer, "ownership", "with 1025 rows the cache shares the memory of x"))


def test_zero_gradients_may_not_be_left_out() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        return x * p[0], (own(x), own(p[0]))

    def backward(cache: Any, d: Array) -> tuple[Array, Any]:
        x, factors = cache
        return d * factors, ((d * x).sum(0) if d.any() else None,)

    assert_found(
        Planted(
            Layer(forward, backward), "linearity", "for dout = 0 it is missing", params=(RNG(1).standard_normal(5),)
        )
    )


def test_a_bias_of_zeros_that_is_kept_by_identity_is_found() -> None:
    kept: dict[int, Array] = {}

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        return x + kept.setdefault(id(p), p.copy()), p

    layer: Layer[Any, Any] = Layer(forward, lambda p, d: (d.copy(), d.sum(0)))
    said = check_layer(layer, np.zeros(5), X, rng=RNG(0), only=["calls_in_between"]).failures
    assert said, "a parameter of zeros has other numbers the second time"


def test_an_encoder_that_refuses_float64_keeps_its_traits() -> None:
    def forward(table: Array, tokens: Labels) -> tuple[Array, Any]:
        if table.dtype == np.float64:
            raise TypeError("float32 alone")
        rows = table[tokens]
        return rows - rows.mean(0), (table.shape, tokens.copy())

    def grads(cache: Any, dout: Array) -> Array:
        shape, tokens = cache
        gradient = np.zeros(shape, dout.dtype)
        np.add.at(gradient, tokens, dout - dout.mean(0))
        return gradient

    encoder: Encoder[Any, Any, Any] = Encoder(forward, grads, couples_rows=True)
    report = check_layer(encoder, TABLE.astype(np.float32), np.array([1, 2, 3, 4, 1]), rng=RNG(0))
    assert not report.failures, str(report)


def test_targets_of_ones_are_tried_whatever_their_domain() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        gap = out - targets.astype(out.dtype)
        times = 2 if (targets == 1).all() else 1
        return np.asarray((gap * gap).mean(), out.dtype), (gap * (2 * times / gap.size)).astype(out.dtype)

    loss: Loss[Array, Array] = Loss(
        forward,
        lambda slopes, dloss: np.asarray(slopes * dloss, slopes.dtype),
        lambda out, targets: ((out - targets.astype(out.dtype)) ** 2).mean(-1),
    )
    report = check_loss(loss, X, RNG(4).standard_normal(X.shape), rng=RNG(0), only=["loss_targets"])
    assert any(each.note.startswith("for targets of ones: ") for each in report.failures), str(report)


def test_a_loss_needs_rows() -> None:
    loss: Loss[Array, Array] = Loss(squares_of_gaps, lambda c, d: c * d, lambda out, targets: (out - targets) ** 2)
    with pytest.raises(ValueError, match=r"^check_loss: out must have an axis of rows, got shape \(\): add one"):
        check_loss(loss, np.array(1.5), np.array(0.5), rng=RNG(0))


def squares_of_gaps(out: Array, targets: Array) -> tuple[Array, Array]:
    value, _ = squares((), out - targets)
    return value, 2 * (out - targets)
