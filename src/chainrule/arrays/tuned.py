"""The words of `Namespace` in NumPy, each in the form that NumPy does fastest.

A step of a small network is some thirty calls of half a microsecond each, of which arithmetic is the smaller part.
Measured on 100 x 50 float32, on one core with 512-bit vectors, in microseconds:

    a.dot(b), 32 x 64 x 32        0.84   np.dot(a, b)                   1.0      matmul
    ones.dot(rows)                0.7    rows.sum(axis=0)               2.6      sum_rows
    np.maximum(x, zeros)          0.6    np.maximum(x, 0)               2.0      positive_part
    two operations on bits        1.5    np.where(out > 0, dout, 0)     3.5      gate
    maximum.reduce, class-major   0.9    maximum.reduce, row by row     3.5      max_last of 10 classes
    rows.ravel("K")[at]           0.2    rows[arange, labels]           0.9      gather

Constants (zeros, ones, ranges) are made once for a dtype, and are small: at most 64 KiB each.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from functools import lru_cache
from typing import Any, ParamSpec, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays import tuned_windows
from chainrule.arrays.angles import turns
from chainrule.arrays.blocks import by_blocks
from chainrule.arrays.exponents import decay_of
from chainrule.arrays.freed import freed_memory_stays
from chainrule.arrays.namespace import Arrays, Namespace
from chainrule.arrays.normal import gaussian
from chainrule.arrays.ownership import borrowed, native, own, read_only
from chainrule.arrays.slices import Steps, taps
from chainrule.arrays.slices import along as sliced
from chainrule.arrays.sums import sums_by_label
from chainrule.arrays.types import Along, Array, Groups, Labels, Mask, Places, is_numpy
from chainrule.arrays.windows import Derivatives, Product

A = TypeVar("A")
Q = ParamSpec("Q")

QUIET = Context()
"""A context in which NumPy ignores floating-point errors: a copy of it takes a microsecond less than `np.errstate`."""
QUIET.run(np.seterr, all="ignore")

BITS: dict[np.dtype[Any], np.dtype[Any]] = {np.dtype(f"f{size}"): np.dtype(f"i{size}") for size in (2, 4, 8)}
"""By the dtype of floats, in the machine's byte order, that of whole numbers as large."""

SMALL = 2**13
"""Up to so many numbers, constants beside an array are held, and stay in the fastest cache."""

TABLE = 2**15
"""Up to so many entries, a mask or a table of angles is held, of the last two forms: half a MiB at most."""

FEW_ROWS = 2**10
"""Up to so many rows, a dot product sums as exactly as NumPy does in pairs."""

FEW = 64
"""Up to so many classes, rows are short, and reducing them one by one takes longer than laying them out anew."""

MANY = 2**16
"""From so many numbers on, a function goes by blocks: a step of 64-256-10 with silu and rows of that size takes 2/3."""

BLOCK_ENTRIES = 2**17
"""So many numbers of some examples are worked off at once: what is made on the way then stays in the cache."""

MOST_SUM = 1e30
"""Exponentials whose sum is less are far from overflow, in float32 too."""

QUERIES = 128
"""So many rows of causal attention go together, enough for products to be fast; half as many if there are no more.

At (batch, length, width, heads) of (16, 128, 128, 8), halves take 15.4 ms, forward and back, and all rows at once 17.2.
"""

NEAR = 40.0
"""Exponentials of numbers up to this, above 0 and below, and sums of them, are far from both ends of float32."""


def _before_writing(part: Array, steps: Sequence[Steps]) -> Array:
    """An array for the parts of windows, as `part`: of zeros, but where they fill all of it."""
    shape = list(part.shape)
    filled = all(each.size >= each.stride and each.stride * shape[each.axis] >= each.length for each in steps)
    for each in steps:
        shape[each.axis] = each.length
    out: Array = (np.empty_like if filled else np.zeros_like)(part, shape=shape)
    return out


def pieces(a: Array, b: Array) -> Iterable[tuple[Array, Array]]:
    """Some rows at a time of arrays of one shape: what is made on the way then is no new memory (see `blocks`)."""
    if a.size <= MANY:
        return ((a, b),)
    n = max(1, MANY * len(a) // a.size)
    return ((a[i : i + n], b[i : i + n]) for i in range(0, len(a), n))


class Tuned:
    """NumPy, behind the names of `chainrule.arrays.namespace.Namespace`.

    Sizes are compared by `x.real`, which is `x` itself: `chainrule.checking.complex_step` gives the same words complex
    numbers, whose real parts decide.
    """

    reads_values = True
    keeps = True

    def __init__(self) -> None:
        # The functions themselves: another call around them would take a tenth of a microsecond.
        self.exp: Callable[[Array], Array] = np.exp
        self.expm1: Callable[[Array], Array] = np.expm1
        self.log: Callable[[Array], Array] = np.log
        self.log1p: Callable[[Array], Array] = np.log1p
        self.round: Callable[[Array], Array] = np.rint
        self.sqrt: Callable[[Array], Array] = np.sqrt
        self.tanh: Callable[[Array], Array] = np.tanh
        self.zeros_like: Callable[[Array], Array] = np.zeros_like
        self.ones_like: Callable[[Array], Array] = np.ones_like
        self.concat: Callable[..., Array] = np.concatenate
        self.matrix_transpose: Callable[[Array], Array] = np.matrix_transpose
        self.windowed: Product = tuned_windows.windowed
        self.folded: Product = tuned_windows.folded
        self.of_windowed: Derivatives = tuned_windows.of_windowed
        self.of_folded: Derivatives = tuned_windows.of_folded
        self.permute_dims: Callable[[Array, tuple[int, ...]], Array] = np.transpose
        self.reshape: Callable[..., Any] = np.reshape
        self.own: Callable[[Any], Any] = own
        self.read_only: Callable[[Any], Any] = read_only

    def __getattr__(self, name: str) -> Any:
        """NumPy's own function, for a name that this class does not define."""
        return getattr(np, name)

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        return QUIET.copy().run(f, *args, **options)

    def by_blocks(self, f: Callable[[Namespace, Array], tuple[Array, Array]], x: Array, /) -> tuple[Array, Array]:
        if x.size < MANY or type(x) is not np.ndarray or not x.flags.c_contiguous:
            return f(self, x)
        return by_blocks(f, IN_PASS, x, self.own)

    def by_examples(self, f: Callable[..., Arrays], x: Array, *others: Array | Labels) -> Arrays:
        if x.size <= BLOCK_ENTRIES or type(x) is not np.ndarray:
            return f(x, *others)
        n = len(x)
        some = max(1, BLOCK_ENTRIES * n // x.size)
        whole: Any = ()
        for i in range(0, n, some):
            here = slice(i, i + some)
            parts = f(x[here], *(each[here] for each in others))
            whole = whole or tuple(np.empty((n, *part.shape[1:]), part.dtype) for part in parts)
            for all_of_it, part in zip(whole, parts, strict=True):
                all_of_it[here] = part
        done: Arrays = whole
        return done

    def mine(self, x: Array, /) -> bool:
        return x.flags.writeable

    def shared(self, x: Any, /) -> Any:
        return read_only(x) if is_numpy(x) and x.flags.writeable else x  # no layer has judged x yet

    def plus(self, a: Array, b: Array, /) -> Array:
        if not a.flags.writeable:
            return a + b
        if b.ndim == 1 and a.ndim > 3 and a.size > FEW and a.flags.c_contiguous:
            whole = a.reshape(len(a), -1)  # runs as long as an example: those as long as b take twice the time
            whole += np.tile(b, whole.shape[1] // len(b))
        else:
            a += b
        return a

    def times(self, a: Array, b: Array | float, /) -> Array:
        if a.flags.writeable:
            a *= b
            return a
        if isinstance(b, np.ndarray) and b.flags.writeable and b.shape == a.shape:
            return np.multiply(a, b, out=b)
        return a * b

    def times_in(self, done: Array, a: Array, b: Array | float, /) -> Array:
        return np.multiply(a, b, done)  # the first touch of new memory takes as long as ten products

    def room(self, x: Array, /) -> Array:
        return np.empty_like(x) if x.dtype.isnative else np.empty_like(x, native(x.dtype))

    def over_in(self, done: Array, a: Array, b: Array, /) -> Array:
        return np.divide(a, b, done)

    def sqrt_in(self, done: Array, x: Array, /) -> Array:
        out: Array = np.sqrt(x, done)
        return out

    def matmul(self, a: Array, b: Array, /) -> Array:
        # The method is half a microsecond faster than np.matmul, and of more axes than two it does not ask BLAS.
        if a.ndim != 2:
            return self.matmul(self.rows(a), b).reshape(*a.shape[:-1], b.shape[-1])
        out: Array = a.dot(b)
        return out

    def matmul_rows(self, a: Array, b: Array, /) -> Array:
        if a.ndim != 2:
            a, b = self.rows(a), self.rows(b)
        out: Array = a.T.dot(b)
        return out

    def abs(self, x: Array, /) -> Array:
        return np.abs(x)

    def decay(self, x: Array, rate: float = 1, /) -> Array:
        out: Array = np.asarray(np.abs(x))
        out *= -rate
        np.exp(out, out)
        return out

    def decay_of(self, x: Array, polynomial: tuple[float, ...], /) -> Array:
        return decay_of(self, x, polynomial, fine=x.dtype.itemsize == 8)

    def gaussian(self, x: Array, /) -> tuple[Array, Array]:
        return gaussian(self, x)

    def stack(self, arrays: tuple[Array, ...] | list[Array], /) -> Array:
        return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)  # a third of the time of np.stack

    def gathered(self, places: range, steps: Iterable[tuple[Array, ...]], /) -> tuple[Array, ...]:
        whole: tuple[Array, ...] = ()
        for place, parts in zip(places, steps, strict=True):
            whole = whole or tuple(np.empty((len(places), *part.shape), part.dtype) for part in parts)
            for all_of_it, part in zip(whole, parts, strict=True):
                all_of_it[place] = part
        return whole

    def row_by_row(self, x: Array, /) -> Array:
        return np.ascontiguousarray(x)  # a product with what is transposed takes a third longer

    def sigmoid(self, x: Array, /) -> tuple[Array, Array]:
        s: Array = np.asarray(np.exp(x))
        rest = self.reciprocal(scalar(1.0, x.dtype) + s)
        s *= rest
        if not np.maximum.reduce(s, axis=None, initial=0) <= 1:  # an infinity times 0 is nan
            np.copyto(s, 1, where=np.isnan(s) & ~np.isnan(x))
        return s, rest

    def sign(self, x: Array, /) -> Array:
        return np.sign(x)

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        return np.where(condition, a, b)

    def one_where(self, condition: Mask, x: Array, /) -> Array:
        return np.maximum(x, condition)  # np.where takes ten times as long where the condition changes often

    def either(self, condition: Mask, a: float, b: Array | float, like: Array, /) -> Array:
        # np.where takes eight times as long where the condition changes often.
        if isinstance(b, float) and b > a >= 0:
            return self.either(~condition, b, a, like)
        out: Array = np.asarray(condition.astype(like.dtype))
        if a != 1:
            out *= scalar(a, like.dtype)
        if isinstance(b, float) and b >= 0:
            return np.asarray(out.clip(scalar(b, like.dtype), scalar(a, like.dtype)))  # of a and 0, b is nearer to 0
        out += np.multiply(~condition, scalar(b, like.dtype) if isinstance(b, float) else b)  # sums with 0 are exact
        return out

    def reciprocal(self, x: Array, /) -> Array:
        return np.asarray(np.divide(scalar(1.0, x.dtype), x, out=_itself(x)))

    def positive_part(self, x: Array, /) -> Array:
        done = x if self.mine(x) else None
        if x.size <= SMALL:  # zeros as many as x has numbers: one zero is three times slower
            out = np.asarray(np.maximum(x, zeros(x.shape, x.dtype), out=done))
        else:
            out = np.asarray(x.clip(scalar(0.0, x.dtype), scalar(np.inf, x.dtype), out=done))
        np.absolute(out, out)  # -0.0 passes clip, and a nan may have a sign: gate relies on there being none
        return out

    def clip(self, x: Array, low: float, high: float, /) -> Array:
        out: Array = np.asarray(x.clip(self.scalar(low, x), self.scalar(high, x)))
        return out

    def gate(self, out: Array, dout: Array, /) -> Array:
        kind = dout.dtype
        bits = BITS.get(kind)
        if bits is None or out.dtype != kind:
            return np.where(out != 0, dout, np.zeros((), kind))
        # Read as whole numbers, entries are 0 exactly where out is and positive elsewhere. So their signs are 0 and 1,
        # and products with them stop inf and nan too.
        if not self.mine(dout):
            gates: NDArray[Any] = np.asarray(np.sign(out.view(bits)))
            np.multiply(gates, dout.view(bits), gates)
            return gates.view(kind)
        for entries, through in pieces(out.view(bits), dout.view(bits)):
            np.multiply(through, np.sign(entries), through)
        return dout

    def mean(self, x: Array, /) -> Array:
        mean: Array
        if x.ndim == 1 and x.size <= FEW_ROWS and x.dtype.char in "fd":
            mean = x.dot(shares(x.size, x.dtype))
        elif x.dtype.itemsize < 4:
            mean = np.asarray(np.mean(x))  # NumPy sums float16 in float32 here
        else:
            mean = np.add.reduce(x / x.size, axis=None)  # a sum of large numbers might overflow
        return np.asarray(mean)

    def swapaxes(self, x: Array, a: int, b: int, /) -> Array:
        return x.swapaxes(a, b)

    def rows(self, x: Array, /) -> Array:
        return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])  # -1 is not found where k is 0

    def sum_rows(self, x: Array, /) -> Array:
        if x.ndim != 2:
            x = self.rows(x)
        n = x.shape[0]
        each = _some_ones(n, x.dtype) if n <= SMALL else ones(n, x.dtype)
        out: Array = each.dot(x)
        return out

    def sum_last(self, x: Array, /) -> Array:
        k = x.shape[-1]
        if k <= FEW_ROWS and x.dtype.char in "fd":
            each = _some_ones(k, x.dtype)
            sums: Array = x.dot(each) if x.ndim == 2 else self.rows(x).dot(each).reshape(x.shape[:-1])
            return sums
        out: Array = np.add.reduce(x, axis=-1)
        return out

    def dot_last(self, a: Array, b: Array, /) -> Array:
        out: Array = np.vecdot(a, b)[..., None]
        return out

    def exponentials(self, x: Array, /) -> tuple[Array, Array, Array]:
        # The first entry will do for most rows: to look for the largest of 64 takes as long as three exponentials.
        shifted = x - x[..., :1]
        e = np.exp(shifted)
        total = self.sum_last(e)[..., None]
        far = ~(total.real <= MOST_SUM)[..., 0]  # nan too
        if far.any():
            rows = x[far]
            shifted[far] = rows - np.maximum.reduce(rows, axis=-1, keepdims=True)
            e[far] = np.exp(shifted[far])
            total[far] = self.sum_last(e[far])[..., None]
        return shifted, e, total

    def mean_along(self, x: Array, along: Along, /) -> Array:
        if isinstance(along, Groups):
            return self._mean_of_groups(x, along.number)
        n = x.shape[along]
        mean: Array
        if n == 0 or (along == -1 and n > FEW_ROWS) or x.dtype.char not in "fd":
            mean = np.asarray(np.mean(x, axis=along, keepdims=True))
            if n and x.dtype.itemsize > 2 and not np.isfinite(mean).all():  # a sum of large numbers may overflow
                mean = np.add.reduce(x / n, axis=along, keepdims=True)
            return mean
        if along == -1:
            mean = x.reshape(-1, n).dot(shares(n, x.dtype)).reshape(*x.shape[:-1], 1)
        else:
            mean = ones(n, x.dtype).dot(x)[None] / n
        return mean

    def _mean_of_groups(self, x: Array, groups: int) -> Array:
        n, positions, channels = x.shape
        if channels == 0:
            return np.empty((n, 1, 0), x.dtype)
        width = channels // groups
        # Ones times each example take a third of the time of np.add.reduce along its positions.
        sums = ones(positions, x.dtype) @ x if x.dtype.char in "fd" else np.add.reduce(x, axis=1)
        means = self.sum_last(sums.reshape(n, groups, width)) / (positions * width)
        return np.repeat(means, width, axis=1)[:, None]

    def mean_weighted(self, x: Array, weights: Array, /) -> Array:
        if x.dtype.char not in "fd":
            return self.mean_along(x * weights, -1)
        sums: Array = x.reshape(-1, weights.size).dot(weights).reshape(*x.shape[:-1], 1)
        sums /= weights.size
        return sums

    def mean_product(self, a: Array, b: Array, /) -> Array:
        if a.dtype.char in "fd":
            mean: Array = np.vecdot(a, b)[..., None] / a.shape[-1]
            if np.isfinite(mean).all():  # else a sum of large numbers may have overflowed
                return mean
        return self.mean_along(a * b, -1)

    def tamed(self, x: Array, along: Along, /) -> tuple[Array, Array | float]:
        if x.dtype.char in "fd":
            flat = x.reshape(-1)
            if flat.dot(flat) < np.inf:  # which takes a third of the time of a search for the largest
                return x, 1.0
        return self._within(x, *limit_of_sums(x.dtype), along)

    def tame_mean(self, x: Array, along: Along, /) -> Array:
        mean = self.mean_along(x, along)
        if np.isfinite(mean).all():  # to ask x itself takes another pass over all of it
            return mean
        tame, unit = self.tamed(x, along)
        return self.mean_along(tame, along) / unit

    def centred(self, x: Array, along: Along, /) -> tuple[Array, Array]:
        mean = self.mean_along(x, along)
        out: Array = np.asanyarray(x - mean)
        rest = self.mean_along(out, along)
        out -= rest
        return out, mean + rest

    def deviation(self, x: Array, eps: float, unit: Array | float, along: Along, /) -> tuple[Array, Array]:
        if x.dtype.itemsize < 4:  # whose squares overflow from 256 on
            wide: Array | float = unit if isinstance(unit, float | int) else unit.astype(np.float32)
            of_wide = self.deviation(x.astype(np.float32), eps, wide, along)
            return of_wide[0].astype(x.dtype), of_wide[1].astype(x.dtype)
        mean: Array = self.mean_square(x, along)
        within: Array | float = 1.0
        if not math.isfinite(np.add.reduce(mean, axis=None).real):
            small, within = self._within(x, *limit_of_squares(x.dtype), along)
            mean = self.mean_square(small, along)
        total = mean + eps * (unit * within) * (unit * within)
        root = np.sqrt(np.maximum(total, np.finfo(x.dtype).tiny))  # where nothing is left of either
        return mean / within / within, within / root

    def dropout_factor(self, x: Array, rate: float, seed: Any, /) -> Array:
        # Sixteen bits for each entry: a share of 65,536, and half the time of a generator's float32.
        bits = np.random.SFC64(int(seed)).random_raw(-(-x.size // 4)).astype("<u8", copy=False).view("<u2")
        kept = bits[: x.size].reshape(x.shape) < round((1 - rate) * 2**16)
        return np.multiply(kept, scalar(1 / (1 - rate), x.dtype))

    def mean_square(self, x: Array, along: Along, /) -> Array:
        if x.dtype.char in "fd" and along == -1:
            mean: Array = np.vecdot(x, x)[..., None] / max(x.shape[-1], 1)
            return mean
        return self.mean_along(x * x, along)

    def _within(self, x: Array, most: Any, unit: np.floating[Any], along: Along) -> tuple[Array, Array | float]:
        """`x`, times a unit where something along it is larger than the most, and the units."""
        huge: Mask = self._largest(np.abs(x), along) > most
        if not huge.any():
            return x, 1.0
        units: Array = np.where(huge, unit, unit.dtype.type(1))
        return x * units, units

    def _largest(self, x: Array, along: Along) -> Array:
        """The largest number, in the shape of a mean; 0 of none."""
        if not isinstance(along, Groups):
            return np.maximum.reduce(x, axis=along, keepdims=True, initial=0)
        n, positions, channels = x.shape
        apart = x.reshape(n, positions, along.number, channels // along.number)
        return np.repeat(np.maximum.reduce(apart, axis=(1, 3)), channels // along.number, axis=1)[:, None]

    def padded(self, x: Array, axis: int, before: int, after: int, value: float, /) -> Array:
        if before == after == 0:
            return x
        n = x.shape[axis]
        out: Array = np.full_like(x, value, shape=(*x.shape[:axis], before + n + after, *x.shape[axis + 1 :]))
        out[sliced(x.ndim, axis, before, before + n)] = x
        return out

    def first_largest(self, arrays: Sequence[Array], /) -> tuple[Array, Labels]:
        # Of every second place in memory, runs are as short as there are channels, and two operations take longer than
        # a copy and two of them.
        top, others = arrays[0].copy(), [np.asanyarray(each, order="C") for each in arrays[1:]]
        kind = np.min_scalar_type(len(others))
        place: Labels = np.zeros(top.shape, kind)
        for k, other in enumerate(others, 1):
            greater = np.asarray(other > top).view(np.uint8).astype(kind, copy=False)
            place = np.maximum(place, greater * kind.type(k), out=place) if k > 1 else greater  # k grows
            top = self._larger(other, top)
        if np.isnan(top).any():  # of which nothing is larger, and which is not larger than anything
            first_nan = np.argmax(np.isnan(np.stack(arrays)), axis=0)
            place = np.where(np.isnan(top), first_nan.astype(place.dtype), place)
        return top, place

    def _larger(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b, out=b)

    def mean_of(self, arrays: Sequence[Array], /) -> Array:
        n = len(arrays)
        out = _sum(arrays)
        out /= n
        if not np.isfinite(out).all():  # a sum of large numbers may overflow
            unit = 2.0 ** n.bit_length()
            out = _sum([each / unit for each in arrays])
            out /= n
            out *= unit
        return out

    def only(self, condition: Mask, x: Array, /) -> Array:
        bits = BITS.get(x.dtype)
        if bits is None:
            return np.where(condition, x, np.zeros((), x.dtype))
        chosen: Array = np.multiply(condition, x.view(bits)).view(x.dtype)  # where takes ten times as long
        return chosen

    def overlapped(self, parts: Sequence[Array], /, *steps: Steps) -> Array:
        out = _before_writing(parts[0], steps)
        for part, (tap, first) in zip(parts, taps(parts[0].shape, steps), strict=True):
            if first:
                out[tap] = part
            else:
                out[tap] += part
        return out

    def scattered(self, place: Labels, x: Array, /, *steps: Steps) -> Array:
        bits = BITS.get(x.dtype)
        if bits is None or any(each.size > each.stride for each in steps):
            size = math.prod(each.size for each in steps)
            return self.overlapped([self.only(place == k, x) for k in range(size)], *steps)
        out, entries = _before_writing(x, steps), x.view(bits)
        for k, (tap, _) in enumerate(taps(x.shape, steps)):
            np.multiply(place == k, entries, out=out[tap].view(bits))  # as `only`, where it is to be
        return out

    def first_position(self, x: Array, /) -> tuple[Array, Labels]:
        place: Labels = x.real.argmax(axis=1)
        return np.take_along_axis(x, place[:, None], 1)[:, 0], place

    def at_position(self, place: Labels, values: Array, p: int, /) -> Array:
        out: Array = np.zeros_like(values, shape=(values.shape[0], p, values.shape[1]))
        np.put_along_axis(out, place[:, None], values[:, None], 1)
        return out

    def at_positions(self, values: Array, p: int, /) -> Array:
        return values[:, None].repeat(p, axis=1)

    def may_fall_below(self, x: Array, bound: float, /) -> bool:
        # Found in a third of the time of np.fmin.reduce; a nan counts as the smallest.
        real = x.real.ravel("K")
        return not real.item(real.argmin()) >= bound and bool(np.fmin.reduce(real) < bound)

    def max_last(self, x: Array, /) -> Array:
        out: Array = np.maximum.reduce(x, axis=-1)
        return out

    def argmax_last(self, x: Array, /) -> Labels:
        labels: Labels = x.argmax(axis=-1)
        return labels

    def shifted(self, rows: Array, /) -> Array:
        if rows.shape[1] > FEW:
            return rows - self.max_last(rows)[:, None]
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

    def one_hot(self, labels: Labels, k: int, /) -> Mask:
        return np.equal(labels[..., None], np.arange(k))

    def turns(self, x: Array, base: float, /) -> tuple[Array, Array]:
        *_, t, d = x.shape
        return (_some_turns if t * d <= TABLE else _turns)(t, d // 2, base, x.dtype)

    def blocks(self, t: int, causal: bool, /) -> list[tuple[slice, slice]]:
        each = (QUERIES if t > QUERIES else QUERIES // 2) if causal else max(t, 1)  # half of the columns are skipped
        return [(slice(i, i + each), slice(min(i + each, t))) for i in range(0, max(t, 1), each)]

    def up_to(self, t: int, like: Array, /) -> Mask:
        return (_some_up_to if t * t <= TABLE else _up_to)(t)

    def weights(self, scores: Array, allowed: Mask | None, /) -> Array:
        # To look for the largest of each row takes as long as the exponentials; to see that none is far, a third of it.
        if scores.size and not (scores.real.max() <= NEAR and scores.real.min() >= -NEAR):  # nan too
            far = ~((scores.real.max(axis=-1) <= NEAR) & (scores.real.min(axis=-1) >= -NEAR))
            rows = scores[far]
            if allowed is not None:
                np.copyto(rows, -np.inf, where=~np.broadcast_to(allowed, scores.shape)[far])
            top: Array = np.maximum.reduce(rows, axis=-1, keepdims=True)
            scores[far] = rows - np.where(top.real > -np.inf, top, 0)
        e: Array = np.exp(scores, out=scores)
        if allowed is not None:
            e *= allowed.astype(e.dtype)  # as many as e has, they would take twice as long
        total = self.sum_last(e)[..., None]
        if allowed is not None and not total.all():
            total += np.logical_not(allowed.any(axis=-1, keepdims=True))
        e /= total
        return e

    def take_rows(self, rows: Array, labels: Labels, /) -> Array:
        out: Array = rows.take(labels.astype(np.intp, copy=False), axis=0)  # in a third of the time of rows[labels]
        return out

    def add_rows(self, labels: Labels, values: Array, k: int, /) -> Array:
        rows = self.rows(self.widened(values))
        if rows.size > SMALL:
            return self.astype(sums_by_label(labels.reshape(-1), rows, k), values)
        out: Array = np.zeros((k, rows.shape[1]), rows.dtype)
        np.add.at(out, labels.reshape(-1), rows)
        return self.astype(out, values)

    def take_steps(self, x: Array, labels: Labels, /) -> Array:
        return np.take_along_axis(x, _of_steps(labels, x.shape[:-2]), axis=-2)[..., 0, :]

    def put_steps(self, values: Array, labels: Labels, t: int, /) -> Array:
        *axes, d = values.shape
        out: Array = np.zeros((*axes, t, d), values.dtype)
        np.put_along_axis(out, _of_steps(labels, tuple(axes)), values[..., None, :], axis=-2)
        return out

    def scalar(self, value: float, like: Array, /) -> Array | float:
        return scalar(value + 0.0, like.dtype)  # not -0.0, which the cache would take for 0.0

    def share(self, value: float, n: int, like: Array, /) -> Array | float:
        if like.dtype.itemsize > 8:  # float64 is not as accurate
            return np.asarray(scalar(value, like.dtype) / n)
        return scalar(value / n + 0.0, like.dtype)

    def count(self, condition: Mask, /) -> int:
        return int(np.count_nonzero(condition))

    def is_real(self, x: Array | Labels | Mask, /) -> bool:
        return x.dtype.kind in "iuf"

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        return x.dtype.kind in "iu"

    def widened(self, x: Array, /) -> Array:
        return x if x.dtype.itemsize > 2 else x.astype(np.float32)

    def astype(self, x: Array | Labels | Mask, like: Array, /) -> Array:
        return x.astype(like.dtype, copy=False)


def _of_steps(labels: Labels, axes: tuple[int, ...]) -> Labels:
    return np.broadcast_to(labels, axes)[..., None, None]


def _sum(arrays: Sequence[Array]) -> Array:
    out: Array = arrays[0].copy()
    for other in arrays[1:]:
        out += other
    return out


def _itself(x: Any) -> Any:
    """The `out` argument for a result that may replace `x`: None if `x` is a NumPy scalar."""
    return x if is_numpy(x) else None


class InPass(Tuned):
    """NumPy in a pass, which owns every array between its first layer and its last: nobody else writes to them."""

    def __init__(self) -> None:
        super().__init__()
        self.own: Callable[[Any], Any] = as_it_is


def as_it_is(x: A) -> A:
    """The value itself."""
    return x


class InPrediction(InPass):
    """NumPy in a pass that goes forward alone: what a layer has saved is let go of before the next runs."""

    keeps = False


class InPairs(Tuned):
    """NumPy where the pairs of a combinator's parts are called: all their results are constant or borrowed."""

    def mine(self, x: Array, /) -> bool:
        return False

    def shared(self, x: Any, /) -> Any:
        return borrowed(x)

    def plus(self, a: Array, b: Array, /) -> Array:
        return read_only(a + b)

    def times(self, a: Array, b: Array | float, /) -> Array:
        return read_only(a * b)


freed_memory_stays()
TUNED = Tuned()
IN_PASS = InPass()
IN_PREDICTION = InPrediction()
IN_PAIRS = InPairs()


@lru_cache(maxsize=256)
def scalar(value: float, dtype: np.dtype[Any]) -> Array:
    """A 0-d array: NumPy takes half a microsecond to make one of a Python number, in each operation."""
    return read_only(np.asarray(value, dtype))


@lru_cache(maxsize=16)
def limit_of_sums(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The largest number of which sums are finite, and the factor that makes larger ones so small."""
    kind = np.finfo(dtype)
    return _powers(kind, (12, -6) if kind.maxexp < 32 else (kind.maxexp - 34, -34))


@lru_cache(maxsize=16)
def limit_of_squares(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The same for sums of squares."""
    kind = np.finfo(dtype)
    return _powers(kind, (kind.maxexp // 2 - 16, -kind.maxexp // 2 - 16))


def _powers(kind: Any, exponents: tuple[int, int]) -> tuple[Any, Any]:
    return np.ldexp(kind.dtype.type(1), exponents[0]), np.ldexp(kind.dtype.type(1), exponents[1])


@lru_cache(maxsize=128)
def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros of a shape, at most `SMALL`."""
    return _constant(0.0, dtype)[: math.prod(shape)].reshape(shape)


def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """(n,): ones."""
    return _some_ones(n, dtype) if n <= SMALL else np.ones(n, dtype)


@lru_cache(maxsize=128)
def _some_ones(n: int, dtype: np.dtype[Any]) -> Array:
    return _constant(1.0, dtype)[:n]


@lru_cache(maxsize=4)
def _constant(value: float, dtype: np.dtype[Any]) -> Array:
    return read_only(np.full(SMALL, value, dtype))


@lru_cache(maxsize=16)
def shares(n: int, dtype: np.dtype[Any]) -> Array:
    """(n,): 1 / n each."""
    return read_only(np.full(n, 1 / n, dtype))


def _turns(t: int, pairs: int, base: float, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    cos, sin = turns(t, pairs, base, np.promote_types(dtype, np.float64))
    return read_only(cos.astype(dtype, copy=False)), read_only(sin.astype(dtype, copy=False))


_some_turns = lru_cache(maxsize=2)(_turns)


def _up_to(t: int) -> Mask:
    return read_only(np.tri(t, dtype=bool))


_some_up_to = lru_cache(maxsize=2)(_up_to)


def multiples(n: int, of: int) -> Labels:
    """(n,): 0, of, 2 of, ..."""
    return _some_multiples(n, of) if n <= SMALL else np.arange(n) * of


@lru_cache(maxsize=8)
def _some_multiples(n: int, of: int) -> Labels:
    return read_only(np.arange(n) * of)
