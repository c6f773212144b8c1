"""Faults of numbers that stay or jump where their size, or that of their gradient, is another; by path, in words."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._cases import LARGE, SMALL, takes
from chainrule.laws.of_optimizers._impurities import copies, same
from chainrule.laws.of_optimizers._later_steps import told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import last_place, scaled
from chainrule.laws.trials.copies import in_dtype

JUMP, FURTHER = 0.5, 4.0
"""The share of itself by which a large number jumps, and by how many times what others move by that is more."""

NEARLY = 1e-12
"""The factor of parameters that are nearly 0."""

PROPORTIONS = (1 / 8, 1 / 64)
"""The factors of gradients at which it is seen whether steps are in proportion to them."""

ROUNDING = 64
"""The roundings of a number up to which a difference says nothing."""


def left_out(optimizer: Any, params: Any, slopes: Any, eps: float) -> dict[str, str]:
    """The faults of numbers that stay where their size, or that of their gradient, is another; by path, in words.

    The parameters are of float64, none of them 0, and the gradients as large as they. Steps are rounded by the eps.
    """
    notes = _unlike_in_float32(optimizer, params, slopes) | _small_unused(optimizer, params, slopes, eps)
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
            wrong = stays & (np.abs(x) > 1e-3 * np.abs(y) + ROUNDING * eps * np.abs(first))
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


def _small_unused(optimizer: Any, params: Any, slopes: Any, eps: float) -> dict[str, str]:
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
            rounding = ROUNDING * eps * np.abs(first)
            proportional = np.abs(b - share * a) <= 1e-6 * np.abs(b) + rounding
            expected = np.abs(b) * factor / PROPORTIONS[1]
            wrong = proportional & (c == 0) & (expected > rounding)
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
            rounding = ROUNDING * float(np.finfo(np.float32).eps) * np.maximum(np.abs(first), np.abs(a))
            wrong = np.abs(b - a) > share * np.abs(a - first).max(initial=0.0) + rounding
            if wrong.any():
                notes.setdefault(path, told("a step in float32 is another than in float64", wrong))
    return notes


def _by_array(start: Any, *others: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*zip(*tree.named_leaves(start), strict=True), *map(tree.leaves, others), strict=True)


def _last(optimizer: Any, params: Any, slopes: Any, steps: int = STEPS) -> tuple[Any, Any]:
    with np.errstate(all="ignore"):
        place = last_place(optimizer, params, repeat(slopes, steps))
    return place.params, place.state


def _ends(optimizer: Any, params: Any, slopes: Any) -> tuple[Any, Any]:
    down, up = (_last(optimizer, params, each)[0] for each in (slopes, scaled(slopes, -1.0)))
    return down, up


def _differences(optimizer: Any, params: Any, slopes: Any) -> Any:
    return tree.map(np.subtract, *_ends(optimizer, params, slopes))


def _every_second(leaf: Array, factor: float) -> Any:
    return np.where(np.arange(leaf.size) % 2, 1.0, factor).reshape(leaf.shape)
