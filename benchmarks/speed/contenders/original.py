"""The network of the textbooks: the dictionary of gradients, and an update in place."""

from collections.abc import Iterator
from typing import Any

from speed.contender import Contender
from speed.contenders.textbook import TwoLayerNet
from speed.problem import Problem


class Original(Contender):
    """It is the reference, too."""

    tolerance = 1e-12

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.network = TwoLayerNet(problem.start)

    def steps(self) -> Iterator[Any]:
        network, params, (x, t) = self.network, self.network.params, self.problem.doubles
        while True:
            loss, grads = network.gradient(x, t)
            for name in ("W1", "b1", "W2", "b2"):
                params[name] -= self.problem.rate * grads[name]
            yield params.values(), loss

    def predictions(self) -> Iterator[Any]:
        network, (x, _) = self.network, self.problem.doubles
        while True:
            yield network.predict(x)
