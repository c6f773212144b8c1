"""Labels that choose a row each: whole numbers in a range, which is checked wherever that costs nothing."""

from typing import Any

import numpy as np

from chainrule.arrays.arguments import describe
from chainrule.arrays.libraries import unlike
from chainrule.arrays.types import Array, Labels, is_numpy, is_plain

UNSIGNED = {np.dtype(f"{o}i{size}"): np.dtype(f"{o}u{size}") for size in (1, 2, 4, 8) for o in "<>"}


def fit(labels: Any, k: int) -> bool:
    """Tell whether labels, a NumPy array that is not empty, are in [0, k)."""
    kind = labels.dtype
    bits = labels.view(UNSIGNED[kind]) if kind in UNSIGNED else labels
    return bool(bits.item(bits.argmax()) < k)  # a negative label is a very large number here


def choose_rows(labels: Labels, rows: Array, owner: str, name: str, things: str) -> None:
    """Check that labels, of any shape, each choose a row of an array (k, ...).

    `owner`, `name` and `things` are for messages: the caller, the array and its rows, such as `"embedding"`, `"E"` and
    `"tokens"`. Labels that are no integers, or of another library than `rows`, are a TypeError. One outside [0, k) is a
    ValueError, where values can be read: a negative label does not count from the end.
    """
    if not (hasattr(labels, "shape") and hasattr(labels, "dtype")):
        raise TypeError(f"{owner}: labels must be an array of integers, got {describe(labels)}")
    if is_numpy(labels) and not is_plain(labels):
        raise TypeError(f"{owner}: labels must be a plain array, got {type(labels).__name__}: convert them first")
    if not (labels.dtype.kind in "iu" if is_numpy(labels) else "int" in str(labels.dtype)):
        raise TypeError(f"{owner}: labels must be integers, got {describe(labels)}")
    libraries = unlike(labels, rows)
    if libraries is not None:
        raise TypeError(
            f"{owner}: labels are an array of {libraries[0]} but {name} is one of {libraries[1]}: convert one of them"
        )
    k = rows.shape[0]
    if is_numpy(labels) and labels.size and not fit(labels, k):
        where = tuple(int(i) for i in np.argwhere((labels < 0) | (labels >= k))[0])
        place = f" at row {where[0] if len(where) == 1 else where}" if where else ""
        raise ValueError(f"{owner}: {name} has {k} {things}, so labels must be in [0, {k}), got {labels[where]}{place}")
