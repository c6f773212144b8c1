"""The derivative along directions, which see many entries at once.

Along a direction v, the derivative of <dout, forward> is <gradient, v>. A direction of random signs, each as large as
the entry that it moves, sees every entry; where it finds something wrong, the entry is searched for.
"""

import math
from collections.abc import Container, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.bursts import slopes
from chainrule.checking.verdict import Verdict
from chainrule.laws.trials.entries import AT_KINKS, confirmed, is_beyond_slopes, located, only_at_kinks, wrong_at
from chainrule.laws.trials.hints import NOT_FINITE
from chainrule.laws.trials.lost import of_lost
from chainrule.laws.trials.part import LEAST, NOISY, SAFE, Miss, Part, length, misses, power
from chainrule.laws.trials.rounding import Units, units_of
from chainrule.laws.trials.sizes import rms, sizes_of
from chainrule.laws.trials.trial import COARSE, Fields, Trial, fixed_fields
from chainrule.laws.trials.wording import joined

TOGETHER = 1e-7
"""The relative error, of the smallest field, to which a derivative along all fields has to be known to count."""

SMALL = 0.1
"""The part of its size for another `dout`, relative to that, that a field has at least: a softmax has none for ones."""

SPLITS = 4
"""The number of times that a direction is cut in two, to see whether the derivatives along the halves add up."""

UNSTEADY = (
    "finer steps give another derivative, as where forward oscillates faster than the steps, jumps, or rounds away "
    "what they differ by: it can't be told here"
)
"""Why nothing can be told where finer steps give another derivative."""

LOST = "it is nan at a kink of forward, where every number between the slopes to both sides would be right"
"""The words for a gradient that is no number where a subgradient would be."""

OF_AN_ENTRY = 1e-3
"""From what share of a typical entry on an error that no entry shows alone is one of a tie: that counts entries
wrongly, and is off by as much as entries are."""


def refuse(trial: Trial) -> str:
    """The advice where a law has made an x that the layer may have taken by accident."""
    return f"If this {trial.names.x} is not meant, let forward refuse it"


@frozen(eq=False)
class Field:
    """A field of the gradient: its values for each `dout`, and the places of the entries that are compared."""

    parts: list[Part]
    places: NDArray[Any]


@frozen(eq=False)
class Comparison:
    """A gradient beside the derivative along a direction.

    `which` is the place of its `dout` among all. Ties stay if entries that are equal stay so along it.
    """

    miss: Miss
    which: int
    part: Part
    direction: Array
    ties_stay: bool

    @property
    def ratio(self) -> float:
        """By how many times what is allowed the gradient misses."""
        return self.miss.ratio


@frozen(eq=False)
class Asked:
    """The part of a gradient that is compared with derivatives along directions, and the words for it.

    One direction more than `count` moves all entries alike; for a count of 0 it is a random one. The case and the names
    say what is special about the point, and about each `dout`. `only` one field is compared, or all `but` some; `known`
    are the entries of each, if not all. The units are what rounding may do to the results, for a normal `dout`, and to
    those where entries that are equal stay so; by default it is measured.
    """

    count: int = 2
    case: str = ""
    names: Sequence[str] = ()
    only: str = ""
    but: Container[str] = ()
    units: Units | None = None
    tied_units: Units | None = None
    known: Fields | None = None

    def words(self, which: int) -> str:
        """The words for the point and one of its `dout`."""
        return joined(self.case, self.names[which]) if self.names else self.case

    def takes(self, name: str) -> bool:
        """Tell whether a field is compared."""
        return name not in self.but and self.only in ("", name)

    def places(self, name: str, size: int) -> NDArray[Any]:
        """The places of the entries of a field that are compared."""
        return np.arange(size) if self.known is None else np.flatnonzero(self.known[name])


EVERYTHING = Asked()
"""All entries of all fields."""


def by_directions(
    law: str, trial: Trial, douts: Sequence[Array], rng: np.random.Generator, asked: Asked = EVERYTHING
) -> list[Verdict]:
    """Compare each field of the gradient with derivatives along random directions, for each `dout`.

    The verdict on a field is the worst. A field of which no value is finite, and one that is fixed, is left out.
    """
    units = asked.units or units_of(trial, rng.standard_normal(trial.out.shape), rng)
    results = [trial.back(dout) for dout in douts]
    fixed = fixed_fields(trial)
    verdicts: list[Verdict] = []
    fields: dict[str, Field] = {}
    for name, leaf in trial.arguments.items():
        if not asked.takes(name) or name in fixed or not leaf.size:
            continue
        shapes = [found[name].shape for found in results if found[name].shape != leaf.shape]
        if shapes:
            note = joined(asked.case, f"has shape {shapes[0]}, expected {leaf.shape}")
            verdicts.append(Verdict(law, name, ok=False, note=note))
            continue
        parts = [Part(trial, name, dout, found[name], units) for dout, found in zip(douts, results, strict=True)]
        places = asked.places(name, leaf.size)
        if places.size:
            fields[name] = Field(parts, places)
    powers = _in_groups(fields, asked.count, rng) if trial.noise <= COARSE else {}
    for name, field in fields.items():
        if name in powers:
            verdicts.append(Verdict(law, name, ok=True, note=asked.case, power=powers[name]))
        else:
            verdicts += _of_field(law, field, asked, rng)
    return verdicts


def _in_groups(fields: dict[str, Field], count: int, rng: np.random.Generator) -> dict[str, float]:
    """The power with which fields are right that move together: all of them, or groups of about one size."""
    if len(fields) < 2:
        return {}
    powers = _together(fields, count, rng)
    if powers is not None:
        return powers
    firsts = {name: field.parts[0] for name, field in fields.items()}
    by_size = sorted(fields, key=lambda name: rms(firsts[name].got * sizes_of(firsts[name].leaf)))
    half = len(by_size) // 2
    groups = ({name: fields[name] for name in names} for names in (by_size[:half], by_size[half:]))
    return {name: found for group in groups for name, found in _in_groups(group, count, rng).items()}


def _together(fields: dict[str, Field], count: int, rng: np.random.Generator) -> dict[str, float] | None:
    """The power with which all fields are right if they move at once; None if each has to be asked alone.

    They do not where a field is so small beside others that an error in it might not show, and where one is at a kink.
    The power is for each field the smallest error that would show, relative to an entry. The count is that of `Asked`.
    """
    parts = next(iter(fields.values())).parts
    trial = parts[0].trial
    weights = np.stack([each.dout.reshape(-1) for each in parts])
    scales = np.array([rms(each) for each in weights])
    powers: dict[str, float] = dict.fromkeys(fields, math.inf)
    for i in range(-1, count):
        moves = {name: _moves(field, i, count, rng) for name, field in fields.items()}
        products = {name: [each.got * moves[name] for each in field.parts] for name, field in fields.items()}
        with np.errstate(all="ignore"):
            got = np.array([sum(float(each.sum()) for each in of) for of in zip(*products.values(), strict=True)])
            sizes = {name: np.array([length(each) for each in of]) for name, of in products.items()}
        usual = [float(np.max(size[scales > 0] / scales[scales > 0], initial=0.0)) for size in sizes.values()]
        counted = [np.maximum(size, SMALL * scales * most) for size, most in zip(sizes.values(), usual, strict=True)]
        smallest = np.min([np.where(size > 0, size, np.inf) for size in counted], axis=0)
        if not (np.isfinite(got).all() and np.isfinite(smallest).all()):
            return None
        line, far_out = trial.line(moves), trial.floor > 0
        enough = LEAST / (4 * SAFE) * smallest
        found = slopes(line, weights, parts[0].first, trial.noise, far_out=far_out, enough=enough)
        allowed = SAFE * found.error + LEAST * smallest
        known = (found.low == found.high) & (SAFE * found.error <= TOGETHER * smallest)
        if not np.all(known & (found.miss(got) <= allowed)):
            return None
        for name, size in sizes.items():
            number = max(1, int(np.count_nonzero(moves[name])))
            each = (power(float(a), float(b), number) for a, b in zip(allowed, size, strict=True))
            powers[name] = min(powers[name], *each)
    return powers


def _moves(field: Field, i: int, count: int, rng: np.random.Generator) -> Array:
    """The direction of a field: before the first all its entries move alike, and then each by its size or its row's."""
    leaf = field.parts[0].leaf
    signs = np.ones(leaf.shape) if i < 0 < count else rng.choice([-1.0, 1.0], leaf.shape)
    moves: Array = np.asarray(sizes_of(leaf, own=i % 2 == 0) * signs)
    return moves if field.places.size == leaf.size else np.where(_among(leaf, field.places), moves, 0.0)


def _among(leaf: Array, places: NDArray[Any]) -> NDArray[np.bool_]:
    among = np.zeros(leaf.shape, bool)
    among.flat[places] = True
    return among


def _of_field(law: str, field: Field, asked: Asked, rng: np.random.Generator) -> list[Verdict]:
    part = field.parts[0]
    found = [each for each in _compared(field, asked, rng) if math.isfinite(each.miss.allowed)]
    if not found:
        missing = of_lost(law, part, _among(part.leaf, field.places), asked.case)
        return [missing] if missing is not None and missing.wrong else []
    worst = max(found, key=attrgetter("ratio"))
    if worst.ratio > 1:
        return [_of_worst(law, worst, asked.words(worst.which), field.places, rng)]
    lost = next((asked.words(each.which) for each in found if each.miss.lost), None)
    if lost is not None:
        return [Verdict(law, part.name, ok=False, undecided=True, note=joined(lost, LOST), advice=refuse(part.trial))]
    kinked = any(each.miss.kinked and each.which == 0 for each in found) and part.trial.noise < NOISY
    at_kink = _at_kinks(law, part, asked.case, field.places, rng) if kinked else None
    right = Verdict(law, part.name, ok=True, note=asked.case, power=min(each.miss.power for each in found))
    return [at_kink or right]


def _of_worst(law: str, worst: Comparison, words: str, places: NDArray[Any], rng: np.random.Generator) -> Verdict:
    """The verdict on a field whose gradient misses along a direction, if finer steps and halves of it say so too.

    Where it has several kinks, of which the halves show others, an entry alone may tell.
    """
    miss, part, direction = worst.miss, worst.part, worst.direction
    if not part.steady(direction, miss):
        return Verdict(law, part.name, ok=False, undecided=True, note=joined(words, UNSTEADY))
    if not (worst.ties_stay or _splits(part, direction, rng)):
        at_kink = _at_kinks(law, part, words, places, rng) if miss.kinked else None
        return at_kink or Verdict(law, part.name, ok=False, undecided=True, note=joined(words, part.kinks))
    verdict = located(law, part, direction, words)
    if verdict.undecided and worst.ties_stay and not miss.kinked and miss.ratio * miss.power > OF_AN_ENTRY:
        tied = _has_ties(part.leaf)
        why = "are ties counted twice? Or left out?" if tied else "is each off by a little, which alone can't be seen?"
        alike = f"where all entries move alike it is wrong: {why}"
        note = joined(words, alike if np.isfinite(part.got).all() else NOT_FINITE)
        return Verdict(law, part.name, False, note, got=miss.got, expected=miss.low)
    return verdict


def _compared(field: Field, asked: Asked, rng: np.random.Generator) -> Iterator[Comparison]:
    """The gradient for each `dout` beside the derivative along each direction.

    Along those that are there for ties, rounding is what it is where entries stay equal.
    """
    parts, places, count = field.parts, field.places, asked.count
    for i in range(-1, count):
        direction = _moves(field, i, count, rng)
        yield from (
            Comparison(miss, k, parts[k], direction, i < 0 < count) for k, miss in enumerate(misses(parts, direction))
        )
    if count and _has_ties(parts[0].leaf):
        units = [asked.tied_units or units_of(each.trial, each.dout, rng, tied=True) for each in parts]
        tied = [evolve(each, units=of) for each, of in zip(parts, units, strict=True)]
        for direction in _tied(parts[0].leaf, places):
            yield from (Comparison(miss, k, tied[k], direction, True) for k, miss in enumerate(misses(tied, direction)))


def _has_ties(leaf: Array) -> bool:
    return np.unique(np.abs(leaf)).size < leaf.size


def _tied(leaf: Array, places: NDArray[Any]) -> Iterator[Array]:
    """The directions in which entries stay equal that are so: all move alike, or each grows by its own size."""
    among = _among(leaf, places)
    yield np.where(among, rms(leaf) or 1.0, 0.0)
    if leaf.any():
        yield np.where(among, leaf, 0.0)


def _splits(part: Part, direction: Array, rng: np.random.Generator) -> bool:
    """Tell whether a function is differentiable, as far as halves of a direction show it."""
    halves = [rng.random(direction.shape) < 0.5 for _ in range(SPLITS if direction.size > 1 else 0)]
    return all(part.adds_up(np.where(half, direction, 0.0), np.where(half, 0.0, direction)) for half in halves)


def _at_kinks(law: str, part: Part, case: str, places: NDArray[Any], rng: np.random.Generator) -> Verdict | None:
    """The verdict on some entries, each alone, if one of them is wrong: zeros first, where most kinks are.

    After them come those whose gradient is another beside them. Nothing can be told of one that is far from the slopes
    to both sides, where other kinks may be.
    """
    mixed = rng.permutation(places)
    jumps = np.nan_to_num(part.units()[part.name].reshape(-1)[mixed])
    few: NDArray[Any] = mixed[np.lexsort((-jumps, part.leaf.reshape(-1)[mixed] != 0))][:AT_KINKS]
    expected, ratios = confirmed(part, few)
    if not np.any(ratios > 1):
        beyond = any(ratios.flat[i] <= 1 and is_beyond_slopes(part, i) for i in map(int, few))
        return Verdict(law, part.name, ok=False, undecided=True, note=joined(case, part.kinks)) if beyond else None
    note = only_at_kinks(part, ratios) or "it is wrong here"
    return wrong_at(law, part, expected, int(np.nanargmax(ratios)), joined(case, note))
