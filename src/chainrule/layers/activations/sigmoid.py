"""The logistic sigmoid: any number becomes one between 0 and 1.

    out = s(x)        s(x) = 1 / (1 + exp(-x))

**Derivation.** Differentiate the quotient:

    s'(x) = exp(-x) / (1 + exp(-x))^2 = s(x) s(-x)
    dL = <dout, s'(x) * dx> = <s'(x) * dout, dx>        (* entry by entry)

so that

    dx = s(x) s(-x) * dout

**Numerics.** With `e = exp(-x)` both are written without a difference, so that no digit cancels:

    s(x) = 1 / (1 + e)        s'(x) = e s(x) s(x)

Written as `s(x) (1 - s(x))` the slope would lose all its digits for x above 36. Forward makes the slope while e is
there, and saves it.

**To remember:** the slope is the output times what is missing to one.

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

from chainrule import rules
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array


def forward(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """`out = s(x)`; the slope is saved."""
    e = xp.exp(-x)
    out = xp.reciprocal(1 + e)
    slope = xp.finite(e)  # inf * 0 is nan
    slope *= out
    slope *= out
    return out, slope


sigmoid: rules.Elementwise = rules.elementwise("sigmoid", forward, operations=(7, 1))
"""`1 / (1 + exp(-x))`, entry by entry; its parameters are `()`."""
