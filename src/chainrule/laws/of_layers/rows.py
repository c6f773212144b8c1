"""The law of rows: each is treated alone, in whatever order and number they come."""

import math
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, index_of_largest, one_each
from chainrule.encoder import Encoder
from chainrule.laws.trials.directions import refuse
from chainrule.laws.trials.junk import JUNK, empty_holds
from chainrule.laws.trials.rounding import rounding
from chainrule.laws.trials.sizes import in_unit_interval
from chainrule.laws.trials.trial import Checked, Fields, Trial, couples_rows, draw, measured
from chainrule.laws.trials.wording import plural

CLOSE = 64.0
"""The units of rounding that results may differ by if sums are taken in another order."""

ROWS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000)
"""Numbers of rows: the edges of blocks that low-level code uses, and one more."""

LONGEST = 1025
"""One more than the largest usual block, which is tried where that makes few numbers."""

FEW_NUMBERS = 2**14

MOST_NUMBERS = 2**19
"""The most numbers in an array that is made for a check."""

NARROW = 1e-10
"""The noise of float64 beyond which a layer computes in float32 inside, whose sums of many rows lose digits."""

MIXED = (65, 257)
"""Numbers of rows in which numbers have several sizes."""

PLACES = 5
"""The number of examples, counted by several axes, that are changed, each alone."""

LARGE_ROW = 1000
"""By how many times one row is made larger, which others should not notice."""


def independent_rows(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Each row is treated alone: in any order and any number, some of them, one, or one several times.

    Rows of `out` and `dx` go with the rows of `x` and `dout`, and gradients add up; among many rows also where numbers
    have several sizes. A layer that declares `couples_rows` is not asked, nor is one whose x is a single example, as
    `event_axes` tells; what a layer refuses is left out. Where `elementwise` or `event_axes` says that several axes
    count examples, each is alone along all.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, `dx` and each array of `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.independent_rows(affine, params, x, rng))
    True
    """
    leaves = tree.leaves(x)
    n = len(leaves[0]) if leaves and leaves[0].ndim else 0
    if layer.couples_rows or n < 1 or couples_rows(layer, x):
        note = "declared: rows are coupled" if layer.couples_rows else "there are no rows"
        return [Verdict("independent_rows", "out", ok=True, note=note)]
    trial = measured(Trial.in_float64(layer, params, x), rng)
    if trial.out.ndim == 0 or len(trial.out) != n:
        return [Verdict("independent_rows", "out", ok=True, note="the output has no row for each of x")]
    dout = draw(trial.out, rng)
    units = rounding(trial, dout, rng)
    right = trial.results(dout)
    found: list[Verdict] = []
    others = 0
    most = MOST_NUMBERS if trial.noise < 1e-6 else 64 * trial.out.size // n  # sums in float16 lose too much
    each_row = max(leaf.size for leaf in (*leaves, trial.out)) // n
    for words, which in _choices(n, each_row, most, _widths(trial), rng):
        verdicts = _of_some_rows(trial, dout, right, units, which, words)
        others += bool(verdicts) and len(which) != n
        found += verdicts.values()
    if all(each.ok for each in found) and LONGEST * each_row <= min(most, FEW_NUMBERS):
        which = np.random.default_rng(0).integers(0, n, LONGEST)
        found += _of_some_rows(trial, dout, right, units, which, plural(LONGEST, "row")).values()
    found += _beside_a_large_row(trial, dout, right, units).values()
    if all(each.ok for each in found) and not isinstance(layer, Encoder):
        found += _of_mixed_rows(trial, dout, most, rng)
    found += _of_places(trial, units["out"], rng)
    if not others:
        return [Verdict("independent_rows", "out", ok=True, note=f"it takes {n} rows and no other number")]
    return one_each(found)


def _of_some_rows(
    trial: Trial, dout: Array, right: Fields, units: Fields, which: NDArray[np.intp], words: str
) -> dict[str, Verdict]:
    """The verdicts on the results of some rows, beside those of all: `grads` are the sums over them.

    None if the layer refuses this number of rows.
    """
    counts = np.bincount(which, minlength=len(dout)).reshape(-1, *[1] * (dout.ndim - 1))
    more = max(1.0, float(counts.max())) * (math.sqrt(len(which)) if trial.noise > NARROW else 1.0)
    try:
        sums = trial.back(dout * counts)
        with empty_holds(JUNK):
            some = Trial.in_float64(trial.layer, trial.params, tree.map(itemgetter(which), trial.x))
    except Exception:
        return {}
    try:
        with empty_holds(JUNK):
            results = some.results(dout[which])
    except Exception as error:
        note = f"with {words} backward raises {type(error).__name__}: {error}"
        return {"dx": Verdict("independent_rows", "dx", ok=False, note=note, undecided=True, advice=refuse(trial))}
    found: dict[str, Verdict] = {}
    for name, got in results.items():
        expected = right[name][which] if name in ("out", "dx") else sums[name]
        unit = units[name][which] if name in ("out", "dx") else units[name] * more
        found[name] = _compared(name, got, expected, unit, words, coupled=len(which) <= max(len(dout), 2))
    return found


def mixed(x: Array, rng: np.random.Generator, times: float = 10.0) -> Array:
    """Numbers of which a third are ten times as large; and a tenth 0, if there are some of both signs."""
    made = x * rng.choice([1.0, 1.0, times], x.shape)
    signed = bool((x < 0).any() and (x > 0).any())
    return np.where(rng.random(x.shape) < (0.1 if signed else 0.0), 0.0, made)


def _of_mixed_rows(trial: Trial, dout: Array, most: int, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts on many rows with numbers of several sizes: what is left of a block may have a branch of its own."""
    try:
        few = Trial.of(trial.layer, trial.params, mixed(trial.x, rng)).with_noise(trial.noise)
        right = few.results(dout)
        if not all(np.isfinite(leaf).all() for leaf in right.values()):
            return []
        units = rounding(few, dout, rng)
    except Exception:
        return []
    found: list[Verdict] = []
    for rows in MIXED:
        if rows * max(few.x.size, few.out.size) <= most * len(dout):
            words = f"{plural(rows, 'row')}, of which some numbers are 0 or ten times as large"
            found += _of_some_rows(few, dout, right, units, rng.integers(0, len(dout), rows), words).values()
    return [each for each in found if each.wrong]


def _beside_a_large_row(trial: Trial, dout: Array, right: Fields, units: Fields) -> dict[str, Verdict]:
    """The verdicts on the rows of out and dx beside one that is much larger, as where all share a largest number."""
    n, x = len(dout), trial.x
    found: dict[str, Verdict] = {}
    if n < 2 or isinstance(trial.layer, Encoder) or not x.size or in_unit_interval(x):
        return found
    row = int(np.unravel_index(np.argmax(np.abs(x)), x.shape)[0])
    others = np.arange(n) != row
    for factor, words in ((LARGE_ROW, ""), (-LARGE_ROW, ", and of the other sign")):
        if factor < 0 and ((x >= 0).all() or (x <= 0).all()):
            continue
        large = x.copy()
        large[row] *= factor
        try:
            other = Trial.of(trial.layer, trial.params, large)
            results = {"out": other.out, "dx": other.back(dout)["dx"]}
        except Exception:
            continue
        for name, got in results.items():
            if got.shape == right[name].shape and len(got) == n and (name not in found or found[name].ok):
                case = f"row {row} a thousand times as large{words}"
                unit = units[name][others]
                found[name] = _compared(name, got[others], right[name][others], unit, case, coupled=True)
    return found


def _of_places(trial: Trial, unit: Array, rng: np.random.Generator) -> list[Verdict]:
    """The verdict on out where a trait says that more than the first axis counts examples, and they are not alone."""
    layer = trial.layer
    if isinstance(layer, Encoder):
        return []
    x: Array = trial.x
    event_axes = 0 if layer.elementwise else layer.event_axes
    if event_axes is None or x.ndim - event_axes < 2 or not x.size:
        return []
    trait = "elementwise" if layer.elementwise else f"event_axes={event_axes}"
    lengths: tuple[int, ...] = x.shape[: x.ndim - event_axes]
    for _ in range(PLACES):
        place, other = (tuple(int(rng.integers(length)) for length in lengths) for _ in range(2))
        moved = x.copy()
        there, here = np.asarray(x[other]), np.asarray(x[place])
        moved[place] = np.where(there != here, there, 0.75 * here)
        try:
            out = Trial.of(layer, trial.params, moved).out
        except Exception:
            continue
        if out.shape != trial.out.shape or out.shape[: len(lengths)] != lengths:
            note = f"{trait}, but out has shape {out.shape} for an x of {x.shape}"
            return [Verdict("independent_rows", "out", ok=False, note=note)]
        off = np.abs(out - trial.out) > CLOSE * unit
        off[place] = False
        if off.any():
            index = index_of_largest(off)
            note = f"{trait}, but out{list(index)} depends on x{list(place)}"
            return [Verdict("independent_rows", "out", ok=False, note=note, index=index)]
    return []


def _choices(
    n: int, each: int, most: int, widths: list[int], rng: np.random.Generator
) -> list[tuple[str, NDArray[np.intp]]]:
    chosen: list[tuple[str, NDArray[np.intp]]] = [
        *((f"row {i} alone", np.array([i])) for i in dict.fromkeys((0, n - 1, n // 2))),
        ("the first half of the rows", np.arange(max(1, n // 2))),
        ("the second half of the rows", np.arange(n // 2, n)),
        ("all rows but the last", np.arange(max(1, n - 1))),
        ("the rows in reverse order", np.arange(n)[::-1]),
        ("the rows in another order", rng.permutation(n)),
        ("one row several times", np.zeros(max(n, 2), int)),
    ]
    chosen += [
        (plural(rows, "row"), rng.integers(0, n, rows))
        for rows in dict.fromkeys((*ROWS, n + 1, *widths))
        if rows * each <= most
    ]
    return chosen


def rows_of(x: Any, *more: int) -> dict[str, Any]:
    """The rows of x in other numbers, few, many and `more`, by words for a verdict; none where there are none."""
    leaves = tree.leaves(x)
    n = len(leaves[0]) if leaves and leaves[0].ndim else 0
    if n < 1 or any(leaf.ndim < 1 or len(leaf) != n for leaf in leaves):
        return {}
    each = max(leaf.size for leaf in leaves) // n
    many = () if n > 64 else (129,)
    numbers = [rows for rows in (1, 2, *many, *more) if rows != n and rows * each <= 2**16]
    return {f", with {plural(rows, 'row')}": tree.map(itemgetter(np.arange(rows) % n), x) for rows in numbers}


def _widths(trial: Trial) -> list[int]:
    """The lengths of all other axes: as many rows as columns may be taken for columns."""
    arrays = [*trial.arguments.values(), trial.out]
    return sorted({length for array in arrays for length in array.shape if 0 < length <= 1024})


def _compared(name: str, got: Array, expected: Array, unit: Array, words: str, *, coupled: bool) -> Verdict:
    """The verdict on a result, with the advice to declare that rows are coupled if that may be why it is another."""
    if got.shape != expected.shape:
        note = f"with {words} it has shape {got.shape}, expected {expected.shape}"
        return Verdict("independent_rows", name, ok=False, note=note)
    with np.errstate(all="ignore"):
        off = np.abs(got - expected) - CLOSE * unit * np.sqrt(max(1, len(expected) if expected.ndim else 1))
        off = np.asarray(off)
        off[np.isnan(off) & (np.isnan(got) != np.isnan(expected))] = np.inf
        off[np.isnan(off)] = 0.0
    if not off.size or off.max() <= 0:
        return Verdict("independent_rows", name, ok=True)
    index = index_of_largest(off)
    what = f"{_which(off > 0)} are others" if name in ("out", "dx") else "it is not the sum over the rows"
    advice = (
        f"Do rows depend on each other or on their place?{' If they should, say couples_rows=True' if coupled else ''}"
    )
    found, right = float(got[index]), float(expected[index])
    note = f"with {words} {what}"
    return Verdict("independent_rows", name, False, note, advice=advice, index=index, got=found, expected=right)


def _which(wrong: NDArray[Any]) -> str:
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    beyond = rows[0] > 0 and rows.size == len(wrong) - rows[0]
    return f"its rows from {rows[0]} on" if beyond else "its rows"


__all__ = ["independent_rows"]
