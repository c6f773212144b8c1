"""Other arguments for an optimizer: numbers and gradients of other sizes and signs, and arrays of other lengths.

What a right optimizer does there follows from what it does at the given ones.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._steps import scaled
from chainrule.laws.trials.copies import in_fortrans_order

Arguments: TypeAlias = tuple[Any, Any]
"""Parameters and gradients."""

Reshaped: TypeAlias = Callable[[Any], Any]
"""A function that makes of a tree one with arrays of other shapes."""

LENGTHS = (1, 17, 101, 1001, 4097)
"""The numbers of entries of arrays: one, and one more than fills some blocks of 8, a hundred, a thousand or 4,096."""

ROWS = (17, 1001)
"""The numbers of rows of matrices, beside those that are given."""

MOST_NUMBERS = 2**16
"""The most numbers in a matrix that is made in another shape."""

LARGE = 200.0
"""The factor of parameters that are large."""

SMALL = (1e-4, 1e-7)
"""The factors of gradients that are small."""


def of_length(value: Any, length: int) -> Any:
    """Arrays of so many entries, repeated along the last axis; a number alone stays."""

    def repeated(leaf: Array) -> Array:
        return np.resize(leaf, (*(1 for _ in leaf.shape[1:]), length)) if leaf.ndim and leaf.size else leaf.copy()

    return tree.map(repeated, value)


def other_shapes(params: Any) -> Iterator[tuple[str, Reshaped]]:
    """Arrays of other shapes: functions that make them of trees like the parameters, each after words for them.

    Those that are matrices, or have more axes, get more rows, one column, and as many as rows; and the axes of kernels.
    """
    for length in LENGTHS:
        yield f"for arrays of {length} {'entries' if length > 1 else 'entry'}", partial(of_length, length=length)
    shapes = [leaf.shape for leaf in tree.leaves(params) if leaf.ndim > 1 and leaf.size]
    ways: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
        **{f"for matrices of {rows} rows": partial(_of_rows, rows) for rows in ROWS},
        "for matrices of one column": _of_one_column,
        "for square matrices": partial(_square, 0),
        f"for square matrices of {ROWS[0]} rows": partial(_square, ROWS[0]),
        "for kernels of two positions": partial(_kernel, 1),
        "for kernels of two by two positions": partial(_kernel, 2),
    }
    for words, shape_of in ways.items() if shapes else ():
        if all(math.prod(shape_of(shape)) <= MOST_NUMBERS for shape in shapes):
            yield words, partial(_resized, shape_of=shape_of)


def _resized(value: Any, shape_of: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
    return tree.map(
        lambda leaf: np.resize(leaf, shape_of(leaf.shape)) if leaf.ndim > 1 and leaf.size else leaf.copy(), value
    )


def _of_rows(rows: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (rows, *shape[1:])


def _of_one_column(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-1], 1)


def _kernel(axes: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*[2] * axes, *shape[-2:])


def _square(side: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The last two axes of one length; if it is 0 that of the last, as the arrays beside a matrix may go by it."""
    side = side or (shape[-1] if shape[-1] > 1 else ROWS[0])
    return (*shape[:-2], side, side)


def grows(optimizer: Any, params: Any, grads: Any) -> bool:
    """Tell whether a step gives more numbers than it takes, as one made with arrays stretches those of one entry."""
    new, _ = optimizer.step(optimizer.init(params), params, grads)
    return any(a.size > b.size for a, b in zip(tree.leaves(new), tree.leaves(params), strict=True))


def takes(optimizer: Any, params: Any, grads: Any) -> bool:
    """Tell whether an optimizer takes these arguments: it may be made for arrays of some shapes."""
    try:
        with np.errstate(all="ignore"):
            new, _ = optimizer.step(optimizer.init(params), params, grads)
        return [leaf.shape for leaf in tree.leaves(new)] == [leaf.shape for leaf in tree.leaves(params)]
    except Exception:
        return False


def other_arguments(params: Any, grads: Any) -> Iterator[tuple[str, Arguments]]:
    """Arguments at which a step may take another branch, made of those that are given, each after words for them."""
    yield "for parameters of 0", (tree.map(np.zeros_like, params), _of_one_sign(grads, -1.0))
    yield "for large parameters", (scaled(params, LARGE), _of_one_sign(grads, 1.0))
    yield "for small gradients", (params, scaled(grads, SMALL[-1]))
    yield "for large gradients", (params, scaled(grads, 1 / SMALL[0]))
    if any(leaf.ndim > 1 for leaf in tree.leaves(params)):
        yield "for arrays in Fortran's order", (in_fortrans_order(params), in_fortrans_order(grads))
    count = len(tree.leaves(grads))
    if count > 1:
        for first in range(2):
            zero = [np.zeros_like(leaf) if i % 2 == first else leaf for i, leaf in enumerate(tree.leaves(grads))]
            yield "where the gradients of some arrays are 0", (params, tree.replace(grads, zero))
    for words, reshaped in other_shapes(params):
        try:
            arguments = reshaped(params), reshaped(grads)
        except Exception:  # a record of them takes no such arrays
            continue
        yield words, arguments


def _of_one_sign(value: Any, sign: float) -> Any:
    return tree.map(lambda leaf: (sign * np.abs(leaf)).astype(leaf.dtype), value)
