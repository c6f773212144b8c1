"""The trait `inference`: the form of a layer in a network that is used and not trained, where that differs.

Dropout is gone then, and a batch norm takes the statistics of many batches in place of one batch's. Each layer has its
own trait, and `chainrule.inference` builds the network again from the forms that they give.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule.arrays.types import Array


@frozen(eq=False)
class Moments:
    """The mean and the variance of each feature in one batch, and the number of its rows."""

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
    """

    form: Callable[[Any], Any]
    moments: Callable[[Any], Moments] | None = None
