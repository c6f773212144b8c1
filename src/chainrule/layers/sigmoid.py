"""The logistic sigmoid: any number becomes one between 0 and 1.

    out = s(x)        s(x) = 1 / (1 + exp(-x))

**Derivation.** Differentiate the quotient:

    s'(x) = exp(-x) / (1 + exp(-x))^2 = s(x) s(-x)
    dL = <dout, s'(x) * dx> = <s'(x) * dout, dx>        (* entry by entry)

so that

    dx = s(x) s(-x) * dout

**Numerics.** Written as it stands, `exp(-x)` overflows for x below -709 (-88 in float32), and `1 - s(x)` loses all its
digits for x above 36. With `tail = exp(-|x|)`, which lies between 0 and 1, nothing overflows and nothing cancels:

    s(x) = 1 / (1 + tail) for x >= 0,    tail / (1 + tail) for x < 0,    s(x) s(-x) = tail / (1 + tail)^2

so both keep their relative precision at every finite x. The cache is `tail`, from which backward needs no second
exponential.

**To remember:** the slope is the output times what is missing to one.
"""

from attrs import frozen

from chainrule.arrays.arguments import like_out, no_params, record_of
from chainrule.arrays.libraries import namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, Unit
from chainrule.layer import Bare, Layer, no_grads


@frozen(eq=False)
@record
class SigmoidCache:
    """What backward needs of the forward pass: `exp(-|x|)`."""

    tail: Array


_cache = unchecked(SigmoidCache)


def forward(params: Unit, x: Array) -> tuple[Array, SigmoidCache]:
    """`out = s(x)`, of any shape."""
    out, tail = _bare_forward(namespace(x, name="sigmoid: x"), params, x)
    return out, _cache(read_only(tail))


def backward(cache: SigmoidCache, dout: Array) -> tuple[Array, Unit]:
    """`dx = s(x) s(-x) * dout`."""
    tail = record_of(cache, SigmoidCache, "sigmoid backward: cache").tail
    like_out(dout, tail.shape, tail.dtype, "sigmoid")
    return namespace(tail).quietly(_dx, tail, dout), ()


def _out(xp: Namespace, x: Array) -> tuple[Array, Array]:
    tail = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, xp.ones_like(tail), tail) / (1 + tail), tail


def _dx(tail: Array, dout: Array) -> Array:
    return tail / (1 + tail) ** 2 * dout


def _bare_forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, Array]:
    no_params(params, "sigmoid")
    return xp.quietly(_out, xp, x)


def _bare_backward(xp: Namespace, params: Unit, tail: Array, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
    return xp.quietly(_dx, tail, dout), ()


sigmoid: Layer[Unit, SigmoidCache] = Layer(forward, backward, no_grads, bare=Bare(_bare_forward, _bare_backward))
"""`1 / (1 + exp(-x))`, entry by entry; its parameters are `()`.

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
