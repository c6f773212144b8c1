"""JAX: the whole step in `jit`, with the old parameters donated to the new."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem

jax: Any = import_module("jax")  # which need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return jax.nn.relu(x @ W1 + b1) @ W2 + b2


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    log_p = jax.nn.log_softmax(predict(params, x))
    return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()


@partial(jax.jit, donate_argnums=0)
def step(params: Any, x: Any, labels: Any) -> Any:
    loss, grads = jax.value_and_grad(cross_entropy)(params, x, labels)
    return [param - RATE * grad for param, grad in zip(params, grads, strict=True)], loss


class Jax:
    """No loss is looked at, so that a step may be under way while the next is being asked for."""

    def __init__(self, problem: Problem) -> None:
        self.params = [jnp.array(array) for array in problem.start]
        self.x, self.labels = jnp.array(problem.x), jnp.array(problem.labels, jnp.int32)
        self.predict = jax.jit(predict)
        self.value: Any = None
        self.out: Any = None

    def steps(self, count: int) -> None:
        params, x, labels, loss = self.params, self.x, self.labels, self.value
        for _ in range(count):
            params, loss = step(params, x, labels)
        self.params, self.value = jax.block_until_ready((params, loss))

    def loss(self) -> float:
        return float(self.value)

    def parameters(self) -> Arrays:
        W1, b1, W2, b2 = map(np.asarray, self.params)
        return W1, b1, W2, b2

    def predictions(self, count: int) -> None:
        predicted, params, x = self.predict, self.params, self.x
        for _ in range(count):
            self.out = predicted(params, x).block_until_ready()

    def logits(self) -> NDArray[Any]:
        return np.asarray(self.out)
