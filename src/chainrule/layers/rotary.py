"""Rotary positions: each pair of features is turned, by an angle that grows with the place in the sequence.

    a' = a cos(w) - b sin(w)        b' = b cos(w) + a sin(w)        w = p base^(-2i/d)

where a and b are features i and i + d/2 of x (..., t, d) at place p = 0, 1, ..., t - 1, and out (..., t, d) holds a'
and b' in their places. d is even, and pairs turn at d/2 speeds: the first by one radian a step, the last so slowly that
it comes around once in about 2 pi base steps (Su and others, RoFormer: enhanced transformer with rotary position
embedding, 2021). The paper pairs neighbours, 2i and 2i + 1, and so does LLaMA; halves are paired in GPT-NeoX and in
Hugging Face's LLaMA, whose weights have their columns in another order for it. Nothing is learned.

**Derivation.** For one pair at one place this is a product with a constant matrix,

    d(out) = R dx
    R = C + s J

which turns the plane: C is cos(w) on the diagonal, s = sin(w), and J takes (a, b) to (-b, a). Then

    dL = <dout, R dx> = <R^T dout, dx>

and read off

    dx = R^T dout

The transpose of a rotation turns it back: R^T is R for -w. Turning to and back is an adjoint pair whose two are also
inverses of each other.

**To remember:** a rotation is orthogonal, so its derivative comes back by turning the other way.

Two vectors that are turned at places p and q have the inner product

    <R_p x, R_q y> = <x, R_r y>        r = q - p

which knows the distance of their places, and not where they stand. That is why attention turns queries and keys
(`attention(heads, rotary=True)` does so in each head).

**Numerics.** Angles, sines and cosines are taken in float64 at least, and rounded once to the dtype of x: in float32
the angle of place 10,000 would be off by 5e-4.

Special values: an infinity gives infinities or nan in its pair, a nan nan, and no other pair knows of it.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| none | none | none |

Examples
--------
>>> import numpy as np
>>> from chainrule import rotary
>>> out, cache = rotary().forward((), np.array([[1.0, 0.0], [1.0, 0.0]]))
>>> out.round(4).tolist()
[[1.0, 0.0], [0.5403, 0.8415]]
>>> rotary().backward(cache, out)[0].round(4).tolist()
[[1.0, 0.0], [1.0, 0.0]]
"""

import math
from functools import partial

from attrs import frozen

from chainrule.arrays.arguments import number
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, Unit, layer, of_positions, record, unchecked


@frozen(eq=False)
@record
class RotaryCache:
    """The cache of `rotary`, which is empty: the angles follow from the shape of `dout`."""


_saved = unchecked(RotaryCache)


def fits(params: Unit, x: Array) -> None:
    """Check that x has an axis of positions and one of features, which are even in number."""
    of_positions("rotary", x)
    if x.shape[-1] % 2:
        raise ValueError(f"rotary: features turn in pairs, but x has {x.shape[-1]} {tuple(x.shape)}")


def turned(xp: Namespace, x: Array, base: float, way: int = 1) -> Array:
    """`R x`, or `R^T x` the other `way`: (..., t, d), of which each pair (i, i + d/2) is turned."""
    half = x.shape[-1] // 2
    cos, sin = xp.turns(x, base)
    a, b, s = x[..., :half], x[..., half:], way * sin
    return xp.concat((a * cos - b * s, b * cos + a * s), axis=-1)


def forward(xp: Namespace, params: Unit, x: Array, *, base: float) -> tuple[Array, RotaryCache]:
    """`out = R x`."""
    return xp.astype(turned(xp, xp.widened(x), base), x), _saved()


def backward(
    xp: Namespace, cache: RotaryCache, dout: Array, wants_dx: bool, *, base: float
) -> tuple[Array | None, Unit]:
    """`dx = R^T dout`."""
    return (xp.astype(turned(xp, xp.widened(dout), base, -1), dout) if wants_dx else None), ()


def operations(params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """Two products and a sum for each number."""
    return 3 * math.prod(x), 3 * math.prod(x)


def to_onnx(base: float, graph: OnnxGraph, params: Unit, x: str) -> str:
    """`out = R x`, with the cosines and sines as constants."""
    t, d = graph.shape(x)[-2:]
    angles = [[p * base ** (-2 * i / d) for i in range(d // 2)] for p in range(t)]
    cos, sin = (graph.constant([[turn(w) for w in row] for row in angles]) for turn in (math.cos, math.sin))
    a, b = (graph.node("Slice", x, (i,), (i + d // 2,), (-1,)) for i in (0, d // 2))
    first = graph.node("Sub", graph.node("Mul", a, cos), graph.node("Mul", b, sin))
    second = graph.node("Add", graph.node("Mul", b, cos), graph.node("Mul", a, sin))
    return graph.node("Concat", first, second, axis=-1)


def rotary(base: float = 10000.0) -> Layer[Unit, RotaryCache]:
    """Make a layer that turns pairs of features by their place.

    Parameters
    ----------
    base
        A finite number > 0: pair i turns by `base^(-2i/d)` a step.

    Returns
    -------
    Layer
        It has no parameters; (..., t, d) to (..., t, d), for an even d.

    Raises
    ------
    ValueError
        If `base` is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> from chainrule import rotary
    >>> rotary()
    Layer(rotary(base=10000.0))
    """
    given = number("rotary", "base", base, above=0)
    return layer(
        "rotary",
        (),
        partial(forward, base=given),
        partial(backward, base=given),
        fits,
        quiet=True,
        event_axes=2,
        operations=operations,
        onnx=partial(to_onnx, given),
    )
