"""The rounding error that the results of a trial may have: by how much they move where its arguments do."""

import math
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import copied
from chainrule.laws.trials.sizes import rms
from chainrule.laws.trials.trial import COARSE, Fields, Trial

Units: TypeAlias = Callable[[], Fields]
"""A function that measures what rounding may do to the results: that takes several calls, and few comparisons need it.

Examples
--------
>>> import numpy as np
>>> from chainrule.laws.trials.rounding import Units
>>> units: Units = lambda: {"dx": np.full(3, 1e-16)}
"""

APART = 1e6
"""The multiple of its usual size that numbers may have which cancel in a result."""

NOT_LINEAR = 1e-8
"""Up to what share of a field the results for two multiples of a `dout` may differ by rounding."""

NEIGHBOURS, AROUND, FAR = 3, 2.0**10, 1e-3
"""The number of neighbours that are asked whether a result stands alone, and their distance in units, and at most."""

AS_FAR = 32.0
"""By how much larger what grows with its unit is at least that distance away, where it is a thousand times as large."""

AGREE = 1e-3
"""Up to what share of their distance from a result that stands alone its neighbours differ."""

COPIES, FEW_COPIES = 4, 2
"""Copies of the arguments, moved by their rounding, that show what rounding does to the results; and to large ones,
whose many entries say the same."""


def rounding(
    trial: Trial,
    dout: Array,
    rng: np.random.Generator,
    unit: float = UNIT,
    copies: int = 0,
    *,
    tied: bool = False,
) -> Fields:
    """The error that rounding may make in each entry of the results, by name: one unit, of which a few may be missing.

    The arguments are moved by a random share of a unit of their own size, as if each had been rounded, and the results
    move by some root mean square over the field. The rounding of a result itself, and the noise of a function that
    computes in fewer digits than its arguments have, are added.

    `unit` is relative. They are moved `copies` times, by default a few. Where they are tied, entries that are equal,
    but for their sign, stay so, among each other and with what forward saved.
    """
    copies = copies or (FEW_COPIES if trial.large else COPIES)
    results = trial.results(dout)
    squares = {name: np.zeros(leaf.shape) for name, leaf in results.items()}
    digits = trial.noise if trial.noise > COARSE else float(np.finfo(dout.dtype).eps)
    finer = max(1.0, unit / digits)  # what the function computes in, than the dtype which is asked about
    # More is no rounding, but a backward that is not linear, or a function that bends.
    of_dout = 64 * UNIT * float(np.abs(dout).max(initial=0.0))
    most = {name: NOT_LINEAR * rms(leaf) + of_dout for name, leaf in results.items()}
    saved = [each for each in arrays_in(trial.cache) if each.dtype.kind == "f" and each.base is None and _rounds(each)]
    with np.errstate(all="ignore"):
        alone = _alone(trial, dout, results, unit, most, rng)
        for _ in range(copies):
            near = {name: _rounded(leaf, unit, rng, tied=tied) for name, leaf in trial.arguments.items()}
            other = trial.beside(near)
            found = other.results(_rounded(dout, unit, rng))
            # Backward is linear: what it makes of c dout, divided by c, differs by its own rounding alone.
            factor = float(rng.uniform(1, 2))
            scaled = trial.back(dout * factor)
            of_saved = {} if tied else _of_saved(saved, trial, dout, results, unit, most, rng)
            within = _within(trial, dout, results, rng) if finer > 1 else {}
            for name, leaf in results.items():
                off = np.abs(found[name] - leaf)
                if name in scaled:
                    own = np.minimum(np.abs(scaled[name] / factor - leaf), most[name])
                    off = off + own * finer + of_saved.get(name, 0.0)
                if name in within:
                    off = off + np.minimum(within[name], most[name]) * finer
                squares[name] += np.square(np.where(alone[name], np.minimum(off, most[name]), off))
    least = max(unit, trial.noise)
    units: Fields = {}
    with np.errstate(all="ignore"):
        # Where all of a field cancels, as the gradient of a bias before a batch norm does, only rounding is left.
        largest = max(rms(leaf) for leaf in results.values())
        for name, leaf in results.items():
            own = np.sqrt(squares[name] / copies)
            size = np.abs(leaf)
            usual = min(largest, APART * _usual(trial, name, dout)) / 32
            units[name] = rms(own) + own + least * (np.maximum(rms(size), usual) + size)
    return units


def units_of(trial: Trial, dout: Array, rng: np.random.Generator, *, tied: bool = False) -> Units:
    """The function that measures `rounding` when it is first called."""
    return cache(lambda: rounding(trial, dout, rng, tied=tied))


def _usual(trial: Trial, name: str, dout: Array) -> float:
    """The size of a result if nothing cancels: `<out, dout>` by that of the argument."""
    size = rms(trial.arguments[name]) if name in trial.arguments else 0.0
    return rms(trial.out) * rms(dout) * trial.out.size / size if size > 0 else math.inf


def _alone(
    trial: Trial, dout: Array, results: Fields, unit: float, most: dict[str, float], rng: np.random.Generator
) -> dict[str, NDArray[np.bool_]]:
    """True where a result stands alone, as at a tie: at arguments around, they agree with each other and not with it.

    That is a jump and no rounding, which makes results around differ from each other as much.
    """
    around: list[Fields] = []
    for _ in range(NEIGHBOURS if AROUND * unit < FAR else 0):
        other = trial.beside({name: _rounded(leaf, AROUND * unit, rng) for name, leaf in trial.arguments.items()})
        around.append(other.results(dout.astype(other.out.dtype)))
    alone: dict[str, NDArray[np.bool_]] = {}
    for name, leaf in results.items():
        values = np.stack([each[name] for each in around] or [leaf])
        away = np.abs(values - leaf).min(axis=0)
        alone[name] = (away > most[name]) & (np.ptp(values, axis=0) <= AGREE * away)
    return alone


def _within(trial: Trial, dout: Array, results: Fields, rng: np.random.Generator) -> Fields:
    """By how much the results differ from those at arguments that are moved by a unit of float64.

    So does the rounding of every step within, such as that of a mean which x is then centred by, and it grows with the
    unit of the dtype.
    """
    other = trial.beside({name: _rounded(leaf, UNIT, rng) for name, leaf in trial.arguments.items()})
    found = other.results(dout)
    return {name: np.abs(found[name] - leaf) for name, leaf in results.items()}


def _of_saved(
    saved: list[Array],
    trial: Trial,
    dout: Array,
    results: Fields,
    unit: float,
    most: dict[str, float],
    rng: np.random.Generator,
) -> Fields:
    """By how much the results of backward differ where what forward saved is rounded too.

    In float64, what is no larger for many units is no rounding but a jump, as of numbers that were equal.
    """
    rounded = _with_rounded(saved, trial, dout, unit, rng)
    off = {name: np.abs(leaf - results[name]) for name, leaf in rounded.items()}
    if unit > UNIT or all(float(leaf.max(initial=0.0)) <= most[name] for name, leaf in off.items()):
        return off
    further = _with_rounded(saved, trial, dout, AROUND * unit, rng)
    jumps = {name: rms(further[name] - results[name]) < AS_FAR * rms(leaf) for name, leaf in off.items()}
    return {name: np.minimum(leaf, most[name]) if jumps[name] else leaf for name, leaf in off.items()}


def _with_rounded(saved: list[Array], trial: Trial, dout: Array, unit: float, rng: np.random.Generator) -> Fields:
    """The results of backward where what forward saved is rounded too; the arrays are as they were afterwards."""
    before = copied(saved)
    try:
        for array in saved:
            _overwritten(array, _rounded(array, unit, rng))
        return trial.back(dout)
    finally:
        for array, values in zip(saved, before, strict=True):
            _overwritten(array, values)


def _rounds(saved: Array) -> bool:
    """Tell whether an array has numbers that rounding may have moved: a mask, counts and labels have none."""
    return bool((saved != np.rint(saved)).any())


def _overwritten(array: Array, values: Array) -> None:
    writable_before = array.flags.writeable
    array.flags.writeable = True
    array[...] = values
    array.flags.writeable = writable_before


def _rounded(values: Array, unit: float, rng: np.random.Generator, *, tied: bool = False) -> Array:
    factors = rng.uniform(-unit, unit, values.shape)
    if tied:
        _, first, which = np.unique(np.abs(values), return_index=True, return_inverse=True)
        factors = factors.reshape(-1)[first][which].reshape(values.shape)
    factors += 1
    return read_only(np.asarray(values * factors))
