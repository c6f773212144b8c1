"""Windows over positions: what a convolution multiplies by its weights, and how it adds them up again.

On each spatial axis, window p of `x` holds the positions p stride - before + k dilation for k = 0, ..., size - 1, and 0
where there is no such position. Laid out as rows,

    windows(x): (n, outer, c) to (n, inner, size c)

it is linear: a gather. Its transpose, `fold`, adds each number to the position that it came from: a scatter. Between
the two stands the trilinear form

    B(x, W, y) = <windows(x) W, y> = <x, fold(y W^T)> = <W, windows(x)^T y>

of which a convolution and its transpose are derivatives, and so are all of their gradients.

These are the forms of the textbook, in words of the Array API standard: windows are slices side by side, one for each
place in the window. `fold` takes windows as well. With the stride filled up with zeros, position q gets from window
q + before - k dilation, so that fold(y W^T) = windows(y) V where V is W with its places in reverse and its channels
exchanged.
"""

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import product
from typing import Any, TypeAlias

from attrs import frozen

from chainrule.arrays.types import Array

Index: TypeAlias = tuple[Any, ...]
"""An index of (n, ..., channels)."""

Product: TypeAlias = Callable[[Array, Array, "Windows"], Array]
"""`windowed` or `folded`, of a library."""

Derivatives: TypeAlias = Callable[[Array, Array, Array, "Windows", bool], tuple[Array | None, Array]]
"""`of_windowed` or `of_folded`, of a library."""


def spatial(axes: Iterable[slice]) -> Index:
    """The index of all examples and channels, and of some positions."""
    return (slice(None), *axes, ...)


@frozen(slots=False)
class Windows:
    """The places of windows: numbers for each spatial axis, and the groups of channels."""

    outer: tuple[int, ...]
    """The positions that are seen through windows."""
    inner: tuple[int, ...]
    """The windows."""
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    """The zeros before the first position; less than 0 if the first positions are not seen."""
    groups: int = 1
    """Groups of neighbouring channels, each of which sees its own."""

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """The positions from the first window's first to the last one's last."""
        axes = zip(self.inner, self.size, self.stride, self.dilation, strict=True)
        return tuple((p - 1) * s + (k - 1) * d + 1 for p, k, s, d in axes)

    @cached_property
    def seen(self) -> Index:
        """The positions that are seen: from the first window's first to the last one's last, if x has them."""
        axes = zip(self.outer, self.lengths, self.before, strict=True)
        return spatial(slice(max(0, -b), max(0, -b, min(q, length - b))) for q, length, b in axes)

    @cached_property
    def lands(self) -> Index:
        """The places of the positions that are seen, counted from the first window's first on."""
        axes = zip(self.seen[1:-1], self.before, strict=True)
        return spatial(slice(seen.start + b, seen.stop + b) for seen, b in axes)

    @cached_property
    def taps(self) -> list[Index]:
        """For each place in a window, in row-major order: where it lies in all windows, counted as in `lands`."""
        axes = zip(self.inner, self.size, self.stride, self.dilation, strict=True)
        each = ([slice(k * d, k * d + (p - 1) * s + 1, s) for k in range(size)] for p, size, s, d in axes)
        return [spatial(tap) for tap in product(*each)]

    @cached_property
    def back(self) -> "Windows":
        """From each position, the windows that it lies in, where the stride is filled up with zeros."""
        before = tuple((k - 1) * d - b for k, d, b in zip(self.size, self.dilation, self.before, strict=True))
        filled = tuple(p * s for p, s in zip(self.inner, self.stride, strict=True))
        return Windows(filled, self.outer, self.size, (1,) * len(before), self.dilation, before, self.groups)


def turned(xp: Any, W: Array, groups: int) -> Array:
    """(*size, c, m): its places in reverse, and the channels of each group exchanged; twice is nothing."""
    axes = W.ndim - 2
    apart = xp.reshape(xp.flip(W, axis=tuple(range(axes))), (*W.shape[:-1], groups, W.shape[-1] // groups))
    apart = xp.permute_dims(apart, (*range(axes), axes + 2, axes + 1, axes))
    out: Array = xp.reshape(apart, (*apart.shape[:-2], -1))
    return out


def laid(xp: Any, x: Array, at: Windows) -> Array:
    """(n, *outer, c) to (n, *lengths, c): with zeros around, and without what no window sees."""
    x = x[at.seen]
    zero = xp.zeros_like(xp.sum(x))
    for axis, (length, before) in enumerate(zip(at.lengths, at.before, strict=True), 1):
        first = min(max(before, 0), length)
        last = length - first - x.shape[axis]
        if first or last:
            sides = (xp.broadcast_to(zero, (*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in (first, last))
            x = xp.concat([next(sides), x, next(sides)], axis=axis)
    return x


def filled(xp: Any, y: Array, stride: tuple[int, ...]) -> Array:
    """(n, *inner, m) to (n, *inner * stride, m): with zeros after each entry."""
    zero = xp.zeros_like(xp.sum(y))
    for axis, s in enumerate(stride, 1):
        before, after = y.shape[: axis + 1], y.shape[axis + 1 :]
        some = xp.broadcast_to(zero, (*before, s - 1, *after))
        y = xp.concat([xp.reshape(y, (*before, 1, *after)), some], axis=axis + 1)
        y = xp.reshape(y, (*before[:-1], before[-1] * s, *after))
    return y


def grouped(xp: Any, x: Array, places: int, groups: int) -> Array:
    """(..., places c) to (groups, rows, places c / groups)."""
    rows, width = math.prod(x.shape[:-1]), x.shape[-1] // places // groups
    apart = xp.permute_dims(xp.reshape(x, (rows, places, groups, width)), (2, 0, 1, 3))
    out: Array = xp.reshape(apart, (groups, rows, places * width))
    return out


def windows(xp: Any, x: Array, at: Windows) -> Array:
    """(n, *outer, c) to (groups, n inner, size c / groups)."""
    around = laid(xp, x, at)
    side_by_side = xp.concat([around[tap] for tap in at.taps], axis=-1)
    return grouped(xp, side_by_side, len(at.taps), at.groups)


def windowed(xp: Any, x: Array, W: Array, at: Windows) -> Array:
    """`windows(x) W`: (n, *outer, c) to (n, *inner, m), of W (*size, c / groups, m)."""
    products = xp.matmul(windows(xp, x, at), grouped(xp, xp.reshape(W, (-1, W.shape[-1])), 1, at.groups))
    out: Array = xp.reshape(xp.permute_dims(products, (1, 0, 2)), (x.shape[0], *at.inner, W.shape[-1]))
    return out


def folded(xp: Any, y: Array, W: Array, at: Windows) -> Array:
    """`fold(y W^T)`, the transpose of `windowed`: (n, *inner, m) to (n, *outer, c)."""
    return windowed(xp, filled(xp, y, at.stride), turned(xp, W, at.groups), at.back)


def met(xp: Any, x: Array, y: Array, at: Windows) -> Array:
    """`windows(x)^T y`, the derivative of `<windows(x) W, y>` with respect to W."""
    rows = xp.permute_dims(windows(xp, x, at), (0, 2, 1))
    products = xp.permute_dims(xp.matmul(rows, grouped(xp, y, 1, at.groups)), (1, 0, 2))
    out: Array = xp.reshape(products, (*at.size, x.shape[-1] // at.groups, y.shape[-1]))
    return out


def of_windowed(xp: Any, x: Array, W: Array, dout: Array, at: Windows, wants_dx: bool) -> tuple[Array | None, Array]:
    """The derivatives of `<windows(x) W, dout>` with respect to x and W."""
    return folded(xp, dout, W, at) if wants_dx else None, met(xp, x, dout, at)


def of_folded(xp: Any, y: Array, W: Array, dout: Array, at: Windows, wants_dy: bool) -> tuple[Array | None, Array]:
    """The derivatives of `<fold(y W^T), dout>` with respect to y and W."""
    return windowed(xp, dout, W, at) if wants_dy else None, met(xp, dout, y, at)
