"""Stochastic gradient descent: a step against the gradient, with or without momentum.

    params <- params - rate * grads

**Derivation.** To first order a step v changes the loss by <grads, v>; among steps of one length that is smallest for v
against `grads`. The rate says how far the first order is trusted.

With momentum m the step goes along a running sum of gradients, in which old ones fade. Gradients that alternate cancel,
and those of one direction add up, to 1 / (1 - m) times a single gradient (Polyak, 1964):

    velocity <- m velocity + grads        params <- params - rate * velocity

Nesterov's form looks ahead: it steps along `grads + m velocity`, with the new velocity (Sutskever et al., 2013). Both
are the formulas of `torch.optim.SGD`.

**To remember:** downhill, in proportion to the slope.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.optim.SGD` | `keras.optimizers.SGD` | `optax.sgd` |
"""

from functools import partial
from typing import Any

from chainrule import rules
from chainrule.arrays.arguments import number, truth
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.rules.optimizers import ArrayOptimizer, Moments, Schedule


def sgd(learning_rate: float | Schedule, momentum: float = 0.0, nesterov: bool = False) -> ArrayOptimizer:
    """Make stochastic gradient descent.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    momentum
        In [0, 1): the share of the velocity that is left after a step.
    nesterov
        Whether to step along the velocity of the next step; only with momentum.

    Returns
    -------
    ArrayOptimizer
        The optimizer.

    Raises
    ------
    ValueError
        If the rate is negative or not finite, the momentum not in [0, 1), or Nesterov's form asked for without it.
    TypeError
        If they are no numbers, or `nesterov` is no truth value.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, sgd
    >>> params = Affine(W=np.ones((1, 2)), b=np.zeros(2))
    >>> grads = Affine(W=np.full((1, 2), 5.0), b=np.ones(2))
    >>> optimizer = sgd(0.1)
    >>> params, state = optimizer.step(optimizer.init(params), params, grads)
    >>> params.W, params.b
    (array([[0.5, 0.5]]), array([-0.1, -0.1]))
    """
    share, ahead = number("sgd", "momentum", momentum, below=1), truth("sgd", "nesterov", nesterov)
    if share == 0:
        if ahead:
            raise ValueError("sgd: nesterov=True needs a momentum > 0, got 0")
        return rules.optimizer("sgd", None, learning_rate, factor=opposite)
    update = partial(roll, momentum=share, nesterov=True) if ahead else partial(roll, momentum=share)
    return rules.optimizer("sgd", update, learning_rate, moments=1)


def opposite(rate: Any) -> Any:
    """The factor of the gradient: `-rate`."""
    return -rate


def roll(
    xp: Namespace, rate: Any, param: Array, grad: Array, moments: Moments, *, momentum: float, nesterov: bool = False
) -> tuple[Array, Moments]:
    """`velocity = momentum * velocity + grads`, and a step along it."""
    velocity = xp.times(moments[0], momentum)
    velocity += grad
    step = grad + velocity * momentum if nesterov else velocity
    new = xp.times_in(xp.room(param), step, -rate)
    return xp.plus(new, param), (velocity,)
