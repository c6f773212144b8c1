"""scikit-learn: `MLPClassifier.partial_fit` on the batch, with plain SGD."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem

neural_network: Any = import_module("sklearn.neural_network")  # which need not be installed where types are checked


class Sklearn:
    """Its own checks of the data are part of a step; they can't be left out."""

    def __init__(self, problem: Problem) -> None:
        self.x, self.labels = problem.x, problem.labels
        self.model = neural_network.MLPClassifier(
            hidden_layer_sizes=(problem.size.n_hidden,),
            activation="relu",
            solver="sgd",
            alpha=0.0,
            batch_size=problem.size.batch,
            learning_rate="constant",
            learning_rate_init=RATE,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=0,
        )
        # The first call makes the arrays, and takes a step that is then undone.
        self.model.partial_fit(self.x, self.labels, classes=np.arange(problem.size.n_out))
        W1, b1, W2, b2 = problem.start
        for held, start in zip([*self.model.coefs_, *self.model.intercepts_], [W1, W2, b1, b2], strict=True):
            held[:] = start
        self.out: NDArray[Any] = np.empty(0)

    def steps(self, count: int) -> None:
        model, x, labels = self.model, self.x, self.labels
        for _ in range(count):
            model.partial_fit(x, labels)

    def loss(self) -> float:
        return float(self.model.loss_)

    def parameters(self) -> Arrays:
        (W1, W2), (b1, b2) = self.model.coefs_, self.model.intercepts_
        return W1, b1, W2, b2

    def predictions(self, count: int) -> None:
        for _ in range(count):
            self.out = self.model.predict_proba(self.x)

    def logits(self) -> NDArray[Any]:
        logits: NDArray[Any] = np.log(self.out)
        return logits
