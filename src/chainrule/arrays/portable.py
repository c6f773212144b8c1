"""The words of `Namespace` for any library that follows the Python Array API standard.

Only functions of the standard are called, and no value is ever read: an array may be on a device, lazy, or traced by a
compiler. Where NumPy would refuse a bad label, the result here is nan.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeGuard, TypeVar

from chainrule.arrays.types import Array, Labels, Mask, Places

A = TypeVar("A")
Q = ParamSpec("Q")


class Portable:
    """A library's own namespace, behind the names of `chainrule.arrays.namespace.Namespace`.

    Parameters
    ----------
    xp
        A namespace of the Array API standard, such as `jax.numpy` or `array_api_strict`.
    """

    reads_values = False

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        return f(*args, **options)

    def matmul(self, a: Array, b: Array, /) -> Array:
        out: Array = self.xp.matmul(a, b)
        return out

    def exp(self, x: Array, /) -> Array:
        out: Array = self.xp.exp(x)
        return out

    def expm1(self, x: Array, /) -> Array:
        out: Array = self.xp.expm1(x)
        return out

    def log1p(self, x: Array, /) -> Array:
        out: Array = self.xp.log1p(x)
        return out

    def abs(self, x: Array, /) -> Array:
        out: Array = self.xp.where(x < 0, -x, x)  # xp.abs has a slope of 0 at 0 in torch, and sigmoid's tail needs 1
        return out

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        out: Array = self.xp.where(condition, a, b)
        return out

    def ones_like(self, x: Array, /) -> Array:
        out: Array = self.xp.ones_like(x)
        return out

    def positive_part(self, x: Array, /) -> Array:
        zero = self.xp.zeros_like(x)
        out: Array = self.xp.where(x <= 0, zero, x)  # in this form nan is not <= 0 and passes
        return out

    def gate(self, out: Array, dout: Array, /) -> Array:
        dx: Array = self.xp.where(out != 0, dout, self.xp.zeros_like(dout))
        return dx

    def mean(self, x: Array, /) -> Array:
        out: Array = self.xp.mean(x)
        return out

    def column_sum(self, rows: Array, /) -> Array:
        out: Array = self.xp.sum(rows, axis=0)
        return out

    def row_sum(self, rows: Array, /) -> Array:
        out: Array = self.xp.sum(rows, axis=1)
        return out

    def row_max(self, rows: Array, /) -> Array:
        out: Array = self.xp.max(rows, axis=1)
        return out

    def row_argmax(self, rows: Array, /) -> Labels:
        out: Labels = self.xp.argmax(rows, axis=1)
        return out

    def shifted(self, rows: Array, /) -> Array:
        out: Array = rows - self.xp.max(rows, axis=1, keepdims=True)
        return out

    def places(self, rows: Array, labels: Labels, /) -> Places:
        classes = self.xp.arange(rows.shape[1], device=self._device(rows))
        hot: Places = self.xp.astype(labels, classes.dtype)[:, None] == classes[None, :]
        return hot

    def gather(self, rows: Array, at: Places, /) -> Array:
        entry = self.xp.sum(self.xp.where(at, rows, self.xp.zeros_like(rows)), axis=1)
        inside = self.xp.any(at, axis=1)
        out: Array = self.xp.where(inside, entry, self.xp.full_like(entry, float("nan")))
        return out

    def scatter(self, rows: Array, at: Places, values: Array | float, /) -> Array:
        column: Array = self.xp.full_like(rows[:, 0], values) if isinstance(values, float | int) else values
        out: Array = self.xp.where(at, column[:, None], rows)
        return out

    def scalar(self, value: float, like: Array, /) -> Array | float:
        return value  # a Python number takes the dtype of the array that it meets

    def count(self, condition: Mask, /) -> int:
        return int(self.xp.sum(self.xp.astype(condition, self.xp.int64)))

    def is_real(self, x: Array | Labels, /) -> bool:
        return bool(self.xp.isdtype(x.dtype, ("integral", "real floating")))

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        return bool(self.xp.isdtype(x.dtype, "integral"))

    def astype(self, x: Array | Labels, like: Array, /) -> Array:
        out: Array = self.xp.astype(x, like.dtype)
        return out

    def _device(self, x: Array) -> object:
        """Where to make what will meet `x`: on its device, or wherever the library thinks best."""
        if self.xp.__name__ == "jax.numpy":
            return None  # a constant follows what it meets, and x's "device" may be a sharding that fits x alone
        return getattr(x, "device", None)
