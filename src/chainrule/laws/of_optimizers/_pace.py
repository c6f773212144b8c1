"""The pace of an optimizer's steps as they are taken, and the curvature of a quadratic that suits it."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.laws.of_optimizers._steps import Place, last_place
from chainrule.laws.trials.copies import writable

STEPS = 12
"""The steps that a rate is the mean of: some optimizers move at every second one, or slowly at first."""

LONGER = (STEPS, 64, 1000)
"""The steps that are taken for it: more where so many don't move, as those that add up gradients first."""

STEEPNESS = 0.05
"""The curvature of a quadratic on which an optimizer has to descend, times its rate; from 2 on it would not."""

JUMP = 2 / STEEPNESS
"""A growth from one look to the next that no warm-up has: a quadratic that suits the first does not bear it."""

SETTLED = 1.5
"""The growth of the largest rate in as many steps again up to which it has settled: 1.42 is that of a root of them."""

WITHOUT_END = 1e9
"""The growth of a rate that is no warm-up."""

USUAL, LONGEST = 1000, 16_000
"""The steps after which a rate has usually settled, and those after which it is said not to."""

LOOKS = frozenset((0, 12, 25, *(50 * i + 5 * (i % 9) for i in range(1, 20)), *(USUAL * 2**k for k in range(5))))
"""The steps before which the rate is measured: at no period, which may be that of the optimizer."""


@frozen
class Pace:
    """The rate of an optimizer's steps: of its first, the largest, and whether it stops to grow.

    The first is 0 if it does not move. `along` the slopes are the places of the first thousand steps.
    """

    first: float
    largest: float
    settled: bool
    along: tuple[float, ...] = ()

    @property
    def curvature(self) -> float:
        """The curvature of a quadratic that suits it; infinite if nothing moves."""
        rate = self.largest if self.settled else self.first
        return STEEPNESS / rate if rate > 0 else np.inf


def pace_of(optimizer: Any, start: Any, slopes: Any) -> Pace:
    """The pace under gradients whose sign is drawn anew in each step, so that the parameters stay where they are."""
    *shorter, longest = LONGER
    steps = next((n for n in shorter if _rate(optimizer, start, optimizer.init(start), slopes, n) != 0), longest)
    if steps == longest:  # too many to look at it again
        rate = _rate(optimizer, start, optimizer.init(start), slopes, steps)
        return Pace(rate, rate, settled=True)
    first = largest = before = 0.0
    along: list[float] = []
    for step, rate in _rates(optimizer, start, slopes, steps, along):
        if not np.isfinite(rate) or rate > WITHOUT_END * first > 0:
            return Pace(first, largest, settled=False)
        if rate > JUMP * largest > 0:  # which has to show on a quadratic that suits those before
            return Pace(first, largest, settled=step <= USUAL)
        first, largest = first or rate, max(largest, rate)
        if step >= USUAL and largest <= SETTLED * before:
            return Pace(first, largest, settled=True, along=tuple(along))
        if step >= USUAL or step <= USUAL // 2:
            before = largest
    return Pace(first, largest, settled=False, along=tuple(along))


def drawn_signs() -> Any:
    """The steps whose gradient has the sign that it is given."""
    return np.random.default_rng(0).random(LONGEST + 1) < 0.5


def _rates(optimizer: Any, start: Any, slopes: Any, steps: int, along: list[float]) -> Iterator[tuple[int, float]]:
    signs = drawn_signs()
    other = tree.map(np.negative, slopes)
    at, state = writable(start), optimizer.init(start)
    ways = tree.leaves(slopes)
    for step in range(LONGEST + 1):
        if step <= USUAL:
            along.append(sum(float(np.vdot(leaf, way)) for leaf, way in zip(tree.leaves(at), ways, strict=True)))
        if step in LOOKS:
            yield step, _rate(optimizer, at, state, slopes, steps)
        at, state = optimizer.step(state, at, slopes if signs[step] else other)


def _rate(optimizer: Any, at: Any, state: Any, slopes: Any, steps: int) -> float:
    """The largest rate of a number; nan if one of them is."""
    none = tree.map(np.zeros_like, slopes)
    moved, still = (  # from copies, which a step may write to
        last_place(optimizer, Place(writable(at), state), repeat(each, steps)).params for each in (slopes, none)
    )
    pairs = zip(tree.leaves(moved), tree.leaves(still), tree.leaves(slopes), strict=True)
    rates = [float(np.max(np.abs(a - b) / np.abs(g))) / STEPS for a, b, g in pairs if a.size]
    return float(np.max(rates)) if rates else 0.0
