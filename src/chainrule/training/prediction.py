"""Prediction: the forward pass of a network, without caches.

out = f(params, x)

`forward` saves what backward needs, and copies `x` if somebody may write to it. Where no backward pass follows,
prediction gives the same numbers in one pass over the rules of the layers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from chainrule.arrays.ownership import borrowed, own, read_only
from chainrule.arrays.types import Array
from chainrule.encoder import Trainable, checked_network
from chainrule.rules.passes import in_prediction, rule_of

P = TypeVar("P")
X = TypeVar("X")


def prediction(network: Trainable[P, X]) -> Callable[[P, X], Array]:
    """Make the function that runs a network forward.

    On NumPy it keeps no caches: what a layer saves is gone before the next one runs.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`, or an encoder.

    Returns
    -------
    Callable
        `(params, x) -> out`, equal to `network.forward(params, x)[0]` to the last bit. It raises what that raises.

    Raises
    ------
    TypeError
        If the network is no `Layer` or `Encoder`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import prediction, two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> predict = prediction(two_layer.network)
    >>> predict(params, np.ones((5, 4), np.float32)).shape
    (5, 2)
    """
    return partial(_predict, checked_network("prediction", network))


def _predict(network: Any, params: Any, x: Any) -> Array:
    xp, x, rule = in_prediction(x, params), borrowed(x), rule_of(network)
    quiet = rule.quiet
    out, _ = rule.forward(xp, params, x) if quiet is None else xp.quietly(quiet.forward, xp, params, x)
    return read_only(out) if type(out) is np.ndarray and out.flags.writeable else own(out)
