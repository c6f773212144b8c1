"""The law of where numbers go: against their gradients, and without one towards 0 or nowhere."""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws.of_optimizers._cases import LENGTHS, left_out, of_length, takes, zeros_that_stay
from chainrule.laws.of_optimizers._later_steps import later_faults, told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import scaled, seen
from chainrule.laws.trials.copies import in_dtype
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")


MOMENTS = ((6, STEPS), (32, 64), (800, 1000))
"""The numbers of steps after which the direction is looked at: the later ones where nothing has moved before."""

UNMOVED = f"no number moves in {MOMENTS[-1][-1]} steps, whatever its gradient: is it used?"
"""The words for an array that stays where it is."""


def follows_gradient(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number goes against its own gradient, and without one it stays or decays.

    Under a steady gradient each number ends below where a gradient of zero leaves it if its gradient is positive, and
    above if that is negative, over some steps: the first may be small. Under a gradient of zero it goes towards 0 or
    stays. In later steps, too, no number goes along its gradient, and none is left out while others are moved. What
    decays before a sign or a norm is taken is judged from 0, where there is no decay.

    It is the same where all gradients have one sign, and for arrays of other lengths. No number stays where it is
    because it is 0 or large, or its gradient small, unless steps are in no proportion to gradients: a sign may have a
    threshold. Steps in float32 are near those in float64.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on; other trees and float32 are tried too.
    rng
        The generator that draws gradients.

    Returns
    -------
    list[Verdict]
        For each array of the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.follows_gradient(adam(0.01), params, grads, rng))
    True
    """
    verdicts = _followed(optimizer, in_dtype(params, np.float64), rng)
    others = {"in float32": in_dtype(params, np.float32), "of other shapes": tree.map(_normal_of(rng), TREE)}
    for words, other in others.items():
        if not all(each.ok for each in verdicts):
            break
        try:
            more = _followed(optimizer, other, rng)
        except Exception:
            continue
        verdicts += [evolve(each, note=f"for parameters {words}: {each.note}") for each in more if not each.ok]
    if all(each.ok for each in verdicts):
        found = later_faults(optimizer, in_dtype(params, np.float64), rng)
        verdicts += [Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in found.items()]
    if all(each.ok for each in verdicts):
        verdicts += _elsewhere(optimizer, in_dtype(params, np.float64), rng)
    return one_each(verdicts)


OF_ZEROS = "an array of zeros stays there for ever: is its size meant to be a factor of the step?"
"""The words for one that does, though a number that is 0 moves beside others."""

TREE = (np.zeros((3, 2)), np.zeros(4), (np.zeros((2, 3, 2)), np.zeros(1)), np.zeros(5))
"""Shapes of parameters that every optimizer takes."""

AT_LAST = (2000, 2400)
"""Those where no number of any array has moved before: a warm-up may have to end."""


def _normal_of(rng: np.random.Generator) -> Callable[[Array], Array]:
    return lambda leaf: rng.standard_normal(leaf.shape)


def _elsewhere(optimizer: Optimizer[Any, Any], params: Any, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for other gradients, lengths and sizes, if numbers move soon: else it would take long."""
    start, slopes = _drawn(params, rng)
    down, up = (_run(optimizer, start, each)[0] for each in (slopes, tree.map(np.negative, slopes)))
    if any(np.array_equal(a, b) for a, b in zip(tree.leaves(down), tree.leaves(up), strict=True) if a.size):
        return []
    verdicts = _judged(optimizer, start, tree.map(np.abs, slopes), rng)
    found = [evolve(each, note=f"where all gradients have one sign: {each.note}") for each in verdicts if not each.ok]
    for length in LENGTHS:
        try:
            others = _drawn(of_length(start, length), rng)
        except Exception:  # a record of them takes no such arrays
            continue
        at, steady = (scaled(each, length**-0.5) for each in others)  # of usual norms
        if takes(optimizer, at, steady):
            words = f"for arrays of {length} {'entries' if length > 1 else 'entry'}"
            verdicts = _judged(optimizer, at, steady, rng)
            found += [evolve(each, note=f"{words}: {each.note}") for each in verdicts if not each.ok]
    notes, still = left_out(optimizer, start, slopes), zeros_that_stay(optimizer, start, slopes)
    return [
        *found,
        *(Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in notes.items()),
        *(Verdict("follows_gradient", f"params{path}", False, OF_ZEROS, undecided=True) for path in still),
    ]


def _drawn(params: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Parameters none of which is nearly 0, and gradients."""
    start = tree.map(lambda leaf: (np.where(np.abs(leaf) < 0.1, 1.0, leaf)).astype(leaf.dtype), params)
    slopes = tree.map(
        lambda leaf: (rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 2, leaf.shape)).astype(leaf.dtype), params
    )
    return start, slopes


def _followed(optimizer: Optimizer[Any, Any], params: Any, rng: np.random.Generator) -> list[Verdict]:
    return _judged(optimizer, *_drawn(params, rng), rng)


def _judged(optimizer: Optimizer[Any, Any], start: Any, slopes: Any, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for the places where numbers go from a start under gradients, some of which are 0 in one run."""
    holes = tree.map(lambda leaf: np.where(rng.random(leaf.shape) < 0.3, leaf.dtype.type(0), leaf), slopes)
    if not tree.equal(*(_run(optimizer, start, slopes)[-1] for _ in range(2))):
        return [Verdict("follows_gradient", "params", ok=False, note=DIFFERS)]
    notes: dict[str, str] = {}
    for moments in (*MOMENTS, AT_LAST):
        found = _wrong_ways(optimizer, start, slopes, holes, moments)
        notes |= {path: note for path, note in found.items() if notes.get(path, UNMOVED) == UNMOVED}
        unmoved = [note == UNMOVED for note in notes.values()]
        if not any(unmoved) or (moments == MOMENTS[-1] and not all(unmoved)):
            break
    mixed = {path for path, note in notes.items() if note.startswith((NOT_AGAINST, WITH_OTHERS))}
    mixed &= _moved_as_a_whole(optimizer, start, slopes) if mixed else set()
    return [
        Verdict("follows_gradient", f"params{path}", ok=False, note=note, undecided=True, advice=COMPARE)
        if path in mixed
        else Verdict("follows_gradient", f"params{path}", not note, note)
        for path, note in notes.items()
    ]


COMPARE = "If the numbers of an array are meant to move together, compare its steps with the formula"
"""The advice where each number alone goes against its gradient, and all of them do on the whole."""

MOST_ALONE = 8
"""So many numbers, or less than twice as many, are given a gradient alone."""


def _moved_as_a_whole(optimizer: Optimizer[Any, Any], start: Any, slopes: Any) -> set[str]:
    """The paths of arrays whose step is no step of each number, and yet no mistake for sure.

    Where a step is made orthogonal, or its mean taken off, a number may go along its gradient. Alone it goes against
    it, further than the others, which those that are mixed up do not; and all of them together go downhill.
    """
    given = (tree.map(np.zeros_like, slopes), slopes, tree.map(np.negative, slopes))
    arrays = list(zip(*map(tree.leaves, (slopes, *(_run(optimizer, start, each)[0] for each in given))), strict=True))
    whole: set[str] = set()
    for i, ((path, _), (slope, still, down, up)) in enumerate(zip(tree.named_leaves(start), arrays, strict=True)):
        some = range(0, slope.size, max(1, slope.size // MOST_ALONE))
        if tree.dot(down - still, slope) < 0 < tree.dot(up - still, slope) and all(
            _goes_alone(optimizer, start, slopes, i, place) for place in some
        ):
            whole.add(path)
    return whole


def _goes_alone(optimizer: Optimizer[Any, Any], start: Any, slopes: Any, i: int, place: int) -> bool:
    """Tell whether one number of an array, alone with a gradient, goes against it, and further than the others."""
    given = [np.zeros_like(leaf) for leaf in tree.leaves(slopes)]
    slope = tree.leaves(slopes)[i].flat[place]
    given[i].flat[place] = slope
    still, end = (
        _run(optimizer, start, each)[0] for each in (tree.map(np.zeros_like, slopes), tree.replace(slopes, given))
    )
    ways = (tree.leaves(end)[i] - tree.leaves(still)[i]).reshape(-1) * -np.sign(slope)
    others = np.delete(ways, place)
    return bool(ways[place] > 1.5 * np.abs(others).max(initial=0.0))


DIFFERS = "the same steps give other numbers each time, so that it cannot be seen where a number goes"
"""The words for an optimizer that is not pure, in the place of those that would follow from it."""


def _run(optimizer: Optimizer[Any, Any], params: Any, slopes: Any, moments: Sequence[int] = MOMENTS[0]) -> list[Any]:
    """The parameters after some numbers of steps under a steady gradient."""
    with np.errstate(all="ignore"):
        return seen(optimizer, params, repeat(slopes, moments[-1]), moments)


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
    runs = [[tree.leaves(at) for at in _run(optimizer, start, steady, moments)] for steady in given]
    each = zip(tree.leaves(start), tree.leaves(slopes), tree.leaves(holes), strict=True)
    return [_Runs(*arrays, *([at[i] for at in run] for run in runs)) for i, arrays in enumerate(each)]


def _wrong_ways(
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
        alone = [tree.leaves(at) for at in _run(optimizer, far, none, range(1, moments[-1] + 1))]
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
        wrong &= ~(((a == zero) | (b == zero)) & _too_fine(first, np.maximum(np.abs(a - zero), np.abs(b - zero))))
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


def _too_fine(first: Array, ways: Array) -> NDArray[np.bool_]:
    """True where the steps of an array are lost in the rounding of a number, as that of 0.001 beside 1e5 in float32."""
    fine: NDArray[np.bool_] = np.spacing(np.abs(first)) * FINE > ways.max(initial=0.0)
    return fine


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
                any(_wrong_ways(optimizer, start, slopes, some, MOMENTS[0]).values()) for some in (holes, slopes)
            )
        except Exception:  # it takes no such parameters
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
