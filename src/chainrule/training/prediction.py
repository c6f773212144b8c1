"""Prediction: a network forward, and nothing for the way back.

out = f(params, x)

`forward` keeps what backward needs. Where nobody comes back, this gives the same numbers without caches: in less time
for a single example, and in the memory of two layers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from chainrule.arrays.arguments import describe
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array
from chainrule.layer import Layer

P = TypeVar("P")


def prediction(network: Layer[P, Any]) -> Callable[[P, Array], Array]:
    """Make the function that runs a network forward and keeps no caches.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`.

    Returns
    -------
    Callable
        `(params, x) -> out`, equal to `network.forward(params, x)[0]` to the last bit. It raises what that raises.

    Raises
    ------
    TypeError
        If the network is no `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import prediction, two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> predict = prediction(two_layer.network)
    >>> predict(params, np.ones((5, 4), np.float32)).shape
    (5, 2)
    """
    if not isinstance(network, Layer):
        raise TypeError(f"prediction: network must be a Layer, got {describe(network)}")
    return partial(_predict, network)


def _predict(network: Layer[P, Any], params: P, x: Array) -> Array:
    if network.bare is not None and type(x) is np.ndarray and x.dtype.char in "fd":
        try:
            return network.bare.forward(TUNED, params, x)[0]
        except Exception:  # noqa: BLE001, S110  # whatever it is, forward says it better
            pass
    return network.forward(params, x)[0]
