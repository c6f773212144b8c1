"""The library's functions in JAX, with its own differentiation."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from catalogue import STATISTICS
from chainrule import Array, Labels, dropout
from oracles.oracle import Function, Oracle, subjects

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


def affine(x: Any, W: Any, b: Any) -> Any:
    return x @ W + b


def cross_entropy(logits: Any, targets: Any) -> Any:
    log_p = jax.nn.log_softmax(logits)
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return -jnp.take_along_axis(log_p, targets[:, None], axis=1).mean()
    return -(targets * log_p).sum(axis=1).mean()


def layer_norm(x: Any, scale: Any, bias: Any) -> Any:
    return jax.nn.standardize(x, variance=x.var(axis=-1, keepdims=True), epsilon=1e-5) * scale + bias


def batch_norm(x: Any, scale: Any, bias: Any) -> Any:
    over = (0, 1)
    return (x - x.mean(axis=over)) / jnp.sqrt(x.var(axis=over) + 1e-5) * scale + bias


def batch_norm_in_use(x: Any, scale: Any, bias: Any) -> Any:
    mean, var = (jnp.asarray(np.array(each)).astype(x.dtype) for each in (STATISTICS.mean, STATISTICS.var))
    return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias


def identity(x: Any) -> Any:
    return x


def concatenate(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return jnp.concatenate([affine(x, W1, b1), jax.nn.sigmoid(x), affine(x, W2, b2)], -1)


def dropped(x: Any) -> Any:
    """With the mask that the seed of the catalogue gives."""
    return x * jnp.asarray(
        dropout(0.5, seed=3).forward((), np.ones(tuple(x.shape), str(x.dtype).rpartition(".")[2]))[0].copy()
    )


def out_and_gradients(function: Function, inputs: Any, dout: Any, constants: Any) -> tuple[Any, Any]:
    def of_inputs(*arrays: Any) -> Any:
        return function(*arrays, *constants)

    out, pull = jax.vjp(of_inputs, *inputs)
    return out, pull(dout)


compiled: Callable[..., tuple[Any, Any]] = jax.jit(out_and_gradients, static_argnums=0)
"""Compiled once for each shape, and not each operation of each call."""


def pullback(
    function: Function, inputs: Sequence[Array], dout: Array, *constants: Array | Labels
) -> tuple[Array, list[Array]]:
    out, gradients = compiled(function, list(inputs), dout, constants)
    arrays: list[Array] = [np.asarray(each) for each in (out, *gradients)]
    return arrays[0], arrays[1:]


FUNCTIONS = subjects(affine, jax.nn.relu, jax.nn.sigmoid) | {
    "concatenate": concatenate,
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "batch_norm in use": batch_norm_in_use,
    "dropout": dropped,
    "dropout of nothing": identity,
    "identity": identity,
}

JAX = Oracle("jax", FUNCTIONS, cross_entropy, pullback)
