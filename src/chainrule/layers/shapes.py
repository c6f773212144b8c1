"""The same numbers in another shape: each example is laid out anew, in row-major order.

    flatten(x) = R x        x (n, ..., d)        out (n, m)
    reshape(x) = R x        x (n, ..., d)        out (n, ..., k)

where R gives each number of x its place in the new shape. The first axis counts the examples and stays; m is the
product of all others. Nothing is computed, and no number is copied.

**Derivation.** R is linear. Every entry of the output is an entry of x, and an inner product does not ask how its
numbers stand, as long as those that stood together still do. Let R^T give each number its old place:

    dL = <dout, R dx> = <R^T dout, dx>

so that

    dx = R^T dout

A reshaping and its inverse are an adjoint pair: as of a rotation, the transpose is the inverse.

**To remember:** backward undoes the shape.

**From and to torch.** `Flatten` and `Unflatten` have no weights. Where images are meant, ours have their channels last:
the rows of the weights of an affine layer behind `flatten` are in the order (height, width, channel), those of a
`Linear` in (channel, height, width): `W.reshape(h, w, c, m)` is `weight.reshape(m, c, h, w).transpose(2, 3, 1, 0)`.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `flatten` | `torch.nn.Flatten` | `keras.layers.Flatten` | `jax.numpy.reshape` |
| `reshape` | `torch.nn.Unflatten` | `keras.layers.Reshape` | `jax.numpy.reshape` |

Examples
--------
>>> import numpy as np
>>> from chainrule import flatten, reshape
>>> out, cache = flatten.forward((), np.arange(4.0).reshape(1, 2, 2))
>>> out, flatten.backward(cache, out)[0].shape
(array([[0., 1., 2., 3.]]), (1, 2, 2))
>>> reshape(3, -1).forward((), np.zeros((5, 12)))[0].shape
(5, 3, 4)
"""

import math
from functools import partial

from attrs import frozen

from chainrule.arrays.arguments import size
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, Unit, layer, record, unchecked


@frozen(eq=False)
@record
class ReshapeCache:
    """The cache of `flatten` and `reshape`: an array of nothing, whose axes after the first are those of x."""

    x: Array


_saved = unchecked(ReshapeCache)


def forward(xp: Namespace, params: Unit, x: Array, *, shape: tuple[int, ...]) -> tuple[Array, ReshapeCache]:
    """`out = R x`."""
    x = xp.own(x)
    out = xp.reshape(x, (x.shape[0], *whole(shape, x.shape)))
    return out, _saved(xp.read_only(xp.zeros_like(x[None, ...][:0, ...])))


def backward(xp: Namespace, cache: ReshapeCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = R^T dout`."""
    if not wants_dx:
        return None, ()
    dout = xp.astype(xp.own(dout), cache.x)  # of NumPy, beside a cache of JAX, it would stay NumPy's
    return xp.reshape(dout, cache.x.shape[1:]), ()


def flattened(xp: Namespace, params: Unit, x: Array) -> tuple[Array, ReshapeCache]:
    """`out = R x`, for rows."""
    return forward(xp, params, x, shape=(-1,))


def to_onnx(shape: tuple[int, ...], graph: OnnxGraph, params: Unit, x: str) -> str:
    """`out = R x`."""
    return graph.node("Reshape", x, (0, *whole(shape, graph.shape(x))))


def whole(shape: tuple[int, ...], x: Shape) -> tuple[int, ...]:
    """The shape of one example, with what is left over in the place of -1."""
    known = math.prod(each for each in shape if each != -1)
    return tuple(math.prod(x[1:]) // max(known, 1) if each == -1 else each for each in shape)


def fits(name: str, shape: tuple[int, ...], params: Unit, x: Array) -> None:
    """Check that an example has as many numbers as the shape."""
    if not x.ndim:
        raise ValueError(f"{name}: x must have an axis of examples, got shape ()")
    numbers = math.prod(x.shape[1:])
    if math.prod(whole(shape, x.shape)) != numbers:
        raise ValueError(f"{name}: an example of x {tuple(x.shape)} has {numbers} numbers, which do not fill {shape}")


def operations(params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """None."""
    return 0, 0


flatten: Layer[Unit, ReshapeCache] = layer(
    "flatten",
    (),
    flattened,
    backward,
    partial(fits, "flatten", (-1,)),
    operations=operations,
    onnx=partial(to_onnx, (-1,)),
)
"""All axes but the first as one: (n, ..., d) to (n, m); its parameters are `()`."""


def reshape(*shape: int) -> Layer[Unit, ReshapeCache]:
    """Make a layer that gives each example another shape.

    Parameters
    ----------
    *shape
        The lengths of all axes but the first, at least 1; in the place of one of them, -1 stands for what is left over.

    Returns
    -------
    Layer
        It has no parameters; (n, ..., d) to (n, *shape).

    Raises
    ------
    ValueError
        If a length is less than 1, or two are left open.
    TypeError
        If one is no integer.

    Examples
    --------
    >>> from chainrule import reshape
    >>> reshape(28, 28, 1)
    Layer(reshape(shape=(28, 28, 1)))
    """
    lengths = tuple(size("reshape", "a length", each, least=-1) for each in shape)
    if 0 in lengths:
        raise ValueError(f"reshape: a length must be >= 1, or -1 for what is left over, got {lengths}")
    if lengths.count(-1) > 1:
        raise ValueError(f"reshape: only one length may be left open, got {lengths}")
    return layer(
        "reshape",
        (),
        partial(forward, shape=lengths),
        backward,
        partial(fits, "reshape", lengths),
        operations=operations,
        onnx=partial(to_onnx, lengths),
    )
