"""The laws of dtypes: the same numbers in float32 and float16 give the same results, but for rounding, in that dtype.

What rounding may do is measured, and not guessed: in float64 the arguments are moved by a unit of rounding of the other
dtype, and the results move by so much; what float64 itself rounds on the way is measured too, and counts as much more
as that unit is larger. Over some eight hundred right layers no result in float32 or float16 is off by more than 8 of
these units, and some wrong ones are by little more.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict, index_of_largest, one_each
from chainrule.encoder import Encoder
from chainrule.laws.of_layers.structure import dtype_of
from chainrule.laws.trials.copies import in_dtype, in_float64
from chainrule.laws.trials.hints import plural, where
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.rounding import Units, rounding
from chainrule.laws.trials.trial import (
    Checked,
    Fields,
    Trial,
    arrays_in,
    couples_rows,
    draw,
    measured,
    rms,
)

UNITS = 8.0
"""The units of rounding that a result may be off by: more of them, the more entries there are to be the worst of."""

ROWS = (1, 129, 257)
"""Numbers of rows that are tried beside those of x."""

COLUMNS = (33, 129, 257)
"""Numbers of columns that are tried beside those of x, of layers without parameters."""

LARGER = 10
"""The times that some numbers of x are made as large as the others. Beyond it a softmax is all of one entry, and of
its derivative only what it cancels to is left. So is 1 - s(x) of a sigmoid, of which x * x may be a factor: that many
units are allowed, and ten times as many."""

REFUSE_DTYPE = "If this dtype is not meant, let forward refuse it"
"""The advice where backward raises in a dtype that forward takes."""

MOST_NUMBERS = 2**16
"""The most numbers in an array that is made for a check."""


def precision(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the results have that dtype, and are those of float64 but for rounding.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on. A dtype that it refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field in each dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.precision(affine, params, x, rng))
    True
    """
    (own, _), noise = dtype_of(layer, params, x), _noise(layer, params, x, rng)
    verdicts: list[Verdict] = []
    tried = partial(_in_dtype, layer, params, rng=rng, noise=noise, largest={})
    single, half = np.dtype(np.float32), np.dtype(np.float16)
    verdicts += tried(x, single, theirs=own == single)
    for case, other, units in _of_other_rows(layer, x, rng):
        verdicts += tried(other, single, case, theirs=own == single, units=units)
    for case, other, units in _of_other_columns(layer, params, x, rng):
        verdicts += tried(other, single, case, theirs=own == single, units=units)
    for case, other in _with_larger(layer, x, rng):
        verdicts += tried(other, single, case, theirs=False, may_overflow=True, units=UNITS * LARGER**3)
    verdicts += tried(x, half, theirs=own == half)
    return one_each(verdicts)


def _of_other_rows(layer: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float]]:
    """Other numbers of rows of x, and the units that results may then be off by.

    What is summed over the rows one by one rounds as often as there are rows.
    """
    leaves = tree.leaves(x)
    n, size = len(leaves[0]) if leaves[0].ndim else 0, sum(leaf.size for leaf in leaves)
    if n and not couples_rows(layer, x):
        for rows in ROWS:
            if rows != n and size // n * rows <= MOST_NUMBERS:
                units = UNITS * math.sqrt(max(1, rows / n))
                yield f", with {plural(rows, 'row')}", tree.map(itemgetter(rng.integers(0, n, rows)), x), units


def _of_other_columns(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float]]:
    """Other numbers of columns of x, if there are no parameters, and the units that results may then be off by.

    What goes through the columns one by one rounds as often as there are columns.
    """
    if isinstance(layer, Encoder) or tree.leaves(params) or x.ndim < 2 or not x.size:
        return
    for columns in COLUMNS:
        if columns != x.shape[-1] and x[..., 0].size * columns <= MOST_NUMBERS:
            units = UNITS * math.sqrt(max(1, columns / x.shape[-1]))
            yield f", with {columns} columns", rng.choice(x.reshape(-1), (*x.shape[:-1], columns)), units


def _with_larger(layer: Any, x: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Some numbers of x are made larger than the rest, unless all are shares."""
    if not isinstance(layer, Encoder) and x.size <= MOST_NUMBERS and ((x < 0) | (x > 1)).any():
        some: NDArray[np.bool_] = rng.random(np.shape(x)) < 0.5
        yield f", with numbers {LARGER} times as large", np.where(some, x, x * LARGER)


def _noise(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> float:
    """The noise of a function that is given float64, and may compute in float32 nevertheless."""
    try:
        with np.errstate(all="ignore"):
            trial = Trial.in_float64(layer, params, x)
            return measured(Trial.in_float64(layer, params, trial.fewer), rng).noise
    except Exception:
        return UNIT


def _in_dtype(
    layer: Any,
    params: Any,
    x: Any,
    dtype: np.dtype[Any],
    case: str = "",
    *,
    rng: np.random.Generator,
    noise: float,
    largest: dict[str, float],
    theirs: bool,
    may_overflow: bool = False,
    units: float = UNITS,
) -> Iterator[Verdict]:
    """The verdicts in one dtype, beside the largest entries of the results so far."""
    at = f"in {dtype.name}{case}"
    try:
        with np.errstate(all="ignore"):
            if dtype == np.float16:
                x = Trial.of(layer, params, x).fewer
            trial = Trial.of(layer, in_dtype(params, dtype), in_dtype(x, dtype))
    except Exception:
        return
    try:
        with np.errstate(all="ignore"):
            both = Both.of(trial, draw(trial.out, rng).astype(dtype), rng, noise)
    except Exception as error:
        if dtype == np.float32 and not case:  # many functions have no derivative in float16
            note = f"{at} it raises {type(error).__name__}, though forward does not: {error}"
            yield Verdict("precision", "backward", ok=False, undecided=True, note=note, advice=REFUSE_DTYPE)
        return
    for name, leaf in both.right.items():
        largest[name] = max(largest.get(name, 0.0), _largest(leaf))
    yield from both.verdicts(rng, at, theirs=theirs, may_overflow=may_overflow, units=units, largest=largest)


@frozen(eq=False)
class Both:
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
    def of(cls, trial: Trial, dout: Array, rng: np.random.Generator, noise: float = UNIT) -> "Both":
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
    ) -> "Both":
        """Results that are there, beside those of a trial in float64, for a `dout` in that layout."""
        wide = in_float64(dout)
        right = {"out": exact.out, **exact.back_as_laid_out(layout(wide))}
        unit = float(np.finfo(dout.dtype).eps) / 2
        least: Fields = {name: unit * (rms(leaf) + np.abs(leaf)) for name, leaf in right.items()}
        units = cache(partial(rounding, exact, wide, rng, unit, copies=4 if trial.large else 8))
        return cls(trial, dout, results, right, least, units, exact)

    def verdicts(
        self,
        rng: np.random.Generator,
        at: str,
        *,
        theirs: bool,
        may_overflow: bool = False,
        units: float = UNITS,
        largest: Mapping[str, float | Array] = MappingProxyType({}),
    ) -> Iterator[Verdict]:
        """The verdict on each result; what overflows on the way in a dtype that nobody asked for may be no fault."""
        dtype = self.dout.dtype
        may_overflow = not theirs and (may_overflow or self._beyond)
        for name, got in self.results.items():
            like = self.right[name]
            if got.dtype != dtype:
                yield Verdict("precision", name, ok=False, note=f"{at} it comes as {got.dtype}")
                continue
            if got.shape != like.shape:
                note = f"{at} it is {describe(got)}, in float64 {describe(like)}"
                yield Verdict("precision", name, ok=False, note=note)
                continue
            lost = _lost(got, like, np.finfo(dtype))
            if lost.any() and not may_overflow:
                yield self._of_lost(name, lost, at, theirs=theirs)
                continue
            judged = partial(_judged, name, got, info=np.finfo(dtype), at=at, theirs=theirs, units=units, excused=lost)
            verdict = judged(like, self.least[name])
            for excuse in self._excuses(name, judged, rng, theirs=theirs, largest=largest):
                if not verdict.ok:
                    verdict = excuse(verdict) or verdict
            point = Part(self.trial, name, self.dout, got, self.units)
            yield verdict if verdict.ok else evolve(verdict, point=point)

    def _excuses(
        self,
        name: str,
        judged: Callable[[Array, Array], Verdict],
        rng: np.random.Generator,
        *,
        theirs: bool,
        largest: Mapping[str, float | Array],
    ) -> tuple[Callable[[Verdict], Verdict | None], ...]:
        """The reasons for which a result may be right after all, in the order in which they are tried.

        Each makes another verdict of one that is not ok, or None.
        """
        like, info = self.right[name], np.finfo(self.dout.dtype)

        def by_units(verdict: Verdict) -> Verdict:
            return judged(like, self.units()[name])

        def by_range(verdict: Verdict) -> Verdict | None:
            """A square may be beyond the range of float16, and then a quotient 0."""
            beyond = not theirs and info.dtype == np.float16 and not self._ordinary
            return Verdict("precision", name, ok=True) if beyond else None

        def by_points_nearby(verdict: Verdict) -> Verdict | None:
            return self._right_nearby(name, judged, rng)

        def by_signs(verdict: Verdict) -> Verdict | None:
            is_small = verdict.error < RANDOM * verdict.bound
            random = is_small and is_random(self.trial, name, rng)
            return Verdict("precision", name, ok=True, power=verdict.error) if random else None

        def by_largest(verdict: Verdict) -> Verdict | None:
            """A step within may round, as in 1 - t * t."""
            if name not in largest or info.dtype == np.float16:
                return None
            return judged(like, self.units()[name] + largest[name] * float(info.eps) / 2)

        return by_units, by_range, by_points_nearby, by_signs, by_largest

    def _of_lost(self, name: str, lost: NDArray[np.bool_], at: str, *, theirs: bool) -> Verdict:
        """The verdict on a result that is not finite where it is in float64.

        In float16, which lacks constants such as 1e5, or for numbers that are not ordinary, that is no fault for sure
        of a layer that is used in float64.
        """
        got, like, info = self.results[name], self.right[name], np.finfo(self.dout.dtype)
        sure = theirs or (info.dtype != np.float16 and self._ordinary)
        index = index_of_largest(lost)
        place = where(lost)
        return Verdict(
            "precision",
            name,
            ok=False,
            note=f"{at} it is not finite where it is in float64"
            f"{'' if sure else f', a fault if it is meant for {info.dtype.name}'}"
            f": {place or 'does something overflow on the way?'}",
            index=index,
            got=float(got[index]),
            expected=float(like[index]),
            undecided=not sure,
            point=Part(self.trial, name, self.dout, got, self.units),
        )

    @property
    def _on_the_way(self) -> list[Array]:
        """The finite numbers that go in, come out and are saved, in float64."""
        saved = [leaf for leaf in arrays_in(self.exact.cache) if leaf.dtype.kind == "f"]
        return [leaf[np.isfinite(leaf)] for leaf in (*self.exact.arguments.values(), *self.right.values(), *saved)]

    @property
    def _beyond(self) -> bool:
        """True if a number on the way is beyond the range of the dtype."""
        most = 0.9 * float(np.finfo(self.dout.dtype).max)
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

    def _right_nearby(
        self, name: str, judged: Callable[[Array, Array], Verdict], rng: np.random.Generator
    ) -> Verdict | None:
        """The verdict that a result is right, if each entry is that of some point which rounding may lead to.

        So is a derivative beside a jump, where numbers that are larger than x round on the way.
        """
        got, nearest = self.results[name].astype(np.float64), self.right[name]
        unit = ON_THE_WAY * float(np.finfo(self.dout.dtype).eps) / 2
        for _ in range(NEARBY):
            near = [tree.map(partial(_moved, rng, unit), value) for value in (self.trial.params, self.trial.x)]
            exact = Trial.in_float64(self.trial.layer, *near)
            other = exact.results(in_float64(self.dout))[name]
            nearest = np.where(np.abs(got - other) < np.abs(got - nearest), other, nearest)
        verdict = judged(nearest, self.units()[name])
        return verdict if verdict.ok else None


SUBNORMAL = 2.0
"""Up to how many times what is allowed an error in float16 may come from numbers on the way that are too small for it,
which the units do not show: an eps of 1e-6 is off by more than a hundredth."""

RANDOM, NEARBY = 8.0, 24
"""Up to how many times what is allowed an error may be rounding still, and at how many points that is looked at: at 8,
the errors of a single entry have one sign by accident in three cases of a hundred, at 24 in less than one of 10,000."""

MOVES = (1e-3, 3e-2)
"""The distances of those points, of the numbers' own size."""

ON_THE_WAY = 4.0
"""The times that numbers on the way, which are rounded, may be as large as those of the arguments."""


def _moved(rng: np.random.Generator, unit: float, leaf: Array) -> Array:
    """An array whose numbers are moved by a share of their usual size."""
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
    return {name: np.asarray(_largest(leaf) * UNITS / units) for name, leaf in results.items()}


def _largest(values: Array) -> float:
    return float(np.abs(values, where=np.isfinite(values), out=np.zeros(values.shape)).max(initial=0.0))


def _lost(got: Array, like: Array, info: Any) -> NDArray[np.bool_]:
    """True where a result is not finite, and the right one is, within the range of the dtype."""
    return np.asarray(~np.isfinite(got) & np.isfinite(like) & (np.abs(like) <= 0.9 * float(info.max)))


def _judged(
    name: str,
    got: Array,
    like: Array,
    unit: Array,
    info: Any,
    at: str,
    *,
    theirs: bool,
    units: float,
    excused: NDArray[np.bool_],
) -> Verdict:
    with np.errstate(all="ignore"):
        units = units * max(1.0, math.log2(max(got.size, 1)) / 10)
        allowed = units * unit + 64 * float(info.smallest_subnormal)
        allowed = np.where(np.isnan(allowed), np.inf, allowed)  # at the end of the domain
        off = np.abs(got.astype(np.float64) - like)
        beyond = ~np.isfinite(got) & (excused | ~_lost(got, like, info))
        beyond |= np.abs(like) > 0.9 * float(info.max)  # a number in its place is the largest, or chosen by the dtype
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
    note = f"{at} it is off by {float(ratio[index]) * units:.3g} units of rounding; {units:.0f} are allowed"
    unclear = not theirs and info.dtype == np.float16 and bool(ratio[index] <= SUBNORMAL)
    if unclear:
        note += f", and numbers below {float(info.smallest_normal):.0e} lose digits on the way"
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
        undecided=unclear,
    )


__all__ = ["precision"]
