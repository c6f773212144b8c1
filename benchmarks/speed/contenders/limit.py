"""The limit: the five matrix products that a step needs, and nothing else.

By the BLAS of NumPy, into arrays that are there already. The first layer's `dx` is not needed, so it is not here. No
step that uses this BLAS can take less, whatever it saves around the products.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import Floats, Problem


class Limit:
    """Forward twice, `dW2`, `dh` and `dW1`. It learns nothing: the factors stay as they are."""

    def __init__(self, problem: Problem) -> None:
        self.x = problem.x
        self.W1, self.b1, self.W2, self.b2 = problem.start
        self.a: Floats = np.dot(self.x, self.W1)
        self.h: Floats = np.maximum(self.a, np.float32(0))
        self.z: Floats = np.dot(self.h, self.W2)
        # Some numbers of the size that derivatives of a loss have: the time of a product does not depend on them.
        self.dz: Floats = self.z / np.float32(len(self.x))
        self.dW2 = np.empty_like(self.W2)
        self.dh = np.empty_like(self.a)
        self.da: Floats = np.dot(self.dz, self.W2.T) * (self.h > 0)
        self.dW1 = np.empty_like(self.W1)

    def steps(self, count: int) -> None:
        dot = np.dot
        x, W1, W2, h, dz, da = self.x, self.W1, self.W2, self.h, self.dz, self.da
        a, z, dW2, dh, dW1 = self.a, self.z, self.dW2, self.dh, self.dW1
        xT, hT, W2T = x.T, h.T, W2.T
        for _ in range(count):
            dot(x, W1, a)
            dot(h, W2, z)
            dot(hT, dz, dW2)
            dot(dz, W2T, dh)
            dot(xT, da, dW1)

    def loss(self) -> None:
        return None

    def parameters(self) -> Arrays:
        return self.W1, self.b1, self.W2, self.b2

    def predictions(self, count: int) -> None:
        dot = np.dot
        x, W1, W2, h, a, z = self.x, self.W1, self.W2, self.h, self.a, self.z
        for _ in range(count):
            dot(x, W1, a)
            dot(h, W2, z)

    def logits(self) -> NDArray[Any]:
        return self.z  # the biases are zero

    def products(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Each product, beside the same in float64."""
        x, W2, h, dz, da = (np.asarray(array, np.float64) for array in (self.x, self.W2, self.h, self.dz, self.da))
        return [
            (self.a, x @ self.W1.astype(np.float64)),
            (self.z, h @ W2),
            (self.dW2, h.T @ dz),
            (self.dh, dz @ W2.T),
            (self.dW1, x.T @ da),
        ]
