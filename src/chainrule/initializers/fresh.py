"""Fresh arrays for the `init` of parameters, whose arguments are checked here."""

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import describe, generator, like, number, size
from chainrule.arrays.ownership import own, read_only
from chainrule.arrays.types import Array, Generator
from chainrule.initializers.distributions import floating, normal

Initializer: TypeAlias = Callable[[Generator, tuple[int, ...], int, int, DTypeLike], Array]
"""`(rng, shape, fan_in, fan_out, dtype) -> weights`, such as `he_normal`.

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine, initializers
>>> draw: initializers.Initializer = initializers.he_normal
>>> Affine.init(np.random.default_rng(0), 784, 50, weights=draw)
Affine(W=f32[784, 50], b=f32[50])
"""


LARGEST = sys.maxsize // 8
"""The most numbers of an array: they are drawn in float64."""


def chosen(owner: str, weights: Initializer | None, std: float | None, default: Initializer) -> Initializer:
    """The initializer that an `init` is asked for: `weights`, normal numbers of a deviation `std`, or its default."""
    if std is not None:
        if weights is not None:
            raise TypeError(f"{owner}: give std or weights, not both")
        return partial(normal, std=number(owner, "std", std))
    if weights is None:
        return default
    if not callable(weights) or isinstance(weights, type):
        raise TypeError(f"{owner}: weights must be an initializer such as he_normal, got {describe(weights)}")
    return weights


def drawn(
    owner: str, rng: Generator, weights: Initializer, fan_in: int, fan_out: int, dtype: DTypeLike, **sizes: int
) -> Array:
    """Draw weights in the shape of the sizes, whose names are for messages."""
    shape, kind = _shape(owner, sizes), floating(owner, dtype)
    made = weights(generator(owner, rng), shape, fan_in, fan_out, kind)
    like(made, shape, kind, f"{owner}: the result of weights", "what it was asked for")
    return own(made)


def drawn_side_by_side(
    owner: str, rng: Generator, weights: Initializer, blocks: int, rows: int, columns: int, dtype: DTypeLike
) -> Array:
    """(rows, blocks * columns): blocks that are drawn one by one, each as the weights of a layer of its own."""
    each = [drawn(owner, rng, weights, rows, columns, dtype, rows=rows, columns=columns) for _ in range(blocks)]
    return read_only(np.concatenate(each, axis=1))


def filled(owner: str, value: float, dtype: DTypeLike, **sizes: int) -> Array:
    """One number everywhere, in the shape of the sizes."""
    return read_only(np.full(_shape(owner, sizes), value, floating(owner, dtype)))


def _shape(owner: str, sizes: dict[str, Any]) -> tuple[int, ...]:
    shape = tuple(size(owner, name, each) for name, each in sizes.items())
    if math.prod(shape) > LARGEST:
        sides = ", ".join(f"{name} = {side}" for name, side in zip(sizes, shape, strict=True))
        raise ValueError(f"{owner}: an array of {sides} is too large, it must have at most {LARGEST} numbers")
    return shape
