"""Whether a contender computes what the others do: only then does its time count.

After ten steps, the loss that it reports for the tenth and the loss at its parameters must be those of the reference,
which is in float64. In float32, 1e-5 of a loss is about a hundred units of rounding; the worst that was seen is 1e-7
for losses and 6e-7 for logits. A single step moves the loss by 4e-4 of it or more, so that one too few or too many is
noticed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contender import Contender
from speed.contenders.limit import Limit
from speed.problem import Problem
from speed.reference import Reference, logits, loss

STEPS = 10

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
"""The relative difference of losses that is rounding."""


class DisagreementError(Exception):
    """A contender that computes something else."""


def learned(
    contender: Contender, problem: Problem, reference: Reference, dtype: type[np.float32 | np.float64]
) -> float:
    """Take ten steps, and hold the losses against the reference: the largest relative difference.

    Raises
    ------
    DisagreementError
        If that is more than rounding.
    """
    contender.steps(STEPS)
    if isinstance(contender, Limit):
        difference = largest(contender.products())
    else:
        reported = contender.loss()
        pairs = [(loss(contender.parameters(), problem.x, problem.labels), reference.after)]
        if reported is not None:
            pairs.append((reported, reference.losses[-1]))
        difference = max(abs(ours / theirs - 1) for ours, theirs in pairs)
    return within(difference, TOLERANCE[dtype], f"losses after {STEPS} steps")


def predicted(contender: Contender, problem: Problem, dtype: type[np.float32 | np.float64]) -> float:
    """Predict once, and hold the logits against float64: the largest difference from the largest entry.

    A contender that gives probabilities gives logits less a constant of each row, so rows are compared less their mean.

    Raises
    ------
    DisagreementError
        If that is more than rounding.
    """
    contender.predictions(1)
    out, right = contender.logits().astype(np.float64), logits(problem.start, problem.x)
    pair = [array - array.mean(axis=1, keepdims=True) for array in (out, right)]
    return within(largest([(pair[0], pair[1])]), TOLERANCE[dtype], "logits")


def largest(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    """The largest difference, relative to the largest entry of its array."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def within(difference: float, tolerance: float, what: str) -> float:
    """The difference, if it is no more than the tolerance."""
    if not difference <= tolerance:
        raise DisagreementError(f"{what} differ by {difference:.1e} of the reference, more than {tolerance:.0e}")
    return difference
