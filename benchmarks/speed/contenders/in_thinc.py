"""thinc: `chain(Relu, Softmax)`, its categorical cross-entropy, and `finish_update` with SGD."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem

thinc: Any = import_module("thinc.api")  # which need not be installed where types are checked


class Thinc:
    """It has the gradient of the cross-entropy and not its value, so that no loss is computed."""

    def __init__(self, problem: Problem) -> None:
        size = problem.size
        self.x, self.labels = problem.x, problem.labels
        relu, softmax = thinc.Relu(size.n_hidden, size.n_in), thinc.Softmax(size.n_out, size.n_hidden)
        self.model = thinc.chain(relu, softmax)
        self.model.initialize()
        self.layers = relu, softmax
        W1, b1, W2, b2 = problem.start
        for layer, W, b in ((relu, W1, b1), (softmax, W2, b2)):
            layer.set_param("W", np.ascontiguousarray(W.T))
            layer.set_param("b", b.copy())
        self.cross_entropy = thinc.CategoricalCrossentropy(normalize=True)
        self.optimizer = thinc.SGD(RATE, L2=0.0, grad_clip=0.0, use_averages=False)
        self.out: NDArray[Any] = np.empty(0)

    def steps(self, count: int) -> None:
        model, cross_entropy, optimizer, x, labels = self.model, self.cross_entropy, self.optimizer, self.x, self.labels
        for _ in range(count):
            p, backward = model.begin_update(x)
            backward(cross_entropy.get_grad(p, labels))
            model.finish_update(optimizer)

    def loss(self) -> None:
        return None

    def parameters(self) -> Arrays:
        relu, softmax = self.layers
        return relu.get_param("W").T, relu.get_param("b"), softmax.get_param("W").T, softmax.get_param("b")

    def predictions(self, count: int) -> None:
        model, x = self.model, self.x
        for _ in range(count):
            self.out = model.predict(x)

    def logits(self) -> NDArray[Any]:
        logits: NDArray[Any] = np.log(self.out)
        return logits
