"""chainrule, as its users call it: `training_step`, or two calls for those who look at the gradient."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import Affine, sgd, softmax_cross_entropy, training_step, tree, two_layer, value_and_grad
from speed.contender import Contender
from speed.problem import Problem, constant


def on(arrays: Sequence[Any], rate: float) -> tuple[Callable[..., Any], Any]:
    """A step on the arrays of any library, and the parameters and the state with which it begins."""
    W1, b1, W2, b2 = arrays
    params: Any = (Affine(W1, b1), (), Affine(W2, b2))
    optimizer = sgd(rate)
    fused: Any = training_step(two_layer.network, softmax_cross_entropy, optimizer)

    def step(held: Any, x: Any, labels: Any) -> Any:
        params, state, loss = fused(*held, x, labels)
        return (params, state), loss

    return step, (params, optimizer.init(params))


class Ours(Contender):
    """One function that takes a step."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        W1, b1, W2, b2 = map(constant, problem.start)
        self.params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
        self.x, self.labels, self.optimizer = constant(problem.x), problem.labels, sgd(problem.rate)

    def steps(self) -> Iterator[Any]:
        step = training_step(two_layer.network, softmax_cross_entropy, self.optimizer)
        params, state, x, labels = self.params, self.optimizer.init(self.params), self.x, self.labels
        while True:
            params, state, loss = step(params, state, x, labels)
            yield params, loss

    def predictions(self) -> Iterator[Any]:
        while True:
            yield two_layer.predict(self.params, self.x)

    def read(self, last: Any) -> tuple[Sequence[NDArray[Any]], float]:
        return [np.asarray(leaf) for leaf in tree.leaves(last[0])], float(last[1])


class TwoCalls(Ours):
    """The plain composition."""

    def steps(self) -> Iterator[Any]:
        gradient, optimizer = value_and_grad(two_layer.network, softmax_cross_entropy), self.optimizer
        params, state, x, labels = self.params, optimizer.init(self.params), self.x, self.labels
        while True:
            loss, grads = gradient(params, x, labels)
            params, state = optimizer.step(state, params, grads)
            yield params, loss
