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
"""

from functools import partial
from typing import Any, TypeAlias, TypeVar, overload

from chainrule.arrays.arguments import describe
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Bare, Layer

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

Layers: TypeAlias = tuple[Layer[Any, Any], ...]
Bares: TypeAlias = tuple[Bare[Any], ...]
Records: TypeAlias = tuple[Any, ...]


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
def sequential(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Compose layers, first to last.

    Parameters
    ----------
    *layers
        Any number of layers. Up to ten are typed exactly, more as tuples of objects; nest `sequential` to keep exact
        types beyond ten.

    Returns
    -------
    Layer
        A layer whose parameters, caches and gradients are tuples with an entry for each of `layers`. `sequential()` is
        the identity and returns its input itself.

    Raises
    ------
    TypeError
        If an argument is no `Layer`.

    Notes
    -----
    What a layer raises passes through with a note that gives its position. A wrong number of parameters is a
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
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"sequential: argument {i + 1} must be a Layer, got {describe(layer)}")
    couples_rows = any(layer.couples_rows for layer in layers)
    bares = tuple(layer.bare for layer in layers if layer.bare is not None)
    bare = Bare(partial(_bare_forward, bares), partial(_bare_backward, bares)) if len(bares) == len(layers) else None
    return Layer(partial(forward, layers), partial(backward, layers), partial(grads, layers), couples_rows, bare)


def layers_of(network: Layer[Any, Any]) -> tuple[Layer[Any, Any], ...] | None:
    """Find the layers that `sequential` composed.

    Parameters
    ----------
    network
        Any layer.

    Returns
    -------
    tuple[Layer, ...] or None
        The arguments of `sequential`, or None for a layer that it did not make.
    """
    made = network.forward
    if isinstance(made, partial) and made.func is forward:
        layers: Layers = made.args[0]
        return layers
    return None


def forward(layers: Layers, params: Records, x: Array) -> tuple[Array, Records]:
    """`f_n(... f_1(x))`, and the cache of each layer."""
    _check_count("params", params, layers)
    caches: list[object] = []
    for i, layer in enumerate(layers):
        try:
            x, cache = layer.forward(params[i], x)
        except Exception as error:
            error.add_note(f"in layer {i + 1} of {len(layers)}")
            raise
        caches.append(cache)
    return x, tuple(caches)


def backward(layers: Layers, caches: Records, dout: Array) -> tuple[Array, Records]:
    """`b_1(... b_n(dout))`, and the gradients of each layer."""
    _check_count("caches", caches, layers)
    return _back_to(0, layers, caches, dout)


def grads(layers: Layers, caches: Records, dout: Array) -> Records:
    """The gradients of each layer, without the first one's dx."""
    _check_count("caches", caches, layers)
    if not layers:
        return ()
    dout, others = _back_to(1, layers, caches, dout)
    try:
        return (layers[0].grads(caches[0], dout), *others)
    except Exception as error:
        error.add_note(f"in layer 1 of {len(layers)}")
        raise


def _back_to(first: int, layers: Layers, caches: Records, dout: Array) -> tuple[Array, Records]:
    gradients: list[object] = []
    for i in range(len(layers) - 1, first - 1, -1):
        try:
            dout, own = layers[i].backward(caches[i], dout)
        except Exception as error:
            error.add_note(f"in layer {i + 1} of {len(layers)}")
            raise
        gradients.append(own)
    return dout, tuple(reversed(gradients))


def _bare_forward(bares: Bares, xp: Namespace, params: Records, x: Array) -> tuple[Array, list[Any]]:
    if type(params) is not tuple or len(params) != len(bares):
        raise TypeError
    saved: list[Any] = []
    for bare, own in zip(bares, params):  # noqa: B905  # strict takes longer, and they are of one length
        x, kept = bare.forward(xp, own, x)
        saved.append(kept)
    return x, saved


def _bare_backward(
    bares: Bares, xp: Namespace, params: Records, saved: list[Any], dout: Array, wants_dx: bool
) -> tuple[Array, Records]:
    moved: list[object] = []
    for i in range(len(bares) - 1, -1, -1):
        dout, own = bares[i].backward(xp, params[i], saved.pop(), dout, wants_dx or i > 0)  # and its memory is free
        moved.append(own)
    moved.reverse()
    return dout, tuple(moved)


def _check_count(name: str, records: Records, layers: Layers) -> None:
    if type(records) is not tuple:
        raise TypeError(f"sequential: {name} must be a tuple with an entry for each layer, got {describe(records)}")
    if len(records) != len(layers):
        raise ValueError(f"sequential: {len(layers)} layers need {len(layers)} {name}, got {len(records)}")
