"""Lion: a step of one length in each entry, along the sign of a mean of gradients.

    params <- params - rate * (sign(b1 m + (1 - b1) g) + weight_decay params)
    m <- b2 m + (1 - b2) g

for a gradient g; signs and products entry by entry, and the sign of 0 is 0.

**Derivation.** To first order a step changes the loss by <g, step>. Of all steps that move no entry by more than the
rate, the one that lowers it most is -rate sign(g), as -rate g / |g| is among those of one length. A batch's gradient is
a sample, so the sign is taken of a mean. The form was not derived but found, by a search among programs (Chen et al.,
Symbolic discovery of optimization algorithms, 2023, program 1): two means, of which the one that is kept is the slower,
and the one that steps lets the new gradient count for more. One array is kept beside the parameters, and `adam` keeps
two.

Every step has the full length, so the paper takes a rate 3 to 10 times smaller than for `adamw`, and a decay as many
times larger. By default arrays of two axes and more decay, as with `adamw`.

**To remember:** only the direction, entry by entry; the rate is the length.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| none | `keras.optimizers.Lion` | `optax.lion` |
"""

from functools import partial
from typing import Any

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.rules.optimizers import ArrayOptimizer, Decays, Moments, Schedule


def lion(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.99,
    weight_decay: float = 0.0,
    decays: Decays | None = None,
) -> ArrayOptimizer:
    """Make Lion.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    b1, b2
        In [0, 1): how much of the running mean counts in the step, and how much of it is left afterwards.
    weight_decay
        A finite number >= 0: in a step of rate r what decays loses the share r * weight_decay.
    decays
        From the path of an array, such as `"[0].W"`, and the array to whether it decays. By default arrays of two axes
        and more do.

    Returns
    -------
    ArrayOptimizer
        The optimizer.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is none, or `decays` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import lion
    >>> optimizer = lion(0.1)
    >>> params = np.array([1.0, 1.0, 1.0])
    >>> optimizer.step(optimizer.init(params), params, np.array([5.0, -0.001, 0.0]))[0]
    array([0.9, 1.1, 1. ])
    """
    update = partial(follow, b1=number("lion", "b1", b1, below=1), b2=number("lion", "b2", b2, below=1))
    return rules.optimizer("lion", update, learning_rate, moments=1, weight_decay=weight_decay, decays=decays)


def follow(
    xp: Namespace, rate: Any, param: Array, grad: Array, moments: Moments, *, b1: float, b2: float
) -> tuple[Array, Moments]:
    """The sign of one mean, which steps, and the other, which is kept."""
    (m,) = moments
    mean = m * b1
    mean += grad * (1 - b1)
    m = xp.times(m, b2)
    m += grad * (1 - b2)
    new = xp.sign(mean)
    new *= -rate
    return xp.plus(new, param), (m,)
