"""Columns of a table: their means and standard deviations, of tables of any size.

    mean = (1/n) sum of x        deviation = sqrt((1/n) sum of (x - mean)^2)

In passes over the table, some rows at a time, in float64. Numbers are divided by a power of two, which is exact, so
that no sum and no square overflows. The second pass sums the deviations as well: what rounding has left in the mean.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import conversion, describe, of_library
from chainrule.arrays.cells import first_cell
from chainrule.arrays.libraries import namespace
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, is_numpy

PIECE = 2**18
"""The most numbers of a piece: 2 MiB in float64, which caches hold."""


@np.errstate(under="ignore")
def mean_and_deviation(x: Array, name: str) -> tuple[Array, Array]:
    """The mean and the standard deviation of each column of x (n, ..., d), in its dtype.

    The deviation is 1 where all numbers are equal, or where the dtype of x takes their deviation for 0.
    """
    if not is_numpy(x):
        got = f"{describe(x)}{of_library(x)}{conversion(x, 'np.float32')}"
        raise TypeError(f"{name} must be a NumPy array of floats, got {got}")
    namespace(x, name=name)
    if x.ndim < 2 or 0 in x.shape:
        how = ": for one column x[:, None]" if x.ndim == 1 else ""
        raise ValueError(f"{name} must have rows and columns, at least one of each, got shape {x.shape}{how}")
    n = x.size // x.shape[-1]
    least, most = _bounds(x, name)
    power = np.frexp(np.maximum(abs(least), abs(most)))[1]
    mean, left, squares = np.where(least == most, np.ldexp(least, -power), 0), 0 * least, 0 * least
    for piece in _pieces(x):
        left += (np.ldexp(piece, -power) - mean).sum(axis=0) / n
    mean, left = mean + left, 0 * least
    for piece in _pieces(x):
        centred = np.ldexp(piece, -power) - mean
        left += centred.sum(axis=0) / n
        squares += np.square(centred, out=centred).sum(axis=0) / n
    deviation = np.ldexp(np.sqrt(np.maximum(squares - left**2, 0)), power).astype(x.dtype)
    deviation[deviation == 0] = 1
    return read_only(np.ldexp(mean + left, power).astype(x.dtype)), read_only(deviation)


def _pieces(table: Array) -> Iterator[NDArray[Any]]:
    dtype, by = np.result_type(table.dtype, np.float64), max(1, PIECE * len(table) // table.size)
    for i in range(0, len(table), by):
        yield table[i : i + by].astype(dtype).reshape(-1, table.shape[-1])


def _bounds(table: Array, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the largest number of each column; a number that is not finite is a ValueError."""
    bounds = [(piece.min(axis=0), piece.max(axis=0)) for piece in _pieces(table)]
    least, most = np.min([low for low, _ in bounds], axis=0), np.max([high for _, high in bounds], axis=0)
    if not (np.isfinite(least).all() and np.isfinite(most).all()):
        raise ValueError(f"{name} has {first_cell(table, ~np.isfinite(table))}")
    return least, most
