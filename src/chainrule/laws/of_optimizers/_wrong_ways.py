"""The places where numbers go under gradients, and the faults of these: by the path of an array, in words."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._later_steps import told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import scaled, seen
from chainrule.optimizer import Optimizer

MOMENTS = ((6, STEPS), (32, 64), (800, 1000))
"""The numbers of steps after which the direction is looked at: the later ones where nothing has moved before."""

UNMOVED = f"no number moves in {MOMENTS[-1][-1]} steps, whatever its gradient: is it used?"
"""The words for an array that stays where it is."""

FINE = 4
"""So many of a number's last places are as good as none: gradients differ by as much from each other."""

FURTHER = 1e4
"""The factor by which a number may go further under a gradient than under the same one turned, as in mirror descent."""

NOT_AGAINST = "a number does not go against its gradient"
"""The words for one that goes somewhere else."""

WITH_OTHERS = "a number whose gradient is zero goes with those of others"
"""The words for what is mixed up, or made of all numbers of an array."""

GROWS = "under a gradient of zero it moves away from 0"
"""The words for what grows."""

AFAR = 1024.0
"""The factor of numbers that no decay brings to 0 in some steps, and of gradients that no decay comes up to."""


def run(optimizer: Optimizer[Any, Any], params: Any, slopes: Any, moments: Sequence[int] = MOMENTS[0]) -> list[Any]:
    with np.errstate(all="ignore"):
        return seen(optimizer, params, repeat(slopes, moments[-1]), moments)


@frozen
class _Runs:
    """The numbers of one array at some moments: under gradients, these turned, none, and some of them."""

    lost: float
    start: Array
    slope: Array
    hole: Array
    down: list[Array]
    up: list[Array]
    still: list[Array]
    some: list[Array]

    @property
    def moved(self) -> bool:
        return not self.start.size or not (
            np.array_equal(self.down[0], self.still[0]) and np.array_equal(self.up[0], self.still[0])
        )

    @property
    def left(self) -> bool:
        return not all(np.array_equal(self.start, still) for still in self.still)

    @property
    def apart(self) -> bool:
        return all(
            np.array_equal(np.sign(a - b), -np.sign(self.slope)) for a, b in zip(self.down, self.up, strict=True)
        )


def _runs(
    optimizer: Optimizer[Any, Any], start: Any, slopes: Any, holes: Any, moments: Sequence[int], lost: float
) -> list[_Runs]:
    given = (slopes, tree.map(np.negative, slopes), tree.map(np.zeros_like, slopes), holes)
    runs = [[tree.leaves(at) for at in run(optimizer, start, steady, moments)] for steady in given]
    each = zip(tree.leaves(start), tree.leaves(slopes), tree.leaves(holes), strict=True)
    return [_Runs(lost, *arrays, *([at[i] for at in run] for run in runs)) for i, arrays in enumerate(each)]


def wrong_ways(
    optimizer: Optimizer[Any, Any], start: Any, slopes: Any, holes: Any, moments: Sequence[int], lost: float = 0.0
) -> dict[str, str]:
    """The fault of the places where the numbers of each array go, in words; "" where there is none.

    Where decay is added before a sign or a norm is taken, it may move a number as far as a gradient does, and one near
    0 past it. So what decays and seems wrong is looked at again: from 0, where there is no decay, and from afar. By
    rounding, steps may lose a share of a number; by default what they lose in its own dtype.
    """
    runs = _runs(optimizer, start, slopes, holes, moments, lost)
    notes = [_not_finite(each) or (_wrong_way(each) if each.moved else UNMOVED) for each in runs]
    doubtful = [i for i, each in enumerate(runs) if notes[i] and each.left and not _not_finite(each)]
    if doubtful:
        none = tree.map(np.zeros_like, start)
        near = _runs(optimizer, none, scaled(slopes, AFAR), scaled(holes, AFAR), moments, lost)
        far = scaled(start, AFAR)
        alone = [tree.leaves(at) for at in run(optimizer, far, none, range(1, moments[-1] + 1))]
        for i in doubtful:
            if near[i].moved and not _not_finite(near[i]):
                notes[i] = _against(near[i])
            elif runs[i].apart:
                notes[i] = ""
            notes[i] = notes[i] or _growth(tree.leaves(far)[i], [at[i] for at in alone])
    return {path: note for (path, _), note in zip(tree.named_leaves(start), notes, strict=True)}


def _not_finite(runs: _Runs) -> str:
    if not all(np.isfinite(each).all() for each in (*runs.down, *runs.up)):
        return "it is not finite after some steps, though no gradient is 0: is something else, such as 1 - beta**0?"
    if not all(np.isfinite(each).all() for each in (*runs.still, *runs.some)):
        return "it is not finite after some steps: is something divided by a gradient of 0?"
    return ""


def _wrong_way(runs: _Runs) -> str:
    note = _against(runs)
    if note:
        return note
    slope, down, still = runs.slope, runs.down, runs.still
    ways = [np.abs(each[0] - still[0]) for each in (down, runs.up)]
    wrong = np.minimum(*ways) * FURTHER < np.maximum(*ways)
    if wrong.any() and all(each.all() for each in ways):
        return told(f"a gradient moves a number {FURTHER:g} times as far as the same one turned", wrong)
    wrong = np.sign((down[1] - still[1]) - (down[0] - still[0])) == np.sign(slope)
    return told("after some steps a number goes along its gradient", wrong) if wrong.any() else ""


def _against(runs: _Runs) -> str:
    """The fault of numbers that do not go against their gradient, or from 0 or with others without one, in words."""
    first, slope, hole = runs.start, runs.slope, runs.hole
    for a, b, zero, partly in zip(runs.down, runs.up, runs.still, runs.some, strict=True):
        wrong = (np.sign(a - zero) != -np.sign(slope)) | (np.sign(b - zero) != np.sign(slope))
        fine = _too_fine(first, np.maximum(np.abs(a - zero), np.abs(b - zero)), runs.lost)
        wrong &= ~(((a == zero) | (b == zero)) & fine)
        if wrong.any():
            stays = bool(np.all((a == zero) & (b == zero) | ~wrong))
            return told("a number does not move, let alone against its gradient" if stays else NOT_AGAINST, wrong)
        wrong = (np.abs(zero) > (1 + 1e-6) * np.abs(first)) | (zero * first < 0)
        if wrong.any():
            return told(GROWS, wrong)
        wrong = (hole == 0) & (np.abs(partly - zero) > 1e-6 * np.abs(first).max(initial=1e-300))
        if wrong.any():
            return told(WITH_OTHERS, wrong)
    return ""


def _too_fine(first: Array, ways: Array, lost: float) -> NDArray[np.bool_]:
    """True where the steps of an array are lost in the rounding of a number, as that of 0.001 beside 1e5 in float32."""
    last = np.maximum(np.spacing(np.abs(first)), lost * np.abs(first))
    fine: NDArray[np.bool_] = last * FINE > ways.max(initial=0.0)
    return fine


def _growth(first: Array, steps: list[Array]) -> str:
    before = first
    for at in steps:
        wrong = (np.abs(at) > (1 + 1e-6) * np.abs(first)) | ((before == first) & (at * first < -1e-6 * first**2))
        if wrong.any():
            return told(GROWS, wrong)
        before = at
    return ""
