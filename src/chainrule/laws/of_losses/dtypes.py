"""The law of losses in float32 and float16."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws.of_layers._beside_float64 import Allowance, BesideFloat64, floors
from chainrule.laws.of_layers._made import UNITS
from chainrule.laws.of_layers.calls import in_other_calls
from chainrule.laws.of_layers.dtypes import precision
from chainrule.laws.of_losses._as_layer import as_layer, number_of_rows, renamed, with_rows
from chainrule.laws.of_losses._cases import OtherArguments, other_sizes, other_targets
from chainrule.laws.trials.copies import in_float64
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.trial import Fields, Trial, measured
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")


MOST_IN_FLOAT32, IN_FLOAT16_TOO = 2**12, ("", "with 129 rows")
"""The most numbers in an out that is tried in float32 too, and the cases that are tried in float16."""

UNITS_OF_FLOAT16 = 32.0
"""The units of rounding that a result in float16 may be off by at other sizes: more than at those that are given."""


def loss_precision(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the loss and its gradient have that dtype, and are those of float64 but for rounding.

    So they are for other outputs, targets and sizes, where more rounding is let pass.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For the loss and `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_precision(mean_squared_error, out, targets, rng))
    True
    """
    rounded = tree.map(_as_float16, targets)  # which all dtypes hold
    verdicts = precision(as_layer(loss, rounded), (), out, rng)
    try:
        loss.forward(in_float64(out), in_float64(rounded))
    except Exception:  # as of shares, whose sum is then not 1
        rounded = targets
    verdicts += _elsewhere(loss, out, rounded, rng)
    layer = as_layer(loss, rounded, rows=number_of_rows(out))
    if not any(each.wrong for each in verdicts):
        found = in_other_calls(layer, (), out, rng, of_loss=True)
        verdicts += [_with_its_targets(each) for each in found]
    return renamed("loss_precision", one_each(verdicts))


def _elsewhere(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    """The wrong verdicts for other sizes and targets: all in float32, and in float16 that of many rows and as given."""
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    usual = base.results(np.ones_like(base.out))
    as_given: OtherArguments = ("", out, targets)
    for words, given, wanted in (as_given, *other_sizes(out, targets, rng), *other_targets(out, targets, rng)):
        if given.size > MOST_IN_FLOAT32:
            continue
        layer = as_layer(loss, wanted)
        in_float16 = words in IN_FLOAT16_TOO and not loss.couples_rows  # sums over rows lose too much
        for dtype in (np.float32, np.float16) if in_float16 else (np.float32,):
            judged = partial(_beside_float64, layer, given.astype(dtype), words, usual, rng)
            with suppress(Exception), np.errstate(all="ignore"):  # it refuses these, which is an answer
                found = judged(base.noise)
                if found:  # it may have more noise here
                    found = judged(measured(Trial.in_float64(layer, (), given), rng).noise)
                # Near its least value a loss may be all that is left of larger numbers.
                least = _units_of(given.astype(dtype)) * float(np.finfo(dtype).eps) * abs(float(base.out))
                yield from (each for each in found if each.field != "out" or not abs(each.got - each.expected) < least)


def _beside_float64(
    layer: Any, out: Array, words: str, usual: Fields, rng: np.random.Generator, noise: float
) -> list[Verdict]:
    """The wrong verdicts on the results in a dtype, beside those in float64, in which the loss has that noise."""
    trial = Trial.of(layer, (), out)
    both = BesideFloat64.of(trial, np.ones_like(trial.out), rng, noise)
    units = _units_of(out)
    at = f"in {out.dtype.name}{words and f', {words}'}"
    judged = both.verdicts(rng, at, Allowance(may_overflow=True, units=units, largest=floors(usual, units)))
    return [each for each in judged if each.wrong]


def _units_of(out: Array) -> float:
    return UNITS[4] if out.dtype == np.float32 else UNITS_OF_FLOAT16


def _with_its_targets(verdict: Verdict) -> Verdict:
    """The verdict with a point whose targets have as many rows as its out, for the lines that show it."""
    part = verdict.point
    if not isinstance(part, Part):
        return verdict
    of_loss = part.trial.layer.forward
    layer = as_layer(of_loss.loss, with_rows(of_loss.rows, part.trial.x, of_loss.targets))
    return evolve(verdict, point=evolve(part, trial=evolve(part.trial, layer=layer)))


def _as_float16(leaf: Array) -> Array:
    with np.errstate(all="ignore"):
        return leaf.astype(np.float16).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf
