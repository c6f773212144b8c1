"""The limit: the five matrix products that a step needs, and nothing else.

By the BLAS of NumPy, into arrays that are there already. The first layer's `dx` is not needed, so it is not here. No
step that uses this BLAS can take less, whatever it saves around the products.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from speed.contender import Contender
from speed.problem import Problem, largest


class Limit(Contender):
    """Forward twice, `dW2`, `dh` and `dW1`. It learns nothing: the factors stay as they are."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.x, (self.W1, _, self.W2, _) = problem.x, problem.start
        self.a = np.dot(self.x, self.W1)
        self.h = np.maximum(self.a, np.float32(0))
        self.z = np.dot(self.h, self.W2)
        # Some numbers of the size that derivatives of a loss have: the time of a product does not depend on them.
        self.dz = self.z / np.float32(len(self.x))
        self.dW1, self.dW2, self.dh = np.empty_like(self.W1), np.empty_like(self.W2), np.empty_like(self.a)
        self.da = np.dot(self.dz, self.W2.T) * (self.h > 0)

    def steps(self) -> Iterator[Any]:
        dot, x, W1, W2, h, dz, da = np.dot, self.x, self.W1, self.W2, self.h, self.dz, self.da
        a, z, dW2, dh, dW1 = self.a, self.z, self.dW2, self.dh, self.dW1
        xT, hT, W2T = x.T, h.T, W2.T
        while True:
            dot(x, W1, a)
            dot(h, W2, z)
            dot(hT, dz, dW2)
            dot(dz, W2T, dh)
            dot(xT, da, dW1)
            yield None

    def predictions(self) -> Iterator[Any]:
        dot, x, W1, W2, h, a, z = np.dot, self.x, self.W1, self.W2, self.h, self.a, self.z
        while True:
            dot(x, W1, a)
            dot(h, W2, z)
            yield z  # the biases are zero

    def learned(self, last: Any, losses: Sequence[float]) -> float:
        """The largest difference of a product from the same in float64."""
        x, W1, W2, h, dz, da = (
            np.asarray(array, np.float64) for array in (self.x, self.W1, self.W2, self.h, self.dz, self.da)
        )
        right = (x @ W1, h @ W2, h.T @ dz, dz @ W2.T, x.T @ da)
        return largest(list(zip((self.a, self.z, self.dW2, self.dh, self.dW1), right, strict=True)))
