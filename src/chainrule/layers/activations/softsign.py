"""Softsign: any number becomes one between -1 and 1, with tails that go as 1 / x, wider than those of tanh.

    softsign(x) = x / (1 + |x|)

(Bergstra, Desjardins, Lamblin and Bengio, Quadratic polynomials learn better image features, 2009.)

**Derivation.** For x > 0, differentiate the quotient; the function is odd, so that its slope is even:

    softsign'(x) = (1 + x - x) / (1 + x)^2 = 1 / (1 + |x|)^2
    dL = <dout, softsign'(x) * dx> = <softsign'(x) * dout, dx>        (* entry by entry)

so that

    dx = softsign'(x) * dout

Forward makes the slope, which is the square of a factor of the output, and saves it.

**To remember:** the slope is the square of what x is multiplied by.

Special values: at -inf and inf the output is nan, as in torch, where it is inf times 0; the slope there is its limit, 0
(torch's is nan).

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Softsign` | `keras.activations.softsign` | `jax.nn.soft_sign` |

Examples
--------
>>> import numpy as np
>>> from chainrule import softsign
>>> out, cache = softsign.forward((), np.array([[-1.0, 0.0, 3.0]]))
>>> out
array([[-0.5 ,  0.  ,  0.75]])
>>> softsign.backward(cache, np.ones((1, 3)))[0]
array([[0.25  , 1.    , 0.0625]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = x / (1 + |x|)`; the slope is saved."""
    r = xp.reciprocal(1 + xp.abs(x))
    return x * r, r * r


softsign: Elementwise = elementwise("softsign", forward, operations=(5, 1), onnx="Softsign")
"""`x / (1 + |x|)`, entry by entry; its parameters are `()`."""
