"""Fresh arrays for the `init` of parameters, whose arguments are checked here."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import describe, number, size
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Generator


def normal(owner: str, rng: Generator, std: float, dtype: DTypeLike, **sizes: int) -> Array:
    """Draw normal numbers of standard deviation `std`, in the shape of the sizes; the names are for messages."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{owner}: rng must be a numpy.random.Generator, got {describe(rng)}")
    shape = tuple(size(owner, name, each) for name, each in sizes.items())
    kind, spread = floating(owner, dtype), number(owner, "std", std)
    drawn = rng.standard_normal(shape)
    drawn *= spread
    return read_only(drawn.astype(kind, copy=False))


def filled(owner: str, value: float, dtype: DTypeLike, **sizes: int) -> Array:
    """One number everywhere, in the shape of the sizes."""
    return read_only(np.full([size(owner, name, each) for name, each in sizes.items()], value, floating(owner, dtype)))


def floating(owner: str, dtype: DTypeLike) -> np.dtype[Any]:
    """Refuse a dtype that is not one of floats."""
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind != "f":
        raise TypeError(f"{owner}: dtype must be floating-point, got {kind}")
    return kind
