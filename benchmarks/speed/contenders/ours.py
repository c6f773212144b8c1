"""chainrule, as its users call it: `training_step`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import Affine, read_only, sgd, softmax_cross_entropy, training_step, two_layer
from speed.contender import Arrays
from speed.problem import RATE, Problem

OPTIMIZER = sgd(RATE)


class Ours:
    """One function that takes a step."""

    def __init__(self, problem: Problem) -> None:
        W1, b1, W2, b2 = map(read_only, problem.start)
        self.params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
        self.state = OPTIMIZER.init(self.params)
        self.x, self.labels = read_only(problem.x), problem.labels
        self.step = training_step(two_layer.network, softmax_cross_entropy, OPTIMIZER)
        self.value: NDArray[Any] = np.zeros(())
        self.out: NDArray[Any] = np.zeros(())

    def steps(self, count: int) -> None:
        step, params, state, x, labels, loss = self.step, self.params, self.state, self.x, self.labels, self.value
        for _ in range(count):
            params, state, loss = step(params, state, x, labels)
        self.params, self.state, self.value = params, state, loss

    def loss(self) -> float:
        return float(self.value)

    def parameters(self) -> Arrays:
        first, _, second = self.params
        return first.W, first.b, second.W, second.b

    def predictions(self, count: int) -> None:
        params, x = self.params, self.x
        for _ in range(count):
            self.out = two_layer.predict(params, x)

    def logits(self) -> NDArray[Any]:
        return self.out
