"""The training that all contenders must agree with: the formulas in float64, one line each."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from speed.problem import RATE, Problem

Doubles: TypeAlias = NDArray[np.float64]


@frozen
class Reference:
    """What training should come to."""

    losses: list[float]
    """The loss before each step."""
    after: float
    """The loss after the last one."""


def logits(parameters: Iterable[NDArray[Any]], x: NDArray[Any]) -> Doubles:
    """What the network says, in float64."""
    W1, b1, W2, b2 = (np.asarray(array, np.float64) for array in parameters)
    out: Doubles = np.maximum(x.astype(np.float64) @ W1 + b1, 0) @ W2 + b2
    return out


def loss(parameters: Iterable[NDArray[Any]], x: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The mean cross-entropy, in float64."""
    z = logits(parameters, x)
    z -= z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())


def train(problem: Problem, steps: int) -> Reference:
    """The losses of so many steps."""
    W1, b1, W2, b2 = (np.array(array, np.float64) for array in problem.start)
    x, labels, n = problem.x.astype(np.float64), problem.labels, problem.size.batch
    losses: list[float] = []
    for _ in range(steps):
        h = np.maximum(x @ W1 + b1, 0)
        z = h @ W2 + b2
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        losses.append(float(-np.log(p[np.arange(n), labels]).mean()))
        p[np.arange(n), labels] -= 1
        dz = p / n
        da = (dz @ W2.T) * (h > 0)
        for parameter, gradient in ((W2, h.T @ dz), (b2, dz.sum(axis=0)), (W1, x.T @ da), (b1, da.sum(axis=0))):
            np.subtract(parameter, RATE * gradient, out=parameter)
    return Reference(losses, loss((W1, b1, W2, b2), problem.x, labels))
