"""The Gaussian error linear unit in its tanh form: torch, Keras and ONNX default to the other, which is `gelu_erf`.

    gelu(x) = x (1 + tanh(u)) / 2 = x s(2 u)        u = sqrt(2 / pi) (x + 0.044715 x^3)        s(x) = 1 / (1 + exp(-x))

It is x times the probability that a normal number lies below x, in a form that takes no error function and differs
from it by at most 0.0005 (Hendrycks and Gimpel, Gaussian error linear units, 2016). GPT-2 and its like use this one:
`approximate="tanh"` in torch and ONNX, `approximate=True` in Keras and JAX.

**Derivation.** The product rule, and s'(x) = s(x) s(-x):

    gelu'(x) = s(2 u) (1 + 2 x u' s(-2 u))        u' = sqrt(2 / pi) (1 + 0.134145 x^2)
    dL = <dout, gelu'(x) * dx> = <gelu'(x) * dout, dx>        (* entry by entry)

so that

    dx = gelu'(x) * dout

**Numerics.** In the left tail s(2 u) is exp(2 u), and 1 + tanh(u) would have no digit of it for x below -6. So

    gelu(x) = (x k) k / (1 + k^2)        s(-2 u) = 1 / (1 + k^2)        k = exp(u)

where k is a normal number as long as the result is one, so that the tail keeps its digits to the end. Larger ones count
as 2^40, at which the result is x, and no square overflows. Forward makes the slope and saves it. In long
double it has the digits of float64.

**To remember:** the slope is the gate, plus x times the slope of the gate.

Special values are torch's: gelu(-inf) is nan, and so are the slopes at both infinities, which are inf times 0.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.GELU(approximate="tanh")` | `keras.activations.gelu(approximate=True)` | `jax.nn.gelu` |

Examples
--------
>>> import numpy as np
>>> from chainrule import gelu
>>> out, cache = gelu.forward((), np.array([[-1.0, 0.0, 1.0, 1e300]]))
>>> out.round(4)
array([[-1.588e-001,  0.000e+000,  8.412e-001,  1.000e+300]])
>>> gelu.backward(cache, np.ones((1, 4)))[0].round(4)
array([[-0.083,  0.5  ,  1.083,  1.   ]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise, onnx_operator

LINEAR = 0.7978845608028654
CUBIC = 0.044715 * LINEAR
"""u = LINEAR x + CUBIC x^3, with LINEAR = sqrt(2 / pi)."""


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x s(2 u)`; the slope is saved."""
    near = xp.clip(x, -32.0, 9.0)  # s(2 u) is 0 and 1 beyond
    k = xp.clip(xp.decay_of(near, (-LINEAR, 0.0, -CUBIC)), 0.0, 2.0**40)
    rest: Array = k * k  # from here on in the memory of what is made: half of the time goes into memory
    rest += 1
    rest = xp.reciprocal(rest)
    share = k * rest
    out = x * share
    out *= k
    slope = near * near
    slope *= 6 * CUBIC
    slope += 2 * LINEAR
    slope *= near
    slope += 0 * x  # 2 x u', and nan at both infinities
    slope *= rest
    slope += 1
    slope *= share
    slope *= k
    return out, slope


gelu: Elementwise = elementwise("gelu", forward, operations=(25, 1), onnx=onnx_operator("Gelu", approximate="tanh"))
"""`x s(2 u)`, the tanh form, entry by entry; torch, Keras and ONNX default to `gelu_erf`."""
