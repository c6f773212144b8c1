"""The law of where numbers go: against their gradients, and without one towards 0 or nowhere."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws.of_optimizers._cases import LARGE, SMALL, other_shapes, takes
from chainrule.laws.of_optimizers._large_beside_small import large_unused
from chainrule.laws.of_optimizers._later_steps import later_faults
from chainrule.laws.of_optimizers._precision import Computing, computing
from chainrule.laws.of_optimizers._sizes import bounded, left_out, zeros_that_stay
from chainrule.laws.of_optimizers._steps import scaled
from chainrule.laws.of_optimizers._wrong_ways import MOMENTS, NOT_AGAINST, UNMOVED, WITH_OTHERS, run, wrong_ways
from chainrule.laws.trials.copies import in_dtype
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")


def follows_gradient(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number goes against its own gradient, and without one it stays or decays.

    Under a steady gradient each number ends below where a gradient of zero leaves it if its gradient is positive, and
    above if that is negative, over some steps: the first may be small. Under a gradient of zero it goes towards 0 or
    stays. In later steps, too, no number goes along its gradient, and none is left out while others are moved. What
    decays before a sign or a norm is taken is judged from 0, where there is no decay.

    It is the same where all gradients have one sign, and for arrays of other lengths, numbers of rows, and as many
    columns as rows. No number stays where it is because it is 0 or large, or its gradient small, unless steps are in no
    proportion to gradients: a sign may have a threshold. Nor does one stay because its gradient is many times as large
    as others. Where large numbers alone jump without a gradient, as to a bound, nothing can be told. Steps in float32
    are near those in float64.

    Of an optimizer whose parameters are given in float32 or float16, and which computes in that whatever it gets, or
    refuses float64, no more digits are asked.

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
    subject = computing(optimizer, params, grads)
    verdicts = _followed(subject, in_dtype(params, np.float64), rng)
    others = {"in float32": in_dtype(params, np.float32), "of other shapes": tree.map(_normal_of(rng), TREE)}
    for words, other in others.items():
        if not all(each.ok for each in verdicts):
            break
        try:
            more = _followed(subject, other, rng)
        except Exception:
            continue
        verdicts += [evolve(each, note=f"for parameters {words}: {each.note}") for each in more if not each.ok]
    if all(each.ok for each in verdicts):
        found = later_faults(subject.optimizer, in_dtype(params, np.float64), subject.eps, rng)
        verdicts += [Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in found.items()]
    if all(each.ok for each in verdicts):
        verdicts += _elsewhere(subject, in_dtype(params, np.float64), rng)
    return one_each(verdicts)


OF_ZEROS = "an array of zeros stays there for ever: is its size meant to be a factor of the step?"
"""The words for one that does, though a number that is 0 moves beside others."""

OF_BOUNDS = f"numbers {LARGE:g} times as large jump towards 0 without a gradient: are they to stay within bounds?"
"""The words for those that do, though smaller ones do not."""

BOUNDS = "If numbers are meant to stay within bounds, or a norm of theirs, compare the steps with the formula"
"""The advice for them."""

TREE = (np.zeros((3, 2)), np.zeros(4), (np.zeros((2, 3, 2)), np.zeros(1)), np.zeros(5))
"""Shapes of parameters that every optimizer takes."""

AT_LAST = (2000, 2400)
"""Those where no number of any array has moved before: a warm-up may have to end."""


def _normal_of(rng: np.random.Generator) -> Callable[[Array], Array]:
    return lambda leaf: rng.standard_normal(leaf.shape)


def _elsewhere(subject: Computing, params: Any, rng: np.random.Generator) -> list[Verdict]:
    optimizer = subject.optimizer
    start, slopes = _drawn(params, rng)
    start = subject.held(start)
    down, up = (run(optimizer, start, each)[0] for each in (slopes, tree.map(np.negative, slopes)))
    if any(np.array_equal(a, b) for a, b in zip(tree.leaves(down), tree.leaves(up), strict=True) if a.size):
        return []
    verdicts = _judged(subject, start, tree.map(np.abs, slopes), rng)
    found = [evolve(each, note=f"where all gradients have one sign: {each.note}") for each in verdicts if not each.ok]
    decays = not tree.equal(run(optimizer, start, scaled(slopes, 0))[-1], start)  # small ones are nothing beside that
    for words, factor in (("large", 1 / SMALL[-1]), *([] if decays else [("small", SMALL[-1])])):
        verdicts = _judged(subject, start, scaled(slopes, factor), rng)
        wrong = [each for each in verdicts if each.note.startswith(NOT_AGAINST)]  # a step may have a threshold
        found += [evolve(each, note=f"for {words} gradients: {each.note}") for each in wrong]
    for words, reshaped in other_shapes(start):
        try:
            others = _drawn(reshaped(start), rng)
        except Exception:  # a record of them takes no such arrays
            continue
        most = max((leaf.size for leaf in tree.leaves(others[0])), default=1)
        at, steady = (scaled(each, max(1, most) ** -0.5) for each in others)  # of usual norms
        if takes(optimizer, at, steady):
            verdicts = _judged(subject, at, steady, rng)
            found += [evolve(each, note=f"{words}: {each.note}") for each in verdicts if not each.ok]
    notes, still = left_out(optimizer, start, slopes, subject.eps), zeros_that_stay(optimizer, start, slopes)
    notes = large_unused(optimizer, start, slopes, subject.dtype, rng) | notes
    return [
        *found,
        *(Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in notes.items()),
        *(Verdict("follows_gradient", f"params{path}", False, OF_ZEROS, undecided=True) for path in still),
        *(
            Verdict("follows_gradient", f"params{path}", False, OF_BOUNDS, undecided=True, advice=BOUNDS)
            for path in bounded(optimizer, start)
        ),
    ]


def _drawn(params: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    start = tree.map(lambda leaf: (np.where(np.abs(leaf) < 0.1, 1.0, leaf)).astype(leaf.dtype), params)
    slopes = tree.map(
        lambda leaf: (rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 2, leaf.shape)).astype(leaf.dtype), params
    )
    return start, slopes


def _followed(subject: Computing, params: Any, rng: np.random.Generator) -> list[Verdict]:
    return _judged(subject, *_drawn(params, rng), rng)


def _judged(subject: Computing, start: Any, slopes: Any, rng: np.random.Generator) -> list[Verdict]:
    optimizer, start = subject.optimizer, subject.held(start)
    holes = tree.map(lambda leaf: np.where(rng.random(leaf.shape) < 0.3, leaf.dtype.type(0), leaf), slopes)
    if not tree.equal(*(run(optimizer, start, slopes)[-1] for _ in range(2))):
        return [Verdict("follows_gradient", "params", ok=False, note=DIFFERS)]
    notes: dict[str, str] = {}
    for moments in (*MOMENTS, AT_LAST):
        found = wrong_ways(optimizer, start, slopes, holes, moments, subject.lost)
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
    arrays = list(zip(*map(tree.leaves, (slopes, *(run(optimizer, start, each)[0] for each in given))), strict=True))
    whole: set[str] = set()
    for i, ((path, _), (slope, still, down, up)) in enumerate(zip(tree.named_leaves(start), arrays, strict=True)):
        some = range(0, slope.size, max(1, slope.size // MOST_ALONE))
        if tree.dot(down - still, slope) < 0 < tree.dot(up - still, slope) and all(
            _goes_alone(optimizer, start, slopes, i, place) for place in some
        ):
            whole.add(path)
    return whole


def _goes_alone(optimizer: Optimizer[Any, Any], start: Any, slopes: Any, i: int, place: int) -> bool:
    given = [np.zeros_like(leaf) for leaf in tree.leaves(slopes)]
    slope = tree.leaves(slopes)[i].flat[place]
    given[i].flat[place] = slope
    still, end = (
        run(optimizer, start, each)[0] for each in (tree.map(np.zeros_like, slopes), tree.replace(slopes, given))
    )
    ways = (tree.leaves(end)[i] - tree.leaves(still)[i]).reshape(-1) * -np.sign(slope)
    others = np.delete(ways, place)
    return bool(ways[place] > 1.5 * np.abs(others).max(initial=0.0))


DIFFERS = "the same steps give other numbers each time, so that it cannot be seen where a number goes"
"""The words for an optimizer that is not pure, in the place of those that would follow from it."""
