"""A step with dropout and a schedule, compiled by JAX."""

from importlib import import_module
from typing import Any

import numpy as np

from chainrule import (
    Affine,
    Layer,
    Unit,
    affine,
    clip_by_global_norm,
    dropout,
    last_of,
    relu,
    sequential,
    sgd,
    softmax_cross_entropy,
    split_seed,
    training_step,
    tree,
)
from chainrule.schedules import constant, warmup

jax: Any = import_module("jax")  # which need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


def traces_of_a_step(seeds: list[int]) -> int:
    """The number of times a step is traced over seeds and counts; its results are those of the step as it is."""
    import_module("chainrule.interop.jax").register_pytrees()
    traced: list[Any] = []

    def network(seed: Any) -> Layer[tuple[Affine, Unit, Unit, Affine, Unit], Any]:
        traced.append(seed)
        first, second = split_seed(seed, 2)
        return sequential(affine, relu, dropout(0.5, first), affine, dropout(0.1, second))

    rng = np.random.default_rng(0)
    params = (Affine.init(rng, 4, 8), (), (), Affine.init(rng, 8, 3), ())
    optimizer = sgd(warmup(10, constant(0.1)))
    step = training_step(network, softmax_cross_entropy, optimizer, adjust=clip_by_global_norm(1.0))
    x, labels = jnp.asarray(rng.standard_normal((6, 4), np.float32)), jnp.asarray([0, 1, 2, 0, 1, 2])
    theirs = jax.tree.map(jnp.asarray, params)
    compiled, state = jax.jit(step), jax.tree.map(jnp.asarray, optimizer.init(params))
    stepped: Any = (theirs, state)
    for seed in seeds:
        stepped = compiled(*stepped[:2], x, labels, seed)
    count = len(traced)
    plain: Any = (theirs, state)
    for seed in seeds:
        plain = step(plain[0], plain[1], x, labels, seed)
    for a, b in zip(tree.leaves(stepped[0]), tree.leaves(plain[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    return count


def traces_of_lengths(all_lengths: list[list[int]]) -> int:
    """The number of times last steps of sequences are traced over several lengths; they are those that lengths say."""
    traced: list[Any] = []
    x = np.random.default_rng(0).standard_normal((2, 3, 2), np.float32)

    def last_steps(lengths: Any, x: Any) -> Any:
        traced.append(lengths)
        return last_of(lengths).forward((), x)[0]

    compiled = jax.jit(last_steps)
    for lengths in all_lengths:
        found = compiled(jnp.asarray(lengths), jnp.asarray(x))
        np.testing.assert_array_equal(found, last_of(np.array(lengths)).forward((), x)[0])
        np.testing.assert_array_equal(found, last_of(np.array(lengths)).forward((), jnp.asarray(x))[0])
    return len(traced)
