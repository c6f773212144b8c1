"""Parameters of normalisations: a scale and a bias for each feature, and what they ask of x."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size
from chainrule.arrays.libraries import alike
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array


def each_feature(record: str, **arrays: Array) -> None:
    """Check the arrays of a record, given by the names of their fields, that has two numbers for each feature.

    They must have one axis of one length, at least 1, and one floating-point dtype.
    """
    alike(record, **arrays)
    (one, first), (other, second) = arrays.items()
    if first.ndim != 1 or first.shape[0] == 0:
        raise ValueError(f"{record}: {one} must be 1-D (features,) with at least one, got shape {first.shape}")
    if second.shape != first.shape:
        raise ValueError(f"{record}: {one} is {first.shape}, so {other} must be {first.shape}, got {second.shape}")


def ones_and_zeros(owner: str, features: int, dtype: DTypeLike) -> tuple[Array, Array]:
    """A scale of ones and a bias of zeros."""
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind != "f":
        raise TypeError(f"{owner}: dtype must be floating-point, got {kind}")
    count = size(owner, "features", features)
    if count == 0:
        raise ValueError(f"{owner}: features must be >= 1, got 0")
    return read_only(np.ones(count, kind)), read_only(np.zeros(count, kind))


def fitting(layer: str, scale: Array, x: Array) -> None:
    """Check that `x` (..., d) has as many features as the scale (d,)."""
    if not x.ndim:
        raise ValueError(f"{layer}: x must have an axis of features, got shape ()")
    if x.shape[-1] != scale.shape[0]:
        raise ValueError(f"{layer}: x has {x.shape[-1]} features {x.shape} but scale has {scale.shape[0]}")
