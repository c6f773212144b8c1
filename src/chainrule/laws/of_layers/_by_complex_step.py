"""The derivative by complex step: whether it may be trusted, and the entries of a field beside it."""

import math
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT, slopes
from chainrule.checking.complex_step import STEP, lift
from chainrule.checking.numerical_gradient import derivatives
from chainrule.checking.perturbations import black_box
from chainrule.encoder import Encoder
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.entries import bisected, confirmed
from chainrule.laws.trials.part import FIRST, FIRST_IN_NOISE, NOISY, ROUNDINGS, SAFE, Part
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.trial import Trial, couples_rows, value_of

FEW = 128
"""The most by bursts of differences, which take ten times as long."""

NOISIEST, COPIES, NEAR = 1e-5, 4, 2.0**-20
"""Up to what share of the largest entry the complex step may be off by its own rounding; at how many pairs of points
that is measured, and how far from x they are, where the mean of a pair is the derivative at x to twelve digits."""

HIDDEN, DWARFED = 1e-3, 1e-6
"""The relative error of an entry, and its share of the largest, from which on the rounding of that one may hide it."""

TOLD = 0.25
"""By what share of a derivative differences may be off and still tell whether the complex step gives it."""

DIRECTIONS = 8
"""Along how many directions a large array is checked, each of which sees every entry."""


def analytic(trial: Trial, rng: np.random.Generator) -> bool:
    """Tell whether the complex step may be trusted: whether it agrees with differences, within their own error.

    It is not if the layer fails for complex arrays, drops the imaginary part, or gives a wrong derivative without an
    error, as `np.abs` does. Where differences tell nothing, as for numbers of all sizes, each moves by its own.
    """
    return any(_agrees(trial, rng, own=own) for own in (False, True))


def _agrees(trial: Trial, rng: np.random.Generator, *, own: bool) -> bool:
    start = trial.arguments
    directions = {name: sizes_of(leaf, own=own) * rng.choice([-1.0, 1.0], leaf.shape) for name, leaf in start.items()}
    weights = rng.standard_normal((3, trial.out.size))
    try:
        with nothing_said():
            moved = {name: _lifted(leaf, directions[name]) for name, leaf in start.items()}
            params, x = trial.with_arguments(moved)
            value = np.asarray(value_of(trial.layer, params, writable(x)))
    except Exception:  # whatever a function does with complex numbers that it was not written for
        return False
    if not np.iscomplexobj(value) or value.size != trial.out.size:
        return False
    slope = np.imag(value).reshape(-1) / STEP
    found = slopes(trial.line(directions), weights, FIRST if trial.noise < NOISY else FIRST_IN_NOISE, trial.noise)
    size = np.abs(weights) @ np.abs(slope)
    told = SAFE * found.error <= TOLD * size  # differences that are off by as much agree with anything
    return bool(np.all(told & (found.miss(weights @ slope) <= SAFE * found.error + 1e-12 * size)))


def by_complex_directions(part: Part, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """As `by_complex_step`, for one entry that is wrong, as some direction shows; None if none is found."""
    got = part.got

    def ratio(direction: Array) -> float:
        exact = _along(part, direction)
        allowed = 1e-11 * math.sqrt(float(np.sum(np.square(got * direction))))
        off = abs(float(np.sum(got * direction)) - exact)
        if not off <= allowed:
            allowed += ROUNDINGS * math.sqrt(float(np.sum(np.square(part.units()[part.name] * direction))))
        return off / max(allowed, 1e-300)

    for _ in range(DIRECTIONS):
        direction = sizes_of(part.leaf) * rng.choice([-1.0, 1.0], got.shape)
        if ratio(direction) <= 1:
            continue
        support = bisected(np.arange(got.size), direction, ratio)
        expected, ratios = by_complex_step(part, support)
        if ratios.flat[support[0]] > 1:
            return expected, ratios
    return None


def by_complex_step(part: Part, which: NDArray[Any]) -> tuple[Array, Array]:
    """The derivative with respect to some entries, and by how much of what is allowed the gradient misses it.

    Where it misses by little, its own error is measured by what it is on either side: near 0 it cancels in sin(x) / x,
    where the derivative does not. Where it misses, differences decide whether there is a kink or a tie,
    of which the complex step sees one side.
    """
    stepped = _complex_steps(part.trial, part.name, part.dout)
    expected, ratios = np.full(part.leaf.shape, np.nan), np.full(part.leaf.shape, np.nan)
    found = stepped(which)
    known = np.isfinite(found)
    some, found = which[known], found[known]
    expected.flat[some] = found
    largest = float(np.abs(found).max(initial=0.0))

    def noise(those: NDArray[Any]) -> Any:
        there = [np.mean([stepped(some[those], seed, way) for way in (NEAR, -NEAR)], axis=0) for seed in range(COPIES)]
        return SAFE * np.max(np.abs(there - found[those]), axis=0)

    with np.errstate(all="ignore"):
        got = part.got.flat[some]
        off, allowed = np.abs(got - found), 256 * UNIT * largest + 1e-10 * np.abs(found)
        if not np.all(off <= allowed):
            allowed += ROUNDINGS * part.units()[part.name].flat[some]
        beyond = np.flatnonzero(~(off <= allowed))
        if 0 < beyond.size <= FEW and np.all(off[beyond] <= NOISIEST * largest):
            allowed[beyond] += noise(beyond)
        size = np.maximum(np.abs(got), np.abs(found))
        hidden = np.flatnonzero((off > HIDDEN * size) & (size < DWARFED * largest) & (off <= allowed))[:FEW]
        if hidden.size:
            allowed[hidden] = noise(hidden) + ROUNDINGS * _spread(part, some[hidden])
    ratio = off / np.where(allowed > 0, allowed, 1e-300)
    ratio[np.isnan(ratio)] = np.inf
    ratios.flat[some] = ratio
    wrong = some[ratio > 1]
    if 0 < wrong.size <= FEW:
        again, others = confirmed(part, wrong)
        for i in map(int, wrong):
            if i in some[hidden] and part.interval(i) is None:
                continue  # differences see the others' rounding
            kinked = abs(again.flat[i] - expected.flat[i]) > 1e-6 * abs(expected.flat[i])
            if kinked or math.isnan(others.flat[i]):
                expected.flat[i], ratios.flat[i] = again.flat[i], others.flat[i]
    return expected, ratios


def _spread(part: Part, which: NDArray[Any]) -> NDArray[Any]:
    """By how much entries of a gradient move where its arguments do by some units; and a unit of `dout`."""
    trial, dout, moved = part.trial, part.dout, np.zeros(which.size)
    for seed in range(COPIES):
        near = partial(_beside, np.random.default_rng(seed), SAFE * UNIT)
        other = trial.beside({name: near(leaf) for name, leaf in trial.arguments.items()})
        off: Array = np.abs(other.back(near(dout))[part.name] - part.got)
        moved = np.maximum(moved, off.flat[which])
    return moved + UNIT * float(np.abs(dout).max())


def _complex_steps(trial: Trial, name: str, dout: Array) -> Callable[..., NDArray[Any]]:
    """The function that gives derivatives at places of a field, and those beside the trial."""
    x_moves = not isinstance(trial.layer, Encoder)
    start = (trial.params, trial.x if x_moves else ())
    names = [field for field in trial.arguments if field != "dx"] + (["dx"] if x_moves else [])

    def product(at: tuple[Any, Any]) -> Array:
        x = at[1].copy() if x_moves else writable(trial.x)  # np.copy would drop the complex step
        out: Any = value_of(trial.layer, at[0], x) * dout
        total: Array = out.sum()
        return total

    together = name == "dx" and not trial.large and _rows_are_apart(trial)  # of a large one few entries are tried

    def stepped(which: NDArray[Any], seed: int = 0, way: float = 0.0) -> NDArray[Any]:
        at: Any = tree.map(partial(_beside, np.random.default_rng(seed), way), start) if way else start
        place = names.index(name)
        with nothing_said():
            if together:
                return _in_all_rows(trial.layer, tree.map(lift, at[0]), at[1], dout, which)
            return derivatives(black_box(product, at)[place], tree.leaves(at)[place], which, "complex")

    return stepped


def _rows_are_apart(trial: Trial) -> bool:
    """Tell whether no row of `out` moves with another row of x, so that all rows may move at once.

    Two rows differ in a digit of their numbers: of those with a digit, and of those without it, all are moved.
    """
    x: Array = trial.x
    rows = len(x) if x.ndim else 0
    if rows < 2 or couples_rows(trial.layer, x) or trial.out.shape[:1] != x.shape[:1]:
        return False
    params: Any = tree.map(lift, trial.params)
    direction: Array = np.random.default_rng(rows).standard_normal(x.shape)
    with nothing_said():
        for digit in range((rows - 1).bit_length()):
            has_it: NDArray[np.bool_] = np.arange(rows) >> digit & 1 == 1
            for moves in (has_it, ~has_it):
                step = np.zeros(x.shape)
                step[moves] = direction[moves]
                out: Any = value_of(trial.layer, params, _lifted(x, step))
                if np.any(np.imag(out)[~moves] != 0):
                    return False
    return True


def _in_all_rows(layer: Any, params: Any, x: Array, dout: Array, which: NDArray[Any]) -> NDArray[Any]:
    """The derivatives at places of an x whose rows are apart."""
    row, column = np.divmod(which, x[0].size)
    columns, place = np.unique(column, return_inverse=True)
    found = np.empty((columns.size, len(x)))
    for k, each in enumerate(columns):
        step = np.zeros(x.shape)
        step.reshape(len(x), -1)[:, each] = 1
        out: Any = value_of(layer, params, _lifted(x, step))
        imaginary: Array = np.imag(out)
        found[k] = (imaginary * dout).reshape(len(x), -1).sum(axis=1) / STEP
    return found[place, row]


def _along(part: Part, direction: Array) -> float:
    trial, name = part.trial, part.name
    moved = {each: _lifted(leaf, direction) if each == name else lift(leaf) for each, leaf in trial.arguments.items()}
    params, x = trial.with_arguments(moved)
    with nothing_said():
        out: Any = value_of(trial.layer, params, x)
        imaginary: Array = out.imag
        return float(np.sum(imaginary * part.dout)) / STEP


def _beside(rng: np.random.Generator, way: float, leaf: Array) -> Array:
    return leaf * (1 + way * rng.uniform(-1, 1, leaf.shape)) if leaf.dtype.kind == "f" else leaf


def _lifted(leaf: Array, direction: Array) -> Array:
    stepped: Any = lift(leaf) + 1j * STEP * direction
    lifted: Array = stepped
    return lifted


@contextmanager
def nothing_said() -> Generator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
