"""Copies of trees for laws to work on: in float64, writable, or read-only."""

from collections.abc import Iterable
from operator import is_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from chainrule import tree
from chainrule.arrays.ownership import native, read_only
from chainrule.arrays.types import Array

P = TypeVar("P")


def in_float64(value: P) -> P:
    """Copies of all arrays, those of floats in float64 at least.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.laws.trials.copies import in_float64
    >>> in_float64((np.ones(2, np.float32), ()))
    (array([1., 1.]), ())
    """
    return tree.map(_in_float64, value)


def targets_in_float64(targets: P) -> P:
    """As `in_float64`; rows of shares, which sum to 1 within the rounding of their own dtype, sum to 1 in float64 too.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.laws.trials.copies import targets_in_float64
    >>> thirds = np.full((1, 3), 1 / 3, np.float16)
    >>> bool(thirds.astype(np.float64).sum() == 1), bool(targets_in_float64(thirds).sum() == 1)
    (False, True)
    """
    return tree.map(_shares_in_float64, targets)


def targets_in_dtype(targets: P, dtype: np.dtype[Any]) -> P:
    """As `in_dtype`; rows of shares sum to 1 in a wider dtype too."""

    def converted(leaf: Array) -> Array:
        if leaf.dtype.kind != "f":
            return leaf
        return (_shares_in_float64(leaf) if leaf.dtype.itemsize < dtype.itemsize else leaf).astype(dtype)

    return tree.map(converted, targets)


def _shares_in_float64(leaf: Array) -> Array:
    wide = _in_float64(leaf)
    if wide.dtype == leaf.dtype or not leaf.ndim or not leaf.shape[-1] or not (leaf >= 0).all():
        return wide
    sums = wide.sum(axis=-1, keepdims=True)
    are_shares = np.abs(sums - 1) <= leaf.shape[-1] * np.finfo(leaf.dtype).eps
    return np.asarray(wide / sums if are_shares.all() else wide)


def in_dtype(value: P, dtype: DTypeLike) -> P:
    """Copies of all arrays, those of floats in a dtype."""
    return tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf, value)


def in_native_order(value: P) -> P:
    """The same arrays, those in another byte order than the machine's as copies in that one, as layers return them."""
    return tree.map(lambda leaf: leaf if leaf.dtype.isnative else leaf.astype(native(leaf.dtype)), value)


def writable(value: P) -> P:
    """Copies of all arrays that can be written to.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine
    >>> from chainrule.laws.trials.copies import writable
    >>> writable(Affine(np.ones((3, 2)), np.zeros(2))).W.flags.writeable
    True
    """
    array: Any = value
    if type(array) is np.ndarray:  # the usual case, in a tenth of the time
        copied: P = _copy(array)
        return copied
    return _unlocked(tree.map(_copy, value))


def as_laid_out(value: P) -> P:
    """Copies of all arrays that can be written to, in Fortran's order where they are."""
    return _unlocked(tree.map(lambda leaf: read_only(leaf.copy("A")), value))


def in_fortrans_order(value: P) -> P:
    """Read-only copies of all arrays, in Fortran's order."""
    return tree.map(lambda leaf: read_only(leaf.copy("F")), value)


def _unlocked(copies: P) -> P:
    for leaf in tree.leaves(copies):
        leaf.flags.writeable = True
    return copies


def read_only_copy(value: P) -> P:
    """Copies of all arrays that cannot be written to."""
    return tree.map(lambda leaf: read_only(leaf.copy()), value)


def _in_float64(leaf: Array) -> Array:
    return leaf.astype(np.result_type(leaf.dtype, np.float64)) if leaf.dtype.kind == "f" else leaf


def _copy(leaf: Any) -> Any:
    return leaf.copy()  # a method, which an array that carries a complex step answers with another


def copied(arrays: Iterable[Array]) -> list[Array]:
    """Copies of some arrays."""
    return [array.copy() for array in arrays]


def same_numbers(a: Array, b: Array) -> bool:
    """Tell whether two arrays have the same numbers, nan among them; or the same objects."""
    if a.dtype.kind == "O":
        return a.shape == b.shape and all(map(is_, a.flat, b.flat))
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
