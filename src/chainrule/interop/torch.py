"""torch: any layer as a function whose derivative in torch is the layer's own backward.

    forward:  out = f(params, x)        kept: the layer's cache, by torch's save_for_backward
    backward: dout -> (dx, grads)       the layer's backward, or its grads where x needs no derivative

A hand-written and checked backward thus drops into a torch model, and `torch.autograd.gradcheck` can judge it. Layers
also run on torch's tensors as they are; then torch records each operation and differentiates through our forward.

**Under `torch.autocast`** such a function computes in the dtype of its arguments, forward and backward, as it does
without. All of them must have one dtype: convert what autocast has lowered, with `.float()`. A layer's own forward is
not protected: autocast lowers the product of an affine layer, and the next affine layer refuses to multiply that by
parameters of another dtype.

**Under `torch.func`** (`vmap`, `grad`, `jacrev` and their like) call a layer's own forward: torch differentiates
through it, as often as you like. `vmap` of `value_and_grad` gives gradients by our backward, one for each example. A
function made here is refused there by torch: it "must override the setup_context staticmethod". Transforms take
tensors, no records: make the record inside. `torch.func.functional_call` alone, without a transform around it, takes
modules of either kind.

Import this module yourself: `import chainrule` never imports torch. It needs `pip install
'chainrule[torch]'`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.layer import Layer

try:
    torch: Any = import_module(
        "torch"
    )  # its types are no part of ours, and it need not be there where ours are checked
except ImportError as _missing:
    raise ImportError("chainrule.interop.torch needs the package torch: pip install 'chainrule[torch]'") from _missing

P = TypeVar("P")
C = TypeVar("C")


def autograd_function(layer: Layer[P, C]) -> Callable[[P, Array], Array]:
    """Make a torch function of a layer: its value is our forward, its derivative our backward.

    Parameters
    ----------
    layer
        Any layer, a network too. It must run on torch's tensors, as ours do.

    Returns
    -------
    Callable
        `(params, x) -> out`, of tensors, parameters of a `torch.nn.Module` among them. It raises what the layer's
        forward raises. Tensors that require gradients get them. If a tensor that backward needs is written to, torch
        raises an error in backward. A layer defines its first derivative only: asking for the second is an error.

    Raises
    ------
    TypeError
        If it is no `Layer`.

    Examples
    --------
    >>> import torch
    >>> from chainrule import Affine, affine
    >>> from chainrule.interop.torch import autograd_function
    >>> linear = autograd_function(affine)
    >>> params = Affine(W=torch.ones(3, 2, requires_grad=True), b=torch.zeros(2))
    >>> linear(params, torch.ones(4, 3)).sum().backward()
    >>> params.W.grad
    tensor([[4., 4.],
            [4., 4.],
            [4., 4.]])
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"autograd_function: it must be a Layer, got {describe(layer)}")
    return partial(_apply, layer)


def _apply(layer: Layer[P, Any], params: P, x: Array) -> Array:
    out: Array = _Pullback.apply(layer, params, x, *tree.leaves(params))
    return out


class _Pullback(torch.autograd.Function):
    """A layer as torch sees it: a function of x and of the tensors that its parameters are made of."""

    @staticmethod
    def forward(ctx: Any, layer: Layer[P, C], params: P, x: Array, *leaves: Array) -> Array:
        with _without_autocast(x):
            out, cache = layer.forward(tree.replace(params, list(leaves)), x)
        ctx.layer = layer
        ctx.cache = tree.map(_nothing, cache)  # its structure: torch watches over the tensors themselves
        ctx.save_for_backward(*tree.leaves(cache))
        return out

    @staticmethod
    def backward(ctx: Any, dout: Array) -> tuple[Array | None, ...]:
        layer: Layer[Any, Any] = ctx.layer
        with torch.no_grad(), _without_autocast(dout):
            cache = tree.replace(ctx.cache, list(ctx.saved_tensors))
            if ctx.needs_input_grad[2]:
                dx, grads = layer.backward(cache, dout)
                gradients: list[Array | None] = [dx, *tree.leaves(grads)]
            else:
                gradients = [None, *tree.leaves(layer.grads(cache, dout))]
        if torch.is_grad_enabled():  # create_graph=True: somebody may want to differentiate again
            token = torch.zeros((), requires_grad=True)
            gradients = [None if each is None else _Last.apply(each, token) for each in gradients]
        return None, None, *gradients


class _Last(torch.autograd.Function):
    """A gradient that has no derivative: without this, torch would take it for a constant, and be wrong."""

    @staticmethod
    def forward(ctx: Any, gradient: Array, token: Array) -> Array:
        return gradient

    @staticmethod
    def backward(ctx: Any, dgradient: Array) -> None:
        raise RuntimeError("autograd_function: a layer defines its first derivative only; the second is not there")


def _without_autocast(x: Any) -> Any:
    """A context in which products keep the dtype of their factors, which the next layer's parameters have."""
    device = x.device.type if torch.is_tensor(x) else "cpu"
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _nothing(leaf: Array) -> Array:
    """A tensor without numbers, in the place of one that torch keeps."""
    empty: Array = torch.empty(0, device="meta")
    return empty
