"""Metrics: numbers that people use to say how good predictions are."""

import math

from chainrule.arrays.arguments import describe
from chainrule.arrays.libraries import namespace
from chainrule.arrays.targets import Targets, labels_and_probabilities
from chainrule.arrays.types import Array, Mask


def accuracy(logits: Array, targets: Targets) -> float:
    """Compute the share of rows whose largest logit stands at the target.

    Parameters
    ----------
    logits
        (..., k): scores of the classes; of several largest ones the first counts.
    targets
        Integer labels (...,), or rows of probabilities (..., k), of which the largest counts.

    Returns
    -------
    float
        Between 0 and 1. In other libraries than NumPy nan, if a label is out of range.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no rows or no classes, a logit is nan, or a label is out of range.
    TypeError
        If `logits` are not floats or labels not integers.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import accuracy
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    xp = namespace(logits, name="accuracy: logits")
    labels, _ = labels_and_probabilities(xp, logits, targets, "accuracy")
    missing = xp.count(logits != logits)  # noqa: PLR0124  # nan alone differs from itself
    if missing:
        raise ValueError(f"accuracy: {missing} of the logits {describe(logits)} are nan")
    rows = math.prod(logits.shape[:-1])
    if not xp.reads_values and xp.count((labels < 0) | (labels >= logits.shape[-1])):
        return math.nan
    hits: Mask = xp.argmax_last(logits) == labels
    return xp.count(hits) / rows
