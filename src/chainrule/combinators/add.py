"""The sum of layers beside each other: all take the same input, and their outputs are added.

    out = f_1(x) + f_2(x) + ... + f_n(x)

**Derivation.** The differential of a sum is the sum of the differentials:

    d(out) = J_1 dx + J_2 dx + ... + J_n dx
    dL = <dout, J_1 dx> + ... + <dout, J_n dx> = <J_1^T dout + ... + J_n^T dout, dx>

so that

    dx = J_1^T dout + J_2^T dout + ... + J_n^T dout

Copy and sum are an adjoint pair. Going forward x is copied to the branches and the joint adds; coming back the joint
copies `dout` to the branches, and where the wires meet their derivatives are added.

**To remember:** each branch gets all of `dout`, and x gets the sum of their derivatives.

`add(f)` is f, bit for bit. Addition of floating-point numbers is not associative, so `add(f, add(g, h))` equals
`add(f, g, h)` but for rounding.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.add` | `keras.layers.Add` | `jax.numpy.add` |
"""

import math
from functools import partial
from itertools import repeat
from typing import Any, TypeVar, overload

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.parts import Fork
from chainrule.rules.branches import back_through, each_branch, of_one_shape
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
P4 = TypeVar("P4")
C4 = TypeVar("C4")
P5 = TypeVar("P5")
C5 = TypeVar("C5")


# First the form for many: it alone takes an unpacked list, whose length a type checker does not know.
@overload
def add(
    a0: Layer[Any, Any],
    a1: Layer[Any, Any],
    a2: Layer[Any, Any],
    a3: Layer[Any, Any],
    a4: Layer[Any, Any],
    a5: Layer[Any, Any],
    a6: Layer[Any, Any],
    /,
    *rest: Layer[Any, Any],
) -> Layer[tuple[object, ...], tuple[object, ...]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    /,
) -> Layer[tuple[P0], tuple[C0]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    /,
) -> Layer[tuple[P0, P1], tuple[C0, C1]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    /,
) -> Layer[tuple[P0, P1, P2], tuple[C0, C1, C2]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    /,
) -> Layer[tuple[P0, P1, P2, P3], tuple[C0, C1, C2, C3]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4], tuple[C0, C1, C2, C3, C4]]: ...
@overload
def add(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    a4: Layer[P4, C4],
    a5: Layer[P5, C5],
    /,
) -> Layer[tuple[P0, P1, P2, P3, P4, P5], tuple[C0, C1, C2, C3, C4, C5]]: ...
def add(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Add the outputs of layers on one input.

    Parameters
    ----------
    *layers
        The branches, one at least: layers that give outputs of one shape and dtype. Up to six are typed exactly; more,
        and an unpacked list, as tuples of objects.

    Returns
    -------
    Layer
        A layer whose parameters, caches and gradients are tuples with an entry for each of `layers`.

    Raises
    ------
    TypeError
        If there is no branch, or an argument is no `Layer`.

    Notes
    -----
    An error of a branch passes through with a note that gives its position. A branch whose output differs in shape from
    the first one's is a `ValueError` that says both shapes: nothing is broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import add, relu, sigmoid
    >>> both = add(relu, sigmoid)
    >>> out, caches = both.forward(((), ()), np.array([[0.0, 1000.0]]))
    >>> out
    array([[5.000e-01, 1.001e+03]])
    >>> both.backward(caches, np.array([[1.0, 1.0]]))[0]
    array([[0.25, 1.  ]])
    """
    if not layers:
        raise TypeError("add: it needs one branch at least, got none")
    return combinator(
        "add",
        Fork(layers, "+"),
        layers,
        forward,
        backward,
        operations=partial(additions, len(layers) - 1),
        onnx=partial(to_onnx, layers),
    )


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`f_1(x) + ... + f_n(x)`, and the cache of each branch."""
    caches: Caches = []
    branches = each_branch("add", parts, xp, params, x, of_one_shape)
    out, cache = next(branches)
    caches.append(cache)
    for more, cache in branches:
        out = xp.quietly(xp.plus, out, more)
        caches.append(cache)
    return out, caches


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = J_1^T dout + ... + J_n^T dout`, and the gradients of each branch."""
    return back_through("add", parts, xp, caches, repeat(xp.shared(dout)), wants_dx)


def additions(joints: int, params: object, x: Shape, out: Shape) -> tuple[int, int]:
    """An addition for each number and each branch but the first, forward and backward."""
    return joints * math.prod(out), joints * math.prod(x)


def to_onnx(layers: tuple[Layer[Any, Any], ...], graph: OnnxGraph, params: Any, x: str) -> str:
    """The branches, and the joint."""
    return graph.node("Sum", *each_wire(layers, graph, params, x))
