"""autograd: `value_and_grad` of the loss written in its NumPy."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from speed.contender import Contender

autograd: Any = import_module("autograd")  # it need not be installed where types are checked
anp: Any = import_module("autograd.numpy")
logsumexp: Any = import_module("autograd.scipy.special").logsumexp


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return anp.dot(anp.maximum(anp.dot(x, W1) + b1, anp.float32(0)), W2) + b2


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    z = predict(params, x)
    return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(labels)), labels])


class Autograd(Contender):
    """The parameters are a list of arrays, new after each step."""

    def steps(self) -> Iterator[Any]:
        gradient, rate = autograd.value_and_grad(cross_entropy), np.float32(self.problem.rate)
        params, x, labels = list(self.problem.start), self.problem.x, self.problem.labels
        while True:
            loss, grads = gradient(params, x, labels)
            params = [param - rate * grad for param, grad in zip(params, grads, strict=True)]
            yield params, loss

    def predictions(self) -> Iterator[Any]:
        while True:
            yield predict(self.problem.start, self.problem.x)
