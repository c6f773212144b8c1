"""Dropout, of which each library draws numbers of its own in every call."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import dropout
from speed.line import Line
from speed.problem import Floats

RATE = 0.5


def dropout_in_torch(torch: Any, x: Any) -> Any:
    """In training."""
    return torch.nn.functional.dropout(x, RATE, training=True)


def dropout_in_jax(jax: Any, x: Any) -> Any:
    """With a key that is made of x: what is known to a compiler would be drawn once and for all."""
    key = jax.random.key(jax.lax.bitcast_convert_type(x.ravel()[0], jax.numpy.int32))
    return jax.numpy.where(jax.random.bernoulli(key, 1 - RATE, x.shape), x / (1 - RATE), 0)


def settled(x: Floats, dout: Floats, out: Any, gradients: Any) -> tuple[Any, list[Any]]:
    """Out and dx as if nothing had been dropped, if the same was dropped from both, about as much as should be."""
    dropped, (dx,) = np.asarray(out) == 0, map(np.asarray, gradients)
    if not (np.array_equal(dropped, dx == 0) and abs(dropped.mean() - RATE) < 3 / dropped.size**0.5):
        raise RuntimeError("other entries are dropped than should be")
    return np.where(dropped, x / (1 - RATE), out), [np.where(dropped, dout / (1 - RATE), dx)]


LINES = {
    "dropout": Line(
        dropout(RATE, seed=1),
        lambda torch: partial(dropout_in_torch, torch),
        lambda jax: partial(dropout_in_jax, jax),
        settled=settled,
    )
}
