"""The rectified linear unit: positive numbers pass, and the rest becomes zero.

    out = max(x, 0)

(Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.)

**Derivation.** An entry that passes passes its change too, and a zero stays where it is:

    d(out) = slope * dx        slope = 1 where x > 0, else 0        (* entry by entry)
    dL = <dout, slope * dx> = <slope * dout, dx>

so that

    dx = slope * dout

At x = 0 there is a kink and no derivative; the slope there is 0 by convention, as in every framework. The slope can be
read off the output, which is positive exactly where the input is: the cache is `out`, which the next layer saves too.

**To remember:** the gate that let a number through lets its gradient back.

Special values: the output is never -0.0. A nan passes, forward and backward (slope 1, as in torch), so that it is never
hidden; where the slope is 0, `dx` is 0 even if `dout` is infinite or nan.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.ReLU` | `keras.activations.relu` | `jax.nn.relu` |

Examples
--------
>>> import numpy as np
>>> from chainrule import relu
>>> out, cache = relu.forward((), np.array([[-1.0, 0.0, 2.0]]))
>>> out
array([[0., 0., 2.]])
>>> relu.backward(cache, np.array([[5.0, 6.0, 7.0]]))[0]
array([[0., 0., 7.]])
"""

from chainrule.rules import Array, Elementwise, Namespace, elementwise


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = max(x, 0)`; the output is saved."""
    out = xp.positive_part(x)
    return out, out


def backward(xp: Namespace, out: Array, dout: Array) -> Array:
    """`dx = slope * dout`, and 0 where the slope is 0."""
    return xp.gate(out, dout)


relu: Elementwise = elementwise(
    "relu", forward, backward=backward, quiet=None, keeps_order=True, operations=(1, 1), onnx="Relu"
)
"""`max(x, 0)`, entry by entry; its parameters are `()`."""
