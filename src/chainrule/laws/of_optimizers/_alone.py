"""A step that goes up its gradient among others that go down."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.laws.of_optimizers._pace import USUAL, drawn_signs
from chainrule.laws.of_optimizers._steps import Place, last_place
from chainrule.laws.trials.copies import writable

LAGS = 3
"""The steps before one, and their gradients, that it is foreseen from: exactly, where there is a momentum or two."""

SHARE = 0.5
"""The share of the effect of a gradient that a step is off what was foreseen: one that goes up is off by two."""

OTHERS = 50
"""The number of steps that it is compared with."""

FEW = 0.1
"""The share of them that may go up too."""

AFTER = (1, 2, 4, 16, 64)
"""The steps after it by which it is not made up for, as that of a perturbation is which the next takes back."""


def upward_step(optimizer: Any, params: Any, slopes: Any, along: Sequence[float]) -> int:
    """The step of a thousand under gradients whose sign is drawn that goes up them, though others go down; or 0.

    The places of these steps `along` the slopes tell which are looked at.
    """
    suspects = _suspects(np.array(along))
    if not suspects:
        return 0
    usual, up = list[float](), dict[int, tuple[float, Place, Any, Any]]()
    turned, place = tree.map(np.negative, slopes), Place(writable(params), optimizer.init(params))
    for step, sign in enumerate(drawn_signs()[: len(along) - 1]):
        given, other = (slopes, turned) if sign else (turned, slopes)
        is_usual = step % (USUAL // OTHERS) == 0
        if is_usual or step in suspects:
            way = _way(_next(optimizer, place, given), _next(optimizer, place, other), given)
            usual += [way] * is_usual
            if way > 0:
                up[step + 1] = way, place, given, other
        place = Place(*optimizer.step(place.state, place.params, given))
    if np.count_nonzero(np.array(usual) > 0) > FEW * np.count_nonzero(usual):
        return 0
    least = SHARE * float(np.median(np.abs(usual)))  # of a step of one length, the gradient may decide little
    return next((step for step, (way, *at) in up.items() if way > least and _stays_up(optimizer, *at)), 0)


def _suspects(along: Any) -> set[int]:
    """The steps that go another way than the gradients and the steps before them let expect."""
    moves: NDArray[Any] = np.diff(along)
    if moves.size < USUAL or not np.isfinite(moves).all():
        return set()
    signs = np.where(drawn_signs()[: moves.size], 1.0, -1.0)
    some: NDArray[Any] = np.arange(LAGS, moves.size)
    known = np.stack([signs[some - k] for k in range(LAGS)] + [moves[some - k] for k in range(1, LAGS)], axis=1)
    weights: NDArray[Any] = np.linalg.lstsq(known, moves[some], rcond=None)[0]
    off: NDArray[Any] = (moves[some] - known @ weights) * signs[some]
    return {int(step) for step in some[off > SHARE * abs(weights[0])]}


def _next(optimizer: Any, place: Place, slopes: Any) -> Place:
    return Place(*optimizer.step(place.state, writable(place.params), slopes))


def _stays_up(optimizer: Any, before: Place, given: Any, other: Any) -> bool:
    """Tell whether a step leads up its gradient the same way each time, also after some more."""
    one, same, beside = (_next(optimizer, before, each) for each in (given, given, other))
    if not tree.equal(one.params, same.params):
        return False
    ends = ([last_place(optimizer, at, repeat(given, count)) for at in (one, beside)] for count in AFTER)
    return all(_way(at, from_beside, given) > 0 for at, from_beside in ((one, beside), *ends))


def _way(one: Place, other: Place, slopes: Any) -> float:
    """The height of one place above another along the slopes; 0 if by rounding alone."""
    way = size = 0.0
    for a, b, slope in zip(*map(tree.leaves, (one.params, other.params, slopes)), strict=True):
        products: NDArray[Any] = np.multiply(slope, [a, b])
        way += float((products[0] - products[1]).sum())
        size += float(np.abs(products[0]).sum())
    return way if abs(way) > 64 * np.finfo(np.float64).eps * size else 0.0
