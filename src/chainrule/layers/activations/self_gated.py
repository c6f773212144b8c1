"""Self-gated units: x times a gate between 0 and 1 that x itself opens.

    silu(x) = x s(x)        s(x) = 1 / (1 + exp(-x))
    mish(x) = x t(x)        t(x) = tanh(log(1 + exp(x)))

`silu` is also called swish (Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2017; Ramachandran, Zoph and Le,
Searching for activation functions, 2017); `mish` is of Misra, 2019.

**Derivation.** Both follow from the product rule, and the gates from the chain rule:

    silu'(x) = s(x) + x s(x) s(-x)
    mish'(x) = t(x) + x (1 - t(x)^2) s(x)
    dL = <dout, f'(x) * dx> = <f'(x) * dout, dx>        (* entry by entry)

so that for each f of the two

    dx = f'(x) * dout

**Numerics.** The gates are rational in exp(x). Write it as a quotient, exp(x) = a / b with `e = exp(-|x|)` and a = 1,
b = e for x >= 0, a = e, b = 1 for x < 0, and nothing overflows or cancels:

    s(x) = a / (a + b)        s(x) s(-x) = a b / (a + b)^2
    t(x) = a (a + 2 b) / w        (1 - t(x)^2) s(x) = 4 a b^2 (a + b) / w^2        w = a^2 + 2 a b + 2 b^2

On the left both functions and slopes are multiples of exp(x), and x exp(x) is a normal number where exp(x) is none any
more: so the factor a is the square of `p = exp(-|x| / 2)` there, and comes last. Forward makes the slope and saves it.

**To remember:** the slope is the gate, plus x times the slope of the gate.

Special values are torch's: at -inf both are nan, and so are the slopes at both infinities, which are inf times 0.

**In other libraries.**

| here | torch | Keras | JAX |
|---|---|---|---|
| `silu` | `torch.nn.SiLU` | `keras.activations.silu` | `jax.nn.silu` |
| `mish` | `torch.nn.Mish` | `keras.activations.mish` | `jax.nn.mish` |

Examples
--------
>>> import numpy as np
>>> from chainrule import mish, silu
>>> x = np.array([[-1000.0, 0.0, 1.0, 1000.0]])
>>> silu.forward((), x)[0].round(4)
array([[-0.000e+00,  0.000e+00,  7.311e-01,  1.000e+03]])
>>> mish.backward(mish.forward((), x)[1], np.ones((1, 4)))[0].round(4)
array([[-0.   ,  0.6  ,  1.049,  1.   ]])
"""

from chainrule.layers.activations import onnx
from chainrule.rules import Array, Elementwise, Namespace, elementwise


def silu_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x s(x)`; the slope is saved."""
    k = xp.decay(x, 0.5)
    e = k * k
    p, b = xp.one_where(x >= 0, k), xp.one_where(x < 0, e)
    e += 1  # from here on in the memory of what is made: half of the time goes into memory
    r = xp.reciprocal(e)
    gate, out = p * r, x * p
    slope = b
    slope *= r
    slope *= out
    slope += p
    slope *= gate
    out *= gate
    return out, slope


def mish_forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x t(x)`; the slope is saved."""
    k = xp.decay(x, 0.5)
    e = k * k
    p, b = xp.one_where(x >= 0, k), xp.one_where(x < 0, e)
    a, c = p * p, 2 * b
    r = xp.reciprocal(a * a + 2 * e + b * c)
    s = c * r
    gate, x = p * ((a + c) * r), x * p
    return x * gate, p * (gate + x * (s * s * (1 + e)))


silu: Elementwise = elementwise("silu", silu_forward, operations=(16, 1), onnx=onnx.silu)
"""`x s(x)` with the sigmoid s, entry by entry; its parameters are `()`."""
mish: Elementwise = elementwise("mish", mish_forward, operations=(25, 1), onnx="Mish")
"""`x tanh(softplus(x))`, entry by entry; its parameters are `()`."""
