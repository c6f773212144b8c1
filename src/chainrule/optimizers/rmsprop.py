"""RMSprop: each entry's step is divided by the size that its gradients have had of late.

    v <- decay v + (1 - decay) g^2
    params <- params - rate * g / (sqrt(v) + eps)

for a gradient g; all products and roots entry by entry.

**Derivation.** The sign of a gradient says which way to go, and nothing of how far: g / |g| is the same for every
slope. But of a batch the gradient is a sample, and signs forget sizes: nine gradients of 0.1 and one of -0.9 should
cancel. Divided by one number for all of them, they do. So |g| is replaced by the root of a running mean of g^2, which
changes little from one batch to the next (Tieleman and Hinton, Lecture 6.5, rmsprop, Coursera, 2012). The mean's weight
is on the last 1 / (1 - decay) gradients, and it begins at zero, so that the first step is 1 / sqrt(1 - decay) times as
long as later ones. `eps` stands outside of the root, as in `torch.optim.RMSprop`, and keeps the quotient finite.

**To remember:** `adam` without the mean of the gradient, and without corrections.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.optim.RMSprop` | `keras.optimizers.RMSprop` | `optax.rmsprop` |
"""

from functools import partial
from typing import Any

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.rules.optimizers import ArrayOptimizer, Moments, Schedule


def rmsprop(learning_rate: float | Schedule, decay: float = 0.99, eps: float = 1e-8) -> ArrayOptimizer:
    """Make RMSprop.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    decay
        In [0, 1): how much of the running mean is left after a step.
    eps
        A finite number >= 0, added to the root of the mean square.

    Returns
    -------
    ArrayOptimizer
        The optimizer.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is none.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import rmsprop
    >>> optimizer = rmsprop(0.1, decay=0.75)
    >>> params = np.array([1.0, 1.0])
    >>> optimizer.step(optimizer.init(params), params, np.array([5.0, -0.01]))[0].round(3)
    array([0.8, 1.2])
    """
    update = partial(scale, decay=number("rmsprop", "decay", decay, below=1), eps=number("rmsprop", "eps", eps))
    return rules.optimizer("rmsprop", update, learning_rate, moments=1)


def scale(
    xp: Namespace, rate: Any, param: Array, grad: Array, moments: Moments, *, decay: float, eps: float
) -> tuple[Array, Moments]:
    """The mean of the gradient's square, and the step of the gradient divided by its root."""
    room = xp.room(param)  # for one product after another
    square = xp.times_in(room, grad, grad)
    square *= 1 - decay
    v = xp.times(moments[0], decay)
    v += square
    root = xp.sqrt_in(room, v)
    root += eps
    new = xp.over_in(room, grad, root)
    new *= -rate
    return xp.plus(new, param), (v,)
