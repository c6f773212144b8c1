"""The two-layer network of the textbooks: layers that remember, in float64, with one-hot targets.

The formulas and the shape of the class are those of the network that this library set out from; the code is ours. As
there, every layer keeps in itself what its backward pass will need, the gradients are left in the layers, and the first
layer computes a `dx` that nobody reads.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]


class Affine:
    """Weighted sums."""

    def __init__(self, W: Doubles, b: Doubles) -> None:
        self.W, self.b = W, b

    def forward(self, x: Doubles) -> Doubles:
        self.x = x
        out: Doubles = np.dot(x, self.W) + self.b
        return out

    def backward(self, dout: Doubles) -> Doubles:
        self.dW: Doubles = np.dot(self.x.T, dout)
        self.db: Doubles = np.sum(dout, axis=0)
        dx: Doubles = np.dot(dout, self.W.T)
        return dx


class Relu:
    """ReLU, by a mask."""

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

    def forward(self, z: Doubles, t: Doubles) -> float:
        shifted = np.exp(z - np.max(z, axis=1, keepdims=True))
        self.p, self.t = shifted / np.sum(shifted, axis=1, keepdims=True), t
        likely = self.p[np.arange(len(t)), np.argmax(t, axis=1)]
        return float(-np.sum(np.log(likely)) / len(t))

    def backward(self) -> Doubles:
        dz: Doubles = (self.p - self.t) / len(self.t)
        return dz


class TwoLayerNet:
    """Parameters in a dictionary, which the layers share: copies of W1, b1, W2 and b2."""

    def __init__(self, parameters: Iterable[NDArray[Any]]) -> None:
        W1, b1, W2, b2 = (np.array(array, np.float64) for array in parameters)
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
        loss, dout = self.loss(x, t), self.last.backward()
        for layer in (self.second, self.relu, self.first):
            dout = layer.backward(dout)
        return loss, {"W1": self.first.dW, "b1": self.first.db, "W2": self.second.dW, "b2": self.second.db}
