"""The words of `Namespace` in NumPy, each in the form that NumPy does fastest.

Measured on 100 x 50 float32: `ones @ rows` takes 0.8 us where `rows.sum(axis=0)` takes 6, `maximum` against a 0-d array
is faster than against a Python number, and `where` takes three times as long as the integer product in `gate`.
"""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.array import Array, Labels, Mask

UNSIGNED: dict[int, np.dtype[Any]] = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


class Tuned:
    """NumPy, behind the names of `chainrule.array.Namespace`."""

    reads_values = True

    def quiet(self) -> AbstractContextManager[object]:
        return np.errstate(all="ignore")

    def matmul(self, a: Array, b: Array, /) -> Array:
        out: Array = np.matmul(a, b)
        return out

    def exp(self, x: Array, /) -> Array:
        return np.exp(x)

    def expm1(self, x: Array, /) -> Array:
        return np.expm1(x)

    def log1p(self, x: Array, /) -> Array:
        return np.log1p(x)

    def abs(self, x: Array, /) -> Array:
        return np.abs(x)

    def ones_like(self, x: Array, /) -> Array:
        return np.ones_like(x)

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        return np.where(condition, a, b)

    def positive_part(self, x: Array, /) -> Array:
        zero = np.zeros((), x.dtype)
        out: Array = np.maximum(x, zero)
        out += zero  # maximum may give -0.0 or 0.0 for x = -0.0, as the processor likes
        return out

    def gate(self, out: Array, dout: Array, /) -> Array:
        bits = UNSIGNED.get(out.dtype.itemsize)
        if bits is None or not out.dtype.isnative or not dout.dtype.isnative:
            return np.where(out != 0, dout, np.zeros((), dout.dtype))
        # out is never -0.0, so its bits are 0 exactly where it is, and min(bits, 1) is the slope: an integer product
        # by 0 or 1 then selects whole numbers, infinities and nans included.
        slope: NDArray[Any] = np.minimum(out.view(bits), np.ones((), bits))
        slope *= dout.view(bits)
        return slope.view(dout.dtype)

    def mean(self, x: Array, /) -> Array:
        if x.dtype.itemsize < 4:
            return np.asarray(np.mean(x))  # NumPy sums float16 in float32 here
        return np.asarray(np.add.reduce(x, axis=None) / x.size, dtype=x.dtype)

    def column_sum(self, rows: Array, /) -> Array:
        return np.ones(rows.shape[0], rows.dtype) @ rows

    def row_sum(self, rows: Array, /) -> Array:
        out: Array = np.add.reduce(rows, axis=1)
        return out

    def row_max(self, rows: Array, /) -> Array:
        out: Array = np.maximum.reduce(rows, axis=1)
        return out

    def row_argmax(self, rows: Array, /) -> Labels:
        labels: Labels = rows.argmax(axis=1)
        return labels

    def gather(self, rows: Array, labels: Labels, /) -> Array:
        return rows[np.arange(rows.shape[0]), labels]

    def scatter(self, rows: Array, labels: Labels, values: Array | float, /) -> Array:
        rows[np.arange(rows.shape[0]), labels] = values
        return rows

    def count(self, condition: Mask, /) -> int:
        return int(np.count_nonzero(condition))

    def is_real(self, x: Array | Labels, /) -> bool:
        return x.dtype.kind in "iuf"

    def is_integral(self, x: Array | Labels, /) -> bool:
        return x.dtype.kind in "iu"

    def astype(self, x: Array | Labels, like: Array, /) -> Array:
        return x.astype(like.dtype, copy=False)


TUNED = Tuned()
