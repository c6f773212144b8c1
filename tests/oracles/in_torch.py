"""The library's functions in torch, with its autograd."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from chainrule import Array, Labels
from oracles.oracle import Function, Oracle, subjects

torch: Any = import_module("torch")  # it need not be installed where types are checked
F: Any = import_module("torch.nn.functional")


def affine(x: Any, W: Any, b: Any) -> Any:
    return F.linear(x, W.T, b)  # where the rows of the weights are outputs


def layer_norm(x: Any, scale: Any, bias: Any) -> Any:
    return F.layer_norm(x, scale.shape, scale, bias)


def pullback(
    function: Function, inputs: Sequence[Array], dout: Array, *constants: Array | Labels
) -> tuple[Array, list[Array]]:
    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    out = function(*tensors, *map(torch.tensor, constants))
    gradients = torch.autograd.grad(out, tensors, torch.tensor(dout))
    return out.detach().numpy(), [gradient.numpy() for gradient in gradients]


FUNCTIONS = subjects(affine, F.relu, F.sigmoid) | {"layer_norm": layer_norm}

TORCH = Oracle("torch", FUNCTIONS, F.cross_entropy, pullback)
