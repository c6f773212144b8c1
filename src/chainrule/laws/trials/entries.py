"""The entry of a field that is wrong: halves of a direction are tried until it stands alone."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, entry, index_of
from chainrule.laws.trials.hints import NOT_FINITE, allowed_by, hint
from chainrule.laws.trials.part import Miss, Part
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.wording import joined, where, where_beyond

NEARBY, PLACES = 6, 129
"""The number of points nearby, where no entries are equal any more, at which the derivative with respect to one is
looked at; and that of places in their order, at most."""

AT_KINKS = 16
"""The number of entries that are tried alone where some are at a kink, at which a direction tells little."""

ROUNDED = 1e-6
"""The share of the larger slope at a kink below which the other is 0."""

BEYOND = 0.5
"""The distance of an entry from the slopes at a kink from which on it is far, in shares of what lies between them."""

CONFIRMED = 6
"""The number of the worst entries that are tried before a field counts as one of which nothing is known."""

ENTRIES = 256
"""Up to so many entries, all are tried where one is looked for; of more, halves."""

PROBED, WORK = 8, 2**20
"""The number of entries that stand for those of many; and the most numbers that a line of them may take."""


def located(law: str, part: Part, direction: Array, words: str) -> Verdict:
    """The verdict on a field that is wrong, with the entry that is wrong by most and the pattern of those that are."""
    got = part.got
    support = np.flatnonzero(direction)
    if got.size > ENTRIES:
        support = bisected(support, direction, partial(_ratio, part))
    expected, ratios = confirmed(part, support)
    note = part.kinks
    if np.any(ratios > 1):
        worst = int(np.nanargmax(ratios))
        alone = part.alone(np.unravel_index(worst, got.shape), float(direction.flat[worst]))
        if got.size == 1 or support.size == 1 or part.adds_up(alone, direction - alone):
            pattern = (
                _of_all(part, expected, ratios)
                if support.size == got.size
                else (around(part, worst) or "it is wrong here" if np.isfinite(got).all() else NOT_FINITE)
            )
            pattern = only_at_kinks(part, ratios) or pattern
            return wrong_at(law, part, expected, worst, joined(words, pattern))
    return Verdict(law, part.name, ok=False, undecided=True, note=joined(words, note))


def _of_all(part: Part, expected: Array, ratios: Array) -> str:
    """The pattern of entries that are all known. Beside zeros, where a dout is 0, no place is that of the fault."""
    rows = len(np.atleast_1d(part.trial.out))
    words = hint(part.got, expected, rows, allowed=allowed_by(part.got, expected, ratios))
    others = part.got[~(ratios > 1)]
    return words or (where_beyond(np.nan_to_num(ratios)) if others.any() else "")


def around(part: Part, worst: int) -> str:
    """The rows, columns or places that are wrong, as seen from a wrong entry along each axis; "" if it stands alone.

    That they are wrong is tried at some, and that others are not along a direction.
    """
    rng, index = np.random.default_rng(worst), np.unravel_index(worst, part.got.shape)
    sides = [_wrong_along(part, index, axis, rng) for axis in range(part.got.ndim)]
    mask = np.zeros(part.got.shape, bool)
    mask[np.ix_(*sides)] = True
    some = rng.choice(np.flatnonzero(mask), min(PROBED, int(mask.sum())), replace=False)
    if mask.all() or some.size == 1 or not np.all(entries(part, some)[1].flat[some] > 1):
        return ""
    signs = rng.choice([-1.0, 1.0], mask.shape) * sizes_of(part.leaf)
    return where(mask) if part.along(np.where(mask, 0.0, signs)).ratio <= 1 else ""


def _wrong_along(part: Part, index: tuple[Any, ...], axis: int, rng: np.random.Generator) -> NDArray[Any]:
    """The places along an axis at which entries are wrong; of a long one all or one, by some of them."""
    n = part.got.shape[axis]
    places = range(n) if n * part.trial.size <= WORK else rng.permutation(n)[:PROBED].tolist()
    line = tuple(places if i == axis else at for i, at in enumerate(index))
    which = np.ravel_multi_index(np.broadcast_arrays(*line), part.got.shape)
    wrong = entries(part, which)[1].flat[which] > 1
    if len(places) == n and wrong.any():
        return np.asarray(places)[wrong]
    return np.array([*range(n)] if wrong.all() else [index[axis]])


def bisected(support: NDArray[Any], direction: Array, ratio: Callable[[Array], float]) -> NDArray[Any]:
    """One place of a support, by halves of the direction, of which that with the larger ratio is kept."""
    while support.size > 1:
        support = max(np.array_split(support, 2), key=lambda half: ratio(_restricted(direction, half)))
    return support


def _restricted(direction: Array, support: NDArray[Any]) -> Array:
    some = np.zeros(direction.shape)
    some.flat[support] = direction.flat[support]
    return some


def _ratio(part: Part, direction: Array) -> float:
    """By how much the gradient misses along a direction; 0 where nothing is known."""
    miss = part.along(direction)
    return miss.ratio if math.isfinite(miss.allowed) else 0.0


def wrong_at(law: str, part: Part, expected: Array, place: int, note: str) -> Verdict:
    """The verdict on a field that is wrong at a place."""
    index = index_of(place, part.got.shape)
    got, right = float(part.got[index]), float(expected[index])
    scale = float(np.sqrt(np.nanmean(np.square(expected)))) or 1.0
    error = abs(got - right) / scale
    return Verdict(law, part.name, False, note, error=error, index=index, got=got, expected=right, point=part)


def only_at_kinks(part: Part, ratios: Array) -> str:
    """The worst entry's kink and the slopes that would be right there, if the field is wrong at kinks alone; or ""."""
    wrong = np.flatnonzero(ratios > 1)
    if not wrong.size:
        return ""
    worst = int(np.nanargmax(ratios))
    found = {i: part.interval(i) for i in (*map(int, wrong[:AT_KINKS]), worst)}
    if None in found.values():
        return ""
    slopes = found[worst] or (math.nan, math.nan)
    low, high = (0.0 if abs(each) < ROUNDED * max(map(abs, slopes)) else each for each in slopes)
    index = np.unravel_index(worst, part.got.shape)
    at = f"{entry(part.moved, index)} = {float(part.leaf.flat[worst]):.6g} is at a kink"
    return f"{at}: every {entry(part.trial.names.of(part.name), index)} from {low:.6g} to {high:.6g} would be right"


def is_beyond_slopes(part: Part, place: int) -> bool:
    """Tell whether an entry at a kink is far from the slopes to both sides, whatever rounding makes of it there."""
    size = float(sizes_of(part.leaf).flat[place])
    miss = part.along(part.alone(np.unravel_index(place, part.got.shape), size))
    return miss.kinked and miss.at_kink.ratio > 1 and miss.gap > BEYOND * (miss.high - miss.low)


def entries(part: Part, which: NDArray[Any]) -> tuple[Array, Array]:
    """The derivative with respect to some entries, each alone, and how many times too far from it the gradient is.

    Both have the shape of the field and are nan elsewhere. At a kink the derivative is the subgradient next to the
    gradient. Entries are moved by their own size and by that of their row, and what speaks for the gradient counts.
    """
    expected, ratios = np.full(part.leaf.shape, np.nan), np.full(part.leaf.shape, np.nan)
    sizes, own = sizes_of(part.leaf), sizes_of(part.leaf, own=True)
    for i in map(int, which):
        index = np.unravel_index(i, part.leaf.shape)
        for size in dict.fromkeys((float(sizes[index]), float(own[index]))):
            direction = part.alone(index, size)
            miss = part.along(direction)
            if miss.kinked and miss.ratio <= 1 < miss.at_kink.ratio and _is_elementwise(part, direction):
                miss = miss.at_kink
            if math.isfinite(miss.allowed) and not ratios[index] <= miss.ratio:
                nearest = miss.low if math.isnan(miss.got) else min(max(miss.got, miss.low), miss.high)
                expected[index], ratios[index] = nearest / size, miss.ratio
            if ratios[index] <= 1:
                break
    return expected, ratios


def confirmed(part: Part, which: NDArray[Any]) -> tuple[Array, Array]:
    """As `entries`, where the worst of the wrong ones are so for other steps too; else nothing is known of them."""
    expected, ratios = entries(part, which)
    for _ in range(CONFIRMED):
        if not np.any(ratios > 1):
            return expected, ratios
        worst = np.unravel_index(int(np.nanargmax(ratios)), part.got.shape)
        for sizes in (sizes_of(part.leaf), sizes_of(part.leaf, own=True)):
            direction = part.alone(worst, float(sizes[worst]))
            miss = part.along(direction)
            if miss.kinked and _is_elementwise(part, direction):
                miss = miss.at_kink
            if miss.ratio > 1 and part.steady(direction, miss) and _is_its_own(part, direction, miss):
                return expected, ratios
        ratios[worst] = np.nan
    ratios[ratios > 1] = np.nan
    return expected, ratios


def _is_its_own(part: Part, direction: Array, miss: Miss) -> bool:
    """Tell whether the derivative with respect to one entry, or its kink, stays where others are moved a little.

    Where several entries are equal, each alone is at a kink with the others, or stays behind them, and which of them a
    gradient goes to is a matter of choice.
    """
    gap = abs(miss.got - miss.middle)
    if not miss.kinked and not gap > 0.3 * max(abs(miss.got), abs(miss.middle)):
        return True
    if miss.kinked and not _is_elementwise(part, direction):
        return False  # of several kinks at one point the chain rule need not give a number between the slopes
    rng = np.random.default_rng(part.got.size)
    share = miss.step / part.first  # a slope that took finer steps may be another one not far from here
    for moves in _nearby(part.leaf, direction != 0, rng):
        there = part.trial.beside({**part.trial.arguments, part.name: part.leaf + share * moves})
        other = evolve(part, trial=evolve(there, noise=part.trial.noise, floor=part.trial.floor))
        near = other.along(direction, 0.125 * share)
        if not near.kinked if miss.kinked else abs(near.middle - miss.middle) > gap / 2:
            return False
    return True


def _nearby(leaf: Array, alone: NDArray[Any], rng: np.random.Generator) -> Iterator[Array]:
    """Small moves of all entries but one: random ones, and those that put it in each place among equal ones."""
    most = np.where(alone, 0.0, 0.02 * sizes_of(leaf))
    for _ in range(NEARBY):
        yield most * rng.uniform(-1.0, 1.0, leaf.shape)
    equal = (leaf == leaf[alone]) & ~alone
    order = np.where(equal, rng.random(leaf.shape), np.inf)
    for axis in range(leaf.ndim):
        ranks = np.argsort(np.argsort(order, axis=axis), axis=axis)
        ties = int(equal.sum(axis=axis).max())
        for above in np.unique(np.linspace(0, ties, min(ties + 1, PLACES)).round()) if ties else ():
            yield most * rng.random(leaf.shape) * np.where(ranks < above, 1.0, -1.0)


def _is_elementwise(part: Part, direction: Array) -> bool:
    """Tell whether an entry moves the entry at its own place alone, or there is one number that all go into."""
    if not part.trial.out.ndim:
        return True
    if part.trial.out.shape != part.leaf.shape:
        return False
    line = part.trial.line({part.name: direction})
    either = [line(step).reshape(part.leaf.shape) != part.trial.out for step in (2.0**-3, -(2.0**-3))]
    return bool(np.array_equal(np.any(either, axis=0), direction != 0))  # at a kink one way may move nothing
