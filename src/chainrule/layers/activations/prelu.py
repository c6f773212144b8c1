"""The parametric ReLU: what is negative is multiplied by a slope that is learned, one for each channel or one for all.

    out = max(x, 0) + slope * min(x, 0)        (* entry by entry)        x (n, c)    slope (c,)    out (n, c)

where n stands for any number of axes, and slope () is one for all numbers (He, Zhang, Ren and Sun, Delving deep into
rectifiers, 2015).

**Derivation.** Take differentials:

    d(out) = g * dx + dslope * min(x, 0)        g = 1 if x > 0 else slope
    dL = <g * dout, dx> + <sum(min(x, 0) * dout), dslope>

where the sum is over all that shares a slope: all rows, or all numbers. So

    dx = g * dout        dslope = sum(min(x, 0) * dout)

**To remember:** a slope that was copied to every row gets the sum of the rows.

At 0 the derivative with respect to x is the slope, as in torch; a nan passes.

**From and to torch.** For `torch.nn.PReLU(c)`, and `PReLU()` for one slope

| here | there |
|---|---|
| `slope` | `weight`, (1,) for one slope |

Channels are the last axis here, and the second in torch.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.PReLU` | `keras.layers.PReLU` | `flax.nnx.PReLU` |

Examples
--------
>>> import numpy as np
>>> from chainrule import PRelu, prelu
>>> out, cache = prelu.forward(PRelu(slope=np.array([0.5, 0.25])), np.array([[-2.0, -2.0], [4.0, 4.0]]))
>>> out
array([[-1. , -0.5],
       [ 4. ,  4. ]])
>>> dx, grads = prelu.backward(cache, np.ones((2, 2)))
>>> dx, grads.slope
(array([[0.5 , 0.25],
       [1.  , 1.  ]]), array([-2., -2.]))
"""

import math
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import number
from chainrule.arrays.libraries import alike
from chainrule.initializers.fresh import filled
from chainrule.rules import Array, Layer, Namespace, fitting, layer, record, unchecked
from chainrule.rules.in_torch import InTorch, Weight, one_axis


@frozen(eq=False)
@record
class PRelu:
    """The parameter of `prelu`, and its gradient.

    Parameters
    ----------
    slope
        (c,), one for each channel, or (), one for all.

    Raises
    ------
    ValueError
        If it has more axes than one.
    TypeError
        If it is no array of floats.

    Examples
    --------
    >>> from chainrule import PRelu
    >>> PRelu.init(64), PRelu.init()
    (PRelu(slope=f32[64]), PRelu(slope=f32[]))
    """

    slope: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("slope", one_axis)}

    def __attrs_post_init__(self) -> None:
        alike("PRelu", slope=self.slope)
        if len(self.slope.shape) > 1:
            raise ValueError(f"PRelu: slope must be (channels,) or (), got shape {tuple(self.slope.shape)}")

    @classmethod
    def init(cls, channels: int | None = None, *, slope: float = 0.25, dtype: DTypeLike = np.float32) -> "PRelu":
        """One slope everywhere.

        Parameters
        ----------
        channels
            The number c of channels; by default one slope serves all.
        slope
            A finite number; by default that of the paper.
        dtype
            A floating-point dtype.

        Returns
        -------
        PRelu
            The parameter.

        Raises
        ------
        ValueError
            If the number of channels is negative, or the slope is not finite.
        TypeError
            If it is no integer, the slope no number, or the dtype not floating-point.
        """
        value = number("PRelu.init", "slope", slope, least=-math.inf)
        return cls(filled("PRelu.init", value, dtype, **({} if channels is None else {"channels": channels})))


@frozen(eq=False)
@record
class PReluCache:
    """The cache of `prelu`: the input, and the slope of the forward pass."""

    x: Array
    slope: Array


_saved = unchecked(PReluCache)
_gradients = unchecked(PRelu)


def fits(params: PRelu, x: Array) -> None:
    """Check that there is a slope for each channel, if there are several."""
    if params.slope.shape != ():
        fitting("prelu", x, "slope", params.slope)


def forward(xp: Namespace, params: PRelu, x: Array) -> tuple[Array, PReluCache]:
    """`out = g * x` with g = 1 where x > 0, else the slope."""
    return x * xp.either(x > 0, 1.0, params.slope, x), _saved(xp.own(x), params.slope)


def backward(xp: Namespace, cache: PReluCache, dout: Array, wants_dx: bool) -> tuple[Array | None, PRelu]:
    """`dx = g * dout` and `dslope = sum(min(x, 0) * dout)`."""
    x, slope = cache.x, cache.slope
    dx = dout * xp.either(x > 0, 1.0, slope, x) if wants_dx else None
    shares = xp.clip(x, -math.inf, 0.0) * dout
    columns = shares if slope.shape else xp.reshape(shares, (math.prod(shares.shape), 1))
    return dx, _gradients(xp.reshape(xp.sum_rows(columns), slope.shape))


prelu: Layer[PRelu, PReluCache] = layer(
    "prelu", PRelu, forward, backward, fits, quiet=True, event_axes=1, operations=(3, 5), onnx="PRelu"
)
"""`max(x, 0) + slope * min(x, 0)` with learned slopes; its parameter is a `PRelu`."""
