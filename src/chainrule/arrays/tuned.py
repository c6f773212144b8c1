"""The words of `Namespace` in NumPy, each in the form that NumPy does fastest.

A step of a small network is some thirty calls of half a microsecond each, so what a call costs beside its arithmetic is
most of it. Measured on 100 x 50 float32, on one core with 512-bit vectors, in microseconds:

    a.dot(b), 32 x 64 x 32        0.84   np.dot(a, b)                   1.0      matmul
    ones.dot(rows)                0.7    rows.sum(axis=0)               2.6      column_sum
    np.maximum(x, zeros)          0.6    np.maximum(x, 0)               2.0      positive_part
    three operations on bits      1.9    np.where(out > 0, dout, 0)     3.5      gate
    maximum.reduce, class-major   0.9    maximum.reduce, row by row     3.5      row_max of 10 classes
    rows.ravel("K")[at]           0.2    rows[arange, labels]           0.9      gather

Constants (zeros, ones, ranges) are made once for a size and a dtype.
"""

from collections.abc import Callable
from contextvars import Context
from functools import lru_cache
from typing import Any, ParamSpec, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Labels, Mask, Places

A = TypeVar("A")
Q = ParamSpec("Q")

QUIET = Context()
"""Where NumPy ignores floating-point errors: running in a copy of it takes a microsecond less than `np.errstate`."""
QUIET.run(np.seterr, all="ignore")

SIGNED: dict[int, NDArray[Any]] = {size: np.asarray(8 * size - 1, f"i{size}") for size in (2, 4, 8)}
"""By the size of a float: how far to shift an integer of that size, to leave its sign."""

SMALL = 2**13
"""Up to so many numbers, an array of zeros beside them stays in the fastest cache."""

FEW_ROWS = 2**10
"""Up to so many rows, a dot product sums as exactly as NumPy does in pairs."""

FEW = 64
"""Up to so many classes, rows are short, and reducing them one by one takes longer than laying them out anew."""


class Tuned:
    """NumPy, behind the names of `chainrule.arrays.namespace.Namespace`."""

    reads_values = True

    def __init__(self) -> None:
        # The functions themselves: another call around them would take a tenth of a microsecond.
        self.matmul: Callable[[Array, Array], Array] = np.ndarray.dot  # half a microsecond faster than np.matmul
        self.exp: Callable[[Array], Array] = np.exp
        self.expm1: Callable[[Array], Array] = np.expm1
        self.log1p: Callable[[Array], Array] = np.log1p

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        return QUIET.copy().run(f, *args, **options)

    def abs(self, x: Array, /) -> Array:
        return np.abs(x)

    def ones_like(self, x: Array, /) -> Array:
        return np.ones_like(x)

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        return np.where(condition, a, b)

    def positive_part(self, x: Array, /) -> Array:
        out: Array
        if x.size <= SMALL:  # zeros as many as x has numbers: one zero is three times slower
            out = np.asarray(np.maximum(x, zeros(x.shape, x.dtype)))
        else:
            out = np.asarray(x.clip(scalar(0.0, x.dtype), scalar(np.inf, x.dtype)))
        np.absolute(out, out)  # -0.0 passes clip, and a nan may have a sign: gate relies on there being none
        return out

    def gate(self, out: Array, dout: Array, /) -> Array:
        signed = SIGNED.get(out.dtype.itemsize)
        if signed is None or not out.dtype.isnative:
            return np.where(out != 0, dout, np.zeros((), dout.dtype))
        # Read as whole numbers, entries are 0 exactly where out is and positive elsewhere. Their negatives, shifted
        # by all bits but the sign's, are 0 and -1, all bits of which are set: a mask that also stops inf and nan.
        mask: NDArray[Any] = np.asarray(np.negative(out.view(signed.dtype)))
        np.right_shift(mask, signed, mask)
        np.bitwise_and(mask, dout.view(signed.dtype), mask)
        return mask.view(dout.dtype)

    def mean(self, x: Array, /) -> Array:
        mean: Array
        if x.ndim == 1 and x.size <= FEW_ROWS and x.dtype.char in "fd":
            mean = x.dot(shares(x.size, x.dtype))
        elif x.dtype.itemsize < 4:
            mean = np.asarray(np.mean(x))  # NumPy sums float16 in float32 here
        else:
            mean = np.add.reduce(x / x.size, axis=None)  # a sum of large numbers might overflow
        return np.asarray(mean)

    def column_sum(self, rows: Array, /) -> Array:
        out: Array = ones(rows.shape[0], rows.dtype).dot(rows)
        return out

    def row_sum(self, rows: Array, /) -> Array:
        out: Array = np.add.reduce(rows, axis=1)
        return out

    def row_max(self, rows: Array, /) -> Array:
        out: Array = np.maximum.reduce(rows, axis=1)
        return out

    def row_argmax(self, rows: Array, /) -> Labels:
        labels: Labels = rows.argmax(axis=1)
        return labels

    def shifted(self, rows: Array, /) -> Array:
        if rows.shape[1] > FEW:
            return rows - self.row_max(rows)[:, None]
        columns = rows.T.copy()
        columns -= np.maximum.reduce(columns)
        return columns.T

    def places(self, rows: Array, labels: Labels, /) -> Places:
        n, k = rows.shape
        across, down = (n, 1) if rows.flags.f_contiguous else (1, k)  # in the order of the memory
        at: Places = multiples(k, across)[labels]
        at += multiples(n, down)
        return at

    def gather(self, rows: Array, at: Places, /) -> Array:
        out: Array = rows.ravel("K")[at]
        return out

    def scatter(self, rows: Array, at: Places, values: Array | float, /) -> Array:
        rows.ravel("K")[at] = values
        return rows

    def scalar(self, value: float, like: Array, /) -> Array | float:
        return scalar(value + 0.0, like.dtype)  # not -0.0, which the cache would take for 0.0

    def count(self, condition: Mask, /) -> int:
        return int(np.count_nonzero(condition))

    def is_real(self, x: Array | Labels, /) -> bool:
        return x.dtype.kind in "iuf"

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        return x.dtype.kind in "iu"

    def astype(self, x: Array | Labels, like: Array, /) -> Array:
        return x.astype(like.dtype, copy=False)


TUNED = Tuned()


@lru_cache(maxsize=256)
def scalar(value: float, dtype: np.dtype[Any]) -> Array:
    """A 0-d array: NumPy takes half a microsecond to make one of a Python number, in each operation."""
    return read_only(np.asarray(value, dtype))


@lru_cache(maxsize=32)
def shares(n: int, dtype: np.dtype[Any]) -> Array:
    """(n,): 1 / n each."""
    return read_only(np.full(n, 1 / n, dtype))


@lru_cache(maxsize=32)
def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros of a shape."""
    return read_only(np.zeros(shape, dtype))


@lru_cache(maxsize=32)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """(n,): ones."""
    return read_only(np.ones(n, dtype))


@lru_cache(maxsize=32)
def multiples(n: int, of: int) -> Labels:
    """(n,): 0, of, 2 of, ..."""
    return read_only(np.arange(n) * of)
