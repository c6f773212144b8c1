"""Softplus, a smooth ReLU, and its mirror image, the logarithm of the sigmoid.

    softplus(x) = log(1 + exp(x))
    log_sigmoid(x) = log(s(x)) = -softplus(-x)        s(x) = 1 / (1 + exp(-x))

(Dugas and others, Incorporating second-order functional knowledge for better option pricing, 2001.)

**Derivation.** The slope of the one is the sigmoid, and that of the other is the sigmoid of -x:

    softplus'(x) = exp(x) / (1 + exp(x)) = s(x)
    log_sigmoid'(x) = softplus'(-x) = s(-x)
    dL = <dout, f'(x) * dx> = <f'(x) * dout, dx>        (* entry by entry)

so that for each f of the two

    dx = f'(x) * dout

**Numerics.** exp(x) overflows on the right. Taking the larger of 1 and exp(x) out of the logarithm,

    softplus(x) = max(x, 0) + log(1 + exp(-|x|))

nothing overflows and nothing cancels. Since exp(-softplus(x)) = 1 - s(x), the slopes are those of the output, as
`expm1` computes them to the end of both tails, and the cache is `out`, which the next layer saves too:

    softplus'(x) = 1 - exp(-out)        log_sigmoid'(x) = 1 - exp(out)

**To remember:** the slope of softplus is the sigmoid, and that of log_sigmoid what the sigmoid lacks to 1.

Special values are torch's: softplus is 0 at -inf and inf at inf, log_sigmoid -inf and 0; a nan passes.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `softplus` | `torch.nn.Softplus` | `keras.activations.softplus` | `jax.nn.softplus` |
| `log_sigmoid` | `torch.nn.LogSigmoid` | `keras.activations.log_sigmoid` | `jax.nn.log_sigmoid` |

Examples
--------
>>> import numpy as np
>>> from chainrule import log_sigmoid, softplus
>>> x = np.array([[-1000.0, 0.0, 1000.0]])
>>> softplus.forward((), x)[0].round(4)
array([[0.000e+00, 6.931e-01, 1.000e+03]])
>>> log_sigmoid.backward(log_sigmoid.forward((), x)[1], np.ones((1, 3)))[0]
array([[1. , 0.5, 0. ]])
"""

import math

from chainrule.layers.activations import onnx
from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = max(x, 0) + log(1 + exp(-|x|))`, which is saved."""
    out = xp.clip(x, 0.0, math.inf) + xp.log1p(xp.decay(x))
    return out, out


def slope(xp: Namespace, out: Array) -> Array:
    """`s(x) = 1 - exp(-out)`."""
    return -xp.expm1(-out)


def log_sigmoid_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = min(x, 0) - log(1 + exp(-|x|))`, which is saved."""
    out = -xp.positive_part(-x) - xp.log1p(xp.decay(x))
    return out, out


def log_sigmoid_slope(xp: Namespace, out: Array) -> Array:
    """`s(-x) = 1 - exp(out)`."""
    return -xp.expm1(out)


softplus: Elementwise = elementwise("softplus", forward, slope, operations=(5, 4), onnx="Softplus")
"""`log(1 + exp(x))`, entry by entry; its parameters are `()`."""
log_sigmoid: Elementwise = elementwise(
    "log_sigmoid", log_sigmoid_forward, log_sigmoid_slope, operations=(5, 3), onnx=onnx.log_sigmoid
)
"""`log(s(x))` with the sigmoid s, entry by entry; its parameters are `()`."""
