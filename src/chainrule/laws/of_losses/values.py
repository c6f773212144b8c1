"""The law of losses elsewhere, at other outputs: small and large ones, for every `dloss`, and where one is nan."""

import math
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.douts import any_dout
from chainrule.laws.of_layers.values import other_values
from chainrule.laws.of_losses._as_layer import as_layer, number_of_rows, of_ignored, one_verdict, run_loss
from chainrule.laws.of_losses._slopes import with_slopes
from chainrule.laws.of_losses.targets import compared
from chainrule.laws.trials.sizes import in_unit_interval
from chainrule.laws.trials.trial import Trial, measured
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")

NANS, NANS_ROWS = 3, 8
"""The number of entries of an out that are set to nan, each alone, and of rows that are drawn in place of its row."""

CANCELLED = 2.0**-46
"""The share of numbers in float64 that is left of them as rounding where they cancel."""

FAR = (1e3, 1e4)
"""The largest numbers of an out that is far out."""


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
                yield from (each for each in compared(loss, trial, rng, f"for out of {size:.0e}") if each.wrong)


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
