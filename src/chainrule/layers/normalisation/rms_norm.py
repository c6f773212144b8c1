"""Root mean square normalisation: each row of length sqrt(d), in the direction that it has, then a scale.

    h = r x        r = 1 / sqrt(v + eps)        v = mean(x^2)
    out = scale * h        (* entry by entry)

where the mean is that of a row of d features (Zhang and Sennrich, Root mean square layer normalization, 2019). It is
layer normalisation without the mean and without the bias.

**Derivation.** Take differentials in one row:

    dv = 2 mean(x * dx)        dr = -r^3 dv / 2 = -r^3 mean(x * dx)
    dh = r dx + x dr = r (dx - h mean(h * dx))

What dx is multiplied by is symmetric: from any row it takes the share of h. So with g = scale * dout, the derivative
with respect to h, moving it to the other side of the inner product changes nothing:

    dL = <g, dh> = <r (g - h mean(h * g)), dx>

and read off, with the sum over all rows for what all rows share:

    dx = r (g - h mean(h * g))        g = scale * dout
    dscale = sum(h * dout)

**To remember:** a row that is stretched gives the same output, so the gradient along the row is taken out.

**Numerics.** Rows whose squares would overflow are scaled by a power of two first. Where a row is as small as
sqrt(eps), eps shortens it, and a row of zeros gives zeros, with the slope 1 / sqrt(eps).

Special values: a row with an infinity or a nan gives nan, in that row alone.

**From and to torch.** For `torch.nn.RMSNorm(d, eps=1e-6)`

| here | there |
|---|---|
| `scale` | `weight` |

Without a number, its eps is the distance from 1 to the next number.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.RMSNorm` | `keras.layers.RMSNormalization` | `flax.nnx.RMSNorm` |

Examples
--------
>>> import numpy as np
>>> from chainrule import RmsNorm, rms_norm
>>> norm, params = rms_norm(eps=1e-12), RmsNorm.init(2, dtype=np.float64)
>>> out, cache = norm.forward(params, np.array([[1.0, 7.0], [0.0, -3.0]]))
>>> out.round(6).tolist()
[[0.2, 1.4], [0.0, -1.414214]]
>>> norm.backward(cache, np.array([[1.0, 0.0], [0.0, 1.0]]))[1].scale.round(6)
array([ 0.2     , -1.414214])
"""

from functools import partial
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import number
from chainrule.initializers.fresh import filled
from chainrule.layers.normalisation.onnx import root_mean_square
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, layer, record, unchecked, well_formed
from chainrule.rules.in_torch import InTorch, Weight


@frozen(eq=False)
@record
class RmsNorm:
    """The parameters of `rms_norm`, and their gradients.

    Parameters
    ----------
    scale
        (d,): what each feature is multiplied by.

    Raises
    ------
    ValueError
        If there is not one axis of at least one feature.
    TypeError
        If it is no array of a floating-point dtype.

    Examples
    --------
    >>> from chainrule import RmsNorm
    >>> RmsNorm.init(64)
    RmsNorm(scale=f32[64])
    """

    scale: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("scale")}

    def __attrs_post_init__(self) -> None:
        well_formed("RmsNorm", least=1, scale=(self.scale, "features"))

    @classmethod
    def init(cls, features: int, *, dtype: DTypeLike = np.float32) -> "RmsNorm":
        """A scale of ones.

        Parameters
        ----------
        features
            The length d of a row.
        dtype
            A floating-point dtype.

        Returns
        -------
        RmsNorm
            The parameters.
        """
        return cls(filled("RmsNorm.init", 1, dtype, features=features))


@frozen(eq=False)
@record
class RmsNormCache:
    """The cache of `rms_norm`: the normalised rows, the inverse root mean square of each, and the scale."""

    h: Array
    r: Array
    scale: Array


_saved = unchecked(RmsNormCache)
_gradients = unchecked(RmsNorm)


def forward(xp: Namespace, params: RmsNorm, x: Array, *, eps: float) -> tuple[Array, RmsNormCache]:
    """`h = r x` and `out = scale * h`."""
    x, unit = xp.tamed(x, -1)
    _, r = xp.deviation(x, eps, unit, -1)
    h = xp.read_only(x * r)
    return h * params.scale, _saved(h, xp.read_only(r * unit), params.scale)


def backward(xp: Namespace, cache: RmsNormCache, dout: Array, wants_dx: bool) -> tuple[Array | None, RmsNorm]:
    """`dx = r (g - h mean(h * g))` for `g = scale * dout`."""
    product = dout * cache.h
    grads = _gradients(xp.sum_rows(product))
    if not wants_dx:
        return None, grads
    of_h = xp.mean_weighted(product, cache.scale)
    dx = xp.times(dout, cache.scale)
    dx -= xp.times_in(product, cache.h, of_h)
    dx *= cache.r
    return dx, grads


OPERATIONS = (4, 7)
"""For each number: a square and its mean, and two products; backward the products and the mean of dx."""


def to_onnx(eps: float, graph: OnnxGraph, params: RmsNorm, x: str) -> str:
    """`scale * x / sqrt(mean(x^2) + eps)`."""
    return graph.node("Mul", graph.node("Div", x, root_mean_square(graph, x, (-1,), eps)), params.scale)


def rms_norm(eps: float = 1e-6) -> Layer[RmsNorm, RmsNormCache]:
    """Make a layer that divides the last axis, of any rank, by its root mean square.

    Parameters
    ----------
    eps
        A finite number > 0, added to the mean of the squares.

    Returns
    -------
    Layer
        Its parameters are an `RmsNorm`; (..., d) to (..., d).

    Raises
    ------
    ValueError
        If `eps` is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> from chainrule import rms_norm
    >>> rms_norm()
    Layer(rms_norm(eps=1e-06))
    """
    eps = number("rms_norm", "eps", eps, above=0)
    return layer(
        "rms_norm",
        RmsNorm,
        partial(forward, eps=eps),
        backward,
        "scale",
        quiet=True,
        event_axes=1,
        operations=OPERATIONS,
        onnx=partial(to_onnx, eps),
    )
