"""The two-layer network of the textbooks: layers that remember, in float64, with one-hot targets.

The formulas and the shape of the class are those of the network that this library set out from; the code is ours. As
there, every layer keeps in itself what its backward pass will need, the gradients are left in the layers, and the first
layer computes a `dx` that nobody reads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem
from speed.reference import Doubles


class Affine:
    """Weighted sums."""

    def __init__(self, W: Doubles, b: Doubles) -> None:
        self.W, self.b = W, b
        self.x: Doubles = np.empty(0)
        self.dW: Doubles = np.empty(0)
        self.db: Doubles = np.empty(0)

    def forward(self, x: Doubles) -> Doubles:
        self.x = x
        out: Doubles = np.dot(x, self.W) + self.b
        return out

    def backward(self, dout: Doubles) -> Doubles:
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx: Doubles = np.dot(dout, self.W.T)
        return dx


class Relu:
    """What is negative becomes zero, by a mask."""

    def __init__(self) -> None:
        self.negative: NDArray[np.bool_] = np.empty(0, np.bool_)

    def forward(self, x: Doubles) -> Doubles:
        self.negative = x < 0
        out = x.copy()
        out[self.negative] = 0
        return out

    def backward(self, dout: Doubles) -> Doubles:
        dout[self.negative] = 0
        return dout


class SoftmaxWithLoss:
    """The last layer: probabilities and their cross-entropy with one-hot rows."""

    def __init__(self) -> None:
        self.p: Doubles = np.empty(0)
        self.t: Doubles = np.empty(0)

    def forward(self, z: Doubles, t: Doubles) -> float:
        shifted = np.exp(z - np.max(z, axis=1, keepdims=True))
        self.p, self.t = shifted / np.sum(shifted, axis=1, keepdims=True), t
        likely = self.p[np.arange(len(t)), np.argmax(t, axis=1)]
        return float(-np.sum(np.log(likely)) / len(t))

    def backward(self) -> Doubles:
        return (self.p - self.t) / len(self.t)


class TwoLayerNet:
    """Parameters in a dictionary, which the layers share."""

    def __init__(self, W1: Doubles, b1: Doubles, W2: Doubles, b2: Doubles) -> None:
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        self.first, self.relu, self.second = Affine(W1, b1), Relu(), Affine(W2, b2)
        self.last = SoftmaxWithLoss()

    def predict(self, x: Doubles) -> Doubles:
        for layer in (self.first, self.relu, self.second):
            x = layer.forward(x)
        return x

    def loss(self, x: Doubles, t: Doubles) -> float:
        return self.last.forward(self.predict(x), t)

    def gradient(self, x: Doubles, t: Doubles) -> tuple[float, dict[str, Doubles]]:
        loss = self.loss(x, t)
        dout = self.last.backward()
        for layer in (self.second, self.relu, self.first):
            dout = layer.backward(dout)
        return loss, {"W1": self.first.dW, "b1": self.first.db, "W2": self.second.dW, "b2": self.second.db}


class Original:
    """Its training: the dictionary of gradients, and an update in place."""

    def __init__(self, problem: Problem) -> None:
        self.network = TwoLayerNet(*(array.astype(np.float64) for array in problem.start))
        self.x = problem.x.astype(np.float64)
        self.t: Doubles = np.eye(problem.size.n_out)[problem.labels]
        self.value = 0.0
        self.out: Doubles = np.empty(0)

    def steps(self, count: int) -> None:
        network, params, x, t = self.network, self.network.params, self.x, self.t
        for _ in range(count):
            self.value, grads = network.gradient(x, t)
            for name in ("W1", "b1", "W2", "b2"):
                params[name] -= RATE * grads[name]

    def loss(self) -> float:
        return self.value

    def parameters(self) -> Arrays:
        params = self.network.params
        return params["W1"], params["b1"], params["W2"], params["b2"]

    def predictions(self, count: int) -> None:
        for _ in range(count):
            self.out = self.network.predict(self.x)

    def logits(self) -> NDArray[Any]:
        return self.out
