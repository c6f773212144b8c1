"""The recurrent network of `examples/mnist_recurrent.py`."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import Affine, Lstm, affine, last, lstm, sequential
from speed.layers.recurrent import lstm_in_jax, lstm_in_torch
from speed.whole import Size, Whole, Work, back_and_forth

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


def work(rng: np.random.Generator, size: Size) -> Work:
    """Two products with the state for each step, all others at once; the gates and the slopes of tanh are sigmoids."""
    n, t, d, h = size
    (_, back, _), (on, _, _) = back_and_forth(rng, n, 4 * h, h), back_and_forth(rng, n, h, 4 * h)
    (of_x, _, of_W), (_, _, of_U) = (back_and_forth(rng, n * t, rows, 4 * h) for rows in (d, h))
    products = [of_x, *[on, back] * t, of_W, of_U, *back_and_forth(rng, n, h, CLASSES)]
    sigmoids, tangents = (rng.standard_normal(k * n * h, np.float32) for k in (5, 2))
    return Work(products, [(np.exp, sigmoids), (np.tanh, tangents)] * t)


LINES = {
    "LSTM": Whole(
        network=lambda _size: sequential(lstm, last, affine),
        params=params,
        batch=lambda rng, size: (rng.random(size[:3], np.float32), rng.integers(0, CLASSES, size[0])),
        torch=lambda torch, _size: partial(logits_in_torch, torch),
        jax=lambda jax, _size: partial(logits_in_jax, jax),
        work=work,
        sizes=((64, 28, 28, 128),),
        least=lambda size: (1, size[1], 1, 1),
    )
}
"""At (batch, steps, features, units)."""
