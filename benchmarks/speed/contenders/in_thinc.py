"""thinc: `chain(Relu, Softmax)`, its categorical cross-entropy, and `finish_update` with SGD."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Contender
from speed.problem import Problem

thinc: Any = import_module("thinc.api")  # it need not be installed where types are checked


class Thinc(Contender):
    """It has the gradient of the cross-entropy and not its value, so that no loss is computed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        size, (W1, b1, W2, b2) = problem.size, problem.start
        self.model = thinc.chain(thinc.Relu(size.n_hidden, size.n_in), thinc.Softmax(size.n_out, size.n_hidden))
        self.model.initialize()
        for layer, W, b in zip(self.model.layers, (W1, W2), (b1, b2), strict=True):
            layer.set_param("W", np.ascontiguousarray(W.T))
            layer.set_param("b", b.copy())

    def steps(self) -> Iterator[Any]:
        model, x, labels = self.model, self.problem.x, self.problem.labels
        cross_entropy = thinc.CategoricalCrossentropy(normalize=True)
        optimizer = thinc.SGD(self.problem.rate, L2=0.0, grad_clip=0.0, use_averages=False)
        while True:
            p, backward = model.begin_update(x)
            backward(cross_entropy.get_grad(p, labels))
            model.finish_update(optimizer)
            yield model

    def predictions(self) -> Iterator[Any]:
        while True:
            yield self.model.predict(self.problem.x)

    def read(self, last: Any) -> tuple[list[NDArray[Any]], None]:
        return [array for layer in last.layers for array in (layer.get_param("W").T, layer.get_param("b"))], None

    def array(self, value: Any) -> NDArray[Any]:
        logits: NDArray[Any] = np.log(value)
        return logits
