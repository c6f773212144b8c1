"""The product of layers beside each other: all take the same input, and their outputs are multiplied.

    out = f_1(x) * f_2(x) * ... * f_n(x)        (* entry by entry)

With two branches it is a gate: `multiply(affine, sequential(affine, sigmoid))` lets each output of the one through as
far as the other says (Dauphin et al., Language modeling with gated convolutional networks, 2017).

**Derivation.** Let o_i = f_i(x), and let q_i be the product of all outputs but o_i. By the product rule

    d(out) = q_1 * do_1 + ... + q_n * do_n        do_i = J_i dx
    dL = <dout, q_1 * J_1 dx> + ... = <J_1^T (q_1 * dout) + ... + J_n^T (q_n * dout), dx>

so that

    dx = J_1^T (q_1 * dout) + ... + J_n^T (q_n * dout)

**Numerics.** q_i is not out / o_i, which is lost where o_i is 0. It is the product of those before branch i and of
those behind it: going back, `dout` is multiplied by one output after another, and meets at each branch the product of
those before. A zero is exact: a branch beside one that gives 0 gets 0, and beside two of them so do all.

**To remember:** a factor gets what comes back times all the others.

Special values: 0 times an infinity is nan, as in every product. What overflows gives an infinity without a warning.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.mul` | `keras.layers.Multiply` | `jax.numpy.multiply` |
"""

import math
from collections.abc import Iterator
from functools import partial, reduce
from typing import Any, TypeVar, overload

from chainrule.arrays.arguments import like_out
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.parts import Fork
from chainrule.rules.branches import Beside, apart, back_through, beside, each_branch, of_one_shape
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
def multiply(
    a0: Layer[Any, Any],
    a1: Layer[Any, Any],
    a2: Layer[Any, Any],
    a3: Layer[Any, Any],
    a4: Layer[Any, Any],
    /,
    *rest: Layer[Any, Any],
) -> Layer[tuple[object, ...], tuple[object, ...]]: ...
@overload
def multiply(
    a0: Layer[P0, C0],
    /,
) -> Layer[tuple[P0], tuple[Beside[C0]]]: ...
@overload
def multiply(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    /,
) -> Layer[tuple[P0, P1], tuple[Beside[C0], Beside[C1]]]: ...
@overload
def multiply(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    /,
) -> Layer[tuple[P0, P1, P2], tuple[Beside[C0], Beside[C1], Beside[C2]]]: ...
@overload
def multiply(
    a0: Layer[P0, C0],
    a1: Layer[P1, C1],
    a2: Layer[P2, C2],
    a3: Layer[P3, C3],
    /,
) -> Layer[tuple[P0, P1, P2, P3], tuple[Beside[C0], Beside[C1], Beside[C2], Beside[C3]]]: ...
def multiply(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Multiply the outputs of layers on one input, entry by entry.

    Parameters
    ----------
    *layers
        The branches, one at least: layers that give outputs of one shape and dtype. Up to four are typed exactly; more,
        and an unpacked list, as tuples of objects.

    Returns
    -------
    Layer
        A layer whose parameters and gradients are tuples with an entry for each of `layers`. Its cache has for each the
        cache and the output.

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
    >>> from chainrule import identity, multiply, sigmoid
    >>> silu = multiply(identity, sigmoid)
    >>> out, caches = silu.forward(((), ()), np.array([[0.0, 1000.0]]))
    >>> out
    array([[   0., 1000.]])
    >>> silu.backward(caches, np.array([[1.0, 1.0]]))[0]
    array([[0.5, 1. ]])
    """
    if not layers:
        raise TypeError("multiply: it needs one branch at least, got none")
    return combinator(
        "multiply",
        Fork(layers, "*", keeps=True),
        layers,
        forward,
        backward,
        operations=partial(products, len(layers) - 1),
        onnx=partial(to_onnx, layers),
    )


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`f_1(x) * ... * f_n(x)`, and the cache and the output of each branch."""
    outs: list[Array] = []
    caches: Caches = []
    for out, cache in each_branch("multiply", parts, xp, params, x, of_one_shape):
        outs.append(xp.own(xp.shared(out)))
        caches.append(beside(cache, outs[-1]))
    product = outs[0]
    for other in outs[1:]:
        product = xp.quietly(xp.times, product, other)
    return product, caches


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = J_1^T (q_1 * dout) + ... + J_n^T (q_n * dout)`, and the gradients of each branch."""
    of_branches, outs = apart("multiply", caches)
    like_out(dout, outs[0].shape, outs[0].dtype, "multiply")  # a product would broadcast or promote it
    caches.clear()
    return back_through("multiply", parts, xp, of_branches, by_the_others(xp, outs, dout), wants_dx)


def by_the_others(xp: Namespace, outs: list[Array], dout: Array) -> Iterator[Array]:
    """`q_i * dout` for each branch, that of the last first."""
    before = outs[:1]
    for out in outs[1:-1]:
        before.append(xp.shared(xp.quietly(xp.times, before[-1], out)))
    behind = xp.shared(dout)
    for i in reversed(range(1, len(outs))):
        yield xp.quietly(xp.times, behind, before[i - 1])
        behind = xp.shared(xp.quietly(xp.times, behind, outs[i]))
    yield behind


def products(joints: int, params: object, x: Shape, out: Shape) -> tuple[int, int]:
    """A product for each number and joint; backward one to each branch and from it, those before, and sums of dx."""
    return joints * math.prod(out), (2 * joints + max(joints - 1, 0)) * math.prod(out) + joints * math.prod(x)


def to_onnx(layers: tuple[Layer[Any, Any], ...], graph: OnnxGraph, params: Any, x: str) -> str:
    """The branches, and the joint."""
    return reduce(partial(graph.node, "Mul"), each_wire(layers, graph, params, x))
