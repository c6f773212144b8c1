"""The parts of one step: as bare NumPy calls into arrays that are there already, and as calls of the library.

The bare calls have no checks and no records, and make nothing fresh. One after another they compute what a step does,
but keep the parameters; so each may be repeated by itself.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from chainrule import affine, relu, softmax_cross_entropy
from speed.contenders.ours import Ours
from speed.problem import Floats, Problem

Call: TypeAlias = Callable[[], object]

PRODUCTS = ("x W1", "h W2", "dW2", "dh", "dW1")
"""The kernels that are the limit."""


def kernels(problem: Problem) -> tuple[dict[str, Call], list[Floats]]:
    """The bare calls of a step, in their order, and where the new parameters are after them."""
    size, x, labels = problem.size, problem.x, problem.labels
    n, f32 = size.batch, np.float32
    W1, b1, W2, b2 = problem.start
    a, h, dh, da = (np.zeros((n, size.n_hidden), f32) for _ in range(4))
    z, e, dz = (np.zeros((n, size.n_out), f32) for _ in range(3))
    top, total, losses = (np.zeros(n, f32) for _ in range(3))
    grads = dW1, db1, dW2, db2 = [np.zeros_like(array) for array in problem.start]
    stepped = [np.zeros_like(array) for array in problem.start]
    bits, slope, sign = h.view(np.int32), da.view(np.int32), np.asarray(31, np.int32)
    ones, rows, zeros = np.ones(n, f32), np.arange(n), np.zeros_like(a)
    share, rate = np.asarray(1 / n, f32), np.asarray(problem.rate, f32)

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
        for parameter, gradient, new in zip(problem.start, grads, stepped, strict=True):
            np.multiply(gradient, rate, out=new)
            np.subtract(parameter, new, out=new)

    calls: dict[str, Call] = {
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
    for call in calls.values():  # once through, so that every array holds what it holds in a step
        call()
    return calls, stepped


def pieces(problem: Problem) -> dict[str, tuple[Call, tuple[str, ...]]]:
    """The library's calls of a step in their order, on what each is given in one, and the kernels of each."""
    begun = Ours(problem)
    first, _, second = params = begun.params
    x, labels, optimizer = begun.x, begun.labels, begun.optimizer
    state = optimizer.init(params)
    a, first_cache = affine.forward(first, x)
    h, relu_cache = relu.forward((), a)
    z, second_cache = affine.forward(second, h)
    _, loss_cache = softmax_cross_entropy.forward(z, labels)
    dz = softmax_cross_entropy.backward(loss_cache, 1.0)
    dh, second_grads = affine.backward(second_cache, dz)
    da, _ = relu.backward(relu_cache, dh)
    grads = (affine.grads(first_cache, da), (), second_grads)
    return {
        "affine.forward": (lambda: affine.forward(first, x), ("x W1", "+ b1")),
        "relu.forward": (lambda: relu.forward((), a), ("ReLU",)),
        "affine.forward, second layer": (lambda: affine.forward(second, h), ("h W2", "+ b2")),
        "softmax_cross_entropy.forward": (lambda: softmax_cross_entropy.forward(z, labels), ("softmax and loss",)),
        "softmax_cross_entropy.backward": (lambda: softmax_cross_entropy.backward(loss_cache, 1.0), ("dz",)),
        "affine.backward, second layer": (lambda: affine.backward(second_cache, dz), ("dW2", "db2", "dh")),
        "relu.backward": (lambda: relu.backward(relu_cache, dh), ("ReLU's slope",)),
        "affine.grads": (lambda: affine.grads(first_cache, da), ("dW1", "db1")),
        "sgd(rate).step": (lambda: optimizer.step(state, params, grads), ("update",)),
    }
