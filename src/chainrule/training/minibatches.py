"""Minibatches: a data set in random order, a few rows at a time."""

from collections.abc import Iterator
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Generator, is_numpy

T = TypeVar("T", bound=NDArray[Any])


def minibatches(rng: Generator, x: Array, targets: T, size: int) -> Iterator[tuple[Array, T]]:
    """Shuffle a data set and cut it into batches: one epoch, in which every row comes exactly once.

    Parameters
    ----------
    rng
        The generator of the order; it is advanced when the first batch is asked for.
    x
        (n, ...): a row for each example.
    targets
        (n, ...): as many rows.
    size
        Rows in a batch, at least 1. The last batch has fewer if `size` does not divide n.

    Yields
    ------
    tuple
        Rows of `x` and the targets that belong to them: fresh read-only arrays, which a network shares without a copy.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or `size` is not positive.
    TypeError
        If `rng` is no Generator, `x` and `targets` are no NumPy arrays, or `size` is no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import minibatches
    >>> x, t = np.eye(5), np.arange(5)
    >>> [batch_t.shape[0] for batch_x, batch_t in minibatches(np.random.default_rng(0), x, t, 2)]
    [2, 2, 1]
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"minibatches: rng must be a numpy.random.Generator, got {describe(rng)}")
    for name, rows in (("x", x), ("targets", targets)):
        if not is_numpy(rows):
            raise TypeError(f"minibatches: {name} must be a NumPy array, got {describe(rows)}")
        if rows.ndim == 0:
            raise ValueError(f"minibatches: {name} must have rows, got a 0-d array")
    if x.shape[0] != targets.shape[0]:
        raise ValueError(f"minibatches: x has {x.shape[0]} rows, but targets have {targets.shape[0]}")
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(f"minibatches: size must be an integer, got {size!r}")
    if size < 1:
        raise ValueError(f"minibatches: size must be at least 1, got {size}")
    return _cut(rng, x, targets, int(size))


def _cut(rng: Generator, x: Array, targets: T, size: int) -> Iterator[tuple[Array, T]]:
    order = rng.permutation(x.shape[0])
    for start in range(0, x.shape[0], size):
        chosen = order[start : start + size]
        yield read_only(x[chosen]), cast("T", read_only(targets[chosen]))
