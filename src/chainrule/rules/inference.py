"""The trait `inference`: the form of a layer in a network that is used and not trained, where that differs.

Dropout is gone then, and a batch norm takes the statistics of many batches in place of one batch's. Each layer has its
own trait, and `chainrule.inference` builds the network again from the forms that they give.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule.arrays.types import Array


@frozen(eq=False)
class BatchMoments:
    """The mean and the variance of each feature in one batch, and the number of its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import BatchNorm, batch_norm
    >>> norm = batch_norm()
    >>> _, cache = norm.forward(BatchNorm.init(1), np.array([[1], [3]], np.float32))
    >>> seen = norm.inference.moments(cache)
    >>> seen.mean, seen.var, seen.count
    (array([2.], dtype=float32), array([1.], dtype=float32), 2)
    """

    mean: Array
    var: Array
    count: int


@frozen(eq=False)
class Inference:
    """The form of a layer for use.

    Parameters
    ----------
    form
        From statistics to the layer as it is used, with parameters of the same type; from None if it needs none.
    moments
        From a cache of the layer to what it saw of the batch; None if the layer needs no statistics.

    Examples
    --------
    >>> from chainrule import dropout
    >>> trait = dropout(0.5, seed=0).inference
    >>> trait.form(None)
    Layer(identity)
    >>> trait.moments is None  # it needs no statistics
    True
    """

    form: Callable[[Any], Any]
    moments: Callable[[Any], BatchMoments] | None = None
