"""The law of the rows of a loss: it is their mean, and each is of its own row."""

from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from typing import TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, compare
from chainrule.laws.of_layers.derivative import noted
from chainrule.laws.of_losses._as_layer import rounding_of_loss, run_loss
from chainrule.laws.of_losses._cases import OtherArguments, other_targets
from chainrule.laws.trials.copies import in_float64, targets_in_float64
from chainrule.laws.trials.sizes import in_unit_interval
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")

FAR = 1000.0
"""By how much one row is moved away from the others, which should not notice."""


def mean_of_rows(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The loss is the mean of `rows`, and each row's loss depends on that row alone, unless it says `couples_rows`.

    So it does beside a row that is far away, in the numbers of rows that the loss takes, in reverse order, and for
    other targets.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws other targets, and the direction in which the rounding of the loss is measured.

    Returns
    -------
    list[Verdict]
        For the loss and the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.mean_of_rows(mean_squared_error, out, targets, rng))
    True
    """
    out, targets = in_float64(out), targets_in_float64(targets)
    value, _ = run_loss(loss, out, targets)
    rows = loss.rows(out, targets)
    if not isinstance(rows, np.ndarray | np.generic) or rows.shape != out.shape[:-1]:
        note = f"is {describe(rows)}, expected an array of shape {out.shape[:-1]}"
        return [Verdict("mean_of_rows", "rows", ok=False, note=note)]
    rounding = rounding_of_loss(loss, out, targets, rng)
    of_loss = compare("mean_of_rows", "loss", np.asarray(value), np.asarray(rows.mean()), rounding)
    of_rows = Verdict("mean_of_rows", "rows", ok=True, note="declared: rows are coupled")
    if not loss.couples_rows:
        of_rows = _alone(loss, out, targets, rows, rounding)
    n = len(out)
    for which in (np.arange(1), np.arange(n // 2, n), np.arange(2 * n) % n, np.arange(n)[::-1]):
        with suppress(Exception):
            some = np.asarray(loss.rows(out[which], tree.map(itemgetter(which), targets)))
            value_of = np.asarray(run_loss(loss, out[which], tree.map(itemgetter(which), targets))[0])
            if of_loss.ok:
                of_loss = compare("mean_of_rows", "loss", value_of, np.asarray(some.mean()), rounding)
            if of_rows.ok and not loss.couples_rows:
                of_rows = compare("mean_of_rows", "rows", some, rows[which], rounding)
    of_rows = of_rows if of_rows.note else noted(of_rows, "rows depend on each other")
    of_loss = noted(of_loss, "the loss is not the mean of its rows: a sum?")
    kept = _kept_of_targets(loss, out, targets, rounding, rng) if of_loss.ok else None
    return [kept or of_loss, of_rows]


def _kept_of_targets(
    loss: Loss[T, C], out: Array, targets: T, rounding: float, rng: np.random.Generator
) -> Verdict | None:
    """The verdict on a loss that is not the mean of its rows after calls with other targets, if it is such a one."""
    case: OtherArguments
    for case in (*other_targets(out, targets, rng), ("again", out, targets)):
        words, given, wanted = case
        with suppress(Exception), np.errstate(all="ignore"):  # it refuses them, which is an answer
            value, rows = np.asarray(run_loss(loss, given, wanted)[0]), np.asarray(loss.rows(given, wanted))
            if not np.isfinite(rows).all():
                continue
            note = f"{words} it is not the mean of its rows: does it keep something of earlier targets?"
            largest = float(np.abs(rows).max(initial=0.0))
            verdict = compare(
                "mean_of_rows", "loss", value, np.asarray(rows.mean()), rounding, least=largest, note=note
            )
            if not verdict.ok:
                return verdict
    return None


def _alone(loss: Loss[T, C], out: Array, targets: T, rows: Array, rounding: float) -> Verdict:
    try:
        alone = [loss.rows(out[i : i + 1], tree.map(itemgetter(slice(i, i + 1)), targets)) for i in range(len(out))]
        verdict = compare("mean_of_rows", "rows", rows, np.concatenate(alone), rounding)
    except Exception:
        if _takes(loss, out[:1], tree.map(itemgetter(slice(1)), targets)):
            raise
        verdict = Verdict("mean_of_rows", "rows", ok=True, note=f"it takes no single row of {len(out)}")
    far = (each for each in _beside_a_far_row(loss, out, targets, rows, rounding) if not each.ok)
    return next(far, verdict) if verdict.ok else verdict


def _takes(loss: Loss[T, C], out: Array, targets: T) -> bool:
    try:
        run_loss(loss, out, targets)
    except Exception:
        return False
    return True


def _beside_a_far_row(loss: Loss[T, C], out: Array, targets: T, rows: Array, rounding: float) -> Iterator[Verdict]:
    """The verdicts on rows beside one that is far away, and on that one, as where all share a largest number."""
    if len(out) < 2 or in_unit_interval(out):
        return
    for far in (FAR, -FAR):
        moved = out.copy()
        moved[0] += far
        if ((out > 0).all() or (out < 0).all()) and (np.sign(moved) != np.sign(out)).any():
            continue  # outside of the domain, perhaps
        with suppress(Exception):  # it refuses these numbers, which is an answer
            beside = np.asarray(loss.rows(moved, targets))
            yield _as_alone(beside[1:], rows[1:], rounding)
            first = tree.map(itemgetter(slice(1)), targets)
            yield _as_alone(beside[:1], np.asarray(loss.rows(moved[:1], first)), rounding)


def _as_alone(beside: Array, alone: Array, rounding: float) -> Verdict:
    expected = np.where(np.isfinite(alone), alone, np.nan)
    note = f"rows depend on each other where one of them is {FAR:.0f} away: is a largest number shared?"
    return compare("mean_of_rows", "rows", beside, expected, rounding, note=note)
