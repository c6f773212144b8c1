"""Leaky units: positive numbers pass, and of the negative ones something passes too, so that no unit dies.

    leaky_relu(x) = max(x, 0) + slope min(x, 0)
    elu(x) = max(x, 0) + alpha (exp(min(x, 0)) - 1)
    celu(x) = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)
    selu(x) = scale (max(x, 0) + alpha (exp(min(x, 0)) - 1))

`leaky_relu` is of Maas, Hannun and Ng, 2013; `elu` of Clevert, Unterthiner and Hochreiter, 2015; `celu`, which has no
kink for any alpha, of Barron, 2017. In `selu` (Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural
networks, 2017) scale = 1.0507... and alpha = 1.6732... are such that of normal numbers the outputs have mean 0 and
variance 1 again.

**Derivation.** For x > 0 all slopes are 1, or scale for selu. On the left they follow from exp'(x) = exp(x):

    leaky_relu'(x) = slope for x <= 0
    elu'(x) = alpha exp(x) for x <= 0
    celu'(x) = exp(x / alpha) for x <= 0
    selu'(x) = scale alpha exp(x) for x <= 0
    dL = <dout, f'(x) * dx> = <f'(x) * dout, dx>        (* entry by entry)

so that for each f of the four

    dx = f'(x) * dout

At 0 the slope is that of the left, as in torch.

**Numerics.** exp(x) - 1 is `expm1`, which keeps its digits near 0. The slope is not read off the output, as
out + alpha would have no digit left in the tail. Forward makes it and saves it. In the tail of celu it is
off by up to |x / alpha| units of rounding, relative to itself: by that of x / alpha.

**To remember:** the derivative of what leaks is the leak.

Special values are torch's: at -inf the exponential ones are -alpha, with slope 0; a nan passes.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `leaky_relu` | `torch.nn.LeakyReLU` | `keras.activations.leaky_relu` | `jax.nn.leaky_relu` |
| `elu` | `torch.nn.ELU` | `keras.activations.elu` | `jax.nn.elu` |
| `celu` | `torch.nn.CELU` | `keras.activations.celu` | `jax.nn.celu` |
| `selu` | `torch.nn.SELU` | `keras.activations.selu` | `jax.nn.selu` |

Examples
--------
>>> import numpy as np
>>> from chainrule import elu, leaky_relu
>>> leaky_relu()
Layer(leaky_relu(slope=0.01))
>>> out, cache = leaky_relu(0.5).forward((), np.array([[-2.0, 0.0, 2.0]]))
>>> out, leaky_relu(0.5).backward(cache, np.ones((1, 3)))[0]
(array([[-1.,  0.,  2.]]), array([[0.5, 0.5, 1. ]]))
>>> elu(2.0).forward((), np.array([[-1000.0, 0.0, 1000.0]]))[0]
array([[  -2.,    0., 1000.]])
"""

import math
from functools import partial

from chainrule.arrays.arguments import number
from chainrule.layers.activations import onnx
from chainrule.rules import Array, Elementwise, Namespace, elementwise, onnx_operator


def leaky_relu_forward(xp: Namespace, x: Array, *, slope: float) -> tuple[Array, Array]:
    """`out = x` where x > 0, else `slope * x`; the slope is saved."""
    slopes = xp.either(x > 0, 1.0, slope, x)
    return x * slopes, slopes


def elu_forward(xp: Namespace, x: Array, *, alpha: float) -> tuple[Array, Array]:
    """`out = max(x, 0) + alpha (exp(min(x, 0)) - 1)`; the slope is saved."""
    left = xp.clip(x, -math.inf, 0.0)
    slope = xp.exp(left)
    out = xp.positive_part(x) + alpha * xp.expm1(left)
    return out, slope if alpha == 1 else xp.either(x > 0, 1.0, alpha, x) * slope


def celu_forward(xp: Namespace, x: Array, *, alpha: float) -> tuple[Array, Array]:
    """`out = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)`; the slope is saved."""
    left = xp.clip(x, -math.inf, 0.0) / alpha
    return xp.positive_part(x) + alpha * xp.expm1(left), xp.exp(left)


SCALE, ALPHA = 1.0507009873554804934, 1.6732632423543772848


def selu_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = scale (max(x, 0) + alpha (exp(min(x, 0)) - 1))`; the slope is saved."""
    left, most = xp.clip(x, -math.inf, 0.0), SCALE * ALPHA
    return SCALE * xp.positive_part(x) + most * xp.expm1(left), xp.either(x > 0, SCALE, most, x) * xp.exp(left)


def leaky_relu(slope: float = 0.01) -> Elementwise:
    """Make a ReLU that multiplies negative numbers by a small slope.

    Parameters
    ----------
    slope
        A finite number >= 0.

    Returns
    -------
    Layer
        Its parameters are `()`, and x may have any shape.

    Raises
    ------
    ValueError
        If the slope is negative or not finite.
    TypeError
        If it is no number.
    """
    slope = number("leaky_relu", "slope", slope)
    go, in_onnx = partial(leaky_relu_forward, slope=slope), onnx_operator("LeakyRelu", alpha=slope)
    return elementwise("leaky_relu", go, operations=(4, 1), onnx=in_onnx)


def elu(alpha: float = 1.0) -> Elementwise:
    """Make an exponential linear unit, which tends to -alpha on the left.

    Parameters
    ----------
    alpha
        A finite number >= 0; the slope has a kink at 0 unless it is 1.

    Returns
    -------
    Layer
        Its parameters are `()`, and x may have any shape.

    Raises
    ------
    ValueError
        If alpha is negative or not finite.
    TypeError
        If it is no number.
    """
    alpha = number("elu", "alpha", alpha)
    go, in_onnx = partial(elu_forward, alpha=alpha), onnx_operator("Elu", alpha=alpha)
    return elementwise("elu", go, operations=(9, 1), onnx=in_onnx)


def celu(alpha: float = 1.0) -> Elementwise:
    """Make a continuously differentiable exponential linear unit, which tends to -alpha on the left.

    Parameters
    ----------
    alpha
        A finite number > 0.

    Returns
    -------
    Layer
        Its parameters are `()`, and x may have any shape.

    Raises
    ------
    ValueError
        If alpha is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import celu
    >>> out, cache = celu(0.5).forward((), np.array([-1.0, 0.0, 2.0]))
    >>> out.round(4)
    array([-0.4323,  0.    ,  2.    ])
    >>> celu(0.5).backward(cache, np.ones(3))[0].round(4)
    array([0.1353, 1.    , 1.    ])
    """
    alpha = number("celu", "alpha", alpha, above=0)
    go, in_onnx = partial(celu_forward, alpha=alpha), partial(onnx.celu, alpha)
    return elementwise("celu", go, operations=(7, 1), onnx=in_onnx)


selu: Elementwise = elementwise("selu", selu_forward, operations=(10, 1), onnx="Selu")
"""The self-normalising `scale * elu(alpha)`, entry by entry; its parameters are `()`.

Examples
--------
>>> import numpy as np
>>> from chainrule import selu
>>> out, cache = selu.forward((), np.array([-1.0, 0.0, 2.0]))
>>> out.round(4)
array([-1.1113,  0.    ,  2.1014])
>>> selu.backward(cache, np.ones(3))[0].round(4)
array([0.6468, 1.7581, 1.0507])
"""
