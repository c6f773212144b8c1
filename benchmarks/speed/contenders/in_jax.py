"""JAX: the whole step in `jit`, with the old parameters donated to the new."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from speed.contender import Contender
from speed.problem import Problem

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return jax.nn.relu(x @ W1 + b1) @ W2 + b2


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    log_p = jax.nn.log_softmax(predict(params, x))
    return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()


class Jax(Contender):
    """No loss is looked at, so that a step may be under way while the next is being asked for."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.device = jax.devices(problem.device)[0]
        self.params: Any = [self.put(array, problem.dtype) for array in problem.start]
        self.x, self.labels = self.put(problem.x, problem.dtype), self.put(problem.labels, "int32")

    def put(self, array: NDArray[Any], dtype: str) -> Any:
        return jax.device_put(jnp.array(array, dtype), self.device)  # a copy, to give away

    def step(self, params: Any, x: Any, labels: Any) -> Any:
        loss, grads = jax.value_and_grad(cross_entropy)(params, x, labels)
        return [param - self.problem.rate * grad for param, grad in zip(params, grads, strict=True)], loss

    def steps(self) -> Iterator[Any]:
        step, params, x, labels = jax.jit(self.step, donate_argnums=0), self.params, self.x, self.labels
        while True:
            params, loss = step(params, x, labels)
            yield params, loss

    def predictions(self) -> Iterator[Any]:
        predicted, params, x = jax.jit(predict), self.params, self.x
        while True:
            yield predicted(params, x).block_until_ready()

    def ready(self, last: Any) -> object:
        return jax.block_until_ready(last)


class OursInJax(Jax):
    """chainrule's step on these arrays."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        import_module("chainrule.interop.jax").register_pytrees()
        ours: Any = import_module("speed.contenders.ours")  # not at the top: JAX alone is to be measured alone
        self.fused, self.params = ours.on(self.params, problem.rate)

    def step(self, params: Any, x: Any, labels: Any) -> Any:
        return self.fused(params, x, labels)

    def read(self, last: Any) -> Any:
        return super().read((jax.tree.leaves(last[0][0]), last[1]))


class JaxRead(Jax):
    """The same step, and a Python number of its loss before the next: as for a progress bar, or to stop early."""

    def steps(self) -> Iterator[Any]:
        for params, loss in super().steps():
            yield params, float(loss)
