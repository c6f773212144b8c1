"""Other arguments for an optimizer: numbers and gradients of other sizes and signs, and arrays of other lengths.

What a right optimizer does there follows from what it does at the given ones.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._impurities import copies, same
from chainrule.laws.of_optimizers._later_steps import told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import last_place, scaled
from chainrule.laws.trials.copies import in_dtype, in_fortrans_order

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

JUMP, FURTHER = 0.5, 4.0
"""The share of itself by which a large number jumps, and by how many times what others move by that is more."""

NEARLY = 1e-12
"""The factor of parameters that are nearly 0."""

PROPORTIONS = (1 / 8, 1 / 64)
"""The factors of gradients at which it is seen whether steps are in proportion to them."""

EPS = {np.float64: float(np.finfo(np.float64).eps), np.float32: float(np.finfo(np.float32).eps)}
"""The rounding of numbers around 1, by dtype."""

ROUNDING = 64
"""The roundings of a number up to which a difference says nothing."""


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


def left_out(optimizer: Any, params: Any, slopes: Any) -> dict[str, str]:
    """The faults of numbers that stay where their size, or that of their gradient, is another; by path, in words.

    The parameters are of float64, none of them 0, and the gradients as large as they.
    """
    notes = _unlike_in_float32(optimizer, params, slopes) | _small_unused(optimizer, params, slopes)
    holed = tree.map(lambda leaf: leaf * _every_second(leaf, 0.0), params)
    nearly = tree.map(lambda leaf: leaf * _every_second(leaf, NEARLY), params)
    usual = _differences(optimizer, params, slopes)
    for start, other, words in (
        (holed, _differences(optimizer, nearly, slopes), "a number that is 0 stays there, but one of nearly 0 moves"),
        (scaled(params, LARGE), usual, f"a number {LARGE:g} times as large stays where it is"),
    ):
        if not takes(optimizer, start, slopes) or (start is holed and _marked(optimizer, holed, nearly)):
            continue
        for path, first, a, b, x, y in _by_array(start, *_ends(optimizer, start, slopes), other, usual):
            stays = (a == first) & (b == first)
            wrong = stays & (np.abs(x) > 1e-3 * np.abs(y) + ROUNDING * EPS[np.float64] * np.abs(first))
            if wrong.any():
                notes.setdefault(path, told(words, wrong))
    return notes


def zeros_that_stay(optimizer: Any, params: Any, slopes: Any) -> list[str]:
    """The paths of arrays of zeros that stay so, though a number that is 0 moves beside others; as for `left_out`."""
    holed = tree.map(lambda leaf: leaf * _every_second(leaf, 0.0), params)
    if not takes(optimizer, holed, slopes):
        return []
    free = any(
        leaf.size > 1 and ((a != 0) | (b != 0))[leaf == 0].any()
        for _, leaf, a, b in _by_array(holed, *_ends(optimizer, holed, slopes))
    )
    paths: list[str] = []
    leaves = tree.leaves(params)
    for i, leaf in enumerate(leaves if free else ()):
        start = tree.replace(params, [*leaves[:i], np.zeros_like(leaf), *leaves[i + 1 :]])
        if leaf.size and takes(optimizer, start, slopes):
            path, _, down, up = list(_by_array(start, *_ends(optimizer, start, slopes)))[i]
            if not (down.any() or up.any()):
                paths.append(path)
    return paths


def bounded(optimizer: Any, params: Any) -> list[str]:
    """The paths of arrays of which large numbers jump towards 0 without a gradient, and others stay or nearly so.

    No parameter is 0.
    """
    large = scaled(params, LARGE)
    none = tree.map(np.zeros_like, params)
    if not takes(optimizer, large, none):
        return []
    ends = (_last(optimizer, each, none)[0] for each in (params, large))
    paths: list[str] = []
    for path, first, near, far in _by_array(params, *ends):
        usual, share = np.abs(near - first) / np.abs(first), np.abs(far / LARGE - first) / np.abs(first)
        if ((share > JUMP) & (share > FURTHER * usual)).any():
            paths.append(path)
    return paths


def _marked(optimizer: Any, holed: Any, nearly: Any) -> bool:
    """Tell whether a first state marks the numbers that are 0, as one does that is to keep them there."""
    pairs = zip(*(copies(optimizer.init(each)) for each in (holed, nearly)), strict=False)
    return any(
        a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=1e-9) for a, b in pairs if a.dtype.kind in "biuf"
    )


def _small_unused(optimizer: Any, params: Any, slopes: Any) -> dict[str, str]:
    """The faults where small gradients have no effect, on numbers or on the state, but larger ones in proportion.

    What is in no proportion, as a sign, may have a threshold; what adds small ones up has them in its state.
    """
    more, less = (_differences(optimizer, params, scaled(slopes, factor)) for factor in PROPORTIONS)
    share = PROPORTIONS[1] / PROPORTIONS[0]
    notes: dict[str, str] = {}
    for factor in SMALL:
        small = scaled(slopes, factor)
        if not takes(optimizer, params, small):
            continue
        (down, state), (up, other) = (_last(optimizer, params, each) for each in (small, scaled(small, -1.0)))
        if not same(copies(state), copies(other)):
            continue
        got = tree.map(np.subtract, down, up)
        for path, first, a, b, c in _by_array(params, more, less, got):
            proportional = np.abs(b - share * a) <= 1e-6 * np.abs(b)
            expected = np.abs(b) * factor / PROPORTIONS[1]
            wrong = proportional & (c == 0) & (expected > ROUNDING * EPS[np.float64] * np.abs(first))
            if wrong.any():
                notes.setdefault(path, told(f"a gradient {factor:g} times as large has no effect", wrong))
    return notes


def _unlike_in_float32(optimizer: Any, params: Any, slopes: Any) -> dict[str, str]:
    narrow, narrow_slopes = (in_dtype(each, np.float32) for each in (params, slopes))
    if not takes(optimizer, narrow, narrow_slopes):
        return {}
    wide, wide_slopes = (in_dtype(each, np.float64) for each in (narrow, narrow_slopes))
    notes: dict[str, str] = {}
    for steps, share in ((1, 1e-2), (STEPS, 10.0)):
        right, _ = _last(optimizer, wide, wide_slopes, steps)
        got, _ = _last(optimizer, narrow, narrow_slopes, steps)
        for path, first, a, b in _by_array(wide, right, got):
            rounding = ROUNDING * EPS[np.float32] * np.maximum(np.abs(first), np.abs(a))
            wrong = np.abs(b - a) > share * np.abs(a - first).max(initial=0.0) + rounding
            if wrong.any():
                notes.setdefault(path, told("a step in float32 is another than in float64", wrong))
    return notes


def _by_array(start: Any, *others: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*zip(*tree.named_leaves(start), strict=True), *map(tree.leaves, others), strict=True)


def _last(optimizer: Any, params: Any, slopes: Any, steps: int = STEPS) -> Arguments:
    with np.errstate(all="ignore"):
        place = last_place(optimizer, params, repeat(slopes, steps))
    return place.params, place.state


def _ends(optimizer: Any, params: Any, slopes: Any) -> Arguments:
    down, up = (_last(optimizer, params, each)[0] for each in (slopes, scaled(slopes, -1.0)))
    return down, up


def _differences(optimizer: Any, params: Any, slopes: Any) -> Any:
    return tree.map(np.subtract, *_ends(optimizer, params, slopes))


def _every_second(leaf: Array, factor: float) -> Any:
    return np.where(np.arange(leaf.size) % 2, 1.0, factor).reshape(leaf.shape)


def _of_one_sign(value: Any, sign: float) -> Any:
    return tree.map(lambda leaf: (sign * np.abs(leaf)).astype(leaf.dtype), value)
