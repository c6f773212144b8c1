"""One-hot rows: a label as a row of zeros with a 1 at its place."""

import math
from typing import Any

from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size
from chainrule.arrays.libraries import library_of
from chainrule.arrays.ownership import read_only
from chainrule.arrays.targets import classes
from chainrule.arrays.types import Array, Labels


def one_hot(labels: Labels, k: int, dtype: DTypeLike | None = None) -> Array:
    """Make a row of numbers of each label: 1 for its class and 0 for the others.

    Parameters
    ----------
    labels
        (...,): integers in [0, k).
    k
        The number of classes, at least 1.
    dtype
        A floating-point dtype of the library of the labels; by default float32.

    Returns
    -------
    Array
        (..., k): the rows. Where values can't be read, a row whose label is out of range is nan.

    Raises
    ------
    ValueError
        If a label or `k` is out of range.
    TypeError
        If `labels` is no array of integers, `k` no integer, or the dtype not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import one_hot
    >>> one_hot(np.array([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    count = size("one_hot", "k", k, least=1)
    hot = classes(labels, count, "one_hot").one_hot(labels, count)
    library: Any = library_of(labels)
    try:
        out = library.astype(hot, library.float32 if dtype is None else dtype)
    except TypeError as error:  # in each library's own words
        raise TypeError(f"one_hot: dtype must be floating-point, got {dtype!r}") from error
    if not library.isdtype(out.dtype, "real floating"):
        raise TypeError(f"one_hot: dtype must be floating-point, got {out.dtype}")
    rows: Array = read_only(
        library.where(library.any(hot, axis=-1, keepdims=True), out, library.full_like(out, math.nan))
    )
    return rows
