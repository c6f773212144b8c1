"""The derivative along directions: many entries at once, and then the one that is wrong.

Along a direction v, the derivative of <dout, forward> is <gradient, v>. A direction of random signs, each as large as
the entry that it moves, sees every entry; where it finds something wrong, its halves are tried until an entry stands
alone. One evaluation serves many `dout` at once, since it gives all of J v, and <dout, J v> is wanted.
"""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.bursts import finer, slopes
from chainrule.checking.verdict import Verdict
from chainrule.laws.trials.hints import NOT_FINITE, hint, where_beyond
from chainrule.laws.trials.trial import COARSE, Fields, Trial, Units, fixed_fields, rms, sizes_of, units_of

FIRST, FIRST_IN_NOISE = 2.0**-8, 2.0**-2
"""The first step, relative to an entry; and that for a function that does not compute in float64."""

NOISY = 1e-10
"""The noise from which on a function does not compute in float64."""

FINEST = 2.0**-44
"""A step, relative to an entry, below which the rounding of what is moved makes slopes of its own."""

SAFE, ROUNDINGS = 4.0, 32.0
"""The number of its own errors that a numerical derivative is trusted to, and of units that a gradient may be
off."""

LEAST = 1e-9
"""The least relative error that is looked for."""

TOGETHER = 1e-7
"""The relative error, of the smallest field, to which a derivative along all fields has to be known to count."""

CLEAR = 64.0
"""By how many times the gap between a gradient and a derivative has to exceed rounding for a finer step to count."""

AGREE, SEVERAL = 8.0, 3
"""The share of the gap, as 1 over it, within which a finer step speaks for a gradient, and the number of them."""

NEXT = 2
"""The number of next finer steps that speak for a gradient, each alone."""

JUMP = 1e-6
"""The share of the jump of a derivative at a kink by which a gradient may lie outside."""

SPLITS = 4
"""The number of times that a direction is cut in two, to see whether the derivatives along the halves add up."""

NEARBY, PLACES = 6, 129
"""The number of points nearby, where no entries are equal any more, at which the derivative with respect to one is
looked at; and that of places in their order, at most."""

AT_KINKS = 16
"""The number of entries that are tried alone where some are at a kink, at which a direction tells little."""

CONFIRMED = 6
"""The number of the worst entries that are tried before a field counts as one of which nothing is known."""

KINKS = (
    "several kinks of forward meet here, such as ReLU's at 0 or a tie of a maximum, where the chain rule may give a "
    "number outside of the slopes to both sides"
)
"""The words for a point where the derivative along two directions is not their sum."""

UNSTEADY = (
    "finer steps give another derivative, as where forward oscillates faster than the steps, jumps, or rounds away "
    "what they differ by: it can't be told here"
)
"""Why nothing can be told where finer steps give another derivative."""

REFUSE = "If this x is not meant, let forward refuse it"
"""The advice where a law has made an x that the layer may have taken by accident."""

LOST = "it is nan at a kink of forward, where every number between the slopes to both sides would be right"
"""The words for a gradient that is no number where a subgradient would be."""

OF_AN_ENTRY = 1e-3
"""From what share of a typical entry on an error that no entry shows alone is one of a tie: that counts entries
wrongly, and is off by as much as entries are."""

ENTRIES = 256
"""Up to so many entries, all are tried where one is looked for; of more, halves."""


@frozen(eq=False)
class Miss:
    """A gradient beside the derivative along a direction.

    Parameters
    ----------
    got
        The gradient along the direction.
    low, high
        Between which the derivative lies: the same but at a kink.
    allowed
        How far outside the gradient may lie.
    power
        That, relative to a typical entry: the smallest error that shows.
    scale
        The size of the values that are differentiated.
    sure
        To what the derivative is known: what is allowed without the rounding of the gradient.
    step
        The step that it was found with.
    """

    got: float
    low: float
    high: float
    allowed: float
    power: float
    scale: float
    sure: float
    step: float

    @property
    def middle(self) -> float:
        """The derivative; at a kink the mean of its sides."""
        return (self.low + self.high) / 2

    @property
    def kinked(self) -> bool:
        """True if the derivative is an interval."""
        return self.high - self.low > self.sure

    @property
    def ratio(self) -> float:
        """By how many times what is allowed the gradient misses."""
        if not math.isfinite(self.got):  # at a kink there may be no number to give
            sure = self.allowed <= 1e-3 * max(abs(self.low), abs(self.high), self.scale)
            return math.inf if sure and not self.kinked else 0.0
        off = max(0.0, self.low - self.got, self.got - self.high)
        if not off:
            return 0.0
        return off / self.allowed if self.allowed > 0 else math.inf

    @property
    def lost(self) -> bool:
        """True if the gradient is no number at a kink, where each between two slopes would do."""
        return self.kinked and math.isnan(self.got) and math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def gap(self) -> float:
        """By how much the gradient lies outside; the size of the derivative where it is no number."""
        if not math.isfinite(self.got):
            return max(abs(self.low), abs(self.high)) or self.scale
        return max(0.0, self.low - self.got, self.got - self.high)

    @property
    def at_kink(self) -> "Miss":
        """The same where the two sides of a kink are known to be all that a gradient may be.

        What rounding of the arguments does to a gradient there is to move it from one side to the other.
        """
        return evolve(self, allowed=min(self.allowed, self.sure + JUMP * (self.high - self.low)))

    def beyond(self, other: "Miss") -> bool:
        """Tell whether two estimates of the same derivative exclude each other."""
        room = self.allowed + other.allowed
        return self.low - other.high > room or other.low - self.high > room


@frozen(eq=False)
class Part:
    """One field of a gradient at a point, for one `dout`.

    Parameters
    ----------
    trial
        The layer at a point, with its noise.
    name
        The name of the field.
    dout
        The derivative with respect to `out`.
    got
        What backward gave.
    units
        What rounding may do to each entry of each field, for a `dout` of about 1.
    """

    trial: Trial
    name: str
    dout: Array
    got: Array
    units: Units

    @property
    def first(self) -> float:
        """The first step."""
        return FIRST if self.trial.noise < NOISY else FIRST_IN_NOISE

    @property
    def leaf(self) -> Array:
        """The argument that the field is the derivative with respect to."""
        return self.trial.arguments[self.name]

    @property
    def kinks(self) -> str:
        """Why nothing can be told where the derivative along two directions is not their sum."""
        return f"{KINKS}: move {self.moved} off them by a little"

    @property
    def moved(self) -> str:
        """The name of the argument."""
        return "x" if self.name == "dx" else f"params{self.name.removeprefix('grads')}"

    def along(self, direction: Array, share: float = 1.0) -> Miss:
        """The gradient beside the derivative along a direction; the first step is a share of the usual one."""
        return misses([self], direction, share)[0]

    def alone(self, index: tuple[Any, ...], size: float) -> Array:
        """The direction that moves one entry."""
        direction = np.zeros(self.got.shape)
        direction[index] = size
        return direction

    def interval(self, place: int) -> tuple[float, float] | None:
        """Between which slopes an entry lies, if it is at a kink."""
        size = float(sizes_of(self.leaf).flat[place])
        miss = self.along(self.alone(np.unravel_index(place, self.got.shape), size))
        return (miss.low / size, miss.high / size) if miss.kinked else None

    def steady(self, direction: Array, miss: Miss) -> bool:
        """Tell whether finer steps give the same derivative, and do not speak for the gradient.

        The next ones show an error that was estimated too small, as beside a bend of the slope, and whether the values
        move at all, or what moved was a step between two rounded numbers. Others count as long as rounding leaves
        enough of them; an estimate that keeps growing with them is none. Rounding grows as steps shrink, so that they
        show how much of it there is: no more than half of the gap may be. What is taken for rounding may be an
        oscillation that is smooth at the finest steps: several of them then agree with the gradient.
        """
        line, weights = self.trial.line({self.name: direction}), self.dout.reshape(1, -1)
        clear, agreeing = True, 0
        for k, found in enumerate(finer(line, weights, miss.step, self.trial.noise)):
            if k > NEXT and found.step.item() < FINEST:
                break
            low, high, rounded = found.low.item(), found.high.item(), found.rounding.item()
            off, of_got = (abs((low + high) / 2 - each) for each in (miss.middle, miss.got))
            speaks = k <= NEXT and off > found.error.item() and of_got < off / 2
            grows = off > abs(miss.middle) / 2 and rounded * CLEAR <= off and miss.gap > CLEAR * abs(miss.middle)
            if speaks or grows:
                return False
            if k <= NEXT and miss.middle and low == high == 0:
                return False
            if off * found.step.item() > miss.gap / 2 * miss.step:
                return False
            clear = clear and rounded * CLEAR <= miss.gap
            if clear and (low < miss.low - miss.gap / 2 or high > miss.high + miss.gap / 2):
                return False
            agreeing = agreeing + 1 if high and of_got < miss.gap / AGREE else 0
            if agreeing == SEVERAL:
                return False
        return True

    def adds_up(self, one: Array, two: Array) -> bool:
        """Tell whether the derivative along a sum of directions is the sum of those along each."""
        a, b, whole = (self.along(part) for part in (one, two, one + two))
        both = evolve(whole, low=a.low + b.low, high=a.high + b.high, allowed=a.allowed + b.allowed)
        return not both.beyond(whole)


def misses(parts: Sequence[Part], direction: Array, share: float = 1.0) -> list[Miss]:
    """For parts that differ in `dout` alone, each gradient along a direction, beside the derivative.

    The derivative is known to a part of the least error that is looked for, and if that does not do, as well as may be.
    """
    with np.errstate(all="ignore"):
        sizes = [_length(np.nan_to_num(each.got * direction, posinf=0.0, neginf=0.0)) for each in parts]
    roughly = _misses(parts, direction, share, LEAST / (4 * SAFE) * np.array(sizes))
    return roughly if all(each.ratio <= 1 for each in roughly) else _misses(parts, direction, share)


def _misses(parts: Sequence[Part], direction: Array, share: float, enough: Array | float = 0.0) -> list[Miss]:
    part = parts[0]
    trial = part.trial
    weights = np.stack([each.dout.reshape(-1) for each in parts])
    line, far_out = trial.line({part.name: direction}), trial.floor > 0
    found = slopes(line, weights, share * part.first, trial.noise, far_out=far_out, enough=enough)
    scales = np.abs(weights) @ np.abs(trial.out.reshape(-1))
    moves: Any = ... if direction.all() else direction != 0
    steps, number = direction[moves], max(1, int(np.count_nonzero(direction)))

    def rounded(most: float) -> float:
        unit = np.nan_to_num(part.units()[part.name], nan=0.0, posinf=0.0)[moves]
        return (ROUNDINGS * _length(unit * steps) + trial.floor * _length(steps)) * most

    out: list[Miss] = []
    for k, each in enumerate(parts):
        with np.errstate(all="ignore"):
            products = each.got[moves] * steps
            size = _length(products[np.isfinite(products)])
            sure = SAFE * float(found.error[k]) + LEAST * size
            got = float(np.sum(products))
            low, high, step = (float(values[k]) for values in (found.low, found.high, found.step))
            miss = Miss(got, low, high, sure, _power(sure, size, number), float(scales[k]), sure, step)
            # Rounding takes several calls to measure, and most gradients need none of it.
            if miss.ratio > 1:
                allowed = sure + rounded(float(np.abs(each.dout).max(initial=0.0)))
                miss = evolve(miss, allowed=allowed, power=_power(allowed, size, number))
        out.append(miss)
    return out


def _power(allowed: float, size: float, number: int) -> float:
    """The smallest error that shows, relative to one of so many entries along a direction of some size."""
    return allowed * math.sqrt(number) / size if size else math.inf


def _length(values: NDArray[Any]) -> float:
    length: float = np.linalg.norm(values.reshape(-1)).item()
    return length


def by_directions(
    law: str,
    trial: Trial,
    douts: Sequence[Array],
    rng: np.random.Generator,
    *,
    count: int = 2,
    case: str = "",
    names: Sequence[str] = (),
    only: str = "",
    but: Container[str] = (),
    units: Units | None = None,
    known: Fields | None = None,
) -> list[Verdict]:
    """Compare each field of the gradient with derivatives along random directions.

    Parameters
    ----------
    law
        The name of the law.
    trial
        The layer at a point, with its noise.
    douts
        Derivatives with respect to `out`; for each of them backward is called.
    rng
        The generator of the directions.
    count
        How many of them. One more moves all entries alike; for a count of 0 it is a random one.
    case
        What is special about this point, for the verdict.
    names
        What is special about each `dout`.
    only
        The one field to compare, if it is not all.
    but
        Fields to leave out.
    units
        What rounding may do to the results, for a normal `dout`; by default it is measured where it is asked for.
    known
        Of each field, the entries to compare, if it is not all.

    Returns
    -------
    list[Verdict]
        For each field the worst. A field of which no value is finite, and one that is fixed, is left out.
    """
    units = units or units_of(trial, rng.standard_normal(trial.out.shape), rng)
    results = [trial.back(dout) for dout in douts]
    fixed = fixed_fields(trial)
    words = [_said(case, name) for name in names] or [case] * len(douts)
    verdicts: list[Verdict] = []
    fields: dict[str, tuple[list[Part], NDArray[Any]]] = {}
    for name, leaf in trial.arguments.items():
        if (only and name != only) or name in but or name in fixed or not leaf.size:
            continue
        shapes = [found[name].shape for found in results if found[name].shape != leaf.shape]
        if shapes:
            note = _said(case, f"has shape {shapes[0]}, expected {leaf.shape}")
            verdicts.append(Verdict(law, name, ok=False, note=note))
            continue
        parts = [Part(trial, name, dout, found[name], units) for dout, found in zip(douts, results, strict=True)]
        places = np.arange(leaf.size) if known is None else np.flatnonzero(known[name])
        if places.size:
            fields[name] = parts, places
    powers = _together(fields, count, rng) if len(fields) > 1 else None
    for name, (parts, places) in fields.items():
        if powers is None:
            verdicts += _of_field(law, parts, words, case, count, places, rng)
        else:
            verdicts.append(Verdict(law, name, ok=True, note=case, power=powers[name]))
    return verdicts


def _together(
    fields: dict[str, tuple[list[Part], NDArray[Any]]], count: int, rng: np.random.Generator
) -> dict[str, float] | None:
    """The power with which all fields are right if they move at once; None if each has to be asked alone.

    They do not where a field is so small beside others that an error in it might not show, and where one is at a kink.

    Parameters
    ----------
    fields
        Of each, the gradients for each `dout`, and the places that count.
    count
        The number of directions. One more moves all entries alike; for a count of 0 it is a random one.
    rng
        The generator of the directions.

    Returns
    -------
    dict[str, float] or None
        For each field the smallest error that would show, relative to an entry.
    """
    parts = [parts for parts, _ in fields.values()]
    trial = parts[0][0].trial
    if trial.noise > COARSE:
        return None
    weights = np.stack([each.dout.reshape(-1) for each in parts[0]])
    powers: dict[str, float] = dict.fromkeys(fields, math.inf)
    for i in range(-1, count):
        moves = {name: _moves(of[0], places, i, count, rng) for name, (of, places) in fields.items()}
        products = {name: [each.got * moves[name] for each in of] for name, (of, _) in fields.items()}
        with np.errstate(all="ignore"):
            got = np.array([sum(float(each.sum()) for each in of) for of in zip(*products.values(), strict=True)])
            sizes = {name: np.array([_length(each) for each in of]) for name, of in products.items()}
        smallest = np.min([np.where(size > 0, size, np.inf) for size in sizes.values()], axis=0)
        if not (np.isfinite(got).all() and np.isfinite(smallest).all()):
            return None
        line, far_out = trial.line(moves), trial.floor > 0
        enough = LEAST / (4 * SAFE) * smallest
        found = slopes(line, weights, parts[0][0].first, trial.noise, far_out=far_out, enough=enough)
        allowed = SAFE * found.error + LEAST * smallest
        known = (found.low == found.high) & (SAFE * found.error <= TOGETHER * smallest)
        if not np.all(known & (found.miss(got) <= allowed)):
            return None
        for name, size in sizes.items():
            number = max(1, int(np.count_nonzero(moves[name])))
            each = (_power(float(a), float(b), number) for a, b in zip(allowed, size, strict=True))
            powers[name] = min(powers[name], *each)
    return powers


def _moves(part: Part, places: NDArray[Any], i: int, count: int, rng: np.random.Generator) -> Array:
    """The direction of a field: before the first all its entries move alike, and then each by its size or its row's."""
    leaf = part.leaf
    among = _among(leaf, places)
    signs = np.ones(leaf.shape) if i < 0 < count else rng.choice([-1.0, 1.0], leaf.shape)
    return np.where(among, sizes_of(leaf, own=i % 2 == 0) * signs, 0.0)


def _among(leaf: Array, places: NDArray[Any]) -> NDArray[np.bool_]:
    """True at some places of an array."""
    among = np.zeros(leaf.shape, bool)
    among.flat[places] = True
    return among


def _of_field(
    law: str,
    parts: list[Part],
    words: list[str],
    case: str,
    count: int,
    places: NDArray[Any],
    rng: np.random.Generator,
) -> list[Verdict]:
    """The verdict on some places of one field, if any of its derivatives is finite."""
    name = parts[0].name
    found = [each for each in _asked(parts, places, count, rng) if math.isfinite(each[0].allowed)]
    if not found:
        return []
    worst, which, part, direction, alike = max(found, key=_ratio)
    if worst.ratio <= 1:
        lost = next((words[k] for miss, k, *_ in found if miss.lost), None)
        if lost is not None:
            return [Verdict(law, name, ok=False, undecided=True, note=_said(lost, LOST), advice=REFUSE)]
        kinked = any(miss.kinked and k == 0 for miss, k, *_ in found) and part.trial.noise < NOISY
        at_kink = _at_kinks(law, parts[0], case, places, rng) if kinked else None
        right = Verdict(law, name, ok=True, note=case, power=min(miss.power for miss, *_ in found))
        return [at_kink or right]
    if not part.steady(direction, worst):
        return [Verdict(law, name, ok=False, undecided=True, note=_said(words[which], UNSTEADY))]
    if not (alike or _splits(part, direction, rng)):
        return [Verdict(law, name, ok=False, undecided=True, note=_said(words[which], part.kinks))]
    verdict = _located(law, part, direction, words[which])
    if verdict.undecided and alike and not worst.kinked and worst.ratio * worst.power > OF_AN_ENTRY:
        tied = "where all entries move alike it is wrong: are ties counted twice?"
        note = _said(words[which], tied if np.isfinite(part.got).all() else NOT_FINITE)
        verdict = Verdict(law, name, False, note, got=worst.got, expected=worst.low)
    return [verdict]


def _asked(
    parts: list[Part], places: NDArray[Any], count: int, rng: np.random.Generator
) -> Iterator[tuple[Miss, int, Part, Array, bool]]:
    """Each gradient beside the derivative along each direction, and whether entries that are equal stay so in it.

    Along those that are there for ties, rounding is what it is where entries stay equal.
    """
    for i in range(-1, count):
        direction = _moves(parts[0], places, i, count, rng)
        yield from ((miss, k, parts[k], direction, i < 0 < count) for k, miss in enumerate(misses(parts, direction)))
    if count and _has_ties(parts[0].leaf):
        tied = [evolve(each, units=units_of(each.trial, each.dout, rng, tied=True)) for each in parts]
        for direction in _tied(parts[0].leaf, places):
            yield from ((miss, k, tied[k], direction, True) for k, miss in enumerate(misses(tied, direction)))


def _has_ties(leaf: Array) -> bool:
    return np.unique(np.abs(leaf)).size < leaf.size


def _tied(leaf: Array, places: NDArray[Any]) -> Iterator[Array]:
    """The directions in which entries stay equal that are so: all move alike, or each grows by its own size."""
    among = _among(leaf, places)
    yield np.where(among, rms(leaf) or 1.0, 0.0)
    if leaf.any():
        yield np.where(among, leaf, 0.0)


def _ratio(found: tuple[Miss, int, Part, Array, bool]) -> float:
    return found[0].ratio


def _splits(part: Part, direction: Array, rng: np.random.Generator) -> bool:
    """Tell whether a function is differentiable, as far as halves of a direction show it."""
    halves = [rng.random(direction.shape) < 0.5 for _ in range(SPLITS if direction.size > 1 else 0)]
    return all(part.adds_up(np.where(half, direction, 0.0), np.where(half, 0.0, direction)) for half in halves)


def _at_kinks(law: str, part: Part, case: str, places: NDArray[Any], rng: np.random.Generator) -> Verdict | None:
    """The verdict on some entries, each alone, if one of them is wrong: zeros first, where most kinks are."""
    mixed = rng.permutation(places)
    few = mixed[np.argsort(part.leaf.reshape(-1)[mixed] != 0, kind="stable")][:AT_KINKS]
    expected, ratios = confirmed(part, few)
    if not np.any(ratios > 1):
        return None
    note = only_at_kinks(part, ratios) or "it is wrong here"
    return _at(law, part, expected, int(np.nanargmax(ratios)), _said(case, note))


def _at(law: str, part: Part, expected: Array, place: int, note: str) -> Verdict:
    """The verdict on a field that is wrong at a place."""
    index = tuple(int(i) for i in np.unravel_index(place, part.got.shape))
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
    low, high = found[worst] or (math.nan, math.nan)
    place = f"[{', '.join(str(i) for i in np.unravel_index(worst, part.got.shape))}]" if part.got.ndim else ""
    at = f"{part.moved}{place} = {float(part.leaf.flat[worst]):.6g} is at a kink"
    return f"{at}: every {part.name}{place} from {low:.6g} to {high:.6g} would be right"


def _located(law: str, part: Part, direction: Array, words: str) -> Verdict:
    """The verdict on a field that is wrong, with the entry that is wrong by most and the pattern of those that are."""
    got = part.got
    support = np.flatnonzero(direction)
    while support.size > 1 and got.size > ENTRIES:
        support = max(np.array_split(support, 2), key=_ratio_of(part, direction))
    expected, ratios = confirmed(part, support)
    note = part.kinks
    if np.any(ratios > 1):
        worst = int(np.nanargmax(ratios))
        alone = part.alone(np.unravel_index(worst, got.shape), float(direction.flat[worst]))
        if got.size == 1 or support.size == 1 or part.adds_up(alone, direction - alone):
            rows = len(np.atleast_1d(part.trial.out))
            pattern = (
                hint(got, expected, rows) or where_beyond(np.nan_to_num(ratios))
                if support.size == got.size
                else ("it is wrong here" if np.isfinite(got).all() else NOT_FINITE)
            )
            pattern = only_at_kinks(part, ratios) or pattern
            return _at(law, part, expected, worst, _said(words, pattern))
    return Verdict(law, part.name, ok=False, undecided=True, note=_said(words, note))


def _ratio_of(part: Part, direction: Array) -> Callable[[NDArray[Any]], float]:
    """A function from a support to by how much the gradient misses along that part of a direction."""

    def ratio(support: NDArray[Any]) -> float:
        some = np.zeros(direction.shape)
        some.flat[support] = direction.flat[support]
        miss = part.along(some)
        return miss.ratio if math.isfinite(miss.allowed) else 0.0

    return ratio


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
    for moves in _nearby(part.leaf, direction != 0, rng):
        there = part.trial.beside({**part.trial.arguments, part.name: part.leaf + moves})
        near = evolve(part, trial=evolve(there, noise=part.trial.noise, floor=part.trial.floor)).along(direction, 0.125)
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
    moved = part.trial.line({part.name: direction})(2.0**-3).reshape(part.leaf.shape)
    return bool(np.array_equal(moved != part.trial.out, direction != 0))


def _said(*words: str) -> str:
    return ": ".join(word for word in words if word)
