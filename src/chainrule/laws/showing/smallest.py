"""The smallest case that still shows that a number is wrong, and lines that show it without this library.

From where a law was found broken, rows, columns, steps and units are left out while the number stays wrong, with the
parameters that they must fit: half of them, then fewer. Then numbers are rounded to one digit, or to three, and those
of arrays that are too large to be written out are drawn.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, index_of
from chainrule.laws.of_layers._beside_float64 import Allowance, BesideFloat64
from chainrule.laws.of_losses._as_layer import LossForward, as_layer
from chainrule.laws.showing._arrays_in_code import FEW, OF_DOUT, OF_TARGETS, OF_X, drawn
from chainrule.laws.showing._author import Author, Shown
from chainrule.laws.showing._lines import lines_of
from chainrule.laws.trials.entries import confirmed
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.rounding import units_of
from chainrule.laws.trials.trial import Trial, draw, measured

TRIES, TRIES_OF_LARGE = 48, 16
"""The number of smaller or simpler cases that are tried."""

SOME = 8
"""The number of entries that are tried, of an array that has more than are written out."""

LARGE, LARGEST = 2**14, 2**17
"""A layer of more numbers is not asked again and again, but a few times; of still more, not at all."""

STEPS, STEPS_OF_FLOAT32 = (1e-5, 1e-3, 1e-7), (1e-2, 1e-1, 1e-3)
"""The steps of differences that are tried, relative to an entry."""


@frozen(eq=False)
class Candidate:
    """Arguments that may show that a number is wrong.

    Targets are `()` but for a loss. `dout` showed it last, at the index; that is None if it has been left out.
    """

    params: Any
    x: Any
    targets: Any
    dout: Array
    index: tuple[int, ...] | None


@frozen(eq=False)
class Search:
    """The fault that is looked for in all cases: a law that is broken at a point, for a field."""

    point: Part
    in_dtype: bool
    dtype: str
    rng: np.random.Generator

    def layer(self, case: Candidate) -> Any:
        """The layer; of a loss, for its targets."""
        layer = self.point.trial.layer
        return as_layer(layer.forward.loss, case.targets) if isinstance(layer.forward, LossForward) else layer

    def shown(self, case: Candidate) -> Shown | None:
        """The fault that a case shows; None where nothing is wrong, or where it is refused."""
        try:
            with np.errstate(all="ignore"):
                trial = Trial.of(self.layer(case), case.params, case.x)
                simple = np.round(draw(trial.out, self.rng), 1) if trial.out.size <= FEW else drawn(OF_DOUT, trial.out)
                own = [case.dout] if case.dout.shape == trial.out.shape else []
                for dout in (simple, *own):
                    found = self._in_dtype(trial, dout) if self.in_dtype else self._by_differences(trial, dout, case)
                    if found is not None:
                        return found
        except Exception:  # it refuses so few rows, or such numbers
            return None
        return None

    def _in_dtype(self, trial: Trial, dout: Array) -> Shown | None:
        both = BesideFloat64.of(trial, dout.astype(self.point.dout.dtype), self.rng)
        for each in both.verdicts(self.rng, "", Allowance(is_given=True)):
            if each.field == self.point.name and each.wrong and isinstance(each.point, Part):
                fresh = self._afresh(trial, each.point.dout)
                if fresh is None or not np.array_equal(fresh, each.point.got, equal_nan=True):
                    return None
                return Shown(each.point, each.index, 0.0, False, self.dtype)
        return None

    def _by_differences(self, trial: Trial, dout: Array, case: Candidate) -> Shown | None:
        near = self.point.trial
        trial = evolve(measured(trial, self.rng).with_noise(near.noise), floor=near.floor)
        units = units_of(trial, draw(trial.out, self.rng), self.rng)
        got = self._afresh(trial, dout)
        if got is None or got.shape != trial.arguments[self.point.name].shape:
            return None
        part = Part(trial, self.point.name, dout, got, units)
        expected, ratios = confirmed(part, self._entries(part.leaf, case.index))
        if not np.any(ratios > 1):
            return None
        place = int(np.nanargmax(ratios))
        index = index_of(place, ratios.shape)
        return _by_steps(part, index, float(expected[index]), self.dtype, kinked=part.interval(place) is not None)

    def _afresh(self, at: Trial, dout: Array) -> Array | None:
        """The value of the field right after forward, as in the lines; None if it is another each time."""
        runs = [Trial.of(at.layer, at.params, at.x) for _ in range(2)]
        one, other = (each.results(dout)[self.point.name] for each in runs)
        same = one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=0.0, equal_nan=True)
        return one if same else None

    def _entries(self, leaf: Array, index: tuple[int, ...] | None) -> Any:
        if leaf.size <= FEW:
            return np.arange(leaf.size)
        some = self.rng.choice(leaf.size, SOME, replace=False)
        return some if index is None else np.unique([*some, np.ravel_multi_index(index, leaf.shape)])


def _by_steps(part: Part, index: tuple[int, ...], expected: float, dtype: str, *, kinked: bool) -> Shown | None:
    """Differences of a step for which they tell the number from what it should be."""
    got, own = float(part.got[index]), abs(float(part.leaf[index]))
    along = part.trial.line({part.name: part.alone(index, 1.0)})
    off = abs(got - expected) if math.isfinite(got) else abs(expected)
    start = along(0.0)
    for size in dict.fromkeys((max(1.0, own), own or 1.0)):
        for step in STEPS if dtype == "float64" else STEPS_OF_FLOAT32:
            h = float(f"{step * size:.0e}")
            left, right = (float(part.dout.reshape(-1) @ (along(s) - start)) / s for s in (-h, h))
            nearest = min(max(got, min(left, right)), max(left, right)) if kinked else (left + right) / 2
            if abs(nearest - expected) <= off / 4:
                return Shown(part, index, h, kinked, dtype)
    return None


def smallest(verdict: Verdict, author: Author, dtype: str) -> str:
    """Lines of code that show that a number is wrong, for few rows and simple numbers; "" if none are found.

    The dtype is float64, unless the author's refuses that. Functions have the author's names, and those of a pair are
    `forward` and `backward`.
    """
    point = verdict.point
    if not isinstance(point, Part) or not verdict.index or any(not leaf.ndim for leaf in tree.leaves(point.trial.x)):
        return ""
    made = point.trial.layer.forward
    targets = made.targets if isinstance(made, LossForward) else ()
    in_dtype = verdict.law in {"precision", "loss_precision", "other_calls"}
    search = Search(point, in_dtype, point.dout.dtype.name if in_dtype else dtype, np.random.default_rng(0))
    case = Candidate(point.trial.params, point.trial.x, targets, point.dout, verdict.index)
    if _size(case) > LARGEST:
        return ""
    found, case = _smaller(search, case)
    if found is None:
        return ""
    for simple in _simpler(case):
        again = search.shown(simple)
        if again is not None:
            found = again
            break
    try:
        return lines_of(found, author)
    except ValueError:  # there are too many numbers
        return ""


def _size(case: Candidate) -> int:
    return sum(leaf.size for leaf in tree.leaves((case.params, case.x, case.targets)))


def _smaller(search: Search, case: Candidate) -> tuple[Shown | None, Candidate]:
    found = search.shown(case)
    tries, go_on = 0, found is not None
    most = TRIES if _size(case) <= LARGE else TRIES_OF_LARGE
    while go_on:
        go_on = False
        for fewer in _fewer(search, case):
            tries += 1
            if tries > most:
                break
            again = search.shown(fewer)
            if again is not None:
                found, case, go_on = again, evolve(fewer, dout=again.part.dout, index=again.index), True
                break
    return found, case


def _fewer(search: Search, case: Candidate) -> Iterator[Candidate]:
    """Cases with less of one length, at the beginning or the end: without half of it, a quarter, ..., one."""
    for cut in _cuts(case):
        some = cut.length // 2
        while some:
            for kept in (slice(0, cut.length - some), slice(some, cut.length)):
                yield _taken(search, case, cut, kept)
            some //= 2


@frozen
class Cut:
    """A length that may become less: of an axis of x, or of all arrays, parameters too, but for the axis of rows."""

    length: int
    axis: int | None = None

    def of_params(self, shape: tuple[int, ...]) -> list[int]:
        """The axes of a parameter that become shorter."""
        return [axis for axis, side in enumerate(shape) if self.axis is None and side == self.length]

    def of_others(self, shape: tuple[int, ...]) -> list[int]:
        """The axes of x, of targets and of `dout` that do."""
        axes = range(1, len(shape)) if self.axis is None else [self.axis]
        return [axis for axis in axes if axis < len(shape) and shape[axis] == self.length]


def _cuts(case: Candidate) -> Iterator[Cut]:
    """Rows, if all of x and the targets have as many; then lengths of parameters; then the other axes of x."""
    n = len(tree.leaves(case.x)[0])
    if all(len(leaf) == n for leaf in tree.leaves((case.x, case.targets)) if leaf.ndim):
        yield Cut(n, 0)
    yield from (Cut(side) for side in dict.fromkeys(side for leaf in tree.leaves(case.params) for side in leaf.shape))
    if is_numpy(case.x):
        yield from (Cut(case.x.shape[axis], axis) for axis in range(1, case.x.ndim))


def _taken(search: Search, case: Candidate, cut: Cut, kept: slice) -> Candidate:
    def of_params(leaf: Array) -> Array:
        return _part(leaf, cut.of_params(leaf.shape), kept)

    def of_others(leaf: Array) -> Array:
        return _part(leaf, cut.of_others(leaf.shape), kept)

    axes = {f"grads{path}": cut.of_params(leaf.shape) for path, leaf in tree.named_leaves(case.params)}
    if is_numpy(case.x):
        axes["dx"] = cut.of_others(case.x.shape)
    index = case.index
    if index is not None:
        mine = axes.get(search.point.name, [])
        index = tuple(at - kept.start if axis in mine else at for axis, at in enumerate(index))
        index = index if all(0 <= index[axis] < kept.stop - kept.start for axis in mine) else None
    return Candidate(
        tree.map(of_params, case.params),
        tree.map(of_others, case.x),
        tree.map(of_others, case.targets),
        of_others(case.dout),
        index,
    )


def _part(leaf: Array, axes: list[int], kept: slice) -> Array:
    return np.ascontiguousarray(leaf[tuple(kept if axis in axes else slice(None) for axis in range(leaf.ndim))])


def _simpler(case: Candidate) -> Iterator[Candidate]:
    """The case with numbers of one digit, or three; those of large arrays are drawn."""
    for params, x, dout in ((1, 1, 1), (0, 1, 1), (1, 0, 1), (3, 3, 3), (0, 3, 3), (3, 0, 3), (0, 0, 0)):
        yield Candidate(
            tree.map(partial(rounded, params, OF_X), case.params),
            tree.map(partial(rounded, x, OF_X), case.x),
            tree.map(partial(rounded, x, OF_TARGETS), case.targets),
            rounded(dout, OF_DOUT, case.dout),
            case.index,
        )


def rounded(digits: int, seed: int, leaf: Array) -> Array:
    """Numbers of a few digits, or as they are for 0; drawn ones for many."""
    if leaf.size > FEW and leaf.dtype.kind in "fiu" and leaf.max() >= 0:
        return drawn(seed, leaf)
    if not digits or leaf.dtype.kind != "f":
        return leaf
    return np.array([float(f"{number:.{digits - 1}e}") for number in leaf.reshape(-1)], leaf.dtype).reshape(leaf.shape)
