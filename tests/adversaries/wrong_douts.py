"""Layers that are wrong for some dout: zeros, ones, one-hot, strided, tiny, huge, nan."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, altered, fed, layer_of, off, pulling, wrong
from adversaries.case import Adversary


def when_dout(test: Callable[[Any], Any], name: str = "dx", factor: float = 2) -> Fault:
    """A result is multiplied where dout is of some kind."""
    return off(name, ..., factor, lambda call: test(call.dout))


def by_memory(d: Any) -> Any:
    """All that a kernel reads that takes each array for contiguous: the numbers as they lie."""
    return d.ravel(order="K").reshape(d.shape)


def from_its_start(d: Any) -> Any:
    """The same for strided memory, as far as it goes: the numbers that follow each other from the first one on."""
    if d.size == 0 or 0 in d.strides or min(d.strides) < 0:
        return d
    last = sum((side - 1) * step for side, step in zip(d.shape, d.strides, strict=True))
    if d.itemsize * (d.size - 1) > last:
        return by_memory(d)
    return as_strided(d, (d.size,), (d.itemsize,)).reshape(d.shape).copy()


def first_of_broadcast(d: Any) -> Any:
    """A broadcast axis is taken to have one entry: the others get nothing."""
    return d.copy() if 0 not in d.strides else first_alone(d)


def first_alone(d: Any) -> Any:
    kept = np.zeros_like(d)
    at = tuple(slice(0, 1) if step == 0 else slice(None) for step in d.strides)
    kept[at] = d[at]
    return kept


def unmoved(constant: float) -> Fault:
    """Something is added that does not go with dout."""

    def change(call: Call) -> None:
        call.results[0] = call.results[0] + constant

    return altered(change)


def row_by_row(test: Callable[[Any], Any], factor: float = 0) -> Fault:
    """dx is multiplied in rows whose dout is of some kind."""

    def fault(base: Base) -> Any:
        def pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
            dx, grads = base.pull(p, x, d)
            dx[[bool(test(row)) for row in d]] *= factor
            return dx, grads

        return layer_of(base.but(pull=pull))

    return fault


def clipped_by_norm(d: Any) -> Any:
    return d / max(1.0, np.sqrt((d * d).sum()) / 10)


def is_one_hot(d: Any) -> Any:
    return np.count_nonzero(d) == 1


def equal_rows(d: Any) -> Any:
    return len(d) > 1 and (d == d[:1]).all()


def zero(d: Any) -> Any:
    return not d.any()


def integral(d: Any) -> Any:
    return d.any() and (d == b.to_whole(d)).all()


def contiguous(d: Any) -> Any:
    return d.flags.c_contiguous


def aligned(d: Any) -> Any:
    return d.flags.aligned


def without_nan(d: Any) -> Any:
    return np.nan_to_num(d, nan=0.0, posinf=np.inf, neginf=-np.inf)


def without_inf(d: Any) -> Any:
    return np.nan_to_num(d, nan=np.nan, posinf=1e30, neginf=-1e30).astype(d.dtype)


def rank_one(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """A dW that is right for dout of equal rows alone."""
    return d @ W.T, np.outer(x.sum(axis=0), d.mean(axis=0))


def mean_dout(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return np.broadcast_to(d.mean(axis=0), d.shape) @ W.T, x.T @ d


def spread(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """One row's nan reaches all others by a mask that multiplies."""
    return b.tanh.pull(p, x, d)[0] + 0 * d.sum(), ()


def gamma_without_nan(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d * p[0], (np.nansum(d * x, axis=0), d.sum(axis=0))


def writing(d: Any) -> Any:
    d[...] = d
    return d


ROWS: list[tuple[Base, str, Fault]] = [
    (b.affine, "dout of ones is taken for granted", fed(np.ones_like)),
    (b.tanh, "the sign of dout alone", fed(np.sign)),
    (b.softmax, "|dout|", fed(np.abs)),
    (b.affine, "negative dout is cut off", fed(lambda d: np.maximum(d, 0))),
    (b.affine, "dout clipped to 1", fed(lambda d: np.clip(d, -1, 1))),
    (b.affine, "dout clipped to 100", fed(lambda d: np.clip(d, -100, 100))),
    (b.affine, "dout clipped to 1e6", fed(lambda d: np.clip(d, -1e6, 1e6).astype(d.dtype))),
    (b.linear, "dout clipped to a norm of 10", fed(clipped_by_norm)),
    (b.affine, "dout below 1e-8 dropped", fed(lambda d: b.where(np.abs(d) < 1e-8, 0, d).astype(d.dtype))),
    (b.tanh, "dout below 1e-4 dropped", fed(lambda d: b.where(np.abs(d) < 1e-4, 0, d).astype(d.dtype))),
    (b.relu, "dout rounded to whole numbers", fed(b.to_whole)),
    (b.sigmoid, "dout in fixed point of 1e-6", fed(lambda d: b.to_whole(d, 6))),
    (b.affine, "1e-8 is added", unmoved(1e-8)),
    (b.relu, "noise of 1e-12 is added", unmoved(1e-12)),
    (b.tanh, "1e-300 is added", unmoved(1e-300)),
    (b.gelu, "nan becomes 0", fed(without_nan)),
    (b.affine, "nan becomes 0", fed(without_nan)),
    (b.layer_norm, "nan becomes 0", fed(without_nan)),
    (b.affine, "infinity becomes 1e30", fed(without_inf)),
    (b.sigmoid, "infinity becomes 1e30", fed(without_inf)),
    (b.scale_shift, "nan becomes 0 in dgamma", pulling(gamma_without_nan)),
    (b.tanh, "a row of nan spreads to all rows", pulling(spread)),
    (b.affine, "dx, rows of zeros get nan", row_by_row(zero, np.nan)),
    (b.softmax, "dout normalised to a largest of 1, nan for zeros", pulling(lambda p, x, d: renormalised(x, d))),
    (b.affine, "dx, doubled for one-hot dout", when_dout(is_one_hot)),
    (b.softmax, "dx, by 1e-6 for one-hot dout", when_dout(is_one_hot, factor=1 + 1e-6)),
    (b.affine, "dW, doubled for equal rows of dout", when_dout(equal_rows, "dW")),
    (b.linear, "dW as if all rows of dout were equal", pulling(rank_one)),
    (b.linear, "dx of the mean of dout", pulling(mean_dout)),
    (b.bias, "db, doubled for ones", when_dout(lambda d: (d == 1).all(), "db")),
    (b.scale_shift, "dgamma, by 1% for whole numbers", when_dout(integral, "dgamma", 1.01)),
    (b.affine, "dx, the sign for negative dout", when_dout(lambda d: (d < 0).all(), factor=-1)),
    (b.affine, "dW, 0 for mostly zeros", when_dout(lambda d: d.any() and (d == 0).mean() > 0.5, "dW", 0)),
    (b.tanh, "dx, 0 in rows of tiny dout", row_by_row(lambda row: np.abs(row).max() < 1e-6)),
    (b.tanh, "dx, doubled in rows of huge dout", row_by_row(lambda row: np.abs(row).max() > 1e6, 2)),
    (b.relu, "dx, 0 in rows whose dout begins with 0", row_by_row(lambda row: row[0] == 0)),
    (b.affine, "Fortran dout is read as it lies", fed(by_memory)),
    (b.softmax, "Fortran dout is read as it lies", fed(by_memory)),
    (b.tanh, "strided dout is read as if dense", fed(from_its_start)),
    (b.layer_norm, "strided dout is read as if dense", fed(from_its_start)),
    (b.affine, "broadcast dout is read once", fed(first_of_broadcast)),
    (b.bias, "broadcast dout is read once", fed(first_of_broadcast)),
    (b.gelu, "broadcast dout is halved", fed(lambda d: d / 2 if 0 in d.strides else d)),
    (b.linear, "dout that is not contiguous, by 1e-6", fed(lambda d: d if contiguous(d) else d * (1 + 1e-6))),
    (b.affine, "misaligned dout gives 0", fed(lambda d: d if aligned(d) else np.zeros_like(d))),
    (b.silu, "reversed dout is read forward", fed(lambda d: d[::-1] if d.strides[0] < 0 else d)),
    (b.convolution, "rows of dout a stride apart are taken for neighbours", fed(from_its_start)),
    (b.attention, "Fortran dout is read as it lies", fed(by_memory)),
    (b.attention, "dout's batch is taken for broadcast", fed(lambda d: d[:1] + np.zeros_like(d))),
    (b.net, "dout is written to itself", fed(writing)),
    (b.maximum, "dout of shape (n, 1) is summed first", fed(lambda d: d.sum() + np.zeros_like(d))),
]


def renormalised(x: Any, d: Any) -> tuple[Any, Any]:
    size = np.abs(d).max(axis=1, keepdims=True)
    return b.softmax_pull((), x, d / size)[0] * size, ()


def douts() -> list[Adversary]:
    """Members that are wrong for some dout."""
    return [wrong("dout", base, what, fault) for base, what, fault in ROWS]
