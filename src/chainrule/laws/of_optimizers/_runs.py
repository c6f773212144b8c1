"""Runs of an optimizer under steady gradients, and what is wrong with where the numbers go."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._later_steps import told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.optimizer import Optimizer

P = TypeVar("P")

MOMENTS = ((6, STEPS), (32, 64), (800, 1000))
"""The numbers of steps after which the direction is looked at: the later ones where nothing has moved before."""

UNMOVED = f"no number moves in {MOMENTS[-1][-1]} steps, whatever its gradient: is it used?"
"""The words for an array that stays where it is."""


@frozen
class Place:
    """The place of an optimizer: its parameters and its state."""

    params: Any
    state: Any


def went_on(optimizer: Optimizer[Any, Any], place: Place, slopes: Sequence[Any]) -> Any:
    """The parameters after steps from a place under these gradients."""
    at, state = place.params, place.state
    for each in slopes:
        at, state = optimizer.step(state, at, each)
    return at


def run(optimizer: Optimizer[Any, Any], params: Any, slopes: Any, moments: Sequence[int] = MOMENTS[0]) -> list[Any]:
    """The parameters after some numbers of steps under a steady gradient."""
    state = optimizer.init(params)
    seen: list[Any] = []
    with np.errstate(all="ignore"):
        for step in range(1, moments[-1] + 1):
            params, state = optimizer.step(state, params, slopes)
            if step in moments:
                seen.append(params)
    return seen


@frozen
class _Runs:
    """The numbers of one array at some moments: under gradients, these turned, none, and some of them.

    Parameters
    ----------
    start, slope, hole
        The numbers at first, the gradients, and those of which some are 0.
    down, up, still, some
        The numbers at each moment.
    """

    start: Array
    slope: Array
    hole: Array
    down: list[Array]
    up: list[Array]
    still: list[Array]
    some: list[Array]

    @property
    def moved(self) -> bool:
        """True if a gradient has an effect at the first moment, and so at the others."""
        return not self.start.size or not (
            np.array_equal(self.down[0], self.still[0]) and np.array_equal(self.up[0], self.still[0])
        )

    @property
    def left(self) -> bool:
        """True if a number moves without a gradient."""
        return not all(np.array_equal(self.start, still) for still in self.still)

    @property
    def apart(self) -> bool:
        """True if each number ends lower under its gradient than under this turned."""
        return all(
            np.array_equal(np.sign(a - b), -np.sign(self.slope)) for a, b in zip(self.down, self.up, strict=True)
        )


def _runs(optimizer: Optimizer[Any, Any], start: Any, slopes: Any, holes: Any, moments: Sequence[int]) -> list[_Runs]:
    """The runs of each array."""
    given = (slopes, tree.map(np.negative, slopes), tree.map(np.zeros_like, slopes), holes)
    runs = [[tree.leaves(at) for at in run(optimizer, start, steady, moments)] for steady in given]
    each = zip(tree.leaves(start), tree.leaves(slopes), tree.leaves(holes), strict=True)
    return [_Runs(*arrays, *([at[i] for at in run] for run in runs)) for i, arrays in enumerate(each)]


def wrong_ways(
    optimizer: Optimizer[Any, Any], start: Any, slopes: Any, holes: Any, moments: Sequence[int]
) -> dict[str, str]:
    """The fault of the places where the numbers of each array go, in words; "" where there is none.

    Where decay is added before a sign or a norm is taken, it may move a number as far as a gradient does, and one near
    0 past it. So what decays and seems wrong is looked at again: from 0, where there is no decay, and from afar.
    """
    runs = _runs(optimizer, start, slopes, holes, moments)
    notes = [_not_finite(each) or (_wrong_way(each) if each.moved else UNMOVED) for each in runs]
    doubtful = [i for i, each in enumerate(runs) if notes[i] and each.left and not _not_finite(each)]
    if doubtful:
        none = tree.map(np.zeros_like, start)
        near = _runs(optimizer, none, scaled(slopes, AFAR), scaled(holes, AFAR), moments)
        far = scaled(start, AFAR)
        alone = [tree.leaves(at) for at in run(optimizer, far, none, range(1, moments[-1] + 1))]
        for i in doubtful:
            if near[i].moved and not _not_finite(near[i]):
                notes[i] = _against(near[i])
            elif runs[i].apart:
                notes[i] = ""
            notes[i] = notes[i] or _growth(tree.leaves(far)[i], [at[i] for at in alone])
    return {path: note for (path, _), note in zip(tree.named_leaves(start), notes, strict=True)}


AFAR = 1024.0
"""The factor of numbers that no decay brings to 0 in some steps, and of gradients that no decay comes up to."""


def _not_finite(runs: _Runs) -> str:
    """The fault of numbers that are not finite, in words."""
    if not all(np.isfinite(each).all() for each in (*runs.down, *runs.up)):
        return "it is not finite after some steps, though no gradient is 0: is something else, such as 1 - beta**0?"
    if not all(np.isfinite(each).all() for each in (*runs.still, *runs.some)):
        return "it is not finite after some steps: is something divided by a gradient of 0?"
    return ""


def _wrong_way(runs: _Runs) -> str:
    """The fault of the places where the numbers of one array went, in words."""
    note = _against(runs)
    if note:
        return note
    slope, down, still = runs.slope, runs.down, runs.still
    wrong = np.sign((down[1] - still[1]) - (down[0] - still[0])) == np.sign(slope)
    return told("after some steps a number goes along its gradient", wrong) if wrong.any() else ""


def _against(runs: _Runs) -> str:
    """The fault of numbers that do not go against their gradient, or from 0 or with others without one, in words."""
    first, slope, hole = runs.start, runs.slope, runs.hole
    for a, b, zero, partly in zip(runs.down, runs.up, runs.still, runs.some, strict=True):
        wrong = (np.sign(a - zero) != -np.sign(slope)) | (np.sign(b - zero) != np.sign(slope))
        if wrong.any():
            stays = bool(np.all((a == zero) & (b == zero) | ~wrong))
            words = "does not move, let alone against its gradient" if stays else "does not go against its gradient"
            return told(f"a number {words}", wrong)
        wrong = (np.abs(zero) > (1 + 1e-6) * np.abs(first)) | (zero * first < 0)
        if wrong.any():
            return told(GROWS, wrong)
        wrong = (hole == 0) & (np.abs(partly - zero) > 1e-6 * np.abs(first).max(initial=1e-300))
        if wrong.any():
            return told("a number whose gradient is zero goes with those of others", wrong)
    return ""


GROWS = "under a gradient of zero it moves away from 0"
"""The words for what grows."""


def _growth(first: Array, steps: list[Array]) -> str:
    """The fault of numbers that do not move towards 0 at first, or are ever further from it, in words."""
    before = first
    for at in steps:
        wrong = (np.abs(at) > (1 + 1e-6) * np.abs(first)) | ((before == first) & (at * first < -1e-6 * first**2))
        if wrong.any():
            return told(GROWS, wrong)
        before = at
    return ""


def lines_of_steps(optimizer: Optimizer[Any, Any]) -> str:
    """Lines of code that show how few numbers move the wrong way, without this library; "" if they don't.

    In them `init` and `step` are the author's own.
    """
    for n in (1, 2, 4):
        start, slopes = np.array([1.0, -2.0, 0.5, -1.5])[:n], np.array([0.5, 1.0, -2.0, -0.7])[:n]
        holes = np.where(np.arange(n) == 1, 0.0, slopes)
        try:
            wrong, without_holes = (
                any(wrong_ways(optimizer, start, slopes, some, MOMENTS[0]).values()) for some in (holes, slopes)
            )
        except Exception:  # noqa: BLE001  # it takes no such parameters
            return ""
        if wrong:
            shown = slopes if without_holes else holes
            return "\n".join(
                (
                    "import numpy as np",
                    f"params = np.array({start.tolist()})",
                    f"grads = np.array({shown.tolist()})",
                    "def moved(grads):  # by so many steps",
                    "    new, state = params, init(params)",
                    f"    for _ in range({STEPS}):",
                    "        new, state = step(state, new, grads)",
                    "    return new - params",
                    "print(moved(grads), moved(-grads), moved(0 * grads))",
                )
            )
    return ""


def scaled(value: P, factor: float) -> P:
    return tree.map(lambda leaf: (leaf * factor).astype(leaf.dtype), value)
