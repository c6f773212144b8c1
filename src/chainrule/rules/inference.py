"""How a layer stands when a network is used and not trained, where that differs: the trait `inference`.

Dropout is gone then, and a batch norm takes the statistics of many batches in place of one batch's. The layer says it
itself; `chainrule.inference` puts the network together again of what its layers say.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule.arrays.types import Array


@frozen(eq=False)
class Moments:
    """What a layer saw of one batch: the mean and the variance of each feature, and of how many rows they are."""

    mean: Array
    var: Array
    count: int


@frozen(eq=False)
class Inference:
    """How a layer stands in use.

    Parameters
    ----------
    form
        From statistics to the layer as it is used, with parameters of the same type; from None if it needs none.
    moments
        From a cache of the layer to what it saw of the batch; None if the layer needs no statistics.
    """

    form: Callable[[Any], Any]
    moments: Callable[[Any], Moments] | None = None
