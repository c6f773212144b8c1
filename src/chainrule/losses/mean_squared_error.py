"""The mean squared error: the mean of the squared distances of numbers from their targets.

    loss = mean((x - t)^2)

over all numbers: over those of each row, and then over the rows.

**Derivation.** In a row of k numbers, write the mean as an inner product and take differentials:

    loss = (1 / k) <e, e>        e = x - t
    d(loss) = (2 / k) <e, dx>

so that for the mean of n rows

    dx = (2 / k) e dloss / n

**To remember:** the gradient of a squared distance points along the distance.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.MSELoss` | `keras.losses.MeanSquaredError` | `optax.squared_error` |

Examples
--------
>>> import numpy as np
>>> from chainrule import mean_squared_error
>>> loss, cache = mean_squared_error.forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 4.0]]))
>>> loss
array(1.)
>>> mean_squared_error.backward(cache, 1.0).tolist()
[[0.0, 1.0], [0.0, 0.0]]
"""

from chainrule import rules
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.targets import numbers
from chainrule.arrays.types import Array
from chainrule.loss import Loss


def rows(xp: Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
    """The mean of each row's squares, and `2 (x - t) / k`."""
    error = out - numbers(xp, out, targets, "mean_squared_error")
    losses = xp.mean_square(error, -1)[..., 0]
    error *= xp.share(2.0, out.shape[-1], out)
    return losses, error


mean_squared_error: Loss[Array, rules.Slopes] = rules.loss("mean_squared_error", rows, operations=(3, 1))
"""The mean of `(x - t)^2` over all numbers; targets (..., k) have the shape of x."""
