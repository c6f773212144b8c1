"""Layer normalisation: each row with mean 0 and variance 1, then a scale and a bias for each feature.

    h = r (x - mean(x))        r = 1 / sqrt(v + eps)        v = mean((x - mean(x))^2)
    out = scale * h + bias        (* entry by entry)

where the means are those of a row of d features (Ba, Kiros and Hinton, Layer normalization, 2016).

**Derivation.** Take differentials in one row. The mean of all entries is linear, c = x - mean(x) has mean zero, and so

    dc = dx - mean(dx)        dv = 2 mean(c * dc) = 2 mean(c * dx)
    dr = -r^3 dv / 2 = -r^3 mean(c * dx)
    dh = r dc + c dr = r (dx - mean(dx) - h mean(h * dx))

What dx is multiplied by is symmetric: from any row it takes the mean, and the share of h. So with g = scale * dout, the
derivative with respect to h, moving it to the other side of the inner product changes nothing:

    dL = <g, dh> = <r (g - mean(g) - h mean(h * g)), dx>

and read off, with the sums over all rows for what all rows share:

    dx = r (g - mean(g) - h mean(h * g))        g = scale * dout
    dscale = sum(h * dout)        dbias = sum(dout)

**To remember:** what a normalisation takes out of x going forward, it takes out of the gradient coming back: the mean,
and the length along h.

**Numerics.** The variance is that of centred values: mean(x^2) - mean(x)^2 would lose all digits where a row is nearly
constant. Rows whose squares would overflow are scaled by a power of two first, and a row of one value gives the bias.

Special values: a row with an infinity or a nan gives nan, in that row alone.

**From and to torch.** For `torch.nn.LayerNorm(d)`

| here | there |
|---|---|
| `scale` | `weight` |
| `bias` | `bias` |

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.LayerNorm` | `keras.layers.LayerNormalization` | `flax.nnx.LayerNorm` |

Examples
--------
>>> import numpy as np
>>> from chainrule import LayerNorm, layer_norm
>>> norm = layer_norm(eps=1e-12)
>>> out, cache = norm.forward(LayerNorm.init(2, dtype=np.float64), np.array([[1.0, 3.0], [70.0, 50.0]]))
>>> out.round(6).tolist()
[[-1.0, 1.0], [1.0, -1.0]]
>>> norm.backward(cache, np.array([[1.0, 0.0], [0.0, 0.0]]))[1].scale.round(6)
array([-1.,  0.])
"""

from functools import partial

from attrs import frozen

from chainrule.arrays.arguments import number
from chainrule.layers.normalisation.onnx import centred
from chainrule.layers.normalisation.scale_and_bias import ScaleAndBias
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, layer, record, unchecked


@frozen(eq=False)
@record
class LayerNorm(ScaleAndBias):
    """The parameters of `layer_norm`, and their gradients: `scale` and `bias`, of which each feature has one.

    Examples
    --------
    >>> from chainrule import LayerNorm
    >>> LayerNorm.init(64)
    LayerNorm(scale=f32[64], bias=f32[64])
    """


@frozen(eq=False)
@record
class LayerNormCache:
    """The cache of `layer_norm`: the normalised rows, the inverse deviation of each, and the scale."""

    h: Array
    r: Array
    scale: Array


_saved = unchecked(LayerNormCache)
_gradients = unchecked(LayerNorm)


def forward(xp: Namespace, params: LayerNorm, x: Array, *, eps: float) -> tuple[Array, LayerNormCache]:
    """`h = r (x - mean(x))` and `out = scale * h + bias`."""
    x, unit = xp.tamed(x, -1)
    h, _ = xp.centred(x, -1)
    _, r = xp.deviation(h, eps, unit, -1)
    h *= r
    out = h * params.scale
    out += params.bias
    return out, _saved(xp.read_only(h), xp.read_only(r * unit), params.scale)


def backward(xp: Namespace, cache: LayerNormCache, dout: Array, wants_dx: bool) -> tuple[Array | None, LayerNorm]:
    """`dx = r (g - mean(g) - h mean(h * g))` for `g = scale * dout`."""
    product = dout * cache.h
    grads = _gradients(xp.sum_rows(product), xp.sum_rows(dout))
    if not wants_dx:
        return None, grads
    of_h, of_g = xp.mean_weighted(product, cache.scale), xp.mean_weighted(dout, cache.scale)
    dx = xp.times(dout, cache.scale)
    dx -= xp.times_in(product, cache.h, of_h)
    dx -= of_g
    dx *= cache.r
    return dx, grads


OPERATIONS = (7, 11)
"""For each number: two means, a difference, two products and a sum; backward the products and means of dx."""


def to_onnx(eps: float, graph: OnnxGraph, params: LayerNorm, x: str) -> str:
    """The operator, of centred rows."""
    return graph.node("LayerNormalization", centred(graph, x, (-1,)), params.scale, params.bias, epsilon=eps)


def layer_norm(eps: float = 1e-5) -> Layer[LayerNorm, LayerNormCache]:
    """Make a layer that normalises the last axis, of any rank.

    Parameters
    ----------
    eps
        A finite number > 0, added to the variance.

    Returns
    -------
    Layer
        Its parameters are a `LayerNorm`; (..., d) to (..., d).

    Raises
    ------
    ValueError
        If `eps` is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import LayerNorm, layer_norm
    >>> layer_norm()
    Layer(layer_norm(eps=1e-05))
    >>> x = np.full((3, 4), 1e30, np.float32)
    >>> layer_norm().forward(LayerNorm.init(4), x)[0].any()
    np.False_
    """
    eps = number("layer_norm", "eps", eps, above=0)
    return layer(
        "layer_norm",
        LayerNorm,
        partial(forward, eps=eps),
        backward,
        "scale",
        quiet=True,
        event_axes=1,
        operations=OPERATIONS,
        onnx=partial(to_onnx, eps),
    )
