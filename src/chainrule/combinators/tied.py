"""Shared parameters: the many parameters of a layer, made from few.

    out = f(e(p), x)        q = e(p), linear in p

This is for one set of weights in two places, a matrix and its transpose, or a symmetric kernel. `expand` is e, and
makes the layer's parameters q from the small ones p.

**Derivation.** The layer gives the derivative with respect to q, and the expansion is linear, e(p) = A p:

    dq = A dp
    dL = <g, dq> = <g, A dp> = <A^T g, dp>

for the gradient g of the layer, so that the gradient with respect to p is

    gradient = A^T g

`contract` is A^T. It is the transpose of `expand` if for all p and g

    <A p, g> = <p, A^T g>

which `chainrule.laws.transposed` tests. Where a number was copied its derivatives are added: copy and sum are an
adjoint pair.

**To remember:** what is used in two places gets the sum of two gradients.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.utils.parametrize.register_parametrization` | none | none |
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder
from chainrule.layer import Layer
from chainrule.naming import title_of
from chainrule.parts import Around, has_fixed
from chainrule.rules.combinators import Caches, Rules, checked_part, layer_or_encoder
from chainrule.rules.onnx_graph import OnnxGraph

P = TypeVar("P")
Q = TypeVar("Q")
C = TypeVar("C")
X = TypeVar("X")


@overload
def tied(f: Layer[Q, C], expand: Callable[[P], Q], contract: Callable[[Q], P]) -> Layer[P, tuple[C]]: ...
@overload
def tied(f: Encoder[Q, C, X], expand: Callable[[P], Q], contract: Callable[[Q], P]) -> Encoder[P, tuple[C], X]: ...
def tied(
    f: Layer[Any, Any] | Encoder[Any, Any, Any], expand: Callable[[Any], Any], contract: Callable[[Any], Any]
) -> Layer[Any, Any] | Encoder[Any, Any, Any]:
    """Make the parameters of a layer or an encoder from fewer ones.

    Parameters
    ----------
    f
        The layer.
    expand
        From the small parameters, any tree, to those of the layer: a linear function.
    contract
        Its transpose: from gradients like the layer's parameters, read-only, to gradients like the small ones.

    Returns
    -------
    Layer or Encoder
        `f` with the small parameters. It pickles if the two functions are a module's.

    Raises
    ------
    TypeError
        If `f` is no `Layer` or `Encoder`, or one of the others is no function.
    ValueError
        If a part of `f` is fixed: once parameters are shared, it can't be told which of them should stay.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, Array, affine, sequential, tied, tree
    >>> def twice(p: Affine) -> tuple[Affine, Affine]:
    ...     return p, p
    >>> def both(g: tuple[Affine, Affine]) -> Affine:
    ...     return tree.map(np.add, *g)
    >>> layer = tied(sequential(affine, affine), twice, both)
    >>> params = Affine(W=np.array([[3.0]]), b=np.array([0.0]))
    >>> out, cache = layer.forward(params, np.array([[2.0]]))
    >>> out
    array([[18.]])
    >>> layer.grads(cache, np.array([[1.0]])).W  # of 2 W^2
    array([[12.]])
    """
    layer = checked_part("tied", f)
    for name, function in (("expand", expand), ("contract", contract)):
        if not callable(function):
            raise TypeError(f"tied: {name} must be a function of a tree, got {describe(function)}")
    if has_fixed(layer):
        raise ValueError(f"tied: a part of {title_of(layer)} is fixed, and tied parameters move as one: fix the whole")
    options: dict[str, Any] = {"expand": expand, "contract": contract}
    go, back, onnx = partial(forward, **options), partial(backward, contract=contract), partial(to_onnx, layer, expand)
    made: Layer[Any, Any] | Encoder[Any, Any, Any] = layer_or_encoder(
        "tied", Around(f, tied=True), (layer,), go, back, onnx=onnx
    )
    return made


def forward(
    parts: Rules,
    xp: Namespace,
    params: Any,
    x: Any,
    *,
    expand: Callable[[Any], Any],
    contract: Callable[[Any], Any],
) -> tuple[Array, Caches]:
    """`f(e(p), x)`. The transpose is an option here too, so that it shows in the repr."""
    out, cache = parts[0].forward(xp, expand(params), x)
    return out, [cache]


def backward(
    parts: Rules,
    xp: Namespace,
    caches: Caches,
    dout: Array,
    wants_dx: bool,
    *,
    contract: Callable[[Any], Any],
) -> tuple[Array | None, Any]:
    """`A^T g` of the layer's gradient g."""
    dx, grads = parts[0].backward(xp, caches.pop(), dout, wants_dx)
    given = tree.map(xp.read_only, grads)  # what comes of it may be one array in two places
    return dx, tree.map(xp.own, contract(given))


def to_onnx(layer: Any, expand: Callable[[Any], Any], graph: OnnxGraph, params: Any, x: str) -> str:
    """The layer, with parameters that are expanded once."""
    return graph.layer(layer, expand(params), x)
