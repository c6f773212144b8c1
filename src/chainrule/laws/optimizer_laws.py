"""The laws of optimizers. Each takes an optimizer, parameters, gradients and a Generator."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, is_any_tuple, is_dict, is_list, is_numpy
from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws._impurities import impurities, of_a_run
from chainrule.laws._later_steps import later_faults, told
from chainrule.laws._optimizer_cases import LENGTHS, left_out, of_length, other_arguments, takes
from chainrule.laws._pace import LONGEST, STEPS, USUAL, pace_of
from chainrule.laws.copies import writable
from chainrule.laws.state_laws import settings_kept
from chainrule.optimizer import Optimizer
from chainrule.rules.optimizers import ArrayOptimizer

P = TypeVar("P")
S = TypeVar("S")

OptimizerLaw: TypeAlias = Callable[[Optimizer[Any, Any], Any, Any, np.random.Generator], list[Verdict]]


def step_structure(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """New parameters are like the old: structure, shapes and dtypes; and so is the state after a step.

    Some steps are taken, each on the results of the one before, and those of float32 and float16 too.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For the parameters and the state.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.step_structure(adam(0.01), params, grads, rng))
    True
    """
    notes = _reformed(optimizer, params, grads)
    for dtype in (np.float32, np.float16):
        if all(leaf.dtype == dtype for leaf in tree.leaves(params)):
            continue
        with suppress(Exception), np.errstate(all="ignore"):  # it takes no such dtype, which is an answer
            narrow = _reformed(optimizer, _cast(params, dtype), _cast(grads, dtype))
            notes = {name: f"in {dtype.__name__}: {note}" for name, note in narrow.items()} | notes
    return [Verdict("step_structure", name, name not in notes, notes.get(name, "")) for name in ("params", "state")]


def _reformed(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> dict[str, str]:
    """The change of the forms of parameters and state over some steps, in words."""
    at, state = params, optimizer.init(params)
    before = {"params": _form(at), "state": _form(state)}
    notes: dict[str, str] = {}
    for step in range(STEPS):
        at, state = optimizer.step(state, at, grads)
        when = f", at step {step + 1}" if step else ""
        after = {"params": _form(at), "state": _form(state)}
        notes = {
            name: f"was {before[name]}, became {form}{when}" for name, form in after.items() if form != before[name]
        }
        if notes:
            break  # the steps after it are not to be held to anything
    return notes


def step_purity(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, calls repeat, results share no memory, and the process stays as it is.

    Each step of a run is watched, and some have gradients of 0. The first is taken again after many others, and with
    other gradients in the same array. Other arguments are tried too: parameters of 0 and large ones, gradients of one
    sign, small ones, and 0 in some of the arrays, and arrays of one entry and of many.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on; copies are used, in their own dtype and in others.
    rng
        The generator that draws other gradients, for a step in between.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership, and for each setting of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.step_purity(adam(0.01), params, grads, rng))
    True
    """
    notes: dict[str, str] = {}

    def call() -> None:
        optimizer.step(optimizer.init(params), writable(params), writable(grads))

    settings = settings_kept("step_purity", call, rng)
    for dtype in (None, np.float64, np.float32):
        given, slopes = _cast(params, dtype), _cast(grads, dtype)
        try:
            found = impurities(optimizer, given, slopes, rng, later=dtype is None)
        except Exception as error:
            if dtype is None:
                raise
            if "read-only" not in str(error):
                continue  # it refuses this dtype, which is an answer
            found = {"arguments": "a call writes to one of its arguments"}
        for name, note in found.items():
            notes.setdefault(name, note if dtype is None else f"{note}, in {np.dtype(dtype).name}")
    for words, (given, slopes) in other_arguments(params, grads) if not notes else ():
        with suppress(Exception), np.errstate(all="ignore"):  # it takes no such arguments, which is an answer
            found = of_a_run(optimizer, given, [slopes, slopes])
            notes |= {name: f"{note}, {words}" for name, note in found.items()}
    return [
        *settings,
        *(
            Verdict("step_purity", name, name not in notes, notes.get(name, ""))
            for name in ("arguments", "repetition", "ownership")
        ),
    ]


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
    verdicts = _followed(optimizer, _cast(params, np.float64), rng)
    others = {"in float32": _cast(params, np.float32), "of other shapes": tree.map(_normal_of(rng), TREE)}
    for words, other in others.items():
        if not all(each.ok for each in verdicts):
            break
        try:
            more = _followed(optimizer, other, rng)
        except Exception:  # noqa: BLE001, S112  # it takes no such parameters, which is an answer
            continue
        verdicts += [evolve(each, note=f"for parameters {words}: {each.note}") for each in more if not each.ok]
    if all(each.ok for each in verdicts):
        found = later_faults(optimizer, _cast(params, np.float64), rng)
        verdicts += [Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in found.items()]
    if all(each.ok for each in verdicts):
        verdicts += _elsewhere(optimizer, _cast(params, np.float64), rng)
    return one_each(verdicts)


TREE = (np.zeros((3, 2)), np.zeros(4), (np.zeros((2, 3, 2)), np.zeros(1)), np.zeros(5))
"""Shapes of parameters that every optimizer takes."""

MOMENTS = ((6, STEPS), (32, 64), (800, 1000))
"""The numbers of steps after which the direction is looked at: the later ones where nothing has moved before."""

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
        except Exception:  # noqa: BLE001, S112  # a record of them takes no such arrays
            continue
        at, steady = (_scaled(each, length**-0.5) for each in others)  # of usual norms
        if takes(optimizer, at, steady):
            words = f"for arrays of {length} {'entries' if length > 1 else 'entry'}"
            verdicts = _judged(optimizer, at, steady, rng)
            found += [evolve(each, note=f"{words}: {each.note}") for each in verdicts if not each.ok]
    notes = left_out(optimizer, start, slopes)
    return [
        *found,
        *(Verdict("follows_gradient", f"params{path}", ok=False, note=note) for path, note in notes.items()),
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
    return [Verdict("follows_gradient", f"params{path}", not note, note) for path, note in notes.items()]


DIFFERS = "the same steps give other numbers each time, so that it cannot be seen where a number goes"
"""The words for an optimizer that is not pure, in the place of those that would follow from it."""

UNMOVED = f"no number moves in {MOMENTS[-1][-1]} steps, whatever its gradient: is it used?"
"""The words for an array that stays where it is."""


def _run(optimizer: Optimizer[Any, Any], params: Any, slopes: Any, moments: Sequence[int] = MOMENTS[0]) -> list[Any]:
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
        near = _runs(optimizer, none, _scaled(slopes, AFAR), _scaled(holes, AFAR), moments)
        far = _scaled(start, AFAR)
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
                any(_wrong_ways(optimizer, start, slopes, some, MOMENTS[0]).values()) for some in (holes, slopes)
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


def descends(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """A thousand steps on a quadratic stay finite and end no higher than they began.

    The curvature is fitted to the largest of the optimizer's own steps, so that no rate is too large for it, nor a
    warm-up too flat; if they grow on and on, to its first. Where it decays, the end is compared with that of decay
    alone. Then the minimum moves away, and some more steps have to come no further from it.

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
    start = _cast(params, np.float64)
    slopes = tree.map(lambda leaf: rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 2, leaf.shape), start)
    with np.errstate(all="ignore"):
        pace = pace_of(optimizer, start, slopes)
        if not np.isfinite(pace.curvature):
            note = f"it does not move in {USUAL} steps, or not by a finite number, so that no curvature suits it"
            return [Verdict("descends", "loss", ok=False, undecided=True, note=note)]
        first, second = _Place(start, optimizer.init(start)), _Place(start, optimizer.init(start))
        note, place = _descended(optimizer, first, second, slopes, pace.curvature, USUAL)
        if not note:
            note, _ = _descended(optimizer, place, place, slopes, pace.curvature, MOVED)
            note = note and f"the minimum moves after {USUAL} steps: {note}"
    if note or pace.settled:
        return [Verdict("descends", "loss", ok=not note, note=note)]
    note = f"its steps still grow after {LONGEST} of them: does a warm-up end later, or does the rate grow for ever?"
    return [Verdict("descends", "loss", ok=False, undecided=True, note=note)]


@frozen
class _Place:
    """The place of an optimizer: its parameters and its state."""

    params: Any
    state: Any


def _descended(
    optimizer: Optimizer[Any, Any], place: _Place, other: _Place, slopes: Any, curvature: float, steps: int
) -> tuple[str, _Place]:
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
    ok = last <= 1.01 * first or last <= 1.01 * loss(_went_on(optimizer, other, [none] * steps))
    count = "a thousand" if steps == USUAL else str(steps)
    note = "" if ok else f"{count} steps on a quadratic end at {last:.3g} times its curvature, from {first:.3g}"
    return note, _Place(at, state)


MOVED = 200
"""The steps on a quadratic whose minimum has moved, once a thousand have led to the one before."""


def curvature_for(optimizer: Optimizer[Any, Any], start: Any, slopes: Any) -> float:
    """The curvature of a quadratic that suits the rate of an optimizer's steps; infinite if it does not move."""
    with np.errstate(all="ignore"):
        return pace_of(optimizer, start, slopes).curvature


def elementwise(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number is treated alone: stepping reversed arrays gives the reversed step, over three steps.

    It is the same for arrays of another memory layout, where the gradient of another number or of all in another array
    is 0, and where those of another array are turned, for parameters of 0. What is symmetric in all numbers and alike
    for both signs, as a norm is, passes, unless the optimizer is made by `rules.optimizer`: it goes through large
    arrays in blocks, so that there no other gradient may matter.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.elementwise(adam(0.01), params, grads, rng))
    True
    """
    note = (
        _by_place(optimizer, params, grads)
        or _by_layout(optimizer, params, grads)
        or _by_a_zero(optimizer, params, grads)
        or _by_arrays(optimizer, _cast(params, np.float64), _cast(grads, np.float64))
        or _by_others(optimizer, params, grads)
    )
    return [Verdict("elementwise", "params", not note, note)]


def _taken(optimizer: Optimizer[Any, Any], params: Any, slopes: Sequence[Any]) -> Any:
    """The parameters after steps under these gradients."""
    return _went_on(optimizer, _Place(params, optimizer.init(params)), slopes)


def _went_on(optimizer: Optimizer[Any, Any], place: _Place, slopes: Sequence[Any]) -> Any:
    at, state = place.params, place.state
    for each in slopes:
        at, state = optimizer.step(state, at, each)
    return at


def _by_place(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where reversed arrays do not give the reversed steps."""

    def moved(flip: Callable[[Any], Any]) -> Any:
        at, state = flip(params), optimizer.init(flip(params))
        for _ in range(3):
            at, state = optimizer.step(state, writable(at), writable(flip(grads)))
        return at

    straight, mirrored = moved(writable), moved(_mirrored)
    by_rules = isinstance(optimizer, ArrayOptimizer)
    if tree.equal(_mirrored(straight), mirrored) or (not by_rules and _rounded(_mirrored(straight), mirrored)):
        return ""
    if not tree.equal(straight, moved(writable)):
        return "the same steps give other numbers each time, so that it cannot be seen what they depend on"
    return "a number's step depends on where it stands"


def _rounded(a: Any, b: Any) -> bool:
    """Tell whether two trees differ by rounding alone, as a norm does whose sum is taken in another order."""
    return all(
        x.shape == y.shape and np.abs(x - y).max(initial=0.0) <= 16 * np.finfo(y.dtype).eps * np.abs(y).max(initial=0.0)
        for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True)
    )


def _by_layout(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where arrays of another memory layout are gone through in another order."""
    right = _taken(optimizer, writable(params), [writable(grads)] * 3)
    laid = {"parameters": (_otherwise(params), grads), "gradients": (params, _otherwise(grads))}
    for name, (at, slopes) in laid.items():
        try:
            got = _taken(optimizer, at, [slopes] * 3)
        except Exception:  # noqa: BLE001, S112  # it refuses this layout, which is an answer
            continue
        if _apart(got, right, params):
            return f"the entries of {name} in another memory layout are mixed up: are they read as they lie in memory?"
    return ""


def _otherwise(value: P) -> P:
    """Copies of all arrays, with the axes the other way round in memory, or with gaps."""
    return tree.map(lambda leaf: read_only(_laid_otherwise(leaf)), value)


def _laid_otherwise(leaf: Array) -> Array:
    if leaf.ndim > 1:
        return leaf.copy(order="C" if leaf.flags.f_contiguous else "F")
    return np.repeat(leaf, 2)[::2] if leaf.ndim else leaf.copy()


FACTORS = (1.0, 0.7, -0.5, 1.3, 0.8, 1.1)
"""The gradients of some steps, by those given: momenta do not grow in proportion to them."""

AMID = 3
"""The step whose gradients are changed."""


def _changed(grads: Any, change: Callable[[Array], Any]) -> list[Any]:
    """Gradients of some steps, none of which is 0, with one entry of each array changed in one of them."""
    whole = tree.map(lambda leaf: np.where(np.abs(leaf) < np.finfo(leaf.dtype).tiny, 1, leaf).astype(leaf.dtype), grads)
    slopes = [_scaled(whole, factor) for factor in FACTORS]
    slopes[AMID] = tree.map(lambda leaf: np.where(_chosen(leaf), change(leaf), leaf).astype(leaf.dtype), slopes[AMID])
    return slopes


def _scaled(value: P, factor: float) -> P:
    return tree.map(lambda leaf: (leaf * factor).astype(leaf.dtype), value)


def _chosen(leaf: Array) -> Any:
    """The place of the entry that is changed: none in an array of one."""
    return np.arange(leaf.size).reshape(leaf.shape) == (leaf.size // 2 if leaf.size > 1 else -1)


def _by_a_zero(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where a gradient of 0 does to others what one of nearly 0 does not: of a norm both are the same."""
    changes: list[Callable[[Array], Any]] = [np.zeros_like, lambda leaf: 1e-9 * leaf]
    given, wide = _cast(params, np.float64), _cast(grads, np.float64)
    try:
        got, right = (_taken(optimizer, given, _changed(wide, change)) for change in changes)
    except Exception:  # noqa: BLE001  # it refuses float64, which is an answer
        return ""
    chosen = tree.map(_chosen, params)
    kept = [tree.map(lambda leaf, hole: np.where(hole, 0, leaf), at, chosen) for at in (got, right)]
    return "a gradient of 0 changes the steps of other numbers" if _apart(kept[0], kept[1], given) else ""


MOST = 4
"""The number of arrays whose gradients are changed alone."""


def _by_arrays(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where the gradients of one array, all 0 or all turned, change the steps of others.

    Those of 0 are compared with those of nearly 0, as of a norm both are the same. Those turned are from parameters of
    0, where both signs are alike for a norm, also with decay before it.
    """
    none, slopes = tree.map(np.zeros_like, params), _changed(grads, np.positive)

    def others_of(i: int, start: Any, factors: Sequence[float]) -> Any:
        """The ends of other arrays than this, with its gradients by factors."""
        steps = [_of_one(each, i, factor) for each, factor in zip(slopes, factors, strict=False)]
        return _without(_taken(optimizer, start, steps), i)

    count = len(tree.leaves(params))
    with suppress(Exception), np.errstate(all="ignore"):  # it takes no such arguments, which is an answer
        for i in range(min(MOST, count) if count > 1 else 0):
            straight, turned = (others_of(i, none, [sign] * AMID) for sign in (1.0, -1.0))
            if _apart(turned, straight, _without(none, i)):
                return "the signs of the gradients of one array change the steps of others"
            zero, nearly = (others_of(i, params, (1.0, 1.0, factor, 1.0)) for factor in (0.0, 1e-9))
            if _apart(zero, nearly, _without(params, i)):
                return "gradients of 0 in all of one array change the steps of others"
    return ""


def _of_one(value: P, i: int, factor: float) -> P:
    """Arrays of which one is multiplied by a factor."""
    return tree.replace(value, [leaf * factor if k == i else leaf for k, leaf in enumerate(tree.leaves(value))])


def _without(value: Any, i: int) -> Any:
    return tuple(leaf for k, leaf in enumerate(tree.leaves(value)) if k != i)


def _by_others(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where an update by the rules, which go through large arrays in blocks, looks at other numbers."""
    if not isinstance(optimizer, ArrayOptimizer):
        return ""
    changes: list[Callable[[Array], Any]] = [np.positive, lambda leaf: -3 * leaf]
    ends = [_taken(optimizer, params, _changed(grads, change)) for change in changes]
    kept = [tree.map(lambda leaf: np.where(_chosen(leaf), 0, leaf), at) for at in ends]
    words = "the gradient of a number changes the steps of others: by the rules each is treated alone"
    return "" if tree.equal(*kept) else words


def _apart(a: Any, b: Any, start: Any) -> bool:
    """Tell whether two ends are further apart than rounding is, by the way from the start."""
    for x, y, at in zip(tree.leaves(a), tree.leaves(b), tree.leaves(start), strict=True):
        way, size = (np.abs(each).max(initial=0.0) for each in (y - at, y))
        if not np.all(np.abs(x - y) <= 1e-3 * way + 16 * np.finfo(y.dtype).eps * size):
            return bool(np.isfinite(y).all())
    return False


OPTIMIZER_LAWS: dict[str, OptimizerLaw] = {
    "step_purity": step_purity,
    "step_structure": step_structure,
    "elementwise": elementwise,
    "follows_gradient": follows_gradient,
    "descends": descends,
}
"""All laws of optimizers, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.OPTIMIZER_LAWS)[:2]
['descends', 'elementwise']
"""


def _form(value: Any) -> str:
    """The containers, shapes and dtypes of a value, in words."""
    if is_numpy(value) or hasattr(value, "dtype"):
        return describe(value)
    if is_dict(value):
        return "{" + ", ".join(f"{key}: {_form(each)}" for key, each in value.items()) + "}"
    if is_list(value) or is_any_tuple(value):
        return f"{_kind(value)}({', '.join(map(_form, value))})"
    kind: Any = value.__class__
    fields = getattr(kind, "__attrs_attrs__", None)
    if fields is not None:
        named = [each.name for each in fields if not each.name.startswith("_")]
        return f"{_kind(value)}({', '.join(f'{name}={_form(getattr(value, name))}' for name in named)})"
    return _kind(value)


def _kind(value: object) -> str:
    return type(value).__name__


def _cast(value: Any, dtype: Any) -> Any:
    return value if dtype is None else tree.map(lambda leaf: leaf.astype(dtype), value)


def _mirrored(value: P) -> P:
    return tree.map(lambda leaf: np.flip(leaf).copy(), value)
