"""Ownership: who may write to an array.

A gradient must not change because somebody writes to an array after the forward pass. An array is in one of three
states:

- *mine*: writable, and just made by the function that holds it, which may write to it;
- *borrowed*: another owner's, who may write to it; it may be read, and must be copied to be stored;
- *constant*: read-only, and so is all that it is a view of; nobody can write to it, and it may be stored and shared.

`read_only` makes a constant of an array that is mine. `own` shares a constant and copies the rest, since it can't tell
mine from borrowed. A memory map is borrowed, a read-only one too: another map of the same file may be writable.
Libraries whose arrays have no read-only mark (torch) share memory instead: there the caller must not write between
forward and backward.
"""

import sys
from collections.abc import Callable, Iterable
from operator import is_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.types import is_any_tuple

A = TypeVar("A")

NUMPY: type[NDArray[Any]] = np.ndarray


def read_only(fresh: A) -> A:
    """Make a constant of an array that is mine: mark it as read-only, and return it.

    Parameters
    ----------
    fresh
        An array that the caller has just made and nobody else holds. It is marked, not copied.

    Returns
    -------
    A
        The same array, read-only where its library has such a mark; for a NumPy scalar, the 0-d array.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import read_only
    >>> zeros = read_only(np.zeros(2))
    >>> zeros[0] = 1.0
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    array: object = fresh
    if not isinstance(array, NUMPY):
        return own(fresh)
    if not array.flags.writeable:  # and if it is a view, then perhaps of what is the caller's
        return fresh
    array.setflags(write=False)
    if array.base is not None and isinstance(array.base, NUMPY):  # a view of what the caller has just made
        array.base.setflags(write=False)
    return fresh


def own(value: A) -> A:
    """Make a constant of a value that may be borrowed, so that a record may hold it.

    Parameters
    ----------
    value
        Anything. NumPy arrays that are read-only, and own their memory or are views of others that do, are constant and
        shared; the rest, memory maps among them, are copied, in C order and the machine's byte order. (A writable view
        that was taken of an array before it was made read-only can't be seen.) So are the arrays in a tuple.

    Returns
    -------
    A
        The value, if all in it is constant; otherwise a read-only copy of it. For a NumPy scalar, the 0-d array; for a
        tuple, named or not, one of what it holds.

    Raises
    ------
    ValueError
        If tuples are nested deeper than Python's recursion limit allows.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import own
    >>> x = np.ones(2)
    >>> kept = own(x)
    >>> x[0] = 7.0
    >>> kept
    array([1., 1.])
    >>> own(kept) is kept
    True
    """
    held: Any = value
    if isinstance(value, NUMPY):
        if not (_is_constant(held) and held.dtype.isnative):
            if type(held) is np.memmap:  # its copy would be called a map too
                held = np.asarray(held)
            held = read_only(held.astype(native(held.dtype), order="C", copy=True))
    elif isinstance(value, np.generic):  # what NumPy returns in place of a 0-d array
        held = read_only(np.asarray(held))
    elif isinstance(value, tuple):
        held = _own_all(held)
    owned: A = held
    return owned


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in the machine's byte order; of numbers, the one object that NumPy has of it, so that `is` finds it."""
    return np.dtype(dtype.char) if dtype.kind in "biufc" else dtype.newbyteorder("=")


def _own_all(values: tuple[object, ...]) -> tuple[object, ...]:
    try:
        owned = [own(value) for value in values]
    except RecursionError:
        _check_depth(values)
        raise
    if all(map(is_, owned, values)):
        return values
    build: Callable[[Iterable[object]], tuple[object, ...]] = getattr(values, "_make", tuple)  # a named tuple has one
    return build(owned)


def _check_depth(values: tuple[object, ...]) -> None:
    limit = sys.getrecursionlimit()
    level: list[Any] = [values]
    for _ in range(limit // 3):
        level = list({id(each): each for branch in level for each in branch if is_any_tuple(each)}.values())
    if level:
        raise ValueError(
            f"the tuple is more than {limit // 3} levels deep, but Python's recursion limit of {limit} allows about "
            f"{limit // 3}: nest it less, or raise the limit with sys.setrecursionlimit"
        ) from None


def _is_constant(array: NDArray[Any]) -> bool:
    """Tell whether nobody can write to an array, neither through it nor through the array that it is a view of."""
    base: object = array
    while isinstance(base, NUMPY):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None or isinstance(base, bytes)


def borrowed(x: A) -> A:
    """Lend an array: a read-only view of one that can be written to, or the value itself.

    Arrays of a caller come in by it, and have the machine's byte order afterwards: only an array in another one is
    copied. `own` makes a copy to be stored.
    """
    lent: Any = x
    if isinstance(x, NUMPY):
        if not lent.dtype.isnative:
            lent = own(lent)
        elif lent.flags.writeable or type(lent) is np.memmap:
            lent = lent.view(np.ndarray) if type(lent) is np.memmap else lent.view()
            lent.setflags(False)
    borrow: A = lent
    return borrow
