"""The words of `Namespace` for any library that follows the Python Array API standard.

Only functions of the standard are called, and no value is read: an array may be on a device, lazy, or traced by a
compiler. Where NumPy's form refuses a bad label, the result here is nan. Nothing is written in place: arrays may be
immutable, or shared with others.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeGuard, TypeVar

from chainrule.arrays import windows
from chainrule.arrays.angles import turns
from chainrule.arrays.exponents import decay_of
from chainrule.arrays.hashing import hashed
from chainrule.arrays.namespace import Arrays, Namespace
from chainrule.arrays.normal import gaussian
from chainrule.arrays.slices import Steps
from chainrule.arrays.slices import along as sliced
from chainrule.arrays.types import Along, Array, Groups, Labels, Mask, Places
from chainrule.arrays.windows import Derivatives, Product

A = TypeVar("A")
Q = ParamSpec("Q")


class Portable:
    """A library's own namespace of the Array API, behind the names of `chainrule.arrays.namespace.Namespace`."""

    reads_values = False
    keeps = True

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.concat: Callable[..., Array] = xp.concat
        self.exp: Callable[[Array], Array] = xp.exp
        self.expm1: Callable[[Array], Array] = xp.expm1
        self.log: Callable[[Array], Array] = xp.log
        self.log1p: Callable[[Array], Array] = xp.log1p
        self.matmul: Callable[[Array, Array], Array] = xp.matmul
        self.matrix_transpose: Callable[[Array], Array] = xp.matrix_transpose
        self.mean: Callable[[Array], Array] = xp.mean
        self.ones_like: Callable[[Array], Array] = xp.ones_like
        self.permute_dims: Callable[[Array, tuple[int, ...]], Array] = xp.permute_dims
        self.reshape: Callable[..., Any] = xp.reshape
        self.round: Callable[[Array], Array] = xp.round
        self.sign: Callable[[Array], Array] = xp.sign
        self.sqrt: Callable[[Array], Array] = xp.sqrt
        self.stack: Callable[..., Array] = xp.stack
        self.tanh: Callable[[Array], Array] = xp.tanh
        self.where: Callable[[Mask, Array, Array], Array] = xp.where
        self.windowed: Product = partial(windows.windowed, xp)
        self.folded: Product = partial(windows.folded, xp)
        self.of_windowed: Derivatives = partial(windows.of_windowed, xp)
        self.of_folded: Derivatives = partial(windows.of_folded, xp)
        self.zeros_like: Callable[[Array], Array] = xp.zeros_like

    def __getattr__(self, name: str) -> Any:
        """The library's own function, for a name that this class does not define."""
        return getattr(self.xp, name)

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        return f(*args, **options)

    def by_blocks(self, f: Callable[[Namespace, Array], tuple[Array, Array]], x: Array, /) -> tuple[Array, Array]:
        return f(self, x)

    def by_examples(self, f: Callable[..., Arrays], x: Array, *others: Array | Labels) -> Arrays:
        return f(x, *others)

    def own(self, x: A, /) -> A:
        return x

    def mine(self, x: Array, /) -> bool:
        return False

    def read_only(self, fresh: A, /) -> A:
        return fresh

    def shared(self, x: A, /) -> A:
        return x

    def plus(self, a: Array, b: Array, /) -> Array:
        return a + b

    def times(self, a: Array, b: Array | float, /) -> Array:
        return a * b

    def times_in(self, done: Array, a: Array, b: Array | float, /) -> Array:
        return a * b

    def room(self, x: Array, /) -> Array:
        return x  # nothing is written in place

    def over_in(self, done: Array, a: Array, b: Array, /) -> Array:
        return a / b

    def sqrt_in(self, done: Array, x: Array, /) -> Array:
        out: Array = self.xp.sqrt(x)
        return out

    def abs(self, x: Array, /) -> Array:
        out: Array = self.xp.where(x < 0, -x, x)  # xp.abs has a slope of 0 at 0 in torch, and softplus's tail needs 1
        return out

    def decay(self, x: Array, rate: float = 1, /) -> Array:
        return self.exp(-rate * self.abs(x))

    def decay_of(self, x: Array, polynomial: tuple[float, ...], /) -> Array:
        return decay_of(self, x, polynomial, fine=self.xp.finfo(x.dtype).bits == 64)

    def gaussian(self, x: Array, /) -> tuple[Array, Array]:
        return gaussian(self, x)

    def matmul_rows(self, a: Array, b: Array, /) -> Array:
        return self.matmul(self.rows(a).T, self.rows(b))

    def one_where(self, condition: Mask, x: Array, /) -> Array:
        return self.where(condition, self.ones_like(x), x)

    def either(self, condition: Mask, a: float, b: Array | float, like: Array, /) -> Array:
        one = self.ones_like(like)
        return self.where(condition, a * one, b * one)

    def sigmoid(self, x: Array, /) -> tuple[Array, Array]:
        tail = self.decay(x)
        r = self.reciprocal(1 + tail)
        return self.one_where(x >= 0, tail) * r, self.one_where(x < 0, tail) * r

    def reciprocal(self, x: Array, /) -> Array:
        return 1 / x

    def positive_part(self, x: Array, /) -> Array:
        zero = self.xp.zeros_like(x)
        out: Array = self.xp.where(x <= 0, zero, x)  # in this form nan is not <= 0 and passes
        return out

    def clip(self, x: Array, low: float, high: float, /) -> Array:
        # At a bound x is what passes, for those who differentiate this.
        within = self.xp.where(x < low, self.xp.full_like(x, low), x)
        out: Array = self.xp.where(x > high, self.xp.full_like(x, high), within)
        return out

    def gate(self, out: Array, dout: Array, /) -> Array:
        dx: Array = self.xp.where(out != 0, dout, self.xp.zeros_like(dout))
        return dx

    def swapaxes(self, x: Array, a: int, b: int, /) -> Array:
        order = [*range(x.ndim)]
        order[a], order[b] = order[b], order[a]
        out: Array = self.xp.permute_dims(x, tuple(order))
        return out

    def rows(self, x: Array, /) -> Array:
        return x if x.ndim == 2 else self.xp.reshape(x, (-1, x.shape[-1]))

    def sum_rows(self, x: Array, /) -> Array:
        out: Array = self.xp.sum(x, axis=tuple(range(x.ndim - 1)))
        return out

    def sum_last(self, x: Array, /) -> Array:
        out: Array = self.xp.sum(x, axis=-1)
        return out

    def dot_last(self, a: Array, b: Array, /) -> Array:
        out: Array = self.xp.sum(a * b, axis=-1, keepdims=True)
        return out

    def mean_product(self, a: Array, b: Array, /) -> Array:
        return self.mean_along(a * b, -1)

    def exponentials(self, x: Array, /) -> tuple[Array, Array, Array]:
        shifted = x - self.xp.max(x, axis=-1, keepdims=True)
        e = self.exp(shifted)
        return shifted, e, self.xp.sum(e, axis=-1, keepdims=True)

    def mean_along(self, x: Array, along: Along, /) -> Array:
        return self._reduced(self.xp.mean, x, along)

    def tamed(self, x: Array, along: Along, /) -> tuple[Array, Array | float]:
        top = self._top(x)
        return self._within(x, *((12, -6) if top == 16 else (top - 34, -34)), along)

    def tame_mean(self, x: Array, along: Along, /) -> Array:
        tame, unit = self.tamed(x, along)
        return self.mean_along(tame, along) / unit

    def centred(self, x: Array, along: Along, /) -> tuple[Array, Array]:
        mean = self.mean_along(x, along)
        out: Array = x - mean
        rest = self.mean_along(out, along)
        return out - rest, mean + rest

    def mean_square(self, x: Array, along: Along, /) -> Array:
        return self.mean_along(x * x, along)

    def deviation(self, x: Array, eps: float, unit: Array | float, along: Along, /) -> tuple[Array, Array]:
        wide = self.widened(x)
        half = self._top(wide) // 2
        small, within = self._within(wide, half - 16, -half - 16, along)
        mean = self.mean_square(small, along)
        both = within * unit  # of the dtype of `wide`, whether the unit is a number or has 16 bits
        total = mean + eps * both * both
        least = self.xp.full_like(mean, float(self.xp.finfo(wide.dtype).smallest_normal))
        inverse = within / self.xp.sqrt(self.xp.where(total < least, least, total))
        return self.astype(mean / within / within, x), self.astype(inverse, x)

    def dropout_factor(self, x: Array, rate: float, seed: object, /) -> Array:
        words = hashed(self.xp, seed, math.prod(x.shape), self._device(x))
        kept = self.xp.reshape((words >> 8) < round((1 - rate) * 2**24), x.shape)
        return self.astype(kept, x) * (1 / (1 - rate))

    def _top(self, x: Array) -> int:
        return math.frexp(float(self.xp.finfo(x.dtype).max))[1]

    def _within(self, x: Array, most: int, unit: int, along: Along) -> tuple[Array, Array]:
        """`x`, times 2^unit where something along it is larger than 2^most, and the units."""
        size = self._reduced(self.xp.max, self.abs(x), along)
        one = self.xp.ones_like(size)
        units: Array = self.xp.where(size > 2.0**most, one * 2.0**unit, one)
        return x * units, units

    def _reduced(self, reduction: Callable[..., Array], x: Array, along: Along) -> Array:
        """A reduction along an axis, which is kept, or of each group, at each of its channels."""
        if not isinstance(along, Groups):
            return reduction(x, axis=along, keepdims=True)
        n, positions, channels = x.shape
        if channels == 0:
            return x[:, :1, :]
        apart = (n, positions, along.number, channels // along.number)
        each = reduction(self.xp.reshape(x, apart), axis=(1, 3), keepdims=True)
        out: Array = self.xp.reshape(self.xp.broadcast_to(each, (n, 1, *apart[2:])), (n, 1, channels))
        return out

    def mean_weighted(self, x: Array, weights: Array, /) -> Array:
        return self.mean_along(x * weights, -1)

    def padded(self, x: Array, axis: int, before: int, after: int, value: float, /) -> Array:
        if before == after == 0:
            return x
        beside = [
            self.xp.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), value, dtype=x.dtype, device=self._device(x))
            for n in (before, after)
        ]
        return self.concat([beside[0], x, beside[1]], axis=axis)

    def gathered(self, places: range, steps: Iterable[tuple[Array, ...]], /) -> tuple[Array, ...]:
        found = dict(zip(places, steps, strict=True))
        return tuple(self.xp.stack(parts) for parts in zip(*(found[place] for place in sorted(found)), strict=True))

    def row_by_row(self, x: Array, /) -> Array:
        return x

    def first_largest(self, arrays: Sequence[Array], /) -> tuple[Array, Labels]:
        top, kind = arrays[0], self.xp.uint8 if len(arrays) <= 256 else self.xp.int32
        place = self.xp.zeros_like(top, dtype=kind)
        for k, other in enumerate(arrays[1:], 1):
            larger = (other > top) | (self.xp.isnan(other) & ~self.xp.isnan(top))
            place = self.xp.where(larger, self.xp.full_like(place, k), place)
            top = self.where(larger, other, top)
        return top, place

    def mean_of(self, arrays: Sequence[Array], /) -> Array:
        n = len(arrays)
        unit = 2.0 ** n.bit_length()  # a sum of large numbers may overflow
        total = arrays[0] / unit
        for other in arrays[1:]:
            total = total + other / unit
        return total / n * unit

    def only(self, condition: Mask, x: Array, /) -> Array:
        return self.where(condition, x, self.zeros_like(x))

    def overlapped(self, parts: Sequence[Array], /, *steps: Steps) -> Array:
        for each in reversed(steps):
            rows = range(0, len(parts), each.size)
            parts = [self._overlapped(parts[row : row + each.size], each) for row in rows]
        return parts[0]

    def _overlapped(self, parts: Sequence[Array], steps: Steps) -> Array:
        # Nothing is written in place: the entries at r, r + stride, ... are a sum by themselves, for each r.
        axis, _, stride, length = steps
        shape = parts[0].shape
        n, rows = shape[axis], -(-length // stride)
        phases = [self.padded(self.zeros_like(parts[0]), axis, 0, rows - n, 0.0)] * stride
        for k, part in enumerate(parts):
            first = k // stride
            phases[k % stride] = phases[k % stride] + self.padded(part, axis, first, rows - n - first, 0.0)
        shape = (*shape[:axis], rows * stride, *shape[axis + 1 :])
        together = self.reshape(self.xp.stack(phases, axis=axis + 1), shape)
        out: Array = together[sliced(together.ndim, axis, 0, length)]
        return out

    def scattered(self, place: Labels, x: Array, /, *steps: Steps) -> Array:
        size = math.prod(each.size for each in steps)
        return self.overlapped([self.only(place == k, x) for k in range(size)], *steps)

    def first_position(self, x: Array, /) -> tuple[Array, Labels]:
        place: Labels = self.xp.argmax(x, axis=1)
        out: Array = self.xp.sum(self.only(self._positions(place, x.shape[1]), x), axis=1)
        return out, place

    def at_position(self, place: Labels, values: Array, p: int, /) -> Array:
        return self.only(self._positions(place, p), self.at_positions(values, p))

    def at_positions(self, values: Array, p: int, /) -> Array:
        out: Array = self.xp.broadcast_to(values[:, None, :], (values.shape[0], p, values.shape[1]))
        return out

    def _positions(self, place: Labels, p: int) -> Mask:
        """(n, c) to (n, p, c): whether each position is the one."""
        positions = self.xp.arange(p, dtype=place.dtype, device=self._device(place))
        at: Mask = positions[None, :, None] == place[:, None, :]
        return at

    def may_fall_below(self, x: Array, bound: float, /) -> bool:
        return True

    def max_last(self, x: Array, /) -> Array:
        out: Array = self.xp.max(x, axis=-1)
        return out

    def argmax_last(self, x: Array, /) -> Labels:
        out: Labels = self.xp.argmax(x, axis=-1)
        return out

    def shifted(self, rows: Array, /) -> Array:
        out: Array = rows - self.xp.max(rows, axis=1, keepdims=True)
        return out

    def places(self, rows: Array, labels: Labels, /) -> Places:
        return self._hot(labels, rows.shape[1], self._device(rows))

    def gather(self, rows: Array, at: Places, /) -> Array:
        entry = self.xp.sum(self.xp.where(at, rows, self.xp.zeros_like(rows)), axis=1)
        inside = self.xp.any(at, axis=1)
        out: Array = self.xp.where(inside, entry, self.xp.full_like(entry, math.nan))
        return out

    def scatter(self, rows: Array, at: Places, values: Array | float, /) -> Array:
        column: Array = self.xp.full_like(rows[:, 0], values) if isinstance(values, float | int) else values
        out: Array = self.xp.where(at, column[:, None], rows)
        return out

    def one_hot(self, labels: Labels, k: int, /) -> Mask:
        return self._hot(labels, k, self._device(labels))

    def _hot(self, labels: Labels, k: int, device: object) -> Mask:
        classes = self.xp.arange(k, device=device)
        hot: Mask = self.xp.astype(labels, classes.dtype)[..., None] == classes
        return hot

    def turns(self, x: Array, base: float, /) -> tuple[Array, Array]:
        *_, t, d = x.shape
        cos, sin = turns(t, d // 2, base)
        made = partial(self.xp.asarray, dtype=x.dtype, device=self._device(x))
        return made(cos), made(sin)

    def blocks(self, t: int, causal: bool, /) -> list[tuple[slice, slice]]:
        return [(slice(t), slice(t))]

    def up_to(self, t: int, like: Array, /) -> Mask:
        places = self.xp.arange(t, device=self._device(like))
        mask: Mask = places <= places[:, None]
        return mask

    def weights(self, scores: Array, allowed: Mask | None, /) -> Array:
        if allowed is None:
            _, e, total = self.exponentials(scores)
            return e / total
        some, zero = self.xp.any(allowed, axis=-1, keepdims=True), self.xp.zeros_like(scores)
        # A row in which nothing is allowed is taken for one of zeros, so that nobody who differentiates this meets nan.
        within = self.where(allowed, scores, self.xp.full_like(scores, -math.inf))
        _, e, total = self.exponentials(self.where(some, within, zero))
        return self.where(allowed, e / total, zero)

    def take_rows(self, rows: Array, labels: Labels, /) -> Array:
        flat, inside = self._inside(labels, rows.shape[0])
        taken = self.xp.take(rows, flat, axis=0)
        known = self.xp.where(inside, taken, self.xp.full_like(taken, math.nan))
        out: Array = self.xp.reshape(known, (*labels.shape, rows.shape[1]))
        return out

    def add_rows(self, labels: Labels, values: Array, k: int, /) -> Array:
        flat, inside = self._inside(labels, k)
        rows = self.widened(self.xp.reshape(values, (-1, values.shape[-1])))
        rows = self.xp.where(inside, rows, self.xp.zeros_like(rows))
        library = self.xp.__name__
        empty: Any = self.xp.zeros((k, rows.shape[1]), dtype=rows.dtype, device=self._device(rows))
        out: Array
        if library == "jax.numpy":
            out = empty.at[flat].add(rows)
        elif library.endswith("torch"):
            out = empty.index_add(0, flat, rows)
        else:  # the standard has no scatter: a product with one-hot rows is what it can say
            out = self.matmul(self.xp.astype(self.one_hot(flat, k), rows.dtype).T, rows)
        return self.astype(out, values)

    def take_steps(self, x: Array, labels: Labels, /) -> Array:
        at = self._hot(labels, x.shape[-2], self._device(x))[..., None]
        step = self.xp.sum(self.xp.where(at, x, self.xp.zeros_like(x)), axis=-2)
        out: Array = self.xp.where(self.xp.any(at, axis=-2), step, self.xp.full_like(step, math.nan))
        return out

    def put_steps(self, values: Array, labels: Labels, t: int, /) -> Array:
        at = self._hot(labels, t, self._device(values))[..., None]
        steps = values[..., None, :]
        out: Array = self.xp.where(at, steps, self.xp.zeros_like(steps))
        return out

    def scalar(self, value: float, like: Array, /) -> Array | float:
        return value  # a Python number takes the dtype of the array that it meets

    def share(self, value: float, n: int, like: Array, /) -> Array | float:
        return value / n

    def count(self, condition: Mask, /) -> int:
        integers = self.xp.__array_namespace_info__().default_dtypes()["integral"]  # on JAX of 32 bits, unless asked
        return int(self.xp.sum(self.xp.astype(condition, integers)))

    def is_real(self, x: Array | Labels | Mask, /) -> bool:
        return bool(self.xp.isdtype(x.dtype, ("integral", "real floating")))

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        return bool(self.xp.isdtype(x.dtype, "integral"))

    def widened(self, x: Array, /) -> Array:
        out: Array = self.xp.astype(x, self.xp.float32) if self.xp.finfo(x.dtype).bits < 32 else x
        return out

    def astype(self, x: Array | Labels | Mask, like: Array, /) -> Array:
        out: Array = self.xp.astype(x, like.dtype)
        return out

    def _inside(self, labels: Labels, k: int) -> tuple[Labels, Mask]:
        """(...,) to (n,) and (n, 1): labels that are in range, 0 in the place of others, and which were."""
        whole = self.xp.arange(1).dtype
        flat = self.xp.astype(self.xp.reshape(labels, (-1,)), whole)
        inside = (flat >= 0) & (flat < k)
        return self.xp.where(inside, flat, self.xp.zeros_like(flat)), inside[:, None]

    def _device(self, x: Array | Labels) -> object:
        if self.xp.__name__ == "jax.numpy":
            return None  # a constant follows what it meets, and x's "device" may be a sharding that fits x alone
        return getattr(x, "device", None)
