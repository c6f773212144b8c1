"""A split of a data set in two parts, such as one to train on and one that is held out."""

from typing import Any, TypeVarTuple

import numpy as np

from chainrule.arrays.arguments import generator, number
from chainrule.arrays.types import Generator
from chainrule.training.rows import number_of_rows, rows

Arrays = TypeVarTuple("Arrays")


def split(rng: Generator, share: float, *arrays: *Arrays) -> tuple[tuple[*Arrays], tuple[*Arrays]]:
    """Split the rows of a data set at random in two parts.

    Parameters
    ----------
    rng
        The generator that chooses; it is advanced.
    share
        The share of the rows that the first part gets, between 0 and 1.
    *arrays
        (n, ...): arrays with a row for each example, or records or tuples of them.

    Returns
    -------
    tuple
        Two tuples, each of as many arrays as were given: fresh read-only copies. In each part the rows stand in the
        order of the whole. Each has one row at least.

    Raises
    ------
    ValueError
        If the numbers of rows differ, there are fewer than two, or the share is not between 0 and 1.
    TypeError
        If `rng` is no Generator, the share no number, or there is something that is no array, or nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import split
    >>> x, labels = np.arange(10.0).reshape(5, 2), np.array([0, 1, 0, 1, 1])
    >>> (train_x, train_labels), (test_x, test_labels) = split(np.random.default_rng(0), 0.8, x, labels)
    >>> train_x.shape, train_labels.shape, test_x.shape, test_labels.shape
    ((4, 2), (4,), (1, 2), (1,))
    """
    generator("split", rng)
    part = number("split", "share", share, above=0, below=1)
    given: tuple[Any, ...] = arrays
    if not given:
        raise TypeError("split: it needs one array at least, got none")
    n = number_of_rows("split", **{f"array {i + 1}": array for i, array in enumerate(given)})
    if n < 2:
        raise ValueError(f"split: two parts need two rows at least, got {n}")
    first = min(max(round(part * n), 1), n - 1)
    order = rng.permutation(n)
    chosen, rest = np.sort(order[:first]), np.sort(order[first:])
    of_first: Any = tuple(rows(each, chosen) for each in given)
    of_rest: Any = tuple(rows(each, rest) for each in given)
    return of_first, of_rest
