"""Pools, of windows and of all positions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule import Layer, global_max_pool, global_mean_pool, max_pool, mean_pool
from speed.line import CHANNELS_FIRST, Line


def global_max_pool_in_torch(torch: Any, x: Any) -> Any:
    """Of all positions."""
    return torch.nn.functional.adaptive_max_pool2d(x, 1).flatten(1)


def max_pool_in_jax(jax: Any, x: Any, size: int, stride: int, padding: int) -> Any:
    """Of two axes."""
    ends = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, size, size, 1), (1, stride, stride, 1), ends)


def mean_pool_in_jax(jax: Any, x: Any, size: int, stride: int, padding: int) -> Any:
    """Of two axes."""
    ends = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, size, size, 1), (1, stride, stride, 1), ends) / size**2


def pooled(layer: Layer[Any, Any], torch: Callable[[Any], Any], jax: Callable[[Any], Any]) -> Line:
    """The line of a pool."""
    sizes = (16, 14, 14, 32), (64, 28, 28, 32), (32, 56, 56, 64)
    return Line(layer, torch, jax, sizes=sizes, moves=[CHANNELS_FIRST])


def windowed(
    make: Callable[..., Layer[Any, Any]], torch: str, jax: Callable[..., Any], size: int, stride: int, padding: int
) -> Line:
    """The line of a pool of windows."""
    return pooled(
        make(size, stride, padding),
        lambda library: partial(
            getattr(library.nn.functional, torch), kernel_size=size, stride=stride, padding=padding
        ),
        lambda library: partial(jax, library, size=size, stride=stride, padding=padding),
    )


LINES = {
    "max_pool": windowed(max_pool, "max_pool2d", max_pool_in_jax, 2, 2, 0),
    "max_pool 3 × 3": windowed(max_pool, "max_pool2d", max_pool_in_jax, 3, 2, 1),
    "mean_pool": windowed(mean_pool, "avg_pool2d", mean_pool_in_jax, 2, 2, 0),
    "global_max_pool": pooled(
        global_max_pool,
        lambda torch: partial(global_max_pool_in_torch, torch),
        lambda jax: partial(jax.numpy.max, axis=(1, 2)),
    ),
    "global_mean_pool": pooled(
        global_mean_pool,
        lambda torch: partial(torch.mean, dim=(2, 3)),
        lambda jax: partial(jax.numpy.mean, axis=(1, 2)),
    ),
}
