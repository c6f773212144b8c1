"""Composition: layers one after another, as one layer.

    out = f_n(... f_2(f_1(x)))

**Derivation.** The chain rule says that the differential of a composition is the composition of the differentials:

    d(out) = J_n ... J_2 J_1 dx
    dL = <dout, J_n ... J_1 dx> = <J_1^T ... J_n^T dout, dx>

so backward is the composition of the backwards, last layer first:

    dx = b_1(b_2(... b_n(dout)))

**To remember:** go forward through the layers, come back through their transposes.

`sequential` is associative and `sequential()` is its identity, bit for bit. Parameters, caches and gradients are tuples
with an entry for each layer. The first layer's `dx` is not computed where nobody asks for it (`grads`).

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Sequential` | `keras.Sequential` | `flax.nnx.Sequential` |
"""

from functools import partial
from typing import Any, TypeVar, overload

from chainrule.arrays.libraries import namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Layer
from chainrule.parts import Chain
from chainrule.rules.combinators import Caches, Rules, combinator, counted, placed
from chainrule.rules.onnx_parts import in_turn
from chainrule.rules.rule import refuse_no_dx

# Numbered by position, so that a type checker names the layer that does not fit.
P0 = TypeVar("P0")
C0 = TypeVar("C0")
P1 = TypeVar("P1")
C1 = TypeVar("C1")
P2 = TypeVar("P2")
C2 = TypeVar("C2")
P3 = TypeVar("P3")
C3 = TypeVar("C3")
P4 = TypeVar("P4")
C4 = TypeVar("C4")
P5 = TypeVar("P5")
C5 = TypeVar("C5")
P6 = TypeVar("P6")
C6 = TypeVar("C6")
P7 = TypeVar("P7")
C7 = TypeVar("C7")
P8 = TypeVar("P8")
C8 = TypeVar("C8")
P9 = TypeVar("P9")
C9 = TypeVar("C9")


# First the form for many: it alone takes an unpacked list, whose length a type checker does not know.
@overload
def sequential(
    a0: Layer[Any, Any],
    a1: Layer[Any, Any],
    a2: Layer[Any, Any],
    a3: Layer[Any, Any],
    a4: Layer[Any, Any],
    a5: Layer[Any, Any],
    a6: Layer[Any, Any],
    a7: Layer[Any, Any],
    a8: Layer[Any, Any],
    a9: Layer[Any, Any],
    a10: Layer[Any, Any],
    /,
    *rest: Layer[Any, Any],
) -> Layer[tuple[object, ...], tuple[object, ...]]: ...
@overload
def sequential() -> Layer[tuple[()], tuple[()]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    /,
) -> Layer[tuple[P0], tuple[C0]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    /,
) -> Layer[tuple[P0, P1], tuple[C0, C1]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    /,
) -> Layer[tuple[P0, P1, P2], tuple[C0, C1, C2]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    /,
) -> Layer[tuple[P0, P1, P2, P3], tuple[C0, C1, C2, C3]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4], tuple[C0, C1, C2, C3, C4]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5], tuple[C0, C1, C2, C3, C4, C5]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    a6: Layer[P6, C6],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5, P6], tuple[C0, C1, C2, C3, C4, C5, C6]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    a6: Layer[P6, C6],
    a7: Layer[P7, C7],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5, P6, P7], tuple[C0, C1, C2, C3, C4, C5, C6, C7]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    a6: Layer[P6, C6],
    a7: Layer[P7, C7],
    a8: Layer[P8, C8],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5, P6, P7, P8], tuple[C0, C1, C2, C3, C4, C5, C6, C7, C8]]: ...
@overload
def sequential(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    a6: Layer[P6, C6],
    a7: Layer[P7, C7],
    a8: Layer[P8, C8],
    a9: Layer[P9, C9],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5, P6, P7, P8, P9], tuple[C0, C1, C2, C3, C4, C5, C6, C7, C8, C9]]: ...
def sequential(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Compose layers, first to last.

    Parameters
    ----------
    *layers
        Any number of layers. Up to ten are typed exactly; more, and an unpacked list, as tuples of objects. Nest
        `sequential` to keep exact types beyond ten.

    Returns
    -------
    Layer
        A layer whose parameters, caches and gradients are tuples with an entry for each of `layers`. `sequential()` is
        the identity.

    Raises
    ------
    TypeError
        If an argument is no `Layer`.

    Notes
    -----
    An error of a layer passes through with a note that gives its position. A wrong number of parameters is a
    `ValueError` that gives both numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, relu, sequential
    >>> network = sequential(affine, relu, affine)
    >>> rng = np.random.default_rng(0)
    >>> params = (Affine.init(rng, 4, 3), (), Affine.init(rng, 3, 2))
    >>> out, caches = network.forward(params, np.ones((5, 4), np.float32))
    >>> dx, grads = network.backward(caches, np.ones_like(out))
    >>> grads
    (Affine(W=f32[4, 3], b=f32[3]), (), Affine(W=f32[3, 2], b=f32[2]))
    """
    onnx = partial(in_turn, layers)
    return combinator("sequential", Chain(layers), layers, forward, backward, quiet=True, onnx=onnx)


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`f_n(... f_1(x))`, and the cache of each layer."""
    if params.__class__ is not tuple or len(params) != len(parts):
        counted("sequential", "params", params, len(parts))
    if not parts:
        namespace(x, name="sequential: x")
        return xp.own(x), []
    caches: Caches = []
    keeps, i = xp.keeps, 0
    try:
        for i, part in enumerate(parts):
            x, cache = part.forward(xp, params[i], x)
            caches.append(cache if keeps else None)
            del cache  # which nobody is to hold while the next layer runs
    except Exception as error:
        placed(error, i, parts)
        raise
    return x, caches


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`b_1(... b_n(dout))`, and the gradients of each layer."""
    if not parts:
        namespace(dout, name="sequential backward: dout")
        return xp.own(dout), ()
    dx: Array | None = dout
    grads: list[Any] = []
    i = len(parts)
    try:
        while i:
            i -= 1
            dx, own = parts[i].backward(xp, caches.pop(), dout, wants_dx or i > 0)
            grads.append(own)
            if dx is not None:
                dout = dx
            elif wants_dx or i > 0:
                refuse_no_dx("sequential")
    except Exception as error:
        placed(error, i, parts)
        raise
    grads.reverse()
    return dx, tuple(grads)
