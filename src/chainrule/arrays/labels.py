"""Labels that choose a row each: whole numbers in a range, which is checked wherever that costs nothing."""

from typing import Any

import numpy as np

from chainrule.arrays.arguments import check_plain, conversion, describe, is_of_pandas
from chainrule.arrays.cells import row_name
from chainrule.arrays.libraries import unlike
from chainrule.arrays.types import Array, Labels, Mask, is_array, is_numpy

UNSIGNED = {np.dtype(f"{o}i{size}"): np.dtype(f"{o}u{size}") for size in (1, 2, 4, 8) for o in "<>"}


def fit(labels: Any, k: int) -> bool:
    """Tell whether labels, a NumPy array that is not empty, are in [0, k)."""
    kind = UNSIGNED.get(labels.dtype)
    bits = labels if kind is None else labels.view(kind)
    return bool(bits.item(bits.argmax()) < k)  # a negative label is a very large number here


def choose_rows(labels: Labels, rows: Array, owner: str, name: str, things: str) -> None:
    """Check that labels, of any shape, each choose a row of an array (k, ...).

    `owner`, `name` and `things` are for messages: the caller, the array and its rows, such as `"embedding"`, `"E"` and
    `"tokens"`. Labels that are no integers, or of another library than `rows`, are a TypeError. One outside [0, k) is a
    ValueError, where values can be read: a negative label does not count from the end.
    """
    are_integers(labels, f"{owner}: labels")
    libraries = unlike(labels, rows)
    if libraries is not None:
        raise TypeError(
            f"{owner}: labels are an array of {libraries[0]} but {name} is one of {libraries[1]}: convert one of them"
        )
    k = rows.shape[0]
    if is_numpy(labels) and labels.size and not fit(labels, k):
        found = first_of(labels, (labels < 0) | (labels >= k))
        raise ValueError(f"{owner}: {name} has {k} {things}, so labels must be in [0, {k}), got {found}")


def are_integers(labels: Any, name: str) -> None:
    """Check that labels, called `name` in messages, are an array of integers, of any library."""
    if not is_array(labels) or is_of_pandas(labels):
        raise TypeError(f"{name} must be an array of integers, got {type(labels).__name__}{conversion(labels)}")
    check_plain(name, labels)
    if not (labels.dtype.kind in "iu" if is_numpy(labels) else "int" in str(labels.dtype)):
        raise TypeError(f"{name} must be integers, got {describe(labels)}")


def first_of(labels: Labels, where: Mask) -> str:
    """The first label where a condition holds, and its row if there are rows: `"3 at row 1"`."""
    place = tuple(int(i) for i in np.argwhere(where)[0])
    return f"{labels[place]} at {row_name(place)}" if place else f"{labels[place]}"
