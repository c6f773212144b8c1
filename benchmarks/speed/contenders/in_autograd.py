"""autograd: `value_and_grad` of the loss written in its NumPy."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem

autograd: Any = import_module("autograd")  # which need not be installed where types are checked
anp: Any = import_module("autograd.numpy")
logsumexp: Any = import_module("autograd.scipy.special").logsumexp


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return anp.dot(anp.maximum(anp.dot(x, W1) + b1, anp.float32(0)), W2) + b2


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    z = predict(params, x)
    return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(labels)), labels])


gradient = autograd.value_and_grad(cross_entropy)


class Autograd:
    """The parameters are a list of arrays, new after each step."""

    def __init__(self, problem: Problem) -> None:
        self.params: list[NDArray[Any]] = list(problem.start)
        self.x, self.labels = problem.x, problem.labels
        self.value: Any = None
        self.out: NDArray[Any] = np.empty(0)

    def steps(self, count: int) -> None:
        params, x, labels, rate = self.params, self.x, self.labels, np.float32(RATE)
        for _ in range(count):
            self.value, grads = gradient(params, x, labels)
            params = [param - rate * grad for param, grad in zip(params, grads, strict=True)]
        self.params = params

    def loss(self) -> float:
        return float(self.value)

    def parameters(self) -> Arrays:
        W1, b1, W2, b2 = self.params
        return W1, b1, W2, b2

    def predictions(self, count: int) -> None:
        for _ in range(count):
            self.out = predict(self.params, self.x)

    def logits(self) -> NDArray[Any]:
        return self.out
