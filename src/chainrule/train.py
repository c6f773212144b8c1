"""A training step: the gradient of a loss, and an optimizer's step along it, as one pure function.

loss, grads = value_and_grad(network, loss)(params, x, targets)
params, state = optimizer.step(state, params, grads)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from chainrule.array import Array
from chainrule.gradient import value_and_grad
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")


def training_step(
    network: Layer[P, Any], loss: Loss[T, Any], optimizer: Optimizer[P, S]
) -> Callable[[P, S, Array, T], tuple[P, S, Array]]:
    """Make the function that takes one step of training.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`.
    loss
        What compares its output with the targets.
    optimizer
        What turns the gradient into a step, such as `sgd(0.1)`.

    Returns
    -------
    Callable
        `(params, state, x, targets) -> (params, state, loss)`. The loss is that before the step. It raises what
        the network, the loss and the optimizer raise.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import sgd, softmax_cross_entropy, training_step, two_layer
    >>> optimizer = sgd(0.1)
    >>> step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> state = optimizer.init(params)
    >>> params, state, loss = step(params, state, np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]))
    >>> print(f"{loss:.4f}")
    0.6931
    """
    return partial(_step, value_and_grad(network, loss), optimizer)


def _step(
    gradient: Callable[[P, Array, T], tuple[Array, P]],
    optimizer: Optimizer[P, S],
    params: P,
    state: S,
    x: Array,
    targets: T,
) -> tuple[P, S, Array]:
    value, grads = gradient(params, x, targets)
    params, state = optimizer.step(state, params, grads)
    return params, state, value
