"""The logistic sigmoid: any number becomes one between 0 and 1.

    out = s(x)        s(x) = 1 / (1 + exp(-x))

(Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986.)

**Derivation.** Differentiate the quotient:

    s'(x) = exp(-x) / (1 + exp(-x))^2 = s(x) s(-x)
    dL = <dout, s'(x) * dx> = <s'(x) * dout, dx>        (* entry by entry)

so that

    dx = s(x) s(-x) * dout

**Numerics.** Written as they stand, `exp(-x)` overflows for x below -709 (-88 in float32), and `1 - s(x)` loses all
its digits for x above 36. With `e = exp(x)` nothing cancels:

    s(x) = e / (1 + e)        s(-x) = 1 / (1 + e)

and where e overflows, the first is 1 and the second 0. So output and slope keep their relative precision wherever they
are normal numbers. Forward makes the slope, while its parts are there, and saves it.

**To remember:** the slope is the output times what is missing to one.

Special values: the output is 0 at -inf and 1 at inf, with slope 0; a nan passes.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Sigmoid` | `keras.activations.sigmoid` | `jax.nn.sigmoid` |

Examples
--------
>>> import numpy as np
>>> from chainrule import sigmoid
>>> out, cache = sigmoid.forward((), np.array([[-1000.0, 0.0, 1000.0]]))
>>> out
array([[0. , 0.5, 1. ]])
>>> sigmoid.backward(cache, np.ones((1, 3)))[0]
array([[0.  , 0.25, 0.  ]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = s(x)`; the slope `s(x) s(-x)` is saved."""
    out, rest = xp.sigmoid(x)
    return out, xp.times(rest, out)


sigmoid: Elementwise = elementwise("sigmoid", forward, operations=(5, 1), onnx="Sigmoid")
"""`1 / (1 + exp(-x))`, entry by entry; its parameters are `()`."""
