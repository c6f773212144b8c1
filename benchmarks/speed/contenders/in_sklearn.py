"""scikit-learn: `MLPClassifier.partial_fit` on the batch, with plain SGD."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Contender
from speed.problem import Problem

neural_network: Any = import_module("sklearn.neural_network")  # it need not be installed where types are checked


class Sklearn(Contender):
    """Its own checks of the data are part of a step; they can't be left out."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.model = neural_network.MLPClassifier(
            (problem.size.n_hidden,),
            solver="sgd",
            alpha=0.0,
            batch_size=problem.size.batch,
            learning_rate_init=problem.rate,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        # The first call makes the arrays, and takes a step that is then undone.
        self.model.partial_fit(problem.x, problem.labels, classes=np.arange(problem.size.n_out))
        W1, b1, W2, b2 = problem.start
        for held, start in zip([*self.model.coefs_, *self.model.intercepts_], [W1, W2, b1, b2], strict=True):
            held[:] = start

    def steps(self) -> Iterator[Any]:
        model, x, labels = self.model, self.problem.x, self.problem.labels
        while True:
            model.partial_fit(x, labels)
            yield [*zip(model.coefs_, model.intercepts_, strict=True)], model.loss_

    def predictions(self) -> Iterator[Any]:
        model, x = self.model, self.problem.x
        while True:
            yield model.predict_proba(x)

    def read(self, last: Any) -> tuple[list[NDArray[Any]], float]:
        return [array for layer in last[0] for array in layer], last[1]

    def array(self, value: Any) -> NDArray[Any]:
        logits: NDArray[Any] = np.log(value)
        return logits
