"""The law of losses elsewhere, at other targets, and at other numbers of rows and columns."""

import math
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
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
from chainrule.laws.of_losses._as_layer import as_layer, of_ignored, one_verdict
from chainrule.laws.of_losses._cases import (
    EQUAL_ROWS,
    other_sizes,
    other_targets,
    soft_targets,
    targets_in_other_dtypes,
)
from chainrule.laws.of_losses.memory import in_rows, written_to
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.directions import Asked, by_directions, refuse
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.rounding import COPIES, NOT_LINEAR, Units, rounding, units_of
from chainrule.laws.trials.sizes import rms, same_but_for_ones, sizes_of
from chainrule.laws.trials.trial import Fields, Trial, measured
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")

FEW = 2
"""Columns of a loss that is made for them: one score, two, or a mean and a variance."""

REFUSE_TARGETS = "If these targets are not meant, let forward refuse them"
"""The advice where a law has made targets that the loss may have taken by accident."""

ALL_PAIRS = 257
"""The most rows at which a wrong entry is searched for, of a loss whose rows are coupled."""


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
                    verdicts += compared(loss, trial, rng, words, units)
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
            for each in compared(loss, trial, rng, words):
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


def compared(
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
