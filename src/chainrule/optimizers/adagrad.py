"""Adagrad: each entry's step is divided by the length of all gradients that it has had.

    s <- s + g^2
    params <- params - rate * g / (sqrt(s) + eps)

for a gradient g; all products and roots entry by entry.

**Derivation.** Take one entry of a convex loss, and any value p that it might have had. The loss is above that at p by
at most g (params - p). A step along g changes the square of the distance to p by

    (params - rate g - p)^2 - (params - p)^2 = -2 rate g (params - p) + rate^2 g^2

Add that up over all steps: distances cancel but for the first and the last, and with D for the largest, all that was
lost against p, sum(g (params - p)), is at most

    bound = D^2 / (2 rate) + rate s / 2

which is smallest, D sqrt(s), for rate = D / sqrt(s): the rate of each entry should go with the inverse of the length of
its gradients. That is known at the end alone, but with s as it is at each step no more than 1.5 times as much is lost
(Duchi, Hazan and Singer, Adaptive subgradient methods, 2011). An entry whose gradients are rare or small, as those of a
rare word, keeps a large rate; that of a steady gradient falls with 1 / sqrt(t). The form is that of
`torch.optim.Adagrad`, without its decays, and `eps` keeps the quotient finite where no gradient has been yet.

**To remember:** what has moved little may still move far.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.optim.Adagrad` | `keras.optimizers.Adagrad` | `optax.adagrad` |
"""

from functools import partial
from typing import Any

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.rules.optimizers import ArrayOptimizer, Moments, Schedule


def adagrad(learning_rate: float | Schedule, eps: float = 1e-10) -> ArrayOptimizer:
    """Make Adagrad.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    eps
        A finite number >= 0, added to the root of the sum of squares.

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
    >>> from chainrule import adagrad
    >>> optimizer = adagrad(0.5)
    >>> params, grads = np.array([1.0, 1.0]), np.array([3.0, -0.01])
    >>> params, state = optimizer.step(optimizer.init(params), params, grads)
    >>> params.round(3)
    array([0.5, 1.5])
    >>> optimizer.step(state, params, 4 / 3 * grads)[0].round(3)
    array([0.1, 1.9])
    """
    return rules.optimizer("adagrad", partial(scale, eps=number("adagrad", "eps", eps)), learning_rate, moments=1)


def scale(
    xp: Namespace, rate: Any, param: Array, grad: Array, moments: Moments, *, eps: float
) -> tuple[Array, Moments]:
    """The sum of the gradient's squares, and the step of the gradient divided by its root."""
    s = xp.plus(grad * grad, moments[0])
    room = xp.room(param)
    root = xp.sqrt_in(room, s)
    root += eps
    new = xp.over_in(room, grad, root)
    new *= -rate
    return xp.plus(new, param), (s,)
