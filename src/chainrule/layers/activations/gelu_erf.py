"""The Gaussian error linear unit, exactly: x times the probability that a normal number lies below x.

    gelu_erf(x) = x F(x)        F(x) = (1 + erf(x / sqrt(2))) / 2        f(x) = exp(-x^2 / 2) / sqrt(2 pi)

It is the default of torch, Keras and ONNX, which call it gelu (Hendrycks and Gimpel, Gaussian error linear units,
2016); `gelu` is its tanh form.

**Derivation.** The density f is the derivative of the distribution function F:

    gelu_erf'(x) = F(x) + x f(x)
    dL = <dout, gelu_erf'(x) * dx> = <gelu_erf'(x) * dout, dx>        (* entry by entry)

so that

    dx = gelu_erf'(x) * dout

**Numerics.** In the left tail erf(x / sqrt(2)) rounds to -1, for x below -8, and the square in f(x) is rounded, which
costs a hundred units of rounding and more. `chainrule.arrays.normal` gives f(x) and the tail F(-|x|) to the last
digits of float64, in long double too. Forward makes the slope and saves it.

**To remember:** the slope is the gate, plus x times the slope of the gate.

The Array API standard has no erf: on NumPy and dask it is SciPy's (`pip install 'chainrule[scipy]'`), on torch, JAX and
CuPy their own, and array-api-strict has none. Special values are torch's: gelu_erf(-inf) is nan, and so are the slopes
at both infinities, which are inf times 0.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.GELU` | `keras.activations.gelu` | `jax.nn.gelu(approximate=False)` |

Examples
--------
>>> import numpy as np
>>> from chainrule import gelu_erf
>>> out, cache = gelu_erf.forward((), np.array([[-1.0, 0.0, 1.0, 1e300]]))
>>> out.round(4)
array([[-1.587e-001,  0.000e+000,  8.413e-001,  1.000e+300]])
>>> gelu_erf.backward(cache, np.ones((1, 4)))[0].round(4)
array([[-0.0833,  0.5   ,  1.0833,  1.    ]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x F(x)`; the slope is saved."""
    tail, density = xp.gaussian(x)
    cdf = xp.where(x < 0, tail, 1 - tail)
    return x * cdf, cdf + x * density


gelu_erf: Elementwise = elementwise("gelu_erf", forward, operations=(30, 1), onnx="Gelu")
"""`x F(x)` with the normal distribution function F, entry by entry; its parameters are `()`."""
