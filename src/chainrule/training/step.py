"""A training step: the gradient of a loss, and an optimizer's step along it, as one pure function.

loss, grads = value_and_grad(network, loss)(params, x, targets)
params, state = optimizer.step(state, params, grads)

**Stochastic gradient descent.** Backward is linear in `dout`, so `-rate * grads` is what it gives for `-rate * dout`:
the rate costs nothing. `params - rate * grads` is then a sum, taken in the memory of the gradients, which the step has
made and nobody else holds. What passes from layer to layer needs no checks, copies or records either. So for `sgd`, on
NumPy arrays, the step runs the layers' bare arithmetic; what does not fit is done again as above, to say why.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from chainrule.arrays.arguments import describe
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array
from chainrule.layer import Bare, Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer
from chainrule.optimizers.sgd import Sgd
from chainrule.training.gradient import value_and_grad

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

    Raises
    ------
    TypeError
        If the network is no `Layer`, the loss no `Loss`, or the optimizer lacks `init` or `step`.

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
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "step")):
        raise TypeError(f"training_step: optimizer must have init and step, as sgd(0.1) has, got {describe(optimizer)}")
    plain = partial(_step, value_and_grad(network, loss), optimizer)
    kind: object = type(optimizer)  # a class made from Sgd may have a step of its own
    if network.bare is None or not isinstance(optimizer, Sgd) or kind is not Sgd:
        return plain
    return partial(_descent, plain, network.bare, loss, optimizer.rate)


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


def _descent(
    plain: Callable[[P, S, Array, T], tuple[P, S, Array]],
    bare: Bare[P],
    loss: Loss[T, Any],
    rate: float,
    params: P,
    state: S,
    x: Array,
    targets: T,
) -> tuple[P, S, Array]:
    if type(x) is np.ndarray and x.dtype.char in "fd":
        try:
            out, saved = bare.forward(TUNED, params, x)
            value, dout = loss.value_and_dout(out, targets, -rate)
            if type(dout) is np.ndarray and dout.dtype == out.dtype and dout.shape == out.shape:
                del out
                return bare.backward(TUNED, params, saved, dout, False)[1], state, value
        except Exception:  # noqa: BLE001, S110  # whatever it is, the plain step says it better
            pass
    return plain(params, state, x, targets)
