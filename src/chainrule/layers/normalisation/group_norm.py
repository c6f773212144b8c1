"""Group normalisation: in each example, each group of channels with mean 0 and variance 1, then a scale and a bias.

    h = r (x - mean(x))        r = 1 / sqrt(v + eps)        v = mean((x - mean(x))^2)
    out = scale * h + bias        (* entry by entry)

where x is (n, ..., c), and a mean is that of one group in one example: of c / groups neighbouring channels at all
positions between the first axis and the last (Wu and He, Group normalization, 2018). With one group it is layer
normalisation over all of an example, with as many groups as channels instance normalisation. Scale and bias (c,) belong
to the channels.

**Derivation.** Lay the N numbers of a group out as a row: no mean asks how they stand in x. What is derived in
`layer_norm` for a row of features then holds for it,

    dh = r (dx - mean(dx) - h mean(h * dx))

and so does the transpose, since what dx is multiplied by is symmetric. With g = scale * dout, the derivative with
respect to h,

    dL = <g, dh> = <r (g - mean(g) - h mean(h * g)), dx>

The scale of a channel meets it in every example and at every position, so that

    dx = r (g - mean(g) - h mean(h * g))        g = scale * dout
    dscale = sum(h * dout)        dbias = sum(dout)

where the sums are over all axes but the last. Means of g and h * g need none of their own: the scale is the same at
all positions, so those of dout and h * dout over the positions, times the scale, give both the means of the group and
the sums.

**To remember:** a normalisation does not know the shape of what it normalises, only which numbers stand together.

**Numerics.** As in `layer_norm`: the variance is that of centred values, groups whose squares would overflow are scaled
by a power of two first, and a group of one value gives the bias.

Special values: a group with an infinity or a nan gives nan, in that group alone.

**From and to torch.** For `torch.nn.GroupNorm(groups, c)`

| here | there |
|---|---|
| `scale` | `weight` |
| `bias` | `bias` |

Its channels are the second axis: (n, c, ...) is ours with `numpy.moveaxis(x, -1, 1)`.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.GroupNorm` | `keras.layers.GroupNormalization` | `flax.nnx.GroupNorm` |

Examples
--------
>>> import numpy as np
>>> from chainrule import GroupNorm, group_norm
>>> norm, params = group_norm(groups=2, eps=1e-12), GroupNorm.init(4, dtype=np.float64)
>>> out, cache = norm.forward(params, np.array([[1.0, 3.0, 70.0, 50.0]]))
>>> out.round(6).tolist()
[[-1.0, 1.0, 1.0, -1.0]]
>>> norm.backward(cache, np.array([[1.0, 0.0, 0.0, 0.0]]))[1].scale.round(6)
array([-1.,  0.,  0.,  0.])
"""

import math
from functools import partial

from attrs import frozen

from chainrule.arrays.arguments import number, size
from chainrule.arrays.types import Groups
from chainrule.layers.normalisation.onnx import centred, root_mean_square, scaled
from chainrule.layers.normalisation.scale_and_bias import ScaleAndBias
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, fitting, layer, record, unchecked


@frozen(eq=False)
@record
class GroupNorm(ScaleAndBias):
    """The parameters of `group_norm`, and their gradients: `scale` and `bias`, of which each channel has one.

    Examples
    --------
    >>> from chainrule import GroupNorm
    >>> GroupNorm.init(64)
    GroupNorm(scale=f32[64], bias=f32[64])
    """


@frozen(eq=False)
@record
class GroupNormCache:
    """The cache of `group_norm`: h (n, p, c), each channel's inverse deviation (n, 1, c), and the scale."""

    h: Array
    r: Array
    scale: Array


_saved = unchecked(GroupNormCache)
_gradients = unchecked(GroupNorm)


def fits(groups: int, params: GroupNorm, x: Array) -> None:
    """Check that x has an axis of examples, a position at least, and channels, which divide into the groups."""
    fitting("group_norm", x, "scale", params.scale)
    if x.ndim < 2:
        raise ValueError(f"group_norm: x must have an axis of examples and one of channels, got shape {tuple(x.shape)}")
    if math.prod(x.shape[1:]) == 0:
        raise ValueError(f"group_norm: the mean over no positions is undefined, x has shape {tuple(x.shape)}")
    if x.shape[-1] % groups:
        raise ValueError(f"group_norm: {x.shape[-1]} channels do not divide into {groups} groups")


def by_position(xp: Namespace, x: Array) -> Array:
    """(n, ..., c) to (n, p, c), of 32 bits at least."""
    return xp.widened(xp.reshape(x, (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])))


def forward(xp: Namespace, params: GroupNorm, x: Array, *, groups: int, eps: float) -> tuple[Array, GroupNormCache]:
    """`h = r (x - mean(x))` in each group, and `out = scale * h + bias`."""
    rows, unit = xp.tamed(by_position(xp, x), Groups(groups))
    h, _ = xp.centred(rows, Groups(groups))
    _, r = xp.deviation(h, eps, unit, Groups(groups))
    h *= r
    out = h * params.scale
    out += params.bias
    h, r = (xp.read_only(xp.astype(each, x)) for each in (h, r * unit))
    return xp.astype(xp.reshape(out, x.shape), x), _saved(h, r, params.scale)


def backward(
    xp: Namespace, cache: GroupNormCache, dout: Array, wants_dx: bool, *, groups: int
) -> tuple[Array | None, GroupNorm]:
    """`dx = r (g - mean(g) - h mean(h * g))` in each group, for `g = scale * dout`."""
    rows, h, r, scale = by_position(xp, dout), *map(xp.widened, (cache.h, cache.r, cache.scale))
    positions, channels = h.shape[1:]
    # The means of each channel give those of its group, and the sums over all examples.
    product = rows * h
    of_product, of_dout = xp.mean_along(product, Groups(channels)), xp.mean_along(rows, Groups(channels))
    grads = _gradients(*(xp.astype(positions * xp.sum_rows(each), dout) for each in (of_product, of_dout)))
    if not wants_dx:
        return None, grads
    dx = rows * (scale * r)
    dx -= xp.times_in(product, h, r * xp.mean_along(of_product * scale, Groups(groups)))
    dx -= r * xp.mean_along(of_dout * scale, Groups(groups))
    return xp.astype(xp.reshape(dx, dout.shape), dout), grads


OPERATIONS = (7, 9)
"""For each number: two means, a difference, two products and a sum; backward two products, two means and dx."""


def to_onnx(groups: int, eps: float, graph: OnnxGraph, params: GroupNorm, x: str) -> str:
    """`h = r (x - mean(x))` in each group, with an axis for the groups and one for the channels in each."""
    _, *axes, channels = graph.shape(x)
    c = graph.node("Reshape", x, (0, math.prod(axes), groups, channels // groups))
    for _ in range(2):  # the first mean is rounded
        c = centred(graph, c, (1, 3))
    h = graph.node("Div", c, root_mean_square(graph, c, (1, 3), eps))
    return scaled(graph, graph.node("Reshape", h, (0, *axes, channels)), params.scale, params.bias)


def group_norm(groups: int, eps: float = 1e-5) -> Layer[GroupNorm, GroupNormCache]:
    """Make a layer that normalises groups of neighbouring channels, in each example alone.

    Parameters
    ----------
    groups
        How many, at least 1: they divide the number of channels.
    eps
        A finite number > 0, added to the variance.

    Returns
    -------
    Layer
        Its parameters are a `GroupNorm`; (n, ..., c) to (n, ..., c), with at least one position between.

    Raises
    ------
    ValueError
        If `groups` is less than 1, or `eps` is not positive or not finite.
    TypeError
        If `groups` is no integer, or `eps` no number.

    Examples
    --------
    >>> from chainrule import group_norm
    >>> group_norm(8)
    Layer(group_norm(groups=8, eps=1e-05))
    """
    count = size("group_norm", "groups", groups, least=1)
    eps = number("group_norm", "eps", eps, above=0)
    return layer(
        "group_norm",
        GroupNorm,
        partial(forward, groups=count, eps=eps),
        partial(backward, groups=count),
        partial(fits, count),
        quiet=True,
        operations=OPERATIONS,
        onnx=partial(to_onnx, count, eps),
    )
