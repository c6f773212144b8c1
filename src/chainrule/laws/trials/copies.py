"""Copies of trees for laws to work on: in float64, writable, or read-only."""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from chainrule import tree
from chainrule.arrays.ownership import read_only
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


def in_dtype(value: P, dtype: DTypeLike) -> P:
    """Copies of all arrays, those of floats in a dtype."""
    return tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf, value)


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
    """Tell whether two arrays have the same numbers, nan among them."""
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
