"""The mean of each window, in each channel.

    out_o = sum(x_i) / m        where i is in the window of o        x (n, ..., c)        out (n, ..., c)

for each example and each channel. The window of an output o has `size` numbers along every spatial axis, m in all, and
that of its neighbour begins a stride further (LeCun and others, Handwritten digit recognition with a back-propagation
network, 1990).

**Derivation.** The mean is linear. Let V be the matrix with a row for each output and a column for each number of x,
which is 1 where the number is in the window, and 0 elsewhere:

    out = V x / m        d(out) = V dx / m
    dL = <dout, V dx / m> = <V^T dout / m, dx>

so that

    dx = V^T dout / m

V adds up what is in each window, and its transpose copies the derivative of each window to all of its places, where the
windows that overlap are summed: sum and copy are an adjoint pair.

**Axis by axis.** The mean of a window is that of the means of its rows, so that one axis can be worked off after the
other: where windows overlap, 2 (size - 1) additions for a square, and not size^2 - 1. Small ones that lie apart go at
once.

**To remember:** a mean hands its derivative to all of its numbers, in equal shares.

**Numerics.** Sums in float16 are taken in float32, and a mean of large numbers is finite where their sum is not.

Special values: an infinity or a nan is in the mean of every window that holds it. Padding is of zeros, which count: m
is the same for all windows, as in torch's `count_include_pad`, and ONNX's.

**From and to torch.** `AvgPool1d`, `AvgPool2d` and `AvgPool3d` have no weights, and take the channels as the second
axis: (n, c, ...) is ours with `numpy.moveaxis(x, -1, 1)`.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.AvgPool2d` | `keras.layers.AveragePooling2D` | `flax.nnx.avg_pool` |

Examples
--------
>>> import numpy as np
>>> from chainrule import mean_pool
>>> x = np.array([[1.0, 4.0, 2.0, 2.0], [3.0, 0.0, 2.0, 1.0]]).reshape(1, 2, 4, 1)
>>> out, cache = mean_pool(2).forward((), x)
>>> out[0, :, :, 0]
array([[2.  , 1.75]])
>>> mean_pool(2).backward(cache, np.array([[[[4.0], [8.0]]]]))[0][0, :, :, 0]
array([[1., 1., 2., 2.],
       [1., 1., 2., 2.]])
"""

import math
from functools import partial

from attrs import frozen

from chainrule.arrays.spatial import Each, Margins
from chainrule.layers.pooling import onnx
from chainrule.layers.pooling.windows import (
    Stage,
    backward_by,
    fits,
    operations,
    options,
    stages,
    steps,
    taps,
    within,
)
from chainrule.rules import Array, Layer, Namespace, Shape, Unit, layer, record, unchecked


@frozen(eq=False)
@record
class MeanPoolCache:
    """The cache of `mean_pool`: an array of nothing, whose axes after the first are as long as those of x."""

    x: Array


_saved = unchecked(MeanPoolCache)


def forward(
    xp: Namespace, params: Unit, x: Array, *, size: Each, stride: Each, padding: Margins
) -> tuple[Array, MeanPoolCache]:
    """`out = V x / m`."""
    each = stages(x.ndim - 2, size, stride, padding)
    (out,) = xp.by_examples(partial(means, xp, each), x)
    return out, _saved(xp.read_only(xp.zeros_like(x[None, ...][:0, ...])))


def means(xp: Namespace, stages: tuple[Stage, ...], x: Array) -> tuple[Array]:
    """The mean of each window, stage by stage."""
    out = xp.widened(x)
    for stage in stages:
        out = xp.mean_of(taps(xp, out, stage, 0.0))
    return (xp.astype(out, x),)


def backward(
    xp: Namespace, cache: MeanPoolCache, dout: Array, wants_dx: bool, *, size: Each, stride: Each, padding: Margins
) -> tuple[Array | None, Unit]:
    """`dx = V^T dout / m`."""
    if not wants_dx:
        return None, ()
    each = stages(dout.ndim - 2, size, stride, padding)
    (dx,) = backward_by(xp, partial(shares, xp, each, cache.x.shape[1:]), each, dout)
    return dx, ()


def shares(xp: Namespace, stages: tuple[Stage, ...], shape: Shape, dout: Array) -> tuple[Array]:
    """The share of each derivative at all places of its window, stage by stage in the opposite order."""
    dx, sizes = xp.widened(dout), [math.prod(each.size for _, each in stage) for stage in stages]
    dx = dx * xp.share(1.0, math.prod(sizes), dx)
    for stage, size in zip(reversed(stages), reversed(sizes), strict=True):
        dx = within(xp.overlapped([dx] * size, *steps(stage, shape)), stage, shape)
    return (xp.astype(dx, dout),)


def mean_pool(size: Each, stride: Each | None = None, padding: Margins = 0) -> Layer[Unit, MeanPoolCache]:
    """Make a layer that takes the mean of each window.

    Parameters
    ----------
    size
        How many numbers a window has along each spatial axis, at least 1; a tuple has a number for each axis.
    stride
        How far apart windows begin, at least 1; likewise. By default the size: then no two of them overlap.
    padding
        How many zeros stand before and after each axis, less than the size; a tuple has for each axis a number, or a
        pair of them, before and after. They count as numbers of the windows.

    Returns
    -------
    Layer
        It has no parameters; (n, ..., c) to (n, ..., c), with 1 to 3 spatial axes between the first and the last. An
        axis of length l becomes one of (l + padding before and after - size) // stride + 1: numbers at the end that
        fill no window are left out.

    Raises
    ------
    ValueError
        If a size or a stride is less than 1, a padding negative or as large as the size, or tuples differ in length.
    TypeError
        If they are no integers.

    Examples
    --------
    >>> from chainrule import mean_pool
    >>> mean_pool((1, 2))
    Layer(mean_pool(size=(1, 2), stride=(1, 2), padding=0))
    """
    given = options("mean_pool", size, stride, padding)
    return layer(
        "mean_pool",
        (),
        partial(forward, **given),
        partial(backward, **given),
        partial(fits, "mean_pool", **given),
        quiet=True,
        operations=partial(operations, **given),
        onnx=partial(onnx.mean_pool, **given),
    )
