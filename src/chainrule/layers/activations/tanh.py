"""The hyperbolic tangent: any number becomes one between -1 and 1.

    out = tanh(x)        tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

(LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, on why an odd function learns faster than the sigmoid.)

**Derivation.** Differentiate the quotient of s = exp(x) - exp(-x) and c = exp(x) + exp(-x), whose derivatives are each
other:

    tanh'(x) = (c c - s s) / c^2 = 4 / c^2 = 1 - tanh(x)^2
    dL = <dout, tanh'(x) * dx> = <tanh'(x) * dout, dx>        (* entry by entry)

so that

    dx = tanh'(x) * dout

**Numerics.** `1 - tanh(x)^2` loses all its digits where the tangent rounds to 1, for x above 19. With
`e = exp(-2 |x|)`, which lies between 0 and 1, nothing cancels:

    tanh'(x) = 4 e / (1 + e)^2

Forward makes the slope and saves it.

**To remember:** the slope is one minus the square of the output; where that is lost, four e over one plus e squared.

Special values: the output is -1 at -inf and 1 at inf, with slope 0; a nan passes.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Tanh` | `keras.activations.tanh` | `jax.nn.tanh` |

Examples
--------
>>> import numpy as np
>>> from chainrule import tanh
>>> out, cache = tanh.forward((), np.array([[-1000.0, 0.0, 1000.0]]))
>>> out
array([[-1.,  0.,  1.]])
>>> tanh.backward(cache, np.ones((1, 3)))[0]
array([[0., 1., 0.]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = tanh(x)`; the slope is saved."""
    e = xp.decay(x, 2)
    slope = xp.reciprocal(1 + e)
    slope *= slope
    e *= 4
    slope *= e
    return xp.tanh(x), slope


tanh: Elementwise = elementwise("tanh", forward, operations=(9, 1), onnx="Tanh")
"""`tanh(x)`, entry by entry; its parameters are `()`."""
