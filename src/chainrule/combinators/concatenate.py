"""Layers beside each other, whose outputs stand side by side: all take the same input.

    out = (f_1(x), f_2(x), ..., f_n(x))

along the last axis, the features; the branches may give different numbers of them.

**Derivation.** Let S_i take the slice of branch i out of a row of all features. Then out is put together of what its
slices are, S_i out = f_i(x), and an inner product of all features is the sum of those of the slices:

    S_i d(out) = J_i dx
    dL = <dout, d(out)> = <S_1 dout, J_1 dx> + ... + <S_n dout, J_n dx>
       = <J_1^T S_1 dout + ... + J_n^T S_n dout, dx>

so that

    dx = J_1^T S_1 dout + ... + J_n^T S_n dout

Concatenate and split are an adjoint pair, as are copy and sum: x is copied to the branches, and where the wires meet
their derivatives are added.

**To remember:** each branch gets back its own slice.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.cat` | `keras.layers.Concatenate` | `jax.numpy.concatenate` |
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar, overload

from chainrule.arrays.arguments import describe
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.parts import Fork
from chainrule.rules.branches import Beside, apart, back_through, beside, each_branch, of_one_dtype
from chainrule.rules.combinators import Caches, Rules, combinator
from chainrule.rules.onnx_graph import OnnxGraph
from chainrule.rules.onnx_parts import each_wire

# Numbered by position, so that a type checker names the branch that does not fit.
P0 = TypeVar("P0")
C0 = TypeVar("C0")
P1 = TypeVar("P1")
C1 = TypeVar("C1")
P2 = TypeVar("P2")
C2 = TypeVar("C2")
P3 = TypeVar("P3")
C3 = TypeVar("C3")


# First the form for many: it alone takes an unpacked list, whose length a type checker does not know.
@overload
def concatenate(
    a0: Layer[Any, Any],
    a1: Layer[Any, Any],
    a2: Layer[Any, Any],
    a3: Layer[Any, Any],
    a4: Layer[Any, Any],
    /,
    *rest: Layer[Any, Any],
) -> Layer[tuple[object, ...], tuple[object, ...]]: ...
@overload
def concatenate(
    a0: Layer[P0, C0],
    /,
) -> Layer[tuple[P0], tuple[Beside[C0]]]: ...
@overload
def concatenate(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    /,
) -> Layer[tuple[P0, P1], tuple[Beside[C0], Beside[C1]]]: ...
@overload
def concatenate(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    /,
) -> Layer[tuple[P0, P1, P2], tuple[Beside[C0], Beside[C1], Beside[C2]]]: ...
@overload
def concatenate(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    /,
) -> Layer[tuple[P0, P1, P2, P3], tuple[Beside[C0], Beside[C1], Beside[C2], Beside[C3]]]: ...
def concatenate(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Put the outputs of layers on one input side by side, along the last axis.

    Parameters
    ----------
    *layers
        The branches, one at least: layers whose outputs have one dtype, and one shape but for the last axis. Up to four
        are typed exactly; more, and an unpacked list, as tuples of objects.

    Returns
    -------
    Layer
        A layer whose parameters and gradients are tuples with an entry for each of `layers`. Its cache has for each the
        cache, and an array of nothing whose last axis is as long as the branch's.

    Raises
    ------
    TypeError
        If there is no branch, or an argument is no `Layer`.

    Notes
    -----
    An error of a branch passes through with a note that gives its position. A branch whose output differs from the
    first one's in another axis than the last is a `ValueError` that says both shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import concatenate, relu, tanh
    >>> both = concatenate(relu, tanh)
    >>> out, caches = both.forward(((), ()), np.array([[2.0, 0.0]]))
    >>> out.round(3)
    array([[2.   , 0.   , 0.964, 0.   ]])
    >>> both.backward(caches, np.array([[1.0, 1.0, 0.0, 5.0]]))[0]
    array([[1., 5.]])
    """
    if not layers:
        raise TypeError("concatenate: it needs one branch at least, got none")
    axes: list[Any] = [getattr(layer, "event_axes", None) for layer in layers]
    return combinator(
        "concatenate",
        Fork(layers, "‖", keeps=True),
        layers,
        forward,
        backward,
        elementwise=False,
        event_axes=None if None in axes else max(1, *axes),
        operations=partial(additions, len(layers) - 1),
        onnx=partial(to_onnx, layers),
    )


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`(f_1(x), ..., f_n(x))`, and the cache and the width of each branch."""
    outs: list[Array] = []
    caches: Caches = []
    for out, cache in each_branch("concatenate", parts, xp, params, x, side_by_side):
        outs.append(out)
        # The width as a shape: a number would be traced by a compiler.
        caches.append(beside(cache, xp.read_only(xp.zeros_like(out[None, ...][:0, ...]))))
    return xp.read_only(xp.concat(outs, axis=-1)), caches


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = J_1^T S_1 dout + ... + J_n^T S_n dout`, and the gradients of each branch."""
    of_branches, nothings = apart("concatenate", caches)
    widths = [nothing.shape[-1] for nothing in nothings]
    if dout.shape[-1:] != (sum(widths),):
        raise ValueError(f"concatenate backward: dout has shape {tuple(dout.shape)}, expected {sum(widths)} features")
    caches.clear()
    return back_through("concatenate", parts, xp, of_branches, slices(xp.shared(dout), widths), wants_dx)


def additions(joints: int, params: object, x: Shape, out: Shape) -> tuple[int, int]:
    """None forward; an addition for each number of x and each branch but the first backward."""
    return 0, joints * math.prod(x)


def slices(dout: Array, widths: list[int]) -> Iterator[Array]:
    """The slice of each branch, that of the last first."""
    end = dout.shape[-1]
    for width in reversed(widths):
        yield dout[..., end - width : end]
        end -= width


def side_by_side(name: str, first: Array, other: Array, i: int) -> None:
    """Refuse branches whose outputs differ in dtype, or in another axis than the last."""
    if not other.ndim:
        raise ValueError(f"{name}: the branches must give outputs with an axis of features, got {describe(other)}")
    if other.shape[:-1] != first.shape[:-1] or not of_one_dtype(first, other):
        both = f"branch 1 gives {describe(first)} and branch {i + 1} {describe(other)}"
        raise ValueError(
            f"{name}: the branches must give outputs of one dtype, and one shape but for the last axis, but {both}"
        )


def to_onnx(layers: tuple[Layer[Any, Any], ...], graph: OnnxGraph, params: Any, x: str) -> str:
    """The branches, and the joint."""
    return graph.node("Concat", *each_wire(layers, graph, params, x), axis=-1)
