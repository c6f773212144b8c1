"""The complex step: derivatives to the last digit, from one value.

For an analytic f and a real x,

    f(x + ih) = f(x) + ih f'(x) - h^2 f''(x) / 2 - ...        so        f'(x) = Im f(x + ih) / h + O(h^2)

Nothing is subtracted, so nothing cancels, and h can be so small (1e-200) that the error of order h^2 is no number at
all (Squire and Trapp, SIAM Review 40, 1998).

`lift` makes complex arrays that layers accept; they refuse all others. Functions that are not analytic are taken piece
by piece: `abs` and `positive_part` go by the sign of the real part, which says on which branch x is.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from chainrule.arrays.exponents import decay_of
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.tuned import TUNED, Tuned
from chainrule.arrays.types import Array, Labels, Mask
from chainrule.arrays.windows import Product, Windows

STEP = 1e-200


class Lifted(np.ndarray[Any, np.dtype[Any]]):
    """A complex array whose imaginary part is a direction times `STEP`."""

    lifted = True

    @property
    def __array_priority__(self) -> float:
        """More than that of ordinary arrays: what is made of both is lifted, by `np.concatenate` too."""
        return 1.0

    def __ge__(self, other: Any) -> Any:
        return np.greater_equal(np.real(self), np.real(other))  # complex numbers would be ordered by the step as well

    def __gt__(self, other: Any) -> Any:
        return np.greater(np.real(self), np.real(other))

    def __lt__(self, other: Any) -> Any:
        return np.less(np.real(self), np.real(other))

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return LIFTED


class LiftedNamespace(Tuned):
    """`Tuned` on lifted arrays, whose signs and sizes are those of the real part."""

    def __init__(self) -> None:
        super().__init__()
        # What these write to new memory of NumPy's is no lifted array.
        self.windowed: Product = partial(_lifted, self.windowed)
        self.folded: Product = partial(_lifted, self.folded)

    def gathered(self, places: range, steps: Iterable[tuple[Array, ...]], /) -> tuple[Array, ...]:
        return tuple(map(lift, super().gathered(places, steps)))

    def matmul(self, a: Array, b: Array, /) -> Array:
        out: Array = np.matmul(a, b)  # np.dot would return an ordinary array
        return out

    def matmul_rows(self, a: Array, b: Array, /) -> Array:
        return self.matmul(self.rows(a).T, self.rows(b))

    def one_where(self, condition: Mask, x: Array, /) -> Array:
        return self.where(condition, self.ones_like(x), x)

    def sigmoid(self, x: Array, /) -> tuple[Array, Array]:
        tail = self.decay(x)
        r = self.reciprocal(1 + tail)
        return self.one_where(x >= 0, tail) * r, self.one_where(x < 0, tail) * r

    def reciprocal(self, x: Array, /) -> Array:
        return 1 / x

    def mine(self, x: Array, /) -> bool:
        return False

    def sign(self, x: Array, /) -> Array:
        return lift(np.sign(x.real))

    def abs(self, x: Array, /) -> Array:
        return lift(np.where(x.real < 0, -x, x))

    def decay(self, x: Array, rate: float = 1, /) -> Array:
        return self.exp(-rate * self.abs(x))

    def decay_of(self, x: Array, polynomial: tuple[float, ...], /) -> Array:
        return decay_of(self, x, polynomial, fine=False)

    def gaussian(self, x: Array, /) -> tuple[Array, Array]:
        at, step = np.asarray(x.real), np.asarray(x.imag) * 1j
        values: tuple[Any, Any] = TUNED.gaussian(at)
        tail, density = values
        return lift(tail - np.sign(at) * density * step), lift(density - at * density * step)

    def either(self, condition: Mask, a: float, b: Array | float, like: Array, /) -> Array:
        return lift(np.where(condition, a, b))

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        return lift(np.where(condition, a, b))

    def positive_part(self, x: Array, /) -> Array:
        return lift(np.where(x.real <= 0, 0, x))

    def clip(self, x: Array, low: float, high: float, /) -> Array:
        return lift(np.where(x.real < low, low, np.where(x.real > high, high, x)))

    def _larger(self, a: Array, b: Array) -> Array:
        return self.where((a > b) | np.isnan(a), a, b)

    def astype(self, x: Array | Labels | Mask, like: Array, /) -> Array:
        kind: np.dtype[Any] = x.dtype if x.dtype.kind == "c" else like.real.dtype  # real numbers stay real
        return x.astype(kind, copy=False)


def _lifted(product: Product, x: Array, W: Array, at: Windows) -> Array:
    return lift(product(lift(x), lift(W), at))


LIFTED: Namespace = LiftedNamespace()


def lift(x: Array) -> Array:
    """Make a complex copy of an array that layers take and that may carry a step; it may have one in it already."""
    return x.astype(np.result_type(x.dtype, np.complex128)).view(Lifted)
