"""The recurrent network of `examples/mnist_recurrent.py`."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import Affine, Lstm, affine, last, lstm, sequential
from speed.layers.recurrent import lstm_in_jax, lstm_in_torch
from speed.whole import Size, Whole

CLASSES = 10


def logits_in_torch(torch: Any, x: Any, W: Any, U: Any, b: Any, V: Any, c: Any) -> Any:
    """The whole sequence in one call."""
    return torch.addmm(c, lstm_in_torch(torch, x, W, U, b)[:, -1], V)


def logits_in_jax(jax: Any, x: Any, W: Any, U: Any, b: Any, V: Any, c: Any) -> Any:
    """The same in JAX."""
    return lstm_in_jax(jax, x, W, U, b)[:, -1] @ V + c


def params(rng: np.random.Generator, size: Size) -> Any:
    """Fresh parameters."""
    _, _, features, units = size
    return Lstm.init(rng, features, units), (), Affine.init(rng, units, CLASSES)


LINES = {
    "LSTM": Whole(
        network=lambda _size: sequential(lstm, last, affine),
        params=params,
        batch=lambda rng, size: (rng.random(size[:3], np.float32), rng.integers(0, CLASSES, size[0])),
        torch=lambda torch, _size: partial(logits_in_torch, torch),
        jax=lambda jax, _size: partial(logits_in_jax, jax),
        sizes=((64, 28, 28, 128),),
    )
}
"""At (batch, steps, features, units)."""
