"""Gradients on a mesh of eight devices are those of one; run by test_interop_jax.py in a process of its own."""

import re
from importlib import import_module
from typing import Any

import numpy as np

from chainrule import Affine, sgd, softmax_cross_entropy, training_step, tree, two_layer, value_and_grad
from chainrule.interop.jax import register_pytrees

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")
sharding: Any = import_module("jax.sharding")

register_pytrees()
rng = np.random.default_rng(0)
params: Any = two_layer.init(rng, 12, 8, 4, std=0.5, dtype=np.float64)
x: Any = rng.standard_normal((32, 12))
labels: Any = rng.integers(0, 4, 32)
gradient = value_and_grad(two_layer.network, softmax_cross_entropy)
expected = gradient(params, x, labels)


def mesh(*sides: int) -> Any:
    auto = sharding.AxisType.Auto  # XLA chooses where to add up
    return jax.make_mesh(sides, ("data", "model")[: len(sides)], axis_types=(auto,) * len(sides))


def place(value: Any, on: Any, *axes: Any) -> Any:
    return jax.device_put(value, sharding.NamedSharding(on, sharding.PartitionSpec(*axes)))


def hold(results: Any) -> None:
    for theirs, ours in zip(tree.leaves(results), tree.leaves(expected), strict=True):
        # Other orders of sums of 32 products of numbers of size 1.
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=32 * 2.0**-52 * float(abs(ours).max()))


third = jax.devices()[3]
there = jax.device_put((params, x, labels), third)
here = gradient(*there)  # not compiled: every constant must find its way there too
leaves: list[Any] = list(tree.leaves(here))
assert {device for leaf in leaves for device in leaf.devices()} == {third}
hold(here)
print("device")

data = mesh(8)
sharded = place(x, data, "data"), place(labels, data, "data")
assert len(sharded[0].sharding.device_set) == 8
hold(jax.jit(gradient)(place(params, data), *sharded))
print("data")

both = mesh(4, 2)
split: Any = (
    Affine(place(params[0].W, both, None, "model"), place(params[0].b, both, "model")),
    (),
    Affine(place(params[2].W, both, "model", None), place(params[2].b, both)),
)
loss, grads = jax.jit(gradient)(split, place(x, both, "data", None), place(labels, both, "data"))
assert grads[0].W.sharding.is_equivalent_to(split[0].W.sharding, 2)
hold((loss, grads))
print("data*model")

state = sgd(0.1).init(params)
step = jax.jit(training_step(two_layer.network, softmax_cross_entropy, sgd(0.1)))
compiled = step.lower(place(params, data), state, *sharded).compile().as_text()
collectives = re.findall(
    r" (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\(", compiled
)
assert set(collectives) == {"all-reduce"}
print("all-reduces:", len(collectives))
