"""Minibatches: a data set in random order, a few rows at a time."""

from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import generator
from chainrule.arrays.arguments import size as counted
from chainrule.arrays.types import Generator
from chainrule.training.rows import number_of_rows, rows

X = TypeVar("X", bound=NDArray[Any] | Hashable)
T = TypeVar("T", bound=NDArray[Any] | Hashable)


def minibatches(rng: Generator, x: X, targets: T, size: int, *, skip: int = 0) -> Iterator[tuple[X, T]]:
    """Shuffle a data set and cut it into batches: one epoch, in which every row comes exactly once.

    Parameters
    ----------
    rng
        The generator of the order; it is advanced when the first batch is asked for.
    x
        (n, ...): a row for each example. Several inputs are a record or a tuple of such arrays.
    targets
        (n, ...): as many rows; a record or a tuple of arrays as well, such as a `Weighted`.
    size
        Rows in a batch, at least 1. The last batch has fewer if `size` does not divide n.
    skip
        How many batches of the order to leave out at its beginning: those that an epoch which was broken off has seen,
        of a generator in the state in which that epoch began.

    Yields
    ------
    tuple
        Rows of `x` and the targets that belong to them: fresh read-only arrays, which a network shares without a copy.
        Nothing else is copied, so that a memory map may be larger than memory.

    Raises
    ------
    ValueError
        If the numbers of rows differ, `size` is not positive, or `skip` is negative.
    TypeError
        If `rng` is no Generator, `x` and `targets` are no NumPy arrays or records or tuples of them, or `size` or
        `skip` is no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import minibatches
    >>> x, t = np.eye(5), np.arange(5)
    >>> [batch_t.shape[0] for batch_x, batch_t in minibatches(np.random.default_rng(0), x, t, 2)]
    [2, 2, 1]
    """
    generator("minibatches", rng)
    n = number_of_rows("minibatches", x=x, targets=targets)
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(f"minibatches: size must be an integer, got {size!r}")
    if size < 1:
        raise ValueError(f"minibatches: size must be at least 1, got {size}")
    return _cut(rng, x, targets, n, int(size), counted("minibatches", "skip", skip))


def _cut(rng: Generator, x: X, targets: T, n: int, size: int, skip: int) -> Iterator[tuple[X, T]]:
    order = rng.permutation(n)
    for start in range(skip * size, n, size):
        chosen = order[start : start + size]
        yield rows(x, chosen), rows(targets, chosen)
