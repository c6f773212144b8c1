"""The derivative along directions: many entries at once, and then the one that is wrong.

Along a direction v, the derivative of <dout, forward> is <gradient, v>. A direction of random signs, each as large as
the entry that it moves, sees every entry; where it finds something wrong, its halves are tried until an entry stands
alone. One evaluation serves many `dout` at once, since it gives all of J v, and <dout, J v> is wanted.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT, Slopes, slopes
from chainrule.checking.verdict import Verdict
from chainrule.laws.hints import hint, where
from chainrule.laws.trial import Trial, fixed_fields, rounding, sizes_of

FIRST, FIRST_IN_NOISE = 2.0**-8, 2.0**-2
"""The first step, relative to an entry; and that for a function that does not compute in float64."""

SAFE, ROUNDINGS = 4.0, 32.0
"""How many of its own errors a numerical derivative is trusted to, and how many units of rounding a gradient may have."""

LEAST = 1e-9
"""The least relative error that is looked for."""

SHARES = (0.37, 0.11, 2.0**-7, 2.0**-14, 2.0**-22, 2.0**-30)
"""Other first steps, as shares of the usual one, that have to give the same derivative before a gradient is wrong."""

NEARBY = 6
"""At how many points nearby, where no entries are equal any more, the derivative by one of them is looked at."""

AT_KINKS = 16
"""How many entries are tried alone where some are at a kink, at which a direction tells little."""

CONFIRMED = 6
"""How many of the worst entries are tried before a field counts as one of which nothing is known."""

ENTRIES = 256
"""Up to so many entries, all are tried where one is looked for; of more, halves."""


def first_step(trial: Trial) -> float:
    """The step that suits the precision in which a function computes."""
    return FIRST if trial.noise < 1e-10 else FIRST_IN_NOISE


@frozen(eq=False)
class Miss:
    """A gradient beside the derivative along a direction."""

    got: float
    low: float
    high: float
    allowed: float
    power: float
    scale: float = 0.0
    """The size of the values that are differentiated."""

    @property
    def ratio(self) -> float:
        """By how many times what is allowed the gradient misses."""
        off = max(0.0, self.low - self.got, self.got - self.high)
        if not math.isfinite(self.got):  # at a kink there may be no number to give
            sure = self.allowed <= 1e-3 * max(abs(self.low), abs(self.high), self.scale)
            return math.inf if sure and self.high - self.low <= self.allowed else 0.0
        return off / self.allowed if self.allowed > 0 else (math.inf if off else 0.0)

    def nearer(self, other: "Miss") -> bool:
        """Tell whether this estimate, at another step, speaks for the gradient and against another estimate."""
        gap = abs(other.got - (other.low + other.high) / 2)
        middle = (self.low + self.high) / 2
        return self.allowed < 4 * gap and abs(middle - other.got) < abs(middle - (other.low + other.high) / 2) / 2

    def beyond(self, other: "Miss") -> bool:
        """Tell whether two estimates of the same derivative exclude each other."""
        room = self.allowed + other.allowed
        return self.low - other.high > room or other.low - self.high > room


def misses(
    trial: Trial, name: str, direction: Array, douts: Sequence[Array], gots: Sequence[Array], unit: Array, first: float
) -> list[Miss]:
    """For each `dout` the gradient of one field along a direction, beside the derivative."""
    weights = np.stack([dout.reshape(-1) for dout in douts])
    found = slopes(trial.line({name: direction}), weights, first, trial.noise)
    scale = np.abs(weights) @ np.abs(trial.out.reshape(-1))
    pairs = zip(gots, douts, strict=True)
    return [
        _miss(
            found,
            k,
            got,
            direction,
            unit * np.abs(dout).max(initial=0.0),
            float(scale[k]),
            trial.floor * float(np.abs(dout).max(initial=0.0)),
        )
        for k, (got, dout) in enumerate(pairs)
    ]


def _miss(found: Slopes, k: int, got: Array, direction: Array, unit: Array, scale: float, floor: float) -> Miss:
    with np.errstate(all="ignore"):
        along = float(np.sum(got[direction != 0] * direction[direction != 0]))
        unit = np.nan_to_num(unit, nan=0.0, posinf=0.0)
        size = math.sqrt(float(np.nansum(np.square(got * direction))))
        own = math.sqrt(float(np.sum(np.square(unit * direction))))
        allowed = (
            SAFE * float(found.error[k])
            + ROUNDINGS * own
            + LEAST * size
            + floor * math.sqrt(float(np.sum(np.square(direction))))
        )
    typical = size / math.sqrt(max(1, np.count_nonzero(direction)))
    return Miss(
        along, float(found.low[k]), float(found.high[k]), allowed, allowed / typical if typical else math.inf, scale
    )


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
        How many of them.
    case
        What is special about this point, for the verdict.
    names
        What is special about each `dout`.
    only
        The one field to compare, if it is not all.

    Returns
    -------
    list[Verdict]
        For each field the worst. A field of which no value is finite is left out.
    """
    base = rng.standard_normal(trial.out.shape)
    units = rounding(trial, base, rng)
    results = [trial.back(dout) for dout in douts]
    verdicts: list[Verdict] = []
    first, fixed = first_step(trial), fixed_fields(trial)
    for name, leaf in trial.arguments.items():
        if (only and name != only) or name in fixed:
            continue
        gots = [fields[name] for fields in results]
        if any(got.shape != leaf.shape for got in gots):
            shape = next(got.shape for got in gots if got.shape != leaf.shape)
            verdicts.append(Verdict(law, name, ok=False, note=_said(case, f"has shape {shape}, expected {leaf.shape}")))
            continue
        if not leaf.size:
            continue
        worst: Miss | None = None
        power, which, all_one_way, kinked = math.inf, 0, False, False
        direction = leaf
        for i in range(-1, count):
            together = i < 0 < count  # all one way, as entries that are equal can move and stay equal
            signs = np.ones(leaf.shape) if together else rng.choice([-1.0, 1.0], leaf.shape)
            tried = sizes_of(leaf, own=i % 2 == 0) * signs
            found = misses(trial, name, tried, douts, gots, units[name], first)
            for k, miss in enumerate(found):
                if not math.isfinite(miss.allowed):
                    continue
                kinked = kinked or (k == 0 and miss.high - miss.low > miss.allowed)
                power = min(power, miss.power)
                if worst is None or miss.ratio > worst.ratio:
                    worst, which, direction, all_one_way = miss, k, tried, together
        if worst is None:
            continue
        words = _said(case, names[which] if names else "")
        if worst.ratio <= 1:
            few = (
                rng.choice(leaf.size, min(leaf.size, AT_KINKS), replace=False)
                if kinked and trial.noise < 1e-10
                else np.zeros(0, int)
            )
            expected, ratios = confirmed(trial, name, few, douts[0], gots[0], units[name])
            if np.any(ratios > 1):
                index = np.unravel_index(int(np.nanargmax(ratios)), leaf.shape)
                place, is_, right = tuple(int(i) for i in index), float(gots[0][index]), float(expected[index])
                note = _said(case, "at a kink it lies outside of the slopes to the left and to the right")
                verdicts.append(Verdict(law, name, False, note, index=place, got=is_, expected=right))
            else:
                verdicts.append(Verdict(law, name, ok=True, note=case, power=power))
            continue
        splits = 0 if all_one_way else 4
        if not _differentiable(trial, name, direction, douts[which], gots[which], units[name], worst, rng, splits):
            note = _said(words, "the numerical derivatives disagree with each other: it is not differentiable here")
            verdicts.append(Verdict(law, name, ok=False, undecided=True, note=note))
            continue
        found_at = _located(law, trial, name, douts[which], gots[which], units[name], direction, words)
        if found_at.undecided and all_one_way:
            note = _said(words, "along the direction that moves all entries alike it is wrong: are ties counted twice?")
            found_at = Verdict(law, name, False, note, got=worst.got, expected=worst.low)
        verdicts.append(found_at)
    return verdicts


def _differentiable(
    trial: Trial,
    name: str,
    direction: Array,
    dout: Array,
    got: Array,
    unit: Array,
    miss: Miss,
    rng: np.random.Generator,
    splits: int,
) -> bool:
    """Tell whether other first steps, and the sum over the halves of a direction, give the same derivative."""
    first = first_step(trial)

    def along(part: Array, step: float) -> Miss:
        return misses(trial, name, part, [dout], [got], unit, step)[0]

    others = [along(direction, share * first) for share in SHARES]
    if any(other.beyond(miss) or other.nearer(miss) for other in others if math.isfinite(other.allowed)):
        return False
    for _ in range(splits if got.size > 1 else 0):
        half = rng.random(direction.shape) < 0.5
        one, two = np.where(half, direction, 0.0), np.where(half, 0.0, direction)
        if not _adds_up(trial, name, one, two, dout, got, unit):
            return False
    return True


def confirmed(
    trial: Trial, name: str, which: NDArray[Any], dout: Array, got: Array, unit: Array
) -> tuple[Array, Array]:
    """As `entries`, where the worst of those that are wrong are so for other steps too; else nothing is known of them."""
    expected, ratios = entries(trial, name, which, dout, got, unit)
    for _ in range(CONFIRMED):
        if not np.any(ratios > 1):
            return expected, ratios
        worst = np.unravel_index(int(np.nanargmax(ratios)), got.shape)
        direction = np.zeros(got.shape)
        for sizes in (sizes_of(trial.arguments[name]), sizes_of(trial.arguments[name], own=True)):
            direction[worst] = sizes[worst]
            (miss,) = misses(trial, name, direction, [dout], [got], unit, first_step(trial))
            if miss.ratio > 1 and _steady(trial, name, direction, dout, got, unit, miss):
                return expected, ratios
        ratios[worst] = np.nan
    ratios[ratios > 1] = np.nan
    return expected, ratios


def _steady(trial: Trial, name: str, direction: Array, dout: Array, got: Array, unit: Array, miss: Miss) -> bool:
    """Tell whether an entry's derivative is the same for other steps, and its kink, if it has one, is its own.

    Where several entries are equal, each alone is at a kink with the others, and which of them a gradient goes to is a
    matter of choice.
    """
    first = first_step(trial)
    for share in SHARES:
        (other,) = misses(trial, name, direction, [dout], [got], unit, share * first)
        if math.isfinite(other.allowed) and (other.beyond(miss) or other.nearer(miss)):
            return False
    smooth = miss.high - miss.low <= miss.allowed
    middle = (miss.low + miss.high) / 2
    gap = abs(miss.got - middle)
    if smooth and not gap > 0.3 * max(abs(miss.got), abs(middle)):
        return True
    rng = np.random.default_rng(got.size)
    for _ in range(NEARBY):
        moves = sizes_of(trial.arguments[name]) * rng.uniform(-0.02, 0.02, got.shape)
        at = trial.arguments[name] + np.where(direction == 0, moves, 0.0)
        moved = evolve(trial.again({**trial.arguments, name: at}), noise=trial.noise, floor=trial.floor)
        (alone,) = misses(moved, name, direction, [dout], [got], unit, 2.0**-3 * first)
        if smooth and abs((alone.low + alone.high) / 2 - middle) > gap / 2:
            return False
        if not smooth and alone.high - alone.low <= alone.allowed:
            return False
    return True


def _adds_up(trial: Trial, name: str, one: Array, two: Array, dout: Array, got: Array, unit: Array) -> bool:
    """Tell whether the derivative along a sum of directions is the sum of those along each."""
    first = first_step(trial)
    a, b, whole = (misses(trial, name, part, [dout], [got], unit, first)[0] for part in (one, two, one + two))
    both = Miss(whole.got, a.low + b.low, a.high + b.high, a.allowed + b.allowed, math.inf)
    return not both.beyond(whole)


def _located(
    law: str, trial: Trial, name: str, dout: Array, got: Array, unit: Array, direction: Array, words: str
) -> Verdict:
    """The verdict on a field that is wrong, with the entry that is wrong by most and the pattern of those that are."""
    first = first_step(trial)
    if got.size <= ENTRIES:
        expected, ratios = confirmed(trial, name, np.arange(got.size), dout, got, unit)
        if not np.any(ratios > 1):
            note = _said(words, "it is wrong along a direction, and right in each entry alone")
            return Verdict(law, name, ok=False, undecided=True, note=note)
        worst = int(np.argmax(np.where(np.isnan(ratios), 0, ratios)))
        alone = np.zeros(got.shape)
        alone.flat[worst] = direction.flat[worst]
        if got.size > 1 and not _adds_up(trial, name, alone, direction - alone, dout, got, unit):
            note = _said(words, "it is not differentiable here: the derivative along two directions is not their sum")
            return Verdict(law, name, ok=False, undecided=True, note=note)
        note = hint(got, expected, len(np.atleast_1d(trial.out))) or where(np.reshape(ratios > 1, got.shape))
    else:
        support = np.arange(got.size)
        while support.size > 1:
            halves = np.array_split(support, 2)
            ratios_of = []
            for half in halves:
                part = np.zeros(got.size)
                part[half] = direction.reshape(-1)[half]
                (miss,) = misses(trial, name, part.reshape(got.shape), [dout], [got], unit, first)
                ratios_of.append(miss.ratio if math.isfinite(miss.allowed) else 0.0)
            support = halves[int(ratios_of[1] > ratios_of[0])]
        worst = int(support[0])
        one, ratios = confirmed(trial, name, support, dout, got, unit)
        if not ratios.flat[worst] > 1:
            note = _said(words, "it is wrong along a direction, and right in each entry alone")
            return Verdict(law, name, ok=False, undecided=True, note=note)
        expected = np.full(got.shape, np.nan)
        expected.flat[worst] = one.reshape(-1)[worst]
        note = "it is wrong here, and perhaps elsewhere"
    index = np.unravel_index(worst, got.shape)
    scale = math.sqrt(float(np.nanmean(np.square(expected)))) or 1.0
    right, is_ = float(expected[index]), float(got[index])
    place = tuple(int(i) for i in index)
    return Verdict(
        law,
        name,
        False,
        _said(words, note),
        error=abs(is_ - right) / scale,
        bound=math.nan,
        index=place,
        got=is_,
        expected=right,
    )


def entries(trial: Trial, name: str, which: NDArray[Any], dout: Array, got: Array, unit: Array) -> tuple[Array, Array]:
    """The derivative with respect to some entries of a field, each alone, and by how much of what is allowed `got` misses.

    Both have the shape of the field and are nan elsewhere. At a kink the derivative is the subgradient next to `got`.
    """
    leaf = trial.arguments[name]
    kinds = [sizes_of(leaf), sizes_of(leaf, own=True)]
    expected, ratios = np.full(leaf.shape, np.nan), np.full(leaf.shape, np.nan)
    for i in which.tolist():
        index = np.unravel_index(i, leaf.shape)
        for sizes in kinds:
            if sizes is kinds[1] and (sizes[index] == kinds[0][index] or ratios[index] <= 1):
                continue
            direction = np.zeros(leaf.shape)
            direction[index] = sizes[index]
            (miss,) = misses(trial, name, direction, [dout], [got], unit, first_step(trial))
            if math.isfinite(miss.allowed) and not ratios[index] <= miss.ratio:
                nearest = miss.low if math.isnan(miss.got) else min(max(miss.got, miss.low), miss.high)
                expected[index] = nearest / sizes[index]
                ratios[index] = miss.ratio
    return expected, ratios


def _said(*words: str) -> str:
    return ": ".join(word for word in words if word)
