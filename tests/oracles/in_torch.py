"""The library's functions in torch, with its autograd."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from catalogue import LAYERS, OTHERS, STATISTICS
from chainrule import Array, Labels, dropout
from oracles.oracle import Function, Oracle, subjects

torch: Any = import_module("torch")  # it need not be installed where types are checked
F: Any = import_module("torch.nn.functional")


def affine(x: Any, W: Any, b: Any) -> Any:
    return F.linear(x, W.T, b)  # where the rows of the weights are outputs


def layer_norm(x: Any, scale: Any, bias: Any) -> Any:
    return F.layer_norm(x, scale.shape, scale, bias)


def batch_norm(x: Any, scale: Any, bias: Any) -> Any:
    columns = x.reshape(-1, x.shape[-1])
    return F.batch_norm(columns, None, None, scale, bias, training=True).reshape(x.shape)


def batch_norm_in_use(x: Any, scale: Any, bias: Any) -> Any:
    mean, var = (torch.tensor(np.array(each), dtype=x.dtype) for each in (STATISTICS.mean, STATISTICS.var))
    return F.batch_norm(x.reshape(-1, 3), mean, var, scale, bias).reshape(x.shape)


def identity(x: Any) -> Any:
    return x


def concatenate(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return torch.cat([affine(x, W1, b1), F.sigmoid(x), affine(x, W2, b2)], -1)


def looked_up(E: Any, labels: Any) -> Any:
    return F.embedding(labels, E)


def dropped(x: Any) -> Any:
    """With the mask that the seed of the catalogue gives."""
    return x * torch.tensor(
        dropout(0.5, seed=3).forward((), np.ones(tuple(x.shape), str(x.dtype).rpartition(".")[2]))[0].copy()
    )


def pullback(
    function: Function, inputs: Sequence[Array], dout: Array, *constants: Array | Labels
) -> tuple[Array, list[Array]]:
    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    out = function(*tensors, *map(torch.tensor, constants))
    gradients = torch.autograd.grad(out, tensors, torch.tensor(dout))
    return out.detach().numpy(), [gradient.numpy() for gradient in gradients]


FUNCTIONS = subjects(affine, F.relu, F.sigmoid) | {
    "concatenate": concatenate,
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "batch_norm in use": batch_norm_in_use,
    "dropout": dropped,
    "dropout of nothing": identity,
    "identity": identity,
}

CATALOGUE: dict[str, Function] = {"embedding": looked_up} | {
    each.name: partial(each.torch, torch) for each in (*LAYERS, *OTHERS) if each.torch is not None
}

TORCH = Oracle("torch", FUNCTIONS, F.cross_entropy, pullback, CATALOGUE)
