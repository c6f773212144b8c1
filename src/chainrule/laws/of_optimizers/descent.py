"""The law of descent: an optimizer comes down a bowl, at the rates that it was made for."""

from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_optimizers._alone import upward_step
from chainrule.laws.of_optimizers._pace import LONGEST, USUAL, pace_of
from chainrule.laws.of_optimizers._precision import computing
from chainrule.laws.of_optimizers._steps import Place, last_place
from chainrule.laws.trials.copies import in_dtype
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")


def descends(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """A thousand steps on a quadratic stay finite and end no higher than they began.

    The curvature is fitted to the largest of the optimizer's own steps, so that no rate is too large for it, nor a
    warm-up too flat; if they grow on and on, to its first. Where it decays, the end is compared with that of decay
    alone. Then the minimum moves away, and some more steps have to come no further from it. None of a thousand goes up
    its gradient where most go down.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        The generator that draws gradients.

    Returns
    -------
    list[Verdict]
        For the loss.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.descends(adam(0.01), params, grads, rng))
    True
    """
    optimizer, start = computing(optimizer, params, grads).optimizer, in_dtype(params, np.float64)
    slopes = tree.map(lambda leaf: rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 2, leaf.shape), start)
    with np.errstate(all="ignore"):
        pace = pace_of(optimizer, start, slopes)
        if not np.isfinite(pace.curvature):
            note = f"it does not move in {USUAL} steps, or not by a finite number, so that no curvature suits it"
            return [Verdict("descends", "loss", ok=False, undecided=True, note=note)]
        first, second = Place(start, optimizer.init(start)), Place(start, optimizer.init(start))
        note, place = _descended(optimizer, first, second, slopes, pace.curvature, USUAL)
        if not note:
            note, _ = _descended(optimizer, place, place, slopes, pace.curvature, MOVED)
            note = note and f"the minimum moves after {USUAL} steps: {note}"
        step = 0 if note else upward_step(optimizer, start, slopes, pace.along)
        note = f"step {step} goes up its gradient, and others go down" if step else note
    if note or pace.settled:
        return [Verdict("descends", "loss", ok=not note, note=note)]
    note = f"its steps still grow after {LONGEST} of them: does a warm-up end later, or does the rate grow for ever?"
    return [Verdict("descends", "loss", ok=False, undecided=True, note=note)]


def _descended(
    optimizer: Optimizer[Any, Any], place: Place, other: Place, slopes: Any, curvature: float, steps: int
) -> tuple[str, Place]:
    """The fault of some steps on a quadratic whose gradient is first the slopes, in words, and where they end.

    They are compared with as many from the other place, without a gradient.
    """
    centre = tree.map(lambda leaf, slope: leaf - slope / curvature, place.params, slopes)
    none = tree.map(np.zeros_like, slopes)

    def loss(at: Any) -> float:
        return sum(float(np.sum((a - c) ** 2)) for a, c in zip(tree.leaves(at), tree.leaves(centre), strict=True))

    at, state = place.params, place.state
    first = loss(at)
    for step in range(1, steps + 1):
        at, state = optimizer.step(state, at, tree.map(lambda leaf, c: (leaf - c) * curvature, at, centre))
        if not all(np.isfinite(leaf).all() for leaf in tree.leaves(at)):
            return f"after {step} steps on a quadratic it is not finite", place
    last = loss(at)
    ok = last <= 1.01 * first or last <= 1.01 * loss(last_place(optimizer, other, [none] * steps).params)
    count = "a thousand" if steps == USUAL else str(steps)
    note = "" if ok else f"{count} steps on a quadratic end at {last:.3g} times its curvature, from {first:.3g}"
    return note, Place(at, state)


MOVED = 200
"""The steps on a quadratic whose minimum has moved, once a thousand have led to the one before."""


def curvature_for(optimizer: Optimizer[Any, Any], start: Any, slopes: Any) -> float:
    """The curvature of a quadratic that suits the rate of an optimizer's steps; infinite if it does not move."""
    with np.errstate(all="ignore"):
        return pace_of(optimizer, start, slopes).curvature
