"""The rectified linear unit: what is positive passes, and the rest becomes zero.

    out = max(x, 0)

**Derivation.** An entry that passes passes its change too, and a zero stays where it is:

    d(out) = slope * dx        slope = 1 where x > 0, else 0        (* entry by entry)
    dL = <dout, slope * dx> = <slope * dout, dx>

so that

    dx = slope * dout

At x = 0 there is a kink and no derivative; the slope there is 0 by convention, as in every framework. The slope can be
read off the output, which is positive exactly where the input is: the cache is `out`, which the next layer keeps too.

**To remember:** the gate that let a number through lets its gradient back.

Special values: the output is never -0.0. A nan passes, forward and backward (slope 1, as in torch), so that it is never
hidden; where the slope is 0, `dx` is 0 even if `dout` is infinite or nan.
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
class ReluCache:
    """What backward needs of the forward pass: the output."""

    out: Array


_cache = unchecked(ReluCache)


def forward(params: Unit, x: Array) -> tuple[Array, ReluCache]:
    """`out = max(x, 0)`, of any shape; read-only, because the cache shares it."""
    no_params(params, "relu")
    out = read_only(namespace(x, name="relu: x").positive_part(x))
    return out, _cache(out)


def backward(cache: ReluCache, dout: Array) -> tuple[Array, Unit]:
    """`dx = slope * dout`."""
    out = record_of(cache, ReluCache, "relu backward: cache").out
    like_out(dout, out.shape, out.dtype, "relu")
    return namespace(out).gate(out, dout), ()


def _bare_forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, Array]:
    no_params(params, "relu")
    out = xp.positive_part(x)
    return out, out


def _bare_backward(xp: Namespace, params: Unit, out: Array, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
    return xp.gate(out, dout), params


relu: Layer[Unit, ReluCache] = Layer(forward, backward, no_grads, bare=Bare(_bare_forward, _bare_backward))
"""`max(x, 0)`, entry by entry; its parameters are `()`.

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
