"""A layer beside the same in torch and JAX. The files of `speed.layers` have the lines, a family each."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import Encoder, Layer

Move: TypeAlias = tuple[int | tuple[int, ...], int | tuple[int, ...]]
"""Axes, and those that they become."""

STAY: Move = ((), ())
CHANNELS_FIRST: Move = (-1, 1)


@frozen
class Line:
    """A layer, and the same function of x and the leaves of its parameters in modules of torch and JAX."""

    layer: Layer[Any, Any] | Encoder[Any, Any, Any]
    torch: Callable[[Any], Callable[..., Any]]
    jax: Callable[[Any], Callable[..., Any]]
    params: Callable[[np.random.Generator, int], Any] = lambda _rng, _features: ()
    sizes: tuple[tuple[int, ...], ...] = ((64, 128), (2048, 256), (4096, 1024))
    x: Callable[[np.random.Generator, tuple[int, ...]], Any] = lambda rng, size: rng.standard_normal(size, np.float32)
    moves: Sequence[Move] = ()
    """From our layout to torch's: of x, out and dout at once, and then of each leaf; the rest stays."""
    settled: Callable[[Any, Any, Any, Any], tuple[Any, Any]] = lambda _x, _dout, out, gradients: (out, gradients)
    """All that must agree of x, dout, out and the gradients: where numbers are drawn, what does not depend on them."""
