"""The largest number of each window, in each channel: a picture that is moved a little changes little.

    out_o = max(x_i)        where i is in the window of o        x (n, ..., c)        out (n, ..., c)

for each example and each channel. The window of an output o has `size` numbers along every spatial axis, and that of
its neighbour begins a stride further (Scherer, Müller and Behnke, Evaluation of pooling operations in convolutional
architectures for object recognition, 2010).

**Derivation.** Let S be the matrix with a row for each output and a column for each number of x, which is 1 where the
number is the largest of the window, and 0 elsewhere. As long as the largest number stays the largest, the others may
change as they like, and S does not change:

    out = S x        d(out) = S dx
    dL = <dout, S dx> = <S^T dout, dx>

so that

    dx = S^T dout

S takes a number from each window, and its transpose puts the derivative back to the place: gather and scatter are an
adjoint pair. Where windows overlap, one number may be the largest of several, and its derivatives are summed.

**Axis by axis.** The largest number of a window is the largest of the largest numbers of its rows, so that one axis can
be worked off after the other, the last one first, and backward in the opposite order. Where windows overlap, a square
costs `2 (size - 1)` comparisons then and not `size^2 - 1`, as they share their rows. Windows that lie apart share
nothing, and small ones go at once.

**To remember:** the winner takes the whole derivative.

**Numerics.** Sums of derivatives in float16 are taken in float32.

Special values: of equal numbers the first wins, in row-major order, and a nan wins over every number. Padding is -inf,
and no window consists of it alone; if all else in a window is -inf too, its derivative may be that of the padding, and
goes nowhere. Where no derivative comes, dx is 0, even if dout is infinite or nan.

**From and to torch.** `MaxPool1d`, `MaxPool2d` and `MaxPool3d` have no weights, and take the channels as the second
axis: (n, c, ...) is ours with `numpy.moveaxis(x, -1, 1)`. Of several nan in a window theirs takes the last.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.MaxPool2d` | `keras.layers.MaxPooling2D` | `flax.nnx.max_pool` |

Examples
--------
>>> import numpy as np
>>> from chainrule import max_pool
>>> x = np.array([[1.0, 4.0, 2.0, 2.0], [3.0, 0.0, 2.0, 1.0]]).reshape(1, 2, 4, 1)
>>> out, cache = max_pool(2).forward((), x)
>>> out[0, :, :, 0]
array([[4., 2.]])
>>> max_pool(2).backward(cache, np.array([[[[5.0], [7.0]]]]))[0][0, :, :, 0]
array([[0., 5., 7., 0.],
       [0., 0., 0., 0.]])
"""

import math
from functools import partial
from typing import Any

from attrs import frozen

from chainrule.arrays.spatial import Each, Margins
from chainrule.arrays.types import Labels
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
class MaxPoolCache:
    """The cache of `max_pool`.

    It holds which number of each window is the largest, or, of windows that are worked off axis by axis, of each row of
    `size`, for each axis, the last one first; and an array of nothing, whose axes after the first are as long as those
    of x.
    """

    places: tuple[Labels, ...]
    x: Array


_saved = unchecked(MaxPoolCache)


def forward(
    xp: Namespace, params: Unit, x: Array, *, size: Each, stride: Each, padding: Margins
) -> tuple[Array, MaxPoolCache]:
    """`out = S x`: the largest number of each window; the places of the ones in S are saved."""
    each = stages(x.ndim - 2, size, stride, padding)
    out, *places = xp.by_examples(partial(largest, xp, each), x)
    shape = xp.read_only(xp.zeros_like(x[None, ...][:0, ...]))
    return out, _saved(tuple(map(xp.read_only, places)), shape)


def largest(xp: Namespace, stages: tuple[Stage, ...], x: Array) -> tuple[Any, ...]:
    """The largest number of each window, and for each stage at which of its places it stands."""
    places: list[Any] = []
    for stage in stages:
        x, place = xp.first_largest(taps(xp, x, stage, -math.inf))
        places.append(place)
    return x, *places


def backward(
    xp: Namespace, cache: MaxPoolCache, dout: Array, wants_dx: bool, *, size: Each, stride: Each, padding: Margins
) -> tuple[Array | None, Unit]:
    """`dx = S^T dout`."""
    if not wants_dx:
        return None, ()
    each = stages(dout.ndim - 2, size, stride, padding)
    (dx,) = backward_by(xp, partial(put_back, xp, each, cache.x.shape[1:]), each, dout, *cache.places)
    return dx, ()


def put_back(xp: Namespace, stages: tuple[Stage, ...], shape: Shape, dout: Array, *places: Labels) -> tuple[Array]:
    """Each derivative at the place of the largest number, stage by stage in the opposite order."""
    dx = xp.widened(dout)
    for stage, place in zip(reversed(stages), reversed(places), strict=True):
        dx = within(xp.scattered(place, dx, *steps(stage, shape)), stage, shape)
    return (xp.astype(dx, dout),)


def max_pool(size: Each, stride: Each | None = None, padding: Margins = 0) -> Layer[Unit, MaxPoolCache]:
    """Make a layer that takes the largest number of each window.

    Parameters
    ----------
    size
        How many numbers a window has along each spatial axis, at least 1; a tuple has a number for each axis.
    stride
        How far apart windows begin, at least 1; likewise. By default the size: then no two of them overlap.
    padding
        How many -inf stand before and after each axis, less than the size; a tuple has for each axis a number, or a
        pair of them, before and after.

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
    >>> from chainrule import max_pool
    >>> max_pool(3, stride=2, padding=1)
    Layer(max_pool(size=3, stride=2, padding=1))
    """
    given = options("max_pool", size, stride, padding)
    return layer(
        "max_pool",
        (),
        partial(forward, **given),
        partial(backward, **given),
        partial(fits, "max_pool", **given),
        quiet=True,
        takes_largest=True,
        operations=partial(operations, **given),
        onnx=partial(onnx.max_pool, **given),
    )
