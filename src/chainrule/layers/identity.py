"""The identity: the output is the input.

    out = x

**Derivation.** There is nothing to derive:

    d(out) = dx        dL = <dout, dx>

so that

    dx = dout

**To remember:** the identity can take the place of a layer that is removed.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Identity` | `keras.layers.Identity` | `jax.nn.identity` |

Examples
--------
>>> import numpy as np
>>> from chainrule import identity
>>> out, cache = identity.forward((), np.array([1.0, 2.0]))
>>> out, identity.backward(cache, np.array([3.0, 4.0]))[0]
(array([1., 2.]), array([3., 4.]))
"""

from attrs import frozen

from chainrule.layer import Shape
from chainrule.rules import Array, Layer, Namespace, Unit, layer, record, unchecked


@frozen(eq=False)
@record
class IdentityCache:
    """The cache of `identity`, which is empty: backward needs `dout` alone."""


_saved = unchecked(IdentityCache)


def forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, IdentityCache]:
    """`out = x`."""
    return xp.own(x), _saved()


def backward(xp: Namespace, cache: IdentityCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = dout`."""
    return (xp.own(dout) if wants_dx else None), ()


def operations(params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """None."""
    return 0, 0


identity: Layer[Unit, IdentityCache] = layer(
    "identity", (), forward, backward, elementwise=True, event_axes=0, operations=operations, onnx="Identity"
)
"""`x`; its parameters are `()`."""
