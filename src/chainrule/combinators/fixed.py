"""A layer whose parameters stay as they are: derivatives pass through it, and it is not trained itself.

    out = f(p, x)        p constant

**Derivation.** The parameters do not change, so that their differential is zero, and x has the whole derivative:

    d(out) = J dx        dp = 0
    dL = <dout, J dx> = <J^T dout, dx>

and read off

    dx = J^T dout

The gradients are zeros like the parameters. `training_step` leaves every bit of the parameters as it was, with any
optimizer, also one that would move a parameter without a gradient (weight decay).

**To remember:** a fixed layer lets the derivative through and takes none for itself.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Module.requires_grad_(False)` | `keras.Layer.trainable = False` | `jax.lax.stop_gradient` |
"""

from functools import partial
from typing import Any, TypeVar, overload

from chainrule import tree
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder
from chainrule.layer import Layer
from chainrule.parts import Around
from chainrule.rules.combinators import Caches, Rules, checked_part, layer_or_encoder
from chainrule.rules.onnx_parts import as_it_is

P = TypeVar("P")
C = TypeVar("C")
X = TypeVar("X")


@overload
def fixed(f: Layer[P, C]) -> Layer[P, tuple[tuple[C, P]]]: ...
@overload
def fixed(f: Encoder[P, C, X]) -> Encoder[P, tuple[tuple[C, P]], X]: ...
def fixed(f: Layer[Any, Any] | Encoder[Any, Any, Any]) -> Layer[Any, Any] | Encoder[Any, Any, Any]:
    """Fix the parameters of a layer or an encoder.

    Parameters
    ----------
    f
        The layer, usually a part of a network that was trained before.

    Returns
    -------
    Layer or Encoder
        It computes what `f` computes, and its gradients are zeros. Where no `dx` is wanted, backward of `f` is not run.

    Raises
    ------
    TypeError
        If `f` is no `Layer` or `Encoder`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, fixed
    >>> layer = fixed(affine)
    >>> params = Affine(W=np.array([[2.0]]), b=np.array([1.0]))
    >>> out, cache = layer.forward(params, np.array([[3.0]]))
    >>> dx, grads = layer.backward(cache, np.array([[1.0]]))
    >>> dx, grads.W
    (array([[2.]]), array([[0.]]))
    """
    made: Layer[Any, Any] | Encoder[Any, Any, Any] = layer_or_encoder(
        "fixed", Around(f, fixed=True), (checked_part("fixed", f),), forward, backward, onnx=partial(as_it_is, f)
    )
    return made


def forward(parts: Rules, xp: Namespace, params: Any, x: Any) -> tuple[Array, Caches]:
    """`f(p, x)`; the parameters are saved for their shapes."""
    out, cache = parts[0].forward(xp, params, x)
    return out, [(cache, params)]


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = J^T dout`, and zeros."""
    cache, params = caches.pop()
    dx = parts[0].backward(xp, cache, dout, True)[0] if wants_dx else None
    return dx, tree.map(partial(_zeros, xp), params)


def _zeros(xp: Namespace, param: Array) -> Array:
    return xp.read_only(xp.zeros_like(param))
