"""The residual connection: a layer computes what is to be added to its input.

    out = x + f(x)

**Derivation.** Two wires leave one point, and the joint adds what they carry:

    d(out) = dx + J dx
    dL = <dout, dx + J dx> = <dout, dx> + <J^T dout, dx> = <dout + J^T dout, dx>

and read off

    dx = dout + J^T dout

Copy and sum are an adjoint pair. Going forward x is copied and the outputs are added; coming back `dout` is copied and
the derivatives are added. The identity in the sum is why deep networks of this kind can be trained: `dout` reaches
every layer, however small J is (He et al., Deep Residual Learning, 2016).

**To remember:** what was copied going forward is added coming back, and what was added is copied.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.add` | `keras.layers.Add` | `jax.numpy.add` |
"""

import math
from functools import partial
from typing import Any, TypeVar

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.parts import Around
from chainrule.rules.branches import of_one_dtype, refuse_unlike
from chainrule.rules.combinators import Caches, Rules, combinator
from chainrule.rules.onnx_graph import OnnxGraph
from chainrule.rules.rule import refuse_no_dx

P = TypeVar("P")
C = TypeVar("C")


def residual(f: Layer[P, C]) -> Layer[P, tuple[C]]:
    """Add a layer's input to its output.

    Parameters
    ----------
    f
        A layer whose output has the shape of its input, usually made by `sequential`.

    Returns
    -------
    Layer
        `x + f(x)`. Its parameters are those of `f`.

    Raises
    ------
    TypeError
        If `f` is no `Layer`.

    Notes
    -----
    Where `f` gives another shape than that of x, a `ValueError` says both: nothing is broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import relu, residual
    >>> block = residual(relu)
    >>> out, cache = block.forward((), np.array([[-1.0, 2.0]]))
    >>> out
    array([[-1.,  4.]])
    >>> block.backward(cache, np.array([[1.0, 1.0]]))[0]
    array([[1., 2.]])
    """
    return combinator(
        "residual", Around(f, skip=True), (f,), forward, backward, operations=one, onnx=partial(to_onnx, f)
    )


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`x + f(x)`."""
    x = xp.shared(x)
    out, cache = parts[0].forward(xp, params, x)
    if out.shape != x.shape:
        raise ValueError(f"residual: the layer must keep the shape of x, but makes {out.shape} of {x.shape}")
    if not of_one_dtype(x, out):
        raise TypeError(f"residual: the layer must keep the dtype of x, but makes {out.dtype} of {x.dtype}")
    return xp.quietly(xp.plus, out, x), [cache]


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = dout + J^T dout`."""
    dout = xp.shared(dout)
    dx, grads = parts[0].backward(xp, caches.pop(), dout, wants_dx)
    if not wants_dx:
        return None, grads
    if dx is None:
        refuse_no_dx("residual")
    refuse_unlike("residual", dx, dout, "dout")
    return xp.quietly(xp.plus, dx, dout), grads


def one(params: object, x: Shape, out: Shape) -> tuple[int, int]:
    """An addition for each number, forward and backward."""
    return math.prod(out), math.prod(x)


def to_onnx(f: Layer[Any, Any], graph: OnnxGraph, params: Any, x: str) -> str:
    """The skip is a second edge from x."""
    return graph.node("Add", graph.layer(f, params, x), x)
