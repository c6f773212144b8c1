"""What one step computes, as bare NumPy calls into arrays that are there already: no checks, no records, nothing fresh.

One after another they compute what a step does, but keep the parameters; so each may be repeated by itself.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from attrs import frozen

from speed.problem import RATE, Floats, Problem

Kernel: TypeAlias = Callable[[], object]

PRODUCTS = ("x W1", "h W2", "dW2", "dh", "dW1")
"""The kernels that are the limit."""


@frozen(eq=False)
class Kernels:
    """The parts of a step, in the order in which they are taken, and where the new parameters are after them."""

    parts: dict[str, Kernel]
    stepped: tuple[Floats, ...]


def kernels(problem: Problem) -> Kernels:
    """The parts of a step from where a problem starts."""
    size, x, labels = problem.size, problem.x, problem.labels
    n, f32 = size.batch, np.float32
    W1, b1, W2, b2 = (array.copy() for array in problem.start)
    a, h, dh, da = (np.zeros((n, size.n_hidden), f32) for _ in range(4))
    z, e, dz = (np.zeros((n, size.n_out), f32) for _ in range(3))
    dW1, db1, dW2, db2 = (np.zeros_like(array) for array in problem.start)
    bits, slope, sign = h.view(np.int32), da.view(np.int32), np.asarray(31, np.int32)
    ones, rows, zeros = np.ones(n, f32), np.arange(n), np.zeros_like(a)
    share, rate = np.asarray(1 / n, f32), np.asarray(RATE, f32)
    top, total, losses = (np.zeros(n, f32) for _ in range(3))

    def softmax() -> None:
        np.maximum.reduce(z, axis=1, out=top)
        np.subtract(z, top[:, None], out=e)
        mine: Floats = e[rows, labels]
        np.exp(e, out=e)
        np.add.reduce(e, axis=1, out=total)
        np.log(total, out=losses)
        np.subtract(losses, mine, out=losses)
        np.add.reduce(losses)

    def softmax_backward() -> None:
        np.divide(share, total, out=losses)
        np.multiply(e, losses[:, None], out=dz)
        dz[rows, labels] -= share

    def gate() -> None:
        np.negative(bits, out=slope)
        np.right_shift(slope, sign, out=slope)
        np.bitwise_and(slope, dh.view(np.int32), out=slope)

    def update() -> None:
        for parameter, gradient, step in updates:
            np.multiply(gradient, rate, out=step)
            np.subtract(parameter, step, out=step)

    updates = [
        (parameter, gradient, np.zeros_like(gradient))
        for parameter, gradient in zip((W1, b1, W2, b2), (dW1, db1, dW2, db2), strict=True)
    ]
    parts: dict[str, Kernel] = {
        "x W1": lambda: np.dot(x, W1, a),
        "+ b1": lambda: np.add(a, b1, a),
        "ReLU": lambda: np.maximum(a, zeros, out=h),
        "h W2": lambda: np.dot(h, W2, z),
        "+ b2": lambda: np.add(z, b2, z),
        "softmax and loss": softmax,
        "dz": softmax_backward,
        "dW2": lambda: np.dot(h.T, dz, dW2),
        "db2": lambda: np.dot(ones, dz, db2),
        "dh": lambda: np.dot(dz, W2.T, dh),
        "ReLU's slope": gate,
        "dW1": lambda: np.dot(x.T, da, dW1),
        "db1": lambda: np.dot(ones, da, db1),
        "update": update,
    }
    for part in parts.values():  # once through, so that every array holds what it holds in a step
        part()
    return Kernels(parts, tuple(step for _, _, step in updates))
