"""Rows of a data set: an array, or a record or a tuple of arrays, all of which have a row for each example."""

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import check_plain, conversion, describe, is_of_pandas, of_library
from chainrule.arrays.cells import first_cell
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import field_names
from chainrule.arrays.types import Labels, is_numpy, is_tuple

R = TypeVar("R", bound=NDArray[Any] | Hashable)
"""Anything that has rows. Records and tuples can be hashed; a list or a dict can't, so that type checkers refuse it."""


def number_of_rows(owner: str, **parts: object) -> int:
    """Count the rows of the parts of a data set, which are called by their names in messages.

    A `ValueError` if their numbers differ, or one has none; a `TypeError` if one is no NumPy array and no record or
    tuple of them.
    """
    found = [each for name, part in parts.items() for each in _arrays(owner, name, part)]
    for name, array in found:
        if array.ndim == 0:
            raise ValueError(f"{owner}: {name} must have rows, got a 0-d array")
    (first, (n, *_)), *others = ((name, array.shape) for name, array in found)
    for name, shape in others:
        if shape[0] != n:
            raise ValueError(f"{owner}: {_have(first, n)} rows, but {_have(name, shape[0])}")
    return int(n)


def rows(part: R, chosen: Labels) -> R:
    """The chosen rows of a part of a data set, as fresh read-only arrays."""
    if not is_numpy(part):
        return tree.map(partial(_taken, chosen), part)
    taken: R = _taken(chosen, part)
    return taken


def _taken(chosen: Labels, array: Any) -> Any:
    return read_only(array[chosen])


def _arrays(owner: str, name: str, part: object) -> Iterator[tuple[str, NDArray[Any]]]:
    is_branch = is_tuple(part) or bool(field_names(type(part)))
    found: list[tuple[str, Any]] = tree.named_leaves(part) if is_branch else [("", part)]
    if not found:
        raise ValueError(f"{owner}: {name} must have rows, got {describe(part)}")
    for path, array in found:
        if not is_numpy(array):
            got = type(array).__name__ if is_of_pandas(array) else describe(array)
            is_table = name == "x" or len(getattr(array, "shape", ())) == 2
            how = conversion(array, "np.float32" if is_table else "")
            raise TypeError(f"{owner}: {name}{path} must be a NumPy array, got {got}{of_library(array)}{how}")
        check_plain(f"{owner}: {name}{path}", array)
        yield f"{name}{path}", array


def _have(name: str, what: object) -> str:
    return f"{name} {'have' if name == 'targets' else 'has'} {what}"


def refuse_what_is_not_finite(owner: str, x: Any, targets: Any, numbers: Labels | None = None) -> None:
    """Raise a ValueError that says where the first number is that is not finite, if there is one.

    The rows may be some of a larger table, in which they have these numbers.
    """
    for name, part in (("x", x), ("targets", targets)):
        for path, array in tree.named_leaves(part):
            if is_numpy(array) and array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
                raise ValueError(f"{owner} {_have(name + path, first_cell(array, ~finite, numbers))}")
