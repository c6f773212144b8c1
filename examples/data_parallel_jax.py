"""Train the two-layer network on eight devices with JAX: each holds an eighth of a batch, and XLA adds up."""

import os

eight = "--xla_force_host_platform_device_count=8"  # of one CPU, which has to be said before JAX starts
os.environ["XLA_FLAGS"] = f"{eight} {os.environ.get('XLA_FLAGS', '')}"

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from chainrule import accuracy, minibatches, sgd, softmax_cross_entropy, training_step, two_layer
from chainrule.datasets import digits
from chainrule.interop.jax import register_pytrees

EPOCHS, BATCH = 5, 128
register_pytrees()


def train() -> two_layer.Params:
    """Learn to read handwritten digits."""
    rng = np.random.default_rng(0)
    train, optimizer = digits().train, sgd(0.3)
    params = two_layer.init(rng, 64, 50, 10, std=0.1)
    state = optimizer.init(params)
    devices = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
    whole, by_rows = NamedSharding(devices, PartitionSpec()), NamedSharding(devices, PartitionSpec("data"))
    params, state = jax.device_put((params, state), whole)
    step = jax.jit(training_step(two_layer.network, softmax_cross_entropy, optimizer))
    for epoch in range(EPOCHS):
        for x, labels in minibatches(rng, train.x, train.labels, BATCH):
            even = len(x) % jax.device_count() == 0  # what does not divide evenly, every device computes in whole
            x, labels = jax.device_put((x, labels), by_rows if even else whole)
            params, state, loss = step(params, state, x, labels)
        print(f"epoch {epoch + 1}: the last loss was {loss:.4f}")
    trained: two_layer.Params = jax.device_get(params)
    return trained


if __name__ == "__main__":
    params, test = train(), digits().test
    print(f"accuracy on digits not seen before: {accuracy(two_layer.predict(params, test.x), test.labels):.1%}")
