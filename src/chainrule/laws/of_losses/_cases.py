"""Outputs of other sizes, and other targets, that a loss is tried with: what belongs together stays together."""

from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_layers._tokens import DTYPES
from chainrule.laws.trials.wording import plural

OtherArguments: TypeAlias = tuple[str, Array, Any]
"""Words for what is special, an output, and the targets that go with it."""

ROWS = (3, 7, 8, 9, 10, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 129, 256, 257, 1000)
"""Numbers of rows that a loss is tried with, beside 1, 2 and as many as there are columns."""

FEW_COLUMNS, MORE_COLUMNS = (1, 2, 3), (7, 8, 9, 10, 16, 17, 32, 33, 64, 65, 100, 128, 129, 256, 257)
"""Numbers of columns, beside one more than there are."""

LENGTHS = (1, 17, 33, 65, 129, 257)
"""Lengths of the axes between rows and columns, beside one more than there are."""

LARGER = (("ten", 10.0), ("a hundred", 100.0), ("a hundred thousand", 1e5))
"""By how many times targets are made larger."""

SOFT = 0.1
"""The target that is tried in place of 0, and its complement in that of 1: labels may be smoothed."""

CLOSE = 2.0**-17
"""By how much an out is off its targets that is close to them."""

EQUAL_ROWS = "for equal rows"
"""The words where all rows of an out and its targets are the first."""

BORDERS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
"""By how much an out is off its targets where a loss may go over from one formula to another."""

MOST_NUMBERS = 2**18
"""The most numbers in an out that is made for a check."""


def other_sizes(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[OtherArguments]:
    if out.ndim > 1 and out.size:
        yield from _other_rows(out, targets, rng)
        yield from _other_lengths(out, targets, rng)
        yield from _other_columns(out, targets, rng)


def _other_rows(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[OtherArguments]:
    n = len(out)
    if not all(leaf.ndim and len(leaf) == n for leaf in tree.leaves(targets)):
        return
    for rows in dict.fromkeys((1, 2, out.shape[-1], *ROWS)):
        if rows * out[0].size <= MOST_NUMBERS:
            which = rng.integers(0, n, rows)
            moved = out[which] * (1 + 0.01 * rng.random((rows, *[1] * (out.ndim - 1))))
            yield f"with {plural(rows, 'row')}", moved, tree.map(itemgetter(which), targets)
    which = np.zeros(n, int)
    yield EQUAL_ROWS, out[which], tree.map(itemgetter(which), targets)


def _other_lengths(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[OtherArguments]:
    """Other lengths of an axis between rows and columns, where the targets have that axis too."""
    for axis in range(1, out.ndim - 1):
        now = out.shape[axis]
        if not all(leaf.shape[: axis + 1] == out.shape[: axis + 1] for leaf in tree.leaves(targets)):
            return
        for length in dict.fromkeys((*LENGTHS, now + 1)):
            if length != now and out.size // now * length <= MOST_NUMBERS:
                which = np.arange(length) % now
                moved: Array = np.take(out, which, axis)
                moved = moved * (1 + 0.01 * rng.random(moved.shape))
                yield (
                    f"with a length of {length} along axis {axis}",
                    moved,
                    tree.map(partial(_along, which, axis), targets),
                )


def _along(which: NDArray[np.intp], axis: int, leaf: Array) -> Array:
    return leaf.take(which, axis)


def _other_columns(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[OtherArguments]:
    leaves, k = tree.leaves(targets), out.shape[-1]
    if any(_are_ranks(leaf) and are_shares(leaf) for leaf in leaves):
        return  # of two columns: are they [0, 1] in some order, or all of one class?
    with_columns = all(leaf.shape in (out.shape, out.shape[:-1]) for leaf in leaves)
    if with_columns or any(_are_labels(out.shape, leaf) for leaf in leaves):
        for columns in FEW_COLUMNS if with_columns else FEW_COLUMNS[:1]:
            if columns < k:
                yield (
                    f"with {plural(columns, 'column')}",
                    out[..., :columns],
                    tree.map(partial(_narrowed, out.shape, columns), targets),
                )
    for columns in dict.fromkeys((k + 1, *MORE_COLUMNS)):
        more = columns - k
        if with_columns and more > 0 and out[..., 0].size * columns <= MOST_NUMBERS:
            moved = np.concatenate([out, rng.choice(out.reshape(-1), (*out.shape[:-1], more))], axis=-1)
            wider = tree.map(partial(_widened, out.shape, more, rng), targets)
            yield f"with {plural(columns, 'column')}", moved, wider
            if any(leaf.dtype.kind in "iu" and _are_labels(out.shape, leaf) for leaf in leaves):
                words = f"with {plural(columns, 'column')}, labels of all"
                yield words, moved, tree.map(partial(_relabelled, out.shape, columns, rng), wider)
                words = f"with {plural(columns, 'column')}, labels of {columns - 1}"
                yield words, moved, tree.map(partial(_relabelled, out.shape, columns, None), wider)


def other_targets(out: Array, targets: Any, rng: np.random.Generator) -> Iterator[OtherArguments]:
    leaves = tree.leaves(targets)
    if any(leaf.dtype.kind in "iu" and leaf.shape == out.shape[:-1] for leaf in leaves):
        for words, value in (("for labels of 0", 0), (f"for labels of {out.shape[-1] - 1}", out.shape[-1] - 1)):
            yield words, out, tree.map(partial(_filled, value, "iu"), targets)
    for words, column in (("the first", 0), ("the last", -1)):
        if any(map(are_shares, leaves)):
            yield f"for targets that are all {words} class", out, tree.map(partial(_of_class, column), targets)
    if any(leaf.dtype.kind == "f" and not are_shares(leaf) for leaf in leaves):
        yield "for targets of zeros", out, tree.map(_zeroed, targets)
        yield "for targets with zeros", out, tree.map(partial(_thinned, rng), targets)
        yield "for targets of ones", out, tree.map(_ones, targets)
    if any(_may_be_larger(out.shape, leaf) for leaf in leaves):
        for words, times in LARGER:
            yield f"for targets {words} times as large", out, tree.map(partial(_enlarged, out.shape, times), targets)
    if any(leaf.dtype.kind == "f" for leaf in leaves) and all(leaf.shape == out.shape for leaf in leaves):
        like = np.array(leaves[0], out.dtype)
        yield "where out is the targets", like, targets
        yield (
            "where out is close to the targets",
            like + CLOSE * rng.standard_normal(out.shape).astype(out.dtype),
            targets,
        )
        yield "where out is off the targets by halves and whole numbers", like + rng.choice(BORDERS, out.shape), targets


def soft_targets(out: Array, targets: Any) -> Iterator[OtherArguments]:
    """Targets between 0 and 1 where all of an array are one or the other, as those of independent classes are."""

    def softened(leaf: Array) -> Array:
        hard = leaf.dtype.kind == "f" and leaf.shape == out.shape and np.isin(leaf, (0, 1)).all() and leaf.any()
        return np.where(leaf == 1, 1 - SOFT, SOFT).astype(leaf.dtype) if hard and not are_shares(leaf) else leaf

    soft = tree.map(softened, targets)
    if any(one is not other for one, other in zip(tree.leaves(soft), tree.leaves(targets), strict=True)):
        yield f"for targets of {SOFT} and {1 - SOFT}", out, soft


def targets_in_other_dtypes(targets: Any) -> Iterator[tuple[str, Any]]:
    whole = [leaf for leaf in tree.leaves(targets) if leaf.dtype.kind in "iu"]
    for name in DTYPES:
        dtype = np.dtype(name)
        limits = np.iinfo(dtype)
        held = all(limits.min <= leaf.min(initial=0) and leaf.max(initial=0) <= limits.max for leaf in whole)
        if held and any(leaf.dtype != dtype for leaf in whole):
            yield name, tree.map(partial(_in_dtype, dtype), targets)


def _in_dtype(dtype: np.dtype[Any], leaf: Array) -> Array:
    return leaf.astype(dtype) if leaf.dtype.kind in "iu" else leaf


def are_shares(leaf: Array) -> bool:
    """Tell whether rows are shares, which sum to 1: then a derivative may count on it."""
    with np.errstate(all="ignore"):
        return bool(leaf.ndim > 1 and leaf.shape[-1] > 1 and (leaf >= 0).all() and np.allclose(leaf.sum(axis=-1), 1))


def _are_ranks(leaf: Array) -> bool:
    """Tell whether rows are the numbers of the columns in some order."""
    if leaf.dtype.kind not in "iu" or leaf.ndim < 2 or leaf.shape[-1] < 2:
        return False
    ranks: Array = np.sort(leaf, axis=-1)
    in_order = list(range(leaf.shape[-1]))
    return all(row == in_order for row in ranks.reshape(-1, leaf.shape[-1]).tolist())


def _are_labels(shape: tuple[int, ...], leaf: Array) -> bool:
    """Tell whether numbers may be those of columns, whole ones that are kept as floats too."""
    if leaf.shape != shape[:-1] or leaf.dtype.kind not in "iuf":
        return False
    return leaf.dtype.kind in "iu" or bool((leaf == np.rint(leaf)).all() and leaf.max(initial=0) < shape[-1])


def _may_be_larger(shape: tuple[int, ...], leaf: Array) -> bool:
    if leaf.dtype.kind != "f" or not leaf.size or _are_labels(shape, leaf):
        return False
    size = np.abs(leaf)
    return not ((leaf >= 0) & (size <= 1)).all() and bool((size != size.flat[0]).any())


def _widened(shape: tuple[int, ...], more: int, rng: np.random.Generator, leaf: Array) -> Array:
    """Targets with more columns, where they have some: of shares 0, of ranks the next ones."""
    if leaf.shape != shape:
        return leaf
    drawn = rng.choice(leaf.reshape(-1), (*shape[:-1], more))
    if _are_ranks(leaf):
        drawn = np.broadcast_to(np.arange(shape[-1], shape[-1] + more, dtype=leaf.dtype), drawn.shape)
    return np.concatenate([leaf, np.zeros_like(drawn) if are_shares(leaf) else drawn], axis=-1)


def _relabelled(shape: tuple[int, ...], columns: int, rng: np.random.Generator | None, leaf: Array) -> Array:
    """Labels of so many columns: the last one for some, or without a generator for all. Negative ones stay."""
    if leaf.dtype.kind not in "iu" or not _are_labels(shape, leaf):
        return leaf
    drawn = np.full(leaf.shape, columns - 1) if rng is None else rng.integers(0, columns, leaf.shape)
    drawn.flat[: drawn.size // 4] = columns - 1
    return np.asarray(np.where(leaf < 0, leaf, drawn), leaf.dtype)


def _narrowed(shape: tuple[int, ...], columns: int, leaf: Array) -> Array:
    """Targets of the first columns: shares sum to 1 again, ranks are counted again, and so are labels."""
    if _are_labels(shape, leaf):
        return np.asarray(np.where(leaf < 0, leaf, leaf % columns), leaf.dtype)
    if leaf.shape != shape:
        return leaf
    first = leaf[..., :columns].copy()
    if _are_ranks(leaf):
        return np.asarray(first.argsort(axis=-1).argsort(axis=-1), leaf.dtype)
    if are_shares(leaf):
        sums = first.sum(axis=-1, keepdims=True)
        largest = leaf.argmax(axis=-1)[..., None] % columns
        first = np.where(sums > 0, first, largest == np.arange(columns)).astype(leaf.dtype)
        return first / first.sum(axis=-1, keepdims=True) if leaf.dtype.kind == "f" else first
    return first


def _of_class(column: int, leaf: Array) -> Array:
    if not are_shares(leaf):
        return leaf
    out = np.zeros_like(leaf)
    out[..., column] = 1
    return out


def _enlarged(shape: tuple[int, ...], times: float, leaf: Array) -> Array:
    return leaf * leaf.dtype.type(times) if _may_be_larger(shape, leaf) else leaf


def _zeroed(leaf: Array) -> Array:
    return leaf if are_shares(leaf) else _filled(0, "f", leaf)


def _ones(leaf: Array) -> Array:
    return leaf if are_shares(leaf) else _filled(1, "f", leaf)


def _filled(value: float, kinds: str, leaf: Array) -> Array:
    return np.full_like(leaf, value) if leaf.dtype.kind in kinds else leaf


def _thinned(rng: np.random.Generator, leaf: Array) -> Array:
    if leaf.dtype.kind != "f" or are_shares(leaf):
        return leaf
    return np.where(rng.random(leaf.shape[:1]).reshape(-1, *[1] * (leaf.ndim - 1)) < 0.4, 0.0, leaf).astype(leaf.dtype)
