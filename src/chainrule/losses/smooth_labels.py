"""Smoothed labels: a classifier's targets that are nearly certain, so that no logit is asked to be infinite.

    t_j = (1 - a) + a / k for j = y        t_j = a / k for j != y

for a label y among k classes: an amount a of the probability is spread over all of them (Szegedy and others, Rethinking
the Inception architecture for computer vision, 2016).

**Derivation.** Cross-entropy is linear in its targets, and t = (1 - a) h + a u, with h 1 at the label and u 1 / k for
every class. So the loss is a mean of two, and so is its gradient:

    loss(t) = (1 - a) loss(h) + a loss(u)
    dz = p - t = (1 - a) (p - h) + a (p - u)

It is 0 where p = t, at a finite distance: the label's logit leads each other by log(1 + (1 - a) k / a), and beyond that
the gradient turns round.

**To remember:** a certain label pulls for ever, a smoothed one only until the prediction is as certain as it is.

**In other libraries.** In torch and Keras it is `label_smoothing=...` of the loss.

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.CrossEntropyLoss` | `keras.losses.CategoricalCrossentropy` | `optax.smooth_labels` |

Examples
--------
>>> import numpy as np
>>> from chainrule import smooth_labels, softmax_cross_entropy
>>> targets = smooth_labels(np.array([0, 3]), 4, 0.2)
>>> targets.round(3).tolist()
[[0.85, 0.05, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]]
>>> loss, cache = softmax_cross_entropy.forward(np.zeros((2, 4)), targets)
>>> print(f"{loss:.6f}")
1.386294
"""

import math
from typing import Any

from chainrule.arrays.arguments import number, size
from chainrule.arrays.libraries import library_of
from chainrule.arrays.ownership import read_only
from chainrule.arrays.targets import classes
from chainrule.arrays.types import Array, Labels


def smooth_labels(labels: Labels, k: int, amount: float) -> Array:
    """Make probabilities of labels, a share of which is spread over all classes.

    Parameters
    ----------
    labels
        (...,): integers in [0, k).
    k
        The number of classes, at least 1.
    amount
        The share that is spread, in [0, 1): 0 gives one-hot rows.

    Returns
    -------
    Array
        (..., k): probabilities, for `softmax_cross_entropy`, in the dtype that the library of `labels` gives floats by
        default. Where values can't be read, a row whose label is out of range is nan.

    Raises
    ------
    ValueError
        If a label, `k` or `amount` is out of range.
    TypeError
        If `labels` is no array of integers, `k` no integer or `amount` no number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import smooth_labels
    >>> smooth_labels(np.array([1, 0]), 2, 0.5)
    array([[0.25, 0.75],
           [0.75, 0.25]])
    """
    share = number("smooth_labels", "amount", amount, below=1)
    count = size("smooth_labels", "k", k, least=1)
    hot = classes(labels, count, "smooth_labels").one_hot(labels, count)
    xp: Any = library_of(labels)
    out = xp.astype(hot, xp.__array_namespace_info__().default_dtypes()["real floating"])
    out = xp.where(xp.any(hot, axis=-1, keepdims=True), (1 - share) * out + share / count, xp.full_like(out, math.nan))
    smooth: Array = read_only(out)
    return smooth
