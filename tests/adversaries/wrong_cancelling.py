"""Errors that cancel: in sums, along common directions, for common dout, or between two gradients."""

from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, altered, pulling, wrong
from adversaries.case import Adversary


def opposite(call: Call) -> None:
    """dx is too large by as much as the second result is too small."""
    call.results[0] = call.results[0] * (1 + 1e-5)
    call.results[1] = call.results[1] * (1 - 1e-5)


def moved(place: int, share: float) -> Fault:
    """The last entry of a result gets some of the first."""

    def change(call: Call) -> None:
        result: Any = np.array(call.results[place])
        flat = result.reshape(-1)
        part = share * flat[0]
        flat[0] -= part
        flat[-1] += part
        call.results[place] = result

    return altered(change)


def exchanged(place: int, first: Any, second: Any) -> Fault:
    """Two parts of a result are exchanged."""

    def change(call: Call) -> None:
        result: Any = np.array(call.results[place])
        kept = result[first].copy()
        result[first] = result[second]
        result[second] = kept
        call.results[place] = result

    return altered(change)


def alternating(call: Call) -> None:
    signs = np.ones_like(call.x)
    signs.reshape(-1)[1::2] = -1
    call.results[0] = call.results[0] + 1e-6 * signs * call.dout


def none_for_equal_rows(call: Call) -> None:
    call.results[0] = call.results[0] + 1e-6 * (call.dout - np.roll(call.dout, 1, axis=0))


def none_for_equal_columns(call: Call) -> None:
    call.results[0] = call.results[0] + 1e-6 * (call.dout - b.mean(call.dout))


def along_ones(call: Call) -> None:
    """A factor that a function that ignores shifts should never have."""
    call.results[0] = call.results[0] + 1e-6 * b.mean(call.dout)


def across_x(call: Call) -> None:
    """An error that is orthogonal to x in each row."""
    x, d = call.x, call.dout
    call.results[0] = call.results[0] + 1e-5 * (d - x * b.total(x * d) / b.total(x * x))


def along_x(call: Call) -> None:
    """A share of x, for a function that ignores x's length."""
    call.results[0] = call.results[0] + 1e-6 * call.x * b.mean(call.dout)


def between_gradients(call: Call) -> None:
    gamma, beta = call.results[1:]
    call.results[1:] = [gamma + 1e-6 * beta, beta - 1e-6 * gamma]


def rotated(call: Call) -> None:
    """The first two columns are turned by a small angle: the length is the same."""
    dx: Any = np.array(call.results[0])
    first, second = dx[:, 0].copy(), dx[:, 1].copy()
    dx[:, 0], dx[:, 1] = first * np.cos(1e-3) - second * np.sin(1e-3), first * np.sin(1e-3) + second * np.cos(1e-3)
    call.results[0] = dx


def same_sum_of_rows(call: Call) -> None:
    """A row's error is taken off the next one's."""
    error = 1e-5 * call.results[0]
    call.results[0] = call.results[0] + error - np.roll(error, 1, axis=0)


def mean_of_both(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """dW with half of its transpose, whose product with symmetric directions is right."""
    dW = x.T @ d
    return d @ W.T, (dW + dW.T) / 2


square_linear = Base(
    "square linear",
    "W",
    b.with_params(lambda rng: rng.standard_normal((4, 4)), 4),
    lambda W, x: x @ W,
    lambda W, x, d: (d @ W.T, x.T @ d),
)

ROWS: list[tuple[Base, str, Fault]] = [
    (b.affine, "dx 1e-5 too large and dW 1e-5 too small", altered(opposite)),
    (b.scale_shift, "dx 1e-5 too large and dgamma 1e-5 too small", altered(opposite)),
    (b.bias, "db, the last gets 1% of the first", moved(1, 0.01)),
    (b.linear, "dW, the last gets 1e-5 of the first", moved(1, 1e-5)),
    (b.convolution, "dk, the last gets 1e-5 of the first", moved(1, 1e-5)),
    (b.softmax, "dx, the last gets 1e-5 of the first", moved(0, 1e-5)),
    (b.linear, "dW, two entries exchanged", exchanged(1, (0, 0), (1, 1))),
    (b.affine, "dW, two rows exchanged", exchanged(1, 0, 1)),
    (b.affine, "db, two entries exchanged", exchanged(2, 0, 2)),
    (b.tanh, "dx, two rows exchanged", exchanged(0, 0, 1)),
    (b.gelu, "dx, two entries exchanged", exchanged(0, (2, 1), (2, 3))),
    (b.attention, "dx, two positions exchanged", exchanged(0, np.s_[:, 0], np.s_[:, 4])),
    (b.bilinear, "dW of the two outputs exchanged", exchanged(1, 0, 1)),
    (b.distance, "dc, two centres exchanged", exchanged(1, 0, 2)),
    (b.polynomial, "dc, two coefficients exchanged", exchanged(1, 1, 3)),
    (b.relu, "dx, 1e-6 of dout with alternating signs", altered(alternating)),
    (b.tanh, "dx, an error that vanishes for equal rows of dout", altered(none_for_equal_rows)),
    (b.sigmoid, "dx, an error that vanishes for dout of ones", altered(none_for_equal_columns)),
    (b.softmax, "dx, an error along ones", altered(along_ones)),
    (b.layer_norm, "dx, an error along ones", altered(along_ones)),
    (b.square, "dx, an error across x", altered(across_x)),
    (b.unit, "dx, an error along x", altered(along_x)),
    (b.rms_norm, "dx, an error along x", altered(along_x)),
    (b.layer_norm, "dgamma and dbeta turned by 1e-6", altered(between_gradients)),
    (b.scale_shift, "dgamma and dbeta turned by 1e-6", altered(between_gradients)),
    (b.silu, "dx, two columns turned", altered(rotated)),
    (b.affine, "dx, errors of rows that add up to 0", altered(same_sum_of_rows)),
    (square_linear, "dW is symmetric", pulling(mean_of_both)),
]


def cancelling() -> list[Adversary]:
    """Members whose errors cancel where one might look."""
    return [wrong("derivative", base, what, fault) for base, what, fault in ROWS]
