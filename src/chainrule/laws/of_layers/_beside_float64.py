"""Results in a dtype beside those of float64 for the same numbers, and the error that rounding may make in them.

What rounding may do is measured, and not guessed: in float64 the arguments are moved by a unit of rounding of the other
dtype, and the results move by so much; what float64 itself rounds on the way is measured too, and counts as much more
as that unit is larger. Over some eight hundred right layers no result in float32 or float16 is off by more than 8 of
these units, and some wrong ones are by little more.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.bursts import SPACINGS, UNIT, noise_of
from chainrule.checking.verdict import Verdict, index_of_largest
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import in_float64
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.rounding import Units, rounding
from chainrule.laws.trials.sizes import rms, sizes_of
from chainrule.laws.trials.trial import COARSE, Fields, Trial, draw
from chainrule.laws.trials.wording import where

UNITS = 8.0
"""The units of rounding that a result may be off by: more of them, the more entries there are to be the worst of."""


@frozen(eq=False)
class Allowance:
    """The errors of results in a dtype that are let pass.

    Arguments may be given in that dtype: what overflows on the way in another may be no fault. Where results may
    overflow, nothing is said of it in another dtype, however ordinary the numbers are. A result may be off by so many
    units of rounding, and by one more of the size that `largest` has for its name. In float16, if nobody gave that,
    results `may_be_wide`: then a wider dtype, moderate errors and such as rounding makes tell nothing for sure.
    """

    is_given: bool = False
    may_overflow: bool = False
    may_be_wide: bool = False
    units: float = UNITS
    largest: Mapping[str, float | Array] = MappingProxyType({})


@frozen(eq=False)
class BesideFloat64:
    """The results at a point in some dtype, those in float64 for the same numbers, and their units of rounding.

    `least` is the part of a unit that needs no measurement: the rounding of a result itself.
    """

    trial: Trial
    dout: Array
    results: Fields
    right: Fields
    least: Fields
    units: Units
    exact: Trial

    @classmethod
    def of(cls, trial: Trial, dout: Array, rng: np.random.Generator, noise: float = UNIT) -> "BesideFloat64":
        """Run the layer in the dtype of `dout`, and in float64, in which it has that noise."""
        exact = Trial.in_float64(trial.layer, trial.params, trial.x).with_noise(noise)
        return cls.beside(trial, dout, trial.results(dout), exact, rng)

    @classmethod
    def beside(
        cls,
        trial: Trial,
        dout: Array,
        results: Fields,
        exact: Trial,
        rng: np.random.Generator,
        layout: Callable[[Array], Array] = np.copy,
    ) -> "BesideFloat64":
        """Results that are there, beside those of a trial in float64, for a `dout` in that layout."""
        right = {"out": exact.out, **exact.back_as_laid_out(layout(in_float64(dout)))}
        unit = float(np.finfo(dout.dtype).eps) / 2
        least: Fields = {name: unit * (rms(leaf) + np.abs(leaf)) for name, leaf in right.items()}
        return cls(trial, dout, results, right, least, _units_of(exact, dout, rng), exact)

    def with_units_of(self, dout: Array, rng: np.random.Generator) -> "BesideFloat64":
        """The same, with the units of rounding that results for another `dout` have, where these are larger."""
        others = _units_of(self.exact, dout, rng)

        def larger() -> Fields:
            own, other = self.units(), others()
            return {name: np.maximum(leaf, other[name]) for name, leaf in own.items()}

        return evolve(self, units=cache(larger))

    def verdicts(self, rng: np.random.Generator, at: str, allowed: Allowance) -> Iterator[Verdict]:
        dtype = self.dout.dtype
        may_overflow = not allowed.is_given and (allowed.may_overflow or self._beyond)
        for name, result in self.results.items():
            like, got = self.right[name], result
            wide = got.dtype if got.dtype != dtype else None
            if wide is not None and not (allowed.may_be_wide and wide.kind == "f" and wide.itemsize > dtype.itemsize):
                yield Verdict("precision", name, ok=False, note=f"{at} it comes as {wide}")
                continue
            if got.shape != like.shape:
                note = f"{at} it is {describe(got)}, in float64 {describe(like)}"
                yield Verdict("precision", name, ok=False, note=note)
                continue
            got = result.astype(dtype)
            lost = _lost(got, like, np.finfo(dtype))
            if lost.any() and not may_overflow:
                yield self._of_lost(name, lost, at, is_given=allowed.is_given)
                continue
            judged = _Result(name, got, lost, at, allowed)
            verdict = judged.judged(like, self.least[name])
            for excuse in self._excuses(judged, rng):
                if not verdict.ok:
                    verdict = excuse(verdict) or verdict
            if verdict.ok and wide is not None:
                note = f"{at} it comes as {wide}, {IF_MEANT} {dtype}"
                verdict = Verdict("precision", name, ok=False, undecided=True, note=note)
            point = Part(self.trial, name, self.dout, got, self.units)
            yield verdict if verdict.ok else evolve(verdict, point=point)

    def _excuses(self, result: "_Result", rng: np.random.Generator) -> tuple[Callable[[Verdict], Verdict | None], ...]:
        """The reasons for which a result may be right after all, in the order in which they are tried.

        Each makes another verdict of one that is not ok, or None.
        """
        name, allowed = result.name, result.allowed
        like, info = self.right[name], np.finfo(self.dout.dtype)

        def by_units(verdict: Verdict) -> Verdict:
            return result.judged(like, self.units()[name])

        def by_range(verdict: Verdict) -> Verdict | None:
            """A square may be beyond the range of float16, and then a quotient 0."""
            beyond = not allowed.is_given and info.dtype == np.float16 and not self._ordinary
            return Verdict("precision", name, ok=True) if beyond else None

        def by_points_nearby(verdict: Verdict) -> Verdict | None:
            return self._right_nearby(result, rng)

        def by_signs(verdict: Verdict) -> Verdict | None:
            is_small = verdict.error < RANDOM * verdict.bound
            if not (is_small or (allowed.may_be_wide and verdict.wrong)) or not is_random(self.trial, name, rng):
                return None
            right = Verdict("precision", name, ok=True, power=verdict.error)
            note = f"{verdict.note}, {IF_MEANT} {info.dtype}"
            return right if is_small else evolve(verdict, undecided=True, note=note)

        def by_largest(verdict: Verdict) -> Verdict | None:
            """A step within may round, as in 1 - t * t."""
            if name not in allowed.largest or info.dtype == np.float16:
                return None
            return result.judged(like, self.units()[name] + allowed.largest[name] * float(info.eps) / 2)

        def by_saturation(verdict: Verdict) -> Verdict | None:
            """In float16 a t may round to 1, and then 1 - t * t is 0."""
            if name not in allowed.largest or info.dtype != np.float16:
                return None
            largest = allowed.largest[name] * allowed.units / UNITS  # see `floors`
            near_0 = np.abs(like) <= float(info.eps) * largest
            return result.judged(np.where((result.got == 0) & near_0, 0.0, like), self.units()[name])

        by_noise = partial(self._by_noise, result, rng)
        return by_units, by_range, by_points_nearby, by_signs, by_largest, by_saturation, by_noise

    def _by_noise(self, result: "_Result", rng: np.random.Generator, verdict: Verdict) -> Verdict:
        """Float64 too rounds so much on the way, in what cancels, and this dtype as much more as it is coarser.

        What is computed in fewer digits than float64 has is computed in as few elsewhere, and says nothing.
        """
        name, dout, given = result.name, in_float64(self.dout), self.exact.arguments
        moves = {field: sizes_of(leaf) * rng.choice([-1.0, 1.0], leaf.shape) for field, leaf in given.items()}

        def line(step: float) -> Array:
            moved: Fields = {field: leaf + step * moves[field] for field, leaf in given.items()}
            return self.exact.beside(moved).results(dout)[name].reshape(-1)

        right = self.right[name]
        spacings = SPACINGS[::3] if self.exact.large else SPACINGS
        noise = noise_of(line, rng.choice([-1.0, 1.0], right.size), spacings)
        known = name == "out" and self.exact.noise <= COARSE  # it has been asked at arguments where little cancels
        if verdict.undecided or noise < ORDINARY or not (known or noise < OF_FLOAT32):
            return verdict
        coarser = float(np.finfo(self.dout.dtype).eps / np.finfo(np.float64).eps)
        found = result.judged(right, self.units()[name] + noise * float(np.linalg.norm(right)) * coarser)
        if not (found.ok and self.dout.dtype == np.float16):
            return found
        return evolve(verdict, undecided=True, note=f"{verdict.note}, {IF_MEANT} float16")

    def _of_lost(self, name: str, lost: NDArray[np.bool_], at: str, *, is_given: bool) -> Verdict:
        """The verdict on a result that is not finite where it is in float64.

        In float16, which lacks constants such as 1e5, or for numbers that are not ordinary, that is no fault for sure
        of a layer that is used in float64.
        """
        got, like, info = self.results[name], self.right[name], np.finfo(self.dout.dtype)
        sure = is_given or (info.dtype != np.float16 and self._ordinary)
        index = index_of_largest(lost)
        place = where(lost)
        return Verdict(
            "precision",
            name,
            ok=False,
            note=f"{at} it is not finite where it is in float64"
            f"{'' if sure else f', {IF_MEANT} {info.dtype.name}'}"
            f": {place or 'does something overflow on the way?'}",
            index=index,
            got=float(got[index]),
            expected=float(like[index]),
            undecided=not sure,
            point=Part(self.trial, name, self.dout, got, self.units),
        )

    @property
    def _on_the_way(self) -> list[Array]:
        """The numbers that go in, and finite ones that come out and are saved, in float64."""
        saved = [leaf for leaf in arrays_in(self.exact.cache) if leaf.dtype.kind == "f"]
        finite = (leaf[np.isfinite(leaf)] for leaf in (*self.right.values(), *saved))
        return [*self.exact.arguments.values(), *finite]

    @property
    def _beyond(self) -> bool:
        most = _most(np.finfo(self.dout.dtype))
        return any(bool((np.abs(leaf) > most).any()) for leaf in self._on_the_way)

    @property
    def _ordinary(self) -> bool:
        """True if no sum of squares leaves the range of the dtype, nor one of squared exponentials of the arguments."""
        info = np.finfo(self.dout.dtype)
        given = [np.abs(leaf[np.isfinite(leaf) & (leaf != 0)]) for leaf in self.exact.arguments.values()]
        given = [leaf for leaf in given if leaf.size]
        with np.errstate(all="ignore"):
            within = all(float(np.exp(2 * leaf).sum()) < info.max for leaf in given)
            within = within and all(float(np.square(leaf).sum()) < info.max for leaf in self._on_the_way)
        return bool(given) and within and all(leaf.min() ** 2 > float(info.smallest_subnormal) for leaf in given)

    def _right_nearby(self, result: "_Result", rng: np.random.Generator) -> Verdict | None:
        """The verdict that a result is right, if each entry is that of some point which rounding may lead to.

        So is a derivative beside a jump, where numbers that are larger than x round on the way.
        """
        got, nearest = result.got.astype(np.float64), self.right[result.name]
        unit = ON_THE_WAY * float(np.finfo(self.dout.dtype).eps) / 2
        for _ in range(NEARBY):
            near = [tree.map(partial(_moved, rng, unit), value) for value in (self.trial.params, self.trial.x)]
            exact = Trial.in_float64(self.trial.layer, *near)
            other = exact.results(in_float64(self.dout))[result.name]
            nearest = np.where(np.abs(got - other) < np.abs(got - nearest), other, nearest)
        verdict = result.judged(nearest, self.units()[result.name])
        return verdict if verdict.ok else None


def _units_of(exact: Trial, dout: Array, rng: np.random.Generator) -> Units:
    """The error that rounding in the dtype of a `dout` may make in the results for it."""
    unit = float(np.finfo(dout.dtype).eps) / 2
    return cache(partial(rounding, exact, in_float64(dout), rng, unit, copies=4 if exact.large else 8))


SUBNORMAL = 2.0
"""Up to how many times what is allowed an error in float16 may come from numbers on the way that are too small for it,
which the units do not show: an eps of 1e-6 is off by more than a hundredth."""

MODERATE = 128.0
"""Up to how many units of rounding an error in float16 may come from steps within of a layer that is used in float64;
a factor or a missing term is more. A unit is about a thousandth."""

ORDINARY = 32 * UNIT
"""The noise up to which little cancels on the way."""

OF_FLOAT32 = 2e-9
"""The noise from which on a function computes in float32, or in fewer digits: what cancels in float64 has less."""

IF_MEANT = "a fault if it is meant for"

RANDOM, NEARBY = 8.0, 24
"""Up to how many times what is allowed an error may be rounding still, and at how many points that is looked at: at 8,
the errors of a single entry have one sign by accident in three cases of a hundred, at 24 in less than one of 10,000."""

MOVES = (1e-3, 3e-2)
"""The distances of those points, of the numbers' own size."""

ON_THE_WAY = 4.0
"""The times that numbers on the way, which are rounded, may be as large as those of the arguments."""


def _moved(rng: np.random.Generator, unit: float, leaf: Array) -> Array:
    if leaf.dtype.kind != "f":
        return leaf
    wide = leaf.astype(np.float64)
    return np.asarray(wide + unit * rms(wide) * rng.uniform(-1, 1, leaf.shape))


def is_random(at: Trial, name: str, rng: np.random.Generator) -> bool:
    """Tell whether the errors of a result are of either sign at points nearby, as rounding is and a fault is not.

    Those of 1 - t * t beside the end of a tangent keep their sign over a part in a thousand, and not over some more.
    """
    return any(_is_random_within(moves, at, name, rng) for moves in MOVES)


def _is_random_within(moves: float, at: Trial, name: str, rng: np.random.Generator) -> bool:
    errors: list[Array] = []
    for _ in range(NEARBY):
        near = [tree.map(partial(_nearby, rng, moves), value) for value in (at.params, at.x)]
        trial = Trial.of(at.layer, *near)
        dout = draw(trial.out, np.random.default_rng(0)).astype(trial.out.dtype)
        exact = Trial.in_float64(at.layer, *near)
        got, like = trial.results(dout)[name], exact.results(in_float64(dout))[name]
        errors.append(got.astype(np.float64) - like)
    with np.errstate(all="ignore"):
        together = np.sum(np.square(np.mean(errors, axis=0)))
        return bool(together < 0.5 * np.sum(np.mean(np.square(errors), axis=0)))


def _nearby(rng: np.random.Generator, moves: float, leaf: Array) -> Array:
    return (leaf * (1 + moves * rng.standard_normal(leaf.shape))).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf


def floors(results: Fields, units: float) -> Fields:
    """The size of which a unit is added where results may be off by `units`: `UNITS` of the largest entry in all.

    Elsewhere a result may be nothing but what larger numbers cancel to: sqrt(x^2 + a) - sqrt(a), for x of zeros.
    """
    return {name: np.asarray(largest_of(leaf) * UNITS / units) for name, leaf in results.items()}


def largest_of(values: Array) -> float:
    return float(np.abs(values, where=np.isfinite(values), out=np.zeros(values.shape)).max(initial=0.0))


def _is_flushed(got: Array, like: Array, beyond: NDArray[np.bool_], info: Any) -> bool:
    return bool((beyond & (got == 0) & (np.abs(like) >= float(info.smallest_normal))).any())


def _lost(got: Array, like: Array, info: Any) -> NDArray[np.bool_]:
    return np.asarray(~np.isfinite(got) & np.isfinite(like) & (np.abs(like) <= _most(info)))


def _most(info: Any) -> float:
    """The size up to which a number has to be there in a dtype: a larger one may round to infinity."""
    return 0.9 * float(info.max)


@frozen(eq=False)
class _Result:
    name: str
    got: Array
    lost: NDArray[np.bool_]
    at: str
    allowed: Allowance

    def judged(self, like: Array, unit: Array) -> Verdict:
        name, got, info = self.name, self.got, np.finfo(self.got.dtype)
        with np.errstate(all="ignore"):
            units = self.allowed.units * max(1.0, math.log2(max(got.size, 1)) / 10)
            allowed = units * unit + 64 * float(info.smallest_subnormal)
            allowed = np.where(np.isnan(allowed), np.inf, allowed)  # at the end of the domain
            off = np.abs(got.astype(np.float64) - like)
            beyond = ~np.isfinite(got) & (self.lost | ~_lost(got, like, info))
            beyond |= np.abs(like) > _most(info)  # a number in its place is the largest, or chosen by the dtype
            ratio = np.where(beyond, 0.0, off / np.where(allowed > 0, allowed, 1e-300))
            ratio[np.isnan(ratio) & ~np.isfinite(like)] = 0.0
            ratio[np.isnan(ratio)] = np.inf
        if not ratio.size:
            return Verdict("precision", name, ok=True)
        index = index_of_largest(ratio)
        scale = float(np.sqrt(np.mean(np.square(like[np.isfinite(like)])))) if np.isfinite(like).any() else 1.0
        power = float(np.median(allowed)) / scale if scale else np.inf
        if ratio[index] <= 1:
            return Verdict("precision", name, ok=True, power=power)
        note = f"{self.at} it is off by {float(ratio[index]) * units:.3g} units of rounding; {units:.0f} are allowed"
        half = not self.allowed.is_given and info.dtype == np.float16
        small = half and bool(ratio[index] <= SUBNORMAL) and not _is_flushed(got, like, ratio > 1, info)
        moderate = half and self.allowed.may_be_wide and bool(ratio[index] * units <= MODERATE)
        if small:
            note += f", and numbers below {float(info.smallest_normal):.0e} lose digits on the way"
        elif moderate:
            note += f", {IF_MEANT} {info.dtype.name}"
        place = where(ratio > 1)
        return Verdict(
            "precision",
            name,
            ok=False,
            note=f"{note}: {place}" if place else note,
            error=float(off[index]) / (scale or 1.0),
            bound=float(allowed[index]) / (scale or 1.0),
            index=index,
            got=float(got[index]),
            expected=float(like[index]),
            undecided=small or moderate,
        )
