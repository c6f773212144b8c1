"""The sizes of numbers and of arrays: by how much to move an entry, a root mean square, and what is alike in size."""

import math

import numpy as np

from chainrule.arrays.types import Array


def sizes_of(leaf: Array, *, own: bool = False) -> Array:
    """By how much to move each entry: its own size; where that is nothing, that of its row, of the field, or 1.

    Nothing is 0, and unless `own` also what is a thousandth of its row's.
    """
    size = np.abs(leaf)
    if not leaf.size:
        return np.asarray(size)
    root = math.sqrt(float(np.mean(np.square(size))))
    if not leaf.ndim:
        return np.asarray(size if root > 0 else np.ones_like(size))
    rows = np.sqrt(np.mean(np.square(size), axis=-1, keepdims=True))
    return np.where(size > (0.0 if own else 1e-3 * rows), size, np.where(rows > 0, rows, root if root > 0 else 1.0))


def rms(values: Array) -> float:
    """The root mean square of an array's finite numbers."""
    known = values[np.isfinite(values)]
    largest = float(np.abs(known).max(initial=0.0))
    return largest * float(np.sqrt(np.mean(np.square(known / largest)))) if largest > 0 else 0.0


def in_unit_interval(values: Array) -> bool:
    """Tell whether all numbers lie between 0 and 1, as probabilities and shares do: their domain may end there."""
    return bool(((values >= 0) & (values <= 1)).all())


def same_but_for_ones(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two shapes differ in nothing but axes of one, as where these are squeezed away."""
    one, two = ([n for n in each if n != 1] for each in (shape, other))
    return one == two
