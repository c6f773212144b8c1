"""The mean absolute error: the mean distance of numbers from their targets.

    loss = mean(|x - t|)

over all numbers: over those of each row, and then over the rows.

**Derivation.** A distance is the product of an error with its sign, which does not move. In a row of k numbers

    loss = (1 / k) <sign(e), e>        e = x - t
    d(loss) = (1 / k) <sign(e), dx>

so that for the mean of n rows

    dx = (1 / k) sign(e) dloss / n

At e = 0, where every number from -1 to 1 would do, the sign is 0: what is right is left alone.

**To remember:** every mistake pulls with the same force, a large one no harder than a small one.

An infinite error has an infinite loss and a slope like any other. A nan stays in its row, in the gradient too, where
torch has 0.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.L1Loss` | `keras.losses.MeanAbsoluteError` | none |

Examples
--------
>>> import numpy as np
>>> from chainrule import mean_absolute_error
>>> loss, cache = mean_absolute_error.forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [5.0, 4.0]]))
>>> loss
array(1.)
>>> mean_absolute_error.backward(cache, 1.0).tolist()
[[0.0, 0.25], [-0.25, 0.0]]
"""

from functools import partial

from chainrule import rules
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.targets import numbers
from chainrule.arrays.types import Array
from chainrule.loss import Loss


def rows(xp: Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
    """The mean of each row's distances, and `sign(x - t) / k`."""
    return xp.by_examples(partial(_rows, xp), out, numbers(xp, out, targets, "mean_absolute_error"))


def _rows(xp: Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
    error = out - targets
    signs = xp.sign(error)
    losses = xp.mean_product(signs, error)[..., 0]
    return losses, xp.times(signs, xp.share(1.0, out.shape[-1], out))


mean_absolute_error: Loss[Array, rules.Slopes] = rules.loss("mean_absolute_error", rows, operations=(3, 2))
"""The mean of `|x - t|` over all numbers; targets (..., k) have the shape of x."""
