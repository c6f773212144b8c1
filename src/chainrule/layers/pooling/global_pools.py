"""Pools over all positions: what remains of an example is a number for each channel.

    global_max_pool(x) = max(x_i)        where i is a position        x (n, ..., c)        out (n, c)
    global_mean_pool(x) = sum(x_i) / p        where p is the number of positions

in each example and each channel. The positions are those of all axes between the first and the last (Lin and others,
Network in network, 2013).

**Derivation.** These are the pools with one window, as large as the picture. Write the numbers of one example and
channel as a column x. With the column s that is 1 at the first position of the largest number and 0 elsewhere, the
maximum, `global_max_pool`, is s^T x, and s does not change as long as that number is the largest:

    dL = <dout, s^T dx> = <s dout, dx>        dx = s dout

With a column 1 of ones the mean, `global_mean_pool`, is 1^T x / p:

    dL = <dout, 1^T dx / p> = <1 dout / p, dx>        dx = 1 dout / p

To take from a place and to put there is an adjoint pair, and so is to sum and to copy.

**To remember:** a pool over everything forgets where something was; the maximum tells its derivative still.

**Numerics.** Sums in float16 are taken in float32, and a mean of large numbers is finite where their sum is not.

Special values: of equal numbers the first wins, in row-major order, and a nan wins over every number.

**From and to torch.** `AdaptiveMaxPool2d(1)` and `AdaptiveAvgPool2d(1)`, followed by `Flatten`, have no weights, and
take the channels as the second axis: (n, c, ...) is ours with `numpy.moveaxis(x, -1, 1)`.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `global_max_pool` | `torch.nn.AdaptiveMaxPool2d(1)` | `keras.layers.GlobalMaxPooling2D` | `jax.numpy.max` |
| `global_mean_pool` | `torch.nn.AdaptiveAvgPool2d(1)` | `keras.layers.GlobalAveragePooling2D` | `jax.numpy.mean` |

Examples
--------
>>> import numpy as np
>>> from chainrule import global_max_pool, global_mean_pool
>>> x = np.array([[1.0, 5.0, 3.0], [2.0, 2.0, 2.0]])[..., None]
>>> out, cache = global_max_pool.forward((), x)
>>> out.tolist(), global_max_pool.backward(cache, np.array([[7.0], [8.0]]))[0][..., 0].tolist()
([[5.0], [2.0]], [[0.0, 7.0, 0.0], [8.0, 0.0, 0.0]])
>>> out, cache = global_mean_pool.forward((), x)
>>> out.tolist(), global_mean_pool.backward(cache, np.array([[6.0], [9.0]]))[0][..., 0].tolist()
([[3.0], [2.0]], [[2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
"""

import math
from functools import partial

from attrs import frozen

from chainrule.arrays.types import Groups, Labels
from chainrule.layers.pooling.onnx import global_pool
from chainrule.rules import Array, Layer, Namespace, Unit, layer, record, unchecked


@frozen(eq=False)
@record
class GlobalMaxPoolCache:
    """The position (n, c) of each largest number, and an array of nothing with the axes of x after its first."""

    place: Labels
    x: Array


@frozen(eq=False)
@record
class GlobalMeanPoolCache:
    """An array of nothing, whose axes after the first are as long as those of x."""

    x: Array


_saved_place = unchecked(GlobalMaxPoolCache)
_saved_shape = unchecked(GlobalMeanPoolCache)


def fits(name: str, params: Unit, x: Array) -> None:
    """Check that x has an axis of examples, at least one position, and an axis of channels."""
    if x.ndim < 2 or math.prod(x.shape[1:-1]) == 0:
        what = f"x must have an axis of examples, at least one position and channels, got shape {tuple(x.shape)}"
        raise ValueError(f"{name}: {what}")


def by_position(xp: Namespace, x: Array) -> Array:
    """(n, ..., c) to (n, p, c)."""
    return xp.reshape(x, (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]))


def shape_of(xp: Namespace, x: Array) -> Array:
    """An array of nothing, whose axes after the first are as long as those of x."""
    return xp.read_only(xp.zeros_like(x[None, ...][:0, ...]))


def forward_max(xp: Namespace, params: Unit, x: Array) -> tuple[Array, GlobalMaxPoolCache]:
    """`out = s^T x`; the place of the 1 in s is saved."""
    out, place = xp.first_position(by_position(xp, x))
    return out, _saved_place(xp.read_only(place), shape_of(xp, x))


def backward_max(xp: Namespace, cache: GlobalMaxPoolCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = s dout`."""
    if not wants_dx:
        return None, ()
    shape = cache.x.shape[1:]
    return xp.reshape(xp.at_position(cache.place, dout, math.prod(shape[1:-1])), shape), ()


def forward_mean(xp: Namespace, params: Unit, x: Array) -> tuple[Array, GlobalMeanPoolCache]:
    """`out = 1^T x / p`."""
    mean = xp.tame_mean(by_position(xp, xp.widened(x)), Groups(x.shape[-1]))
    return xp.astype(mean[:, 0, :], x), _saved_shape(shape_of(xp, x))


def backward_mean(xp: Namespace, cache: GlobalMeanPoolCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = 1 dout / p`."""
    if not wants_dx:
        return None, ()
    n, *positions, c = cache.x.shape[1:]
    p = math.prod(positions)
    each = dout * xp.share(1.0, p, dout)
    return xp.reshape(xp.at_positions(each, p), (n, *positions, c)), ()


global_max_pool: Layer[Unit, GlobalMaxPoolCache] = layer(
    "global_max_pool",
    (),
    forward_max,
    backward_max,
    partial(fits, "global_max_pool"),
    takes_largest=True,
    operations=(1, 0),
    onnx=partial(global_pool, "ReduceMax"),
)
"""The largest number of each channel, over all positions: (n, ..., c) to (n, c); its parameters are `()`."""

global_mean_pool: Layer[Unit, GlobalMeanPoolCache] = layer(
    "global_mean_pool",
    (),
    forward_mean,
    backward_mean,
    partial(fits, "global_mean_pool"),
    quiet=True,
    operations=(1, 0),
    onnx=partial(global_pool, "ReduceMean"),
)
"""The mean of each channel, over all positions: (n, ..., c) to (n, c); its parameters are `()`."""
