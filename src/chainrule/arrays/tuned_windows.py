"""Windows over positions in NumPy: the words of `chainrule.arrays.windows` in the form that NumPy does fastest.

All windows of a batch are larger than it by the number of their places, and copying them through memory takes as long
as their product with the weights. So they are copied by some images at a time, in one strided copy that stays in the
cache, and what meets them meets them there. Measured on (64, 28, 28, 32) with (3, 3, 32, 32) weights in float32, on one
core with 512-bit vectors, forward and backward, in milliseconds:

    windows of some images at a time      20
    all windows at once                   36
    a product for each place              39
    the forms of the textbook             56

An image whose windows are larger than the cache goes by itself, and takes so much memory for a while.

With a stride of 1, one array of windows of `dout` serves both gradients, as `fold` is made of windows too.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.arrays.types import Array
from chainrule.arrays.windows import Windows, turned

BYTES = 2**21
"""So large, about, are the windows of some images. From 2^17 to 2^22 makes no difference; 2^25 takes twice as long."""


def windowed(x: Array, W: Array, at: Windows) -> Array:
    """`windows(x) W`: (n, *outer, c) to (n, *inner, m), of W (*size, c / groups, m)."""
    kernel, out = by_group(W, at.groups), np.empty((x.shape[0], *at.inner, W.shape[-1]), x.dtype)
    if kernel.shape[1:] == (len(at.taps), 1):
        for some, around in surrounded(x, at):
            weigh(around, W, at, out[some])
        return out
    for some, rows in windows(x, at):
        np.matmul(rows, kernel, out=by_group(out[some], at.groups))
    return out


def folded(y: Array, W: Array, at: Windows) -> Array:
    """`fold(y W^T)`, the transpose of `windowed`: (n, *inner, m) to (n, *outer, c)."""
    c = W.shape[-2] * at.groups
    if max(at.stride) == 1 and W.shape[-1] <= 2 * c:
        return windowed(y, turned(np, W, at.groups), at.back)
    out = np.zeros((y.shape[0], *at.outer, c), y.dtype)
    transposed = by_group(W, at.groups).swapaxes(1, 2)
    for some in slices(y.shape[0], at, c * y.itemsize):
        part = y[some]
        products = (by_group(part, at.groups) @ transposed).reshape(at.groups, *part.shape[:-1], len(at.taps), -1)
        whole = np.zeros((part.shape[0], *at.lengths, at.groups, c // at.groups), y.dtype)
        for k, tap in enumerate(at.taps):
            whole[tap] += np.moveaxis(products[..., k, :], 0, -2)
        seen = out[some][at.seen]
        seen[...] = whole[at.lands].reshape(seen.shape)
    return out


def of_windowed(x: Array, W: Array, dout: Array, at: Windows, wants_dx: bool) -> tuple[Array | None, Array]:
    """The derivatives of `<windows(x) W, dout>` with respect to x and W."""
    if max(at.stride) == 1 and W.shape[-1] <= 2 * x.shape[-1]:
        dx, dV = of_folded(x, turned(np, W, at.groups), dout, at.back, wants_dx)
        return dx, turned(np, dV, at.groups)
    return folded(dout, W, at) if wants_dx else None, of_folded(dout, W, x, at, False)[1]


def of_folded(y: Array, W: Array, dout: Array, at: Windows, wants_dy: bool) -> tuple[Array | None, Array]:
    """The derivatives of `<fold(y W^T), dout>` with respect to y and W: `windows(dout) W` and `windows(dout)^T y`."""
    kernel, dy = by_group(W, at.groups), np.empty(y.shape, y.dtype) if wants_dy else None
    dW = np.zeros_like(kernel)
    if kernel.shape[1:] == (len(at.taps), 1):
        summed = "nxyz"[: y.ndim - 1]
        for some, around in surrounded(dout, at):
            for k, tap in enumerate(at.taps):
                dW[:, k, 0] += np.einsum(f"{summed}c,{summed}c->c", around[tap], y[some])
            if dy is not None:
                weigh(around, W, at, dy[some])
    else:
        for some, rows in windows(dout, at):
            dW += rows.swapaxes(1, 2) @ by_group(y[some], at.groups)
            if dy is not None:
                np.matmul(rows, kernel, out=by_group(dy[some], at.groups))
    return dy, dW.swapaxes(0, 1).reshape(W.shape)


def weigh(around: Array, W: Array, at: Windows, out: Array) -> None:
    """Write the sums of windows of which each channel is a group: by place, since a product takes longer to lay out."""
    along = np.tile(W.reshape(len(at.taps), 1, -1), (1, at.inner[-1], 1))  # as long as the runs of memory that it meets
    products = np.empty_like(out)
    np.multiply(around[at.taps[0]], along[0], out=out)
    for tap, weights in zip(at.taps[1:], along[1:], strict=True):
        np.multiply(around[tap], weights, out=products)
        out += products


def windows(x: Array, at: Windows) -> Iterator[tuple[slice, Array]]:
    """Some images and their windows, (groups, positions, size c / groups), for all images.

    They are in memory that is used again for the next: the first touch of a page takes longer than its product.
    """
    width = x.shape[-1] // at.groups
    rows = np.empty(0, x.dtype)
    for some, around in surrounded(x, at):
        n, (image, *steps, channel) = around.shape[0], around.strides
        by_place = tuple(step * d for step, d in zip(steps, at.dilation, strict=True))
        by_window = tuple(step * s for step, s in zip(steps, at.stride, strict=True))
        if x.shape[-1] == 1:  # place by place, in runs as long as a row: window by window they are of some numbers
            shape, strides = (*at.size, n, *at.inner), (*by_place, image, *by_window)
        else:
            shape = (at.groups, n, *at.inner, *at.size, width)
            strides = (width * channel, image, *by_window, *by_place, channel)
        rows = rows if rows.shape == shape else np.empty(shape, x.dtype)
        rows[...] = as_strided(around, shape, strides)
        if x.shape[-1] == 1:
            yield some, rows.reshape(1, len(at.taps), n * math.prod(at.inner)).swapaxes(1, 2)
        else:
            yield some, rows.reshape(at.groups, n * math.prod(at.inner), len(at.taps) * width)


def surrounded(x: Array, at: Windows) -> Iterator[tuple[slice, Array]]:
    """Some images with zeros around them, for all images, in memory that is used again for the next."""
    around = np.empty(0, x.dtype)
    for some in slices(x.shape[0], at, x.shape[-1] * x.itemsize):
        part = x[some][at.seen]
        if len(part) != len(around):
            around = np.zeros((len(part), *at.lengths, x.shape[-1]), x.dtype)
        around[at.lands] = part
        yield some, around


def slices(n: int, at: Windows, channels: int) -> Iterator[slice]:
    """Slices of n images, whose windows take `channels` bytes for each place."""
    step = max(1, BYTES // (math.prod(at.inner) * len(at.taps) * channels))
    return (slice(i, i + step) for i in range(0, n, step))


def by_group(x: Array, groups: int) -> Array:
    """(..., m) to (groups, rows, m / groups), a view where it can be."""
    return x.reshape(-1, groups, x.shape[-1] // groups).swapaxes(0, 1)
