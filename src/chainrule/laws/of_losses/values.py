"""The laws of losses elsewhere: other outputs, other targets, and other numbers of rows and columns."""

import math
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import product
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._elsewhere import SQUEEZED
from chainrule.laws.of_layers._tokens import EQUAL
from chainrule.laws.of_layers.douts import any_dout
from chainrule.laws.of_layers.values import other_values
from chainrule.laws.of_losses._as_layer import as_layer, number_of_rows, of_ignored, one_verdict, run_loss
from chainrule.laws.of_losses._cases import (
    EQUAL_ROWS,
    other_sizes,
    other_targets,
    soft_targets,
    targets_in_other_dtypes,
)
from chainrule.laws.of_losses._slopes import with_slopes
from chainrule.laws.of_losses.memory import in_rows, written_to
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.directions import Asked, by_directions, refuse
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.rounding import COPIES, NOT_LINEAR, Units, rounding, units_of
from chainrule.laws.trials.sizes import in_unit_interval, rms, same_but_for_ones, sizes_of
from chainrule.laws.trials.trial import Fields, Trial, measured
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")

FEW = 2
"""Columns of a loss that is made for them: one score, two, or a mean and a variance."""

NANS, NANS_ROWS = 3, 8
"""The number of entries of an out that are set to nan, each alone, and of rows that are drawn in place of its row."""

CANCELLED = 2.0**-46
"""The share of numbers in float64 that is left of them as rounding where they cancel."""

FAR = (1e3, 1e4)
"""The largest numbers of an out that is far out."""

REFUSE_TARGETS = "If these targets are not meant, let forward refuse them"
"""The advice where a law has made targets that the loss may have taken by accident."""

ALL_PAIRS = 257
"""The most rows at which a wrong entry is searched for, of a loss whose rows are coupled."""


def loss_values(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The gradient is right for other outputs too: small, large, equal, saturated ones, and for every `dloss`.

    A nan in a row of `out` that makes the loss nan shows in that row of the gradient.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_values(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=number_of_rows(out))
    verdicts = [*other_values(layer, (), out, rng), *any_dout(layer, (), with_slopes(loss, out, targets, rng), rng)]
    more = (*_of_nan(loss, out, targets, rng), *_far_out(loss, layer, out, rng))
    found = one_verdict("loss_values", [*_overflows(layer, out, rng), *verdicts, *more])
    return of_ignored(loss, out, targets, found)


def _overflows(layer: Any, out: Array, rng: np.random.Generator) -> Iterator[Verdict]:
    """A loss is there in float64 where a wider format, whose numbers go a thousand times as far, has one."""
    if np.finfo(np.longdouble).maxexp <= np.finfo(np.float64).maxexp:
        return
    signs = np.sign(out), rng.choice([-1.0, 1.0], out.shape), np.full(out.shape, -1.0), _of_rows_in_turn(out.shape)
    for size in FAR:
        for x in (size * each for each in signs):
            try:
                with np.errstate(all="ignore"):
                    wide = Trial.of(layer, (), x.astype(np.longdouble))
                    there = Trial.of(layer, (), x.astype(np.float64))
                    slope, other = there.back(np.ones(()))["dx"], wide.back(np.ones((), np.longdouble))["dx"]
            except Exception:
                continue
            most = float(np.finfo(np.float64).max)
            if np.isfinite(wide.out) and abs(wide.out) < most and not np.isfinite(there.out):
                note = f"for out of {size:.0e} it is not finite, though the loss is {float(wide.out):.6g}"
                note += ": an exponential that overflows?"
                yield Verdict("", "out", ok=False, note=note, got=float(there.out), expected=float(wide.out))
            elif np.abs(other).max(initial=0.0) < most and not np.isfinite(slope).all():
                yield Verdict("", "dx", ok=False, note=f"for out of {size:.0e} it is not finite")
            else:
                off, largest = np.abs(slope - other.astype(np.float64)), np.abs(other).max(initial=0.0)
                # Where all of it cancels, what is left of numbers as large as out is their rounding.
                if most > largest > 1e-300 and off.max(initial=0.0) > max(1e-6 * largest, CANCELLED * size):
                    note = f"for out of {size:.0e} it is another than in a wider format"
                    at = np.unravel_index(int(np.argmax(off)), off.shape)
                    yield Verdict("", "dx", ok=False, note=note, got=float(slope[at]), expected=float(other[at]))


def _far_out(loss: Loss[Any, Any], layer: Any, out: Array, rng: np.random.Generator) -> Iterator[Verdict]:
    if in_unit_interval(out) or not out.size:
        return
    base = measured(Trial.in_float64(layer, (), out), rng)
    for size in FAR:
        with suppress(Exception), np.errstate(all="ignore"):  # it refuses them, which is an answer
            far = base.x * (size / float(np.abs(base.x).max()))
            trial = evolve(Trial.in_float64(layer, (), far).with_noise(base.noise), floor=UNIT)
            if np.isfinite(trial.out).all():
                yield from (each for each in _compared(loss, trial, rng, f"for out of {size:.0e}") if each.wrong)


def _of_rows_in_turn(shape: tuple[int, ...]) -> Array:
    """Signs of which every second row has the other one, as where rows share their largest number."""
    signs = np.ones(shape)
    if shape:
        signs[1::2] = -1
    return signs


def _of_nan(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    """The verdicts on a nan in out that makes the loss nan, where it does not show in that row of dout.

    A loss that chooses between cases, as hinge does, compares the nan, which is false, and rightly gives the gradient
    of one of the cases. It is the same at several numbers in the place of the nan. Where none are found, of a loss that
    has cases, or of which the nan changes other entries, it can't be told.
    """
    for place in rng.integers(0, out.size, NANS) if out.ndim and out.size else ():
        index = np.unravel_index(int(place), out.shape)
        given = out.copy()
        given[index] = np.nan
        value, row = _row_of_dout(loss, given, targets, index[0])
        if row is None or not np.isnan(value) or not np.isfinite(row).all():
            continue
        _, usual = _row_of_dout(loss, out, targets, index[0])
        others = np.ones(row.shape, bool)
        others[index[1:]] = False
        cases = usual is None or bool(((row != usual) & others).any())
        for pair in _in_place_of_nan(out, targets, index, rng):
            one, other = (_row_of_dout(loss, each, targets, index[0])[1] for each in pair)
            same = one is not None and other is not None and np.array_equal(one, other)
            cases = cases or same
            if same and np.array_equal(row, np.asarray(one)):
                break
        else:
            at = f"out{[int(i) for i in index]}"
            note = f"a nan in {at} makes the loss nan and does not show in that row: is it replaced by a number?"
            yield Verdict("", "dx", ok=False, note=note, undecided=cases)


def _row_of_dout(loss: Loss[T, C], out: Array, targets: T, row: Any) -> tuple[float, Array | None]:
    """The loss, and a row of its gradient; nan and None where it refuses the arguments."""
    try:
        with np.errstate(all="ignore"):
            value, cache = run_loss(loss, out, targets)
            return float(value), np.array(loss.backward(cache, 1.0)[row])
    except Exception:
        return math.nan, None


def _in_place_of_nan(
    out: Array, targets: Any, index: tuple[Any, ...], rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Pairs of outputs, between which one case of a loss holds: with other numbers at a place, or in its row."""
    like = [np.asarray(leaf, out.dtype) for leaf in tree.leaves(targets) if leaf.shape == out.shape]
    size = float(np.abs(out).max()) or 1.0
    for start in (0.0, out[index], *(leaf[index] for leaf in like)):
        for power, sign in product((-20, -8, -1, 3, 10), (1.0, -1.0)):
            pair = (out.copy(), out.copy())
            for k, each in enumerate(pair):
                each[index] = start + sign * size * 2.0 ** (power + k)
            yield pair
    drawn = rng.standard_normal((NANS_ROWS, *out.shape[1:]))
    for row, sign in product((out[index[0]], *(leaf[index[0]] for leaf in like), *drawn), (1.0, -1.0)):
        pair = (out.copy(), out.copy())
        for k, each in enumerate(pair):
            each[index[0]] = sign * 2.0 ** (10 + k) * row
        yield pair


def loss_targets(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The gradient is right for other targets and sizes: the first and the last label, equal ones, zeros, large ones.

    Also where targets are close to `out`, for the labels that only more columns have, and for the same whole numbers in
    another dtype if the loss is then the same.

    A loss may be made for its number of columns: where a `dout` for another number has not that shape, it can't be told
    whether forward should have refused it.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on. What the loss refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_targets(mean_squared_error, out, targets, rng))
    True
    """
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    verdicts: list[Verdict] = []
    others = (*other_sizes(base.x, targets, rng), *other_targets(base.x, targets, rng))
    clean = not _written(loss, base.x, targets, "")  # else `loss_purity` says so
    for words, given, wanted in others:
        try:
            with np.errstate(all="ignore"):
                if clean and given.shape == base.x.shape:  # other sizes are tried by `loss_memory`
                    verdicts += _written(loss, given, wanted, words)
                trial = Trial.in_float64(as_layer(loss, wanted), (), given).with_noise(base.noise)
                trial = evolve(trial, floor=UNIT)
                made_for = _made_for_columns(base.x, trial, words)
                if made_for is not None:
                    verdicts += made_for
                elif np.isfinite(trial.out).all():
                    units = _of_rounded_targets(loss, base, trial, wanted, rng) if words == EQUAL_ROWS else None
                    verdicts += _compared(loss, trial, rng, words, units)
        except Exception:
            continue
        if any(each.wrong for each in verdicts):
            break  # the others would say the same, of larger ones slowly
    if not any(each.wrong for each in verdicts):
        verdicts += _of_soft_targets(loss, base, targets, rng)
    verdicts += _in_other_dtypes(loss, base.x, targets)
    if in_rows(base.x, targets):
        many = np.resize(np.arange(len(base.x)), ALL_PAIRS)  # indices into all numbers may be beyond a byte
        verdicts += _in_other_dtypes(loss, base.x[many], tree.map(itemgetter(many), targets))
    return of_ignored(loss, out, targets, one_verdict("loss_targets", verdicts))


def _of_soft_targets(loss: Loss[Any, Any], base: Trial, targets: Any, rng: np.random.Generator) -> Iterator[Verdict]:
    """The verdicts for targets between 0 and 1 where all are one or the other, which may be all that is meant."""
    for words, given, wanted in soft_targets(base.x, targets):
        with suppress(Exception), np.errstate(all="ignore"):  # it refuses them, which is an answer
            trial = evolve(Trial.in_float64(as_layer(loss, wanted), (), given).with_noise(base.noise), floor=UNIT)
            for each in _compared(loss, trial, rng, words):
                yield evolve(each, undecided=True, advice=REFUSE_TARGETS) if each.wrong else each


def _in_other_dtypes(loss: Loss[T, C], out: Array, targets: T) -> Iterator[Verdict]:
    """The verdicts on the gradient for targets of whole numbers in other dtypes, where the loss is the same."""
    for name, others in targets_in_other_dtypes(targets):
        try:
            (value, cache), (same, other) = (loss.forward(out, each) for each in (targets, others))
            right, dout = (np.array(loss.backward(each, 1.0)) for each in (cache, other))
        except Exception:
            continue
        most = EQUAL * float(np.abs(right).max(initial=0.0))
        if np.array_equal(value, same) and not np.abs(dout - right).max(initial=0.0) <= most:
            note = f"for targets in {name} it is another, though the loss is the same"
            yield Verdict("loss_targets", "dx", ok=False, note=note)


def _written(loss: Loss[Any, Any], out: Array, targets: Any, words: str) -> list[Verdict]:
    """The verdict on a loss that writes to its arguments in this case alone, as where it replaces labels."""
    given, wanted = writable((out, targets))
    loss.forward(given, wanted)
    note = written_to(out, targets, given, wanted)
    return [Verdict("loss_targets", "targets", ok=False, note=f"{words}: {note}")] if note else []


def _made_for_columns(out: Array, trial: Trial, words: str) -> list[Verdict] | None:
    """The verdict on a loss whose gradient has not the shape of an out with another number of columns; None if it has.

    Nothing is said of one that is made for one column or two, or for more than there are.
    """
    if trial.x.shape[-1:] == out.shape[-1:]:
        return None
    shape = trial.back(np.ones_like(trial.out))["dx"].shape
    if shape == trial.x.shape:
        return None
    if same_but_for_ones(shape, trial.x.shape):
        note = f"{words}: has shape {shape}, expected {trial.x.shape}: {SQUEEZED}"
        return [Verdict("loss_targets", "dx", ok=False, note=note)]
    if out.shape[-1] <= FEW or (len(shape) == out.ndim and trial.x.shape[-1] < out.shape[-1]):
        return []
    note = f"{words}: has shape {shape}, expected {trial.x.shape}"
    return [Verdict("loss_targets", "dx", ok=False, undecided=True, note=note, advice=refuse(trial))]


def _of_rounded_targets(loss: Loss[T, Any], base: Trial, trial: Trial, targets: T, rng: np.random.Generator) -> Units:
    """The rounding at rows that are equal: less a mean over them, targets too are nothing but that.

    It is small beside the usual gradient, that of the base.
    """

    def moved(leaf: Array) -> Array:
        return leaf * (1 + rng.uniform(-UNIT, UNIT, leaf.shape)) if leaf.dtype.kind == "f" else leaf

    def units() -> Fields:
        dout = np.ones_like(trial.out)
        near = [evolve(trial, layer=as_layer(loss, tree.map(moved, targets))) for _ in range(COPIES)]
        moves = [each.beside(trial.arguments).back(dout)["dx"] - trial.back(dout)["dx"] for each in near]
        of_targets = min(np.abs(moves).max(), NOT_LINEAR * rms(base.back(np.ones_like(base.out))["dx"]))
        return {"dx": rounding(trial, dout, rng)["dx"] + of_targets}

    return cache(units)


def _compared(
    loss: Loss[Any, Any], trial: Trial, rng: np.random.Generator, words: str, units: Units | None = None
) -> list[Verdict]:
    """The verdict on the gradient at other targets.

    Where a call may go through many pairs of rows, it is that along one direction, and no entry is searched for, which
    takes hundreds of calls.
    """
    if not (loss.couples_rows and len(trial.x) > ALL_PAIRS):
        douts = [np.ones_like(trial.out), np.full_like(trial.out, -2.0)]
        found = by_directions("loss_targets", trial, douts, rng, Asked(case=words, units=units, tied_units=units))
        if not any(each.undecided for each in found):
            return found
        here = measured(trial, rng)  # close to its targets a loss has more noise than elsewhere
        return by_directions("loss_targets", here, douts, rng, Asked(case=words))
    dout = np.ones_like(trial.out)
    part = Part(trial, "dx", dout, trial.back(dout)["dx"], units_of(trial, dout, rng))
    moves = sizes_of(trial.x) * rng.choice([-1.0, 1.0], trial.x.shape)
    half = rng.integers(0, 2, trial.x.shape, np.int8)
    miss = part.along(moves)
    if not math.isfinite(miss.allowed) or miss.ratio <= 1:
        return [Verdict("loss_targets", "dx", ok=True)]
    sure = part.steady(moves, miss) and part.adds_up(half * moves, (1 - half) * moves)
    note = f"{words}: it is wrong along a direction in which all of out moves"
    return [Verdict("loss_targets", "dx", False, note, got=miss.got, expected=miss.middle, undecided=not sure)]
