"""What one step consists of, as calls of the library's public functions: layers, loss and optimizer, one by one."""

from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen

from chainrule import affine, relu, softmax_cross_entropy
from speed.contenders.ours import OPTIMIZER, Ours
from speed.contenders.plain import Plain
from speed.problem import Problem

Piece: TypeAlias = Callable[[], object]


@frozen
class Call:
    """A call, and the kernels that do the same arithmetic."""

    does: Piece
    kernels: tuple[str, ...]


def pieces(problem: Problem) -> dict[str, Call]:
    """The calls of a step in their order, on what each is given in one."""
    held = Ours(problem)
    first, _, second = params = held.params
    x, labels = held.x, held.labels
    a, first_cache = affine.forward(first, x)
    h, relu_cache = relu.forward((), a)
    z, second_cache = affine.forward(second, h)
    _, loss_cache = softmax_cross_entropy.forward(z, labels)
    dz = softmax_cross_entropy.backward(loss_cache, 1.0)
    dh, second_grads = affine.backward(second_cache, dz)
    da, _ = relu.backward(relu_cache, dh)
    grads = (affine.grads(first_cache, da), (), second_grads)
    return {
        "affine.forward": Call(lambda: affine.forward(first, x), ("x W1", "+ b1")),
        "relu.forward": Call(lambda: relu.forward((), a), ("ReLU",)),
        "affine.forward, second layer": Call(lambda: affine.forward(second, h), ("h W2", "+ b2")),
        "softmax_cross_entropy.forward": Call(lambda: softmax_cross_entropy.forward(z, labels), ("softmax and loss",)),
        "softmax_cross_entropy.backward": Call(lambda: softmax_cross_entropy.backward(loss_cache, 1.0), ("dz",)),
        "affine.backward, second layer": Call(lambda: affine.backward(second_cache, dz), ("dW2", "db2", "dh")),
        "relu.backward": Call(lambda: relu.backward(relu_cache, dh), ("ReLU's slope",)),
        "affine.grads": Call(lambda: affine.grads(first_cache, da), ("dW1", "db1")),
        "sgd(rate).step": Call(lambda: OPTIMIZER.step((), params, grads), ("update",)),
    }


def wholes(problem: Problem) -> dict[str, Piece]:
    """Whole steps: in one call, and in two."""
    one, two = Ours(problem), Plain(problem)
    return {"training_step": lambda: one.steps(1), "value_and_grad, then step": lambda: two.steps(1)}
