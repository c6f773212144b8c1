"""Adam: steps of equal size, whatever the gradient's size is.

    m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g^2
    params <- params - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

for a gradient g at step t, from 1 on; all products and roots entry by entry.

**Derivation.** m and v are running means of g and of its square. They begin at zero, so that after t steps their
weights sum to 1 - b1^t and 1 - b2^t: divided by that, they are means. The quotient of the mean and the root of the mean
square lies between -1 and 1 where gradients vary slowly: the rate is then the length of a step in each entry, and
stretching the loss by a factor changes nothing (Kingma and Ba, Adam, 2015). `eps` keeps the quotient finite where
gradients vanish; it stands outside the corrected root, as in `torch.optim.Adam`. The means of parameters of 16 bits are
kept, and divided, in float32: in float16 the default `eps` would be 0, and so would the square of a small gradient.

**To remember:** the direction from the mean, the length from the mean square.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.optim.Adam` | `keras.optimizers.Adam` | `optax.adam` |
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.libraries import library_of
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.rules.optimizers import ArrayOptimizer, Moments, Schedule, Update


def adam(learning_rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> ArrayOptimizer:
    """Make Adam.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    b1, b2
        In [0, 1): how much of the running means is left after a step.
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
    >>> from chainrule import adam
    >>> optimizer = adam(0.1)
    >>> params = np.array([1.0, 1.0])
    >>> optimizer.step(optimizer.init(params), params, np.array([5.0, -0.001]))[0].round(3)
    array([0.9, 1.1])
    """
    update, prepare = arithmetic("adam", b1, b2, eps)
    return rules.optimizer("adam", update, learning_rate, moments=2, prepare=prepare)


def arithmetic(name: str, b1: float, b2: float, eps: float) -> tuple[Update, Callable[[Any, Any], Any]]:
    """The update and what is prepared for it, of an optimizer of some name with these options."""
    b1, b2 = number(name, "b1", b1, below=1), number(name, "b2", b2, below=1)
    return partial(adapt, b1=b1, b2=b2, eps=number(name, "eps", eps)), partial(corrected, b1, b2)


def corrected(b1: float, b2: float, rate: Any, count: Any) -> tuple[Any, Any]:
    """The length of a step, and the factor of eps, which correct the means, which begin at zero.

    The root is not divided by the root of `1 - b2^t`, but all that it meets is multiplied by it, which is one number.
    """
    correction = weights(b2, count) ** 0.5
    return rate * correction / weights(b1, count), correction


def weights(b: float, count: Any) -> Any:
    """The sum of a mean's weights, 1 - b^t."""
    if b == 0 or isinstance(count, int):
        return 1 - b**count
    xp: Any = library_of(count)  # a compiler traces it, in float32: of 1 - 0.999 that has lost four digits
    return -xp.expm1(count * math.log(b))


def adapt(
    xp: Namespace, rates: Any, param: Array, grad: Array, moments: Moments, *, b1: float, b2: float, eps: float
) -> tuple[Array, Moments]:
    """The means of the gradient and of its square, and the step of their quotient."""
    length, correction = rates
    m, v = moments
    room = xp.room(param)  # for one product after another
    m = xp.times(m, b1)
    m += xp.times_in(room, grad, 1 - b1)
    square = xp.times_in(room, grad, grad)
    square *= 1 - b2
    v = xp.times(v, b2)
    v += square
    root = xp.sqrt_in(room, v)
    root += eps * correction
    new = xp.over_in(room, m, root)
    new *= -length
    return xp.plus(new, param), (m, v)
