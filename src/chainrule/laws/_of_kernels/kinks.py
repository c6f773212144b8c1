"""Kinks of the formula, as of relu at 0 and of a maximum at a tie: other slopes than its own are right there."""

from collections.abc import Iterable, Iterator

import numpy as np

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Real, values
from chainrule.laws._of_kernels.check import Check
from chainrule.laws._of_kernels.kernels import Arguments, lifted
from chainrule.laws._of_kernels.yardstick import Truth, numbers
from chainrule.laws.trials.sizes import rms

SIDES, BESIDE = 2, 2.0**-20
"""The number of times that all numbers of x are moved, and back, to see whether the formula has a kink there; and by
what share of them."""


def is_smooth(check: Check, known: Truth, verdict: Verdict, near: Iterable[Arguments] = ()) -> bool:
    """Tell whether a result of the formula is the same at points to either side of x, but for a tenth of the error.

    If it is not, a kink may account for the error; so it may where x is at the end of the formula's domain.
    """
    error = abs(verdict.got - verdict.expected)
    allowed = np.inf if np.isnan(error) else 0.1 * error
    right, name = known.right[verdict.field], verdict.field
    try:
        there = (_result(check, known, args, name) for args in near or _beside(check, known))
        return all(np.all(np.abs(each - right) <= allowed) for each in there)
    except Exception:
        return False


def is_beyond(check: Check, known: Truth, verdict: Verdict) -> bool:
    """Tell whether an entry of dx lies beyond the slopes to both sides, of a formula of each entry alone."""
    x, names, at = values(known.args[0]), check.names, verdict.index
    out = known.right[names.out]
    if verdict.field != f"d{names.arguments[0]}" or out.shape != x.shape:
        return False
    others = x + rms(x) * check.rng.standard_normal(x.shape)
    others[at] = x[at]
    try:
        alone = abs(_result(check, known, _at(check, known, others), names.out)[at] - out[at])
        slopes = [float(_result(check, known, args, verdict.field)[at]) for args in _beside(check, known)]
    except Exception:
        return False
    apart = max(min(slopes) - verdict.got, verdict.got - max(slopes))
    return bool(alone <= 1e-12 * abs(out[at]) and apart > 0.1 * abs(verdict.got - verdict.expected))


def _result(check: Check, known: Truth, args: Arguments, name: str) -> Real:
    with np.errstate(all="ignore"):
        return numbers(check.reference.run(args, known.dout))[name]


def _beside(check: Check, known: Truth) -> Iterator[Arguments]:
    x = values(known.args[0])
    size = BESIDE * (rms(x) or 1.0)
    for _ in range(SIDES):
        step = size * check.rng.uniform(0.5, 1, x.shape) * check.rng.choice([-1.0, 1.0], x.shape)
        yield from (_at(check, known, moved) for moved in (x + step, x - step))


def _at(check: Check, known: Truth, x: Real) -> Arguments:
    wide = lifted(known.args, check.backend.wide)
    return (check.backend.like(x, wide[0]), *wide[1:])
