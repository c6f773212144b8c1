"""The Huber loss: squares of small errors, and distances of large ones, which it keeps from ruling the rest.

    h(e) = e^2 / 2 if |e| <= delta        h(e) = delta (|e| - delta / 2) if |e| > delta
    loss = mean(h(x - t))

over all numbers: over those of each row, and then over the rows (Huber, Robust estimation of a location parameter,
1964). The two pieces meet at |e| = delta with one value and one slope.

**Derivation.** Let c be the error, cut off at delta on both sides. Then one formula holds for both pieces,

    h(e) = c (e - c / 2)        c = min(max(e, -delta), delta)

and c is the slope: where the error is small, c = e and h(e) = e^2 / 2; where it is large, c does not move, and
d(h) = c de. In a row of k numbers

    loss = (1 / k) sum(h(e))        e = x - t
    d(loss) = (1 / k) <c, dx>

so that for the mean of n rows

    dx = (1 / k) c dloss / n

**To remember:** the gradient of Huber's loss is the error, clipped.

An infinite error has an infinite loss and the slope delta; nan stays in its row. The form with c needs no choice
between two pieces, and no digit is lost in it: c / 2 is at most half of e.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.HuberLoss` | `keras.losses.Huber` | `optax.huber_loss` |

Examples
--------
>>> import numpy as np
>>> from chainrule import huber
>>> loss, cache = huber(delta=1.0).forward(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))
>>> loss  # the mean of 0.125 and 2.5
array(1.3125)
>>> huber(delta=1.0).backward(cache, 1.0)
array([[0.25, 0.5 ]])
"""

from functools import partial

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.targets import numbers
from chainrule.arrays.types import Array
from chainrule.loss import Loss


def rows(xp: Namespace, out: Array, targets: Array, *, delta: float) -> tuple[Array, Array]:
    """The mean of each row's `c (e - c / 2)`, and `c / k`."""
    return xp.by_examples(partial(_rows, xp, delta), out, numbers(xp, out, targets, "huber"))


def _rows(xp: Namespace, delta: float, out: Array, targets: Array) -> tuple[Array, Array]:
    error = out - targets
    clipped = xp.clip(error, -delta, delta)
    error -= 0.5 * clipped
    losses = xp.mean_product(clipped, error)[..., 0]
    return losses, xp.times(clipped, xp.share(1.0, out.shape[-1], out))


def huber(delta: float = 1.0) -> Loss[Array, rules.Slopes]:
    """Make the mean over all numbers of Huber's loss of `x - t`.

    Parameters
    ----------
    delta
        The error from which on the loss is a distance: a finite number > 0.

    Returns
    -------
    Loss
        Its targets (..., k) have the shape of x.

    Raises
    ------
    ValueError
        If `delta` is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> from chainrule import huber
    >>> huber()
    Loss(huber(delta=1.0))
    """
    go = partial(rows, delta=number("huber", "delta", delta, above=0))
    return rules.loss("huber", go, operations=(7, 2))
