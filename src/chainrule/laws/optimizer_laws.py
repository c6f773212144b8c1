"""The laws of optimizers. Each takes an optimizer, parameters, gradients and a Generator."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_any_tuple, is_dict, is_list, is_numpy
from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws.copies import read_only_copy, writable
from chainrule.laws.hints import where
from chainrule.laws.state_laws import settings_kept
from chainrule.laws.trial import arrays_in
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")

OptimizerLaw: TypeAlias = Callable[[Optimizer[Any, Any], Any, Any, np.random.Generator], list[Verdict]]


def step_structure(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """New parameters are like the old: structure, shapes and dtypes; and so is the state after a step.

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
    state = optimizer.init(params)
    stepped, after = optimizer.step(state, params, grads)
    verdicts: list[Verdict] = []
    for name, old, new in (("params", params, stepped), ("state", state, after)):
        ok = _form(old) == _form(new)
        note = "" if ok else f"was {_form(old)}, became {_form(new)}"
        verdicts.append(Verdict("step_structure", name, ok, note))
    return verdicts


def step_purity(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, calls repeat, results share no memory, and the process stays as it is.

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
            found = _impure(optimizer, given, slopes, rng)
        except Exception as error:
            if dtype is None:
                raise
            if "read-only" not in str(error):
                continue  # it refuses this dtype, which is an answer
            found = {"arguments": "a call writes to one of its arguments"}
        for name, note in found.items():
            notes.setdefault(name, note if dtype is None else f"{note}, in {np.dtype(dtype).name}")
    return [
        *settings,
        *(
            Verdict("step_purity", name, name not in notes, notes.get(name, ""))
            for name in ("arguments", "repetition", "ownership")
        ),
    ]


def _impure(optimizer: Optimizer[Any, Any], params: Any, grads: Any, rng: np.random.Generator) -> dict[str, str]:
    """The faults, by field."""
    notes: dict[str, str] = {}
    given, slopes = writable(params), writable(grads)
    state = optimizer.init(given)
    before = _copies((given, slopes, state))
    first = optimizer.step(state, given, slopes)
    kept = _copies(first)
    if not _same(before, _copies((given, slopes, state))):
        notes["arguments"] = "a call wrote to one of its arguments"
    other = tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), grads)
    optimizer.step(optimizer.init(given), given, writable(other))
    optimizer.step(first[1], first[0], writable(other))
    if not _same(kept, _copies(first)):
        notes["ownership"] = "a later call changes the results of an earlier one: is a buffer used again?"
    repeated = [
        optimizer.step(state, given, slopes),
        optimizer.step(state, read_only_copy(params), read_only_copy(grads)),
    ]
    if not all(_same(kept, _copies(again)) for again in repeated):
        notes["repetition"] = "the same call gives other numbers"
    given_arrays = list(arrays_in((given, slopes)))
    results = list(arrays_in(first))
    pairs = [(a, b) for a in results for b in given_arrays]
    pairs += [(a, b) for i, a in enumerate(results) for b in results[i + 1 :]]
    pairs += [(a, b) for a in arrays_in(state) for b in given_arrays]
    held = list(arrays_in(state))
    pairs += [(a, b) for i, a in enumerate(held) for b in held[i + 1 :]]
    if any(
        (a.flags.writeable or b.flags.writeable) and a is not b and np.shares_memory(a, b) for a, b in pairs if a.size
    ):
        notes["ownership"] = "results share memory with arguments or with each other"
    elif any(a.flags.writeable and a is b for a, b in pairs):
        notes["ownership"] = "a result is an argument, or two results are one array"
    return notes


def follows_gradient(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number goes against its own gradient, and without one it stays or decays.

    Under a steady gradient each number ends below where a gradient of zero leaves it if its gradient is positive, and
    above if that is negative, over some steps: the first may be small. Under a gradient of zero it goes towards 0 or
    stays.

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
    return one_each(verdicts)


TREE = (np.zeros((3, 2)), np.zeros(4), (np.zeros((2, 3, 2)), np.zeros(1)), np.zeros(5))
"""Shapes of parameters that every optimizer takes."""

STEPS, MOMENTS = 12, 6
"""The number of steps that are taken, and the number after which the direction is looked at as well."""

STEEPNESS = 0.05
"""The curvature of a quadratic on which an optimizer has to descend, times its rate; from 2 on it would not."""


def _normal_of(rng: np.random.Generator) -> Callable[[Array], Array]:
    return lambda leaf: rng.standard_normal(leaf.shape)


def _followed(optimizer: Optimizer[Any, Any], params: Any, rng: np.random.Generator) -> list[Verdict]:
    start = tree.map(lambda leaf: (np.where(np.abs(leaf) < 0.1, 1.0, leaf)).astype(leaf.dtype), params)
    slopes = tree.map(
        lambda leaf: (rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 2, leaf.shape)).astype(leaf.dtype), params
    )
    holes = tree.map(lambda leaf: np.where(rng.random(leaf.shape) < 0.3, leaf.dtype.type(0), leaf), slopes)
    none = tree.map(np.zeros_like, slopes)
    runs = [_run(optimizer, start, steady) for steady in (slopes, tree.map(np.negative, slopes), none, holes)]
    verdicts: list[Verdict] = []
    for i, (path, first) in enumerate(tree.named_leaves(start)):
        down, up, still, some = ([tree.leaves(at)[i] for at in run] for run in runs)
        slope, hole = tree.leaves(slopes)[i], tree.leaves(holes)[i]
        verdicts.append(
            Verdict(
                "follows_gradient",
                f"params{path}",
                not (note := _wrong_way(first, slope, hole, down, up, still, some)),
                note,
            )
        )
    return verdicts


def _run(optimizer: Optimizer[Any, Any], params: Any, slopes: Any) -> list[Any]:
    """The parameters after some steps under a steady gradient, and after more."""
    state = optimizer.init(params)
    seen: list[Any] = []
    with np.errstate(all="ignore"):
        for step in range(1, STEPS + 1):
            params, state = optimizer.step(state, params, slopes)
            if step in (MOMENTS, STEPS):
                seen.append(params)
    return seen


def _wrong_way(
    first: Array, slope: Array, hole: Array, down: list[Array], up: list[Array], still: list[Array], some: list[Array]
) -> str:
    """The fault of the places where the numbers of one array went, in words."""
    for a, b, zero, partly in zip(down, up, still, some, strict=True):
        if not all(np.isfinite(each).all() for each in (a, b, zero, partly)):
            return "it is not finite after some steps: is something divided by a gradient of 0?"
        wrong = (np.sign(a - zero) != -np.sign(slope)) | (np.sign(b - zero) != np.sign(slope))
        if wrong.any():
            return _told("a number does not go against its gradient", wrong)
        share = zero / np.where(first != 0, first, 1)
        wrong = (share > 1 + 1e-6) | (share < 0)
        if wrong.any():
            return _told("under a gradient of zero it moves away from 0", wrong)
        wrong = (hole == 0) & (np.abs(partly - zero) > 1e-6 * np.abs(first).max(initial=1e-300))
        if wrong.any():
            return _told("a number whose gradient is zero goes with those of others", wrong)
    wrong = np.sign((down[1] - still[1]) - (down[0] - still[0])) == np.sign(slope)
    return _told("after some steps a number goes along its gradient", wrong) if wrong.any() else ""


def lines_of_steps(optimizer: Optimizer[Any, Any]) -> str:
    """Lines of code that show how few numbers move the wrong way, without this library; "" if they don't.

    In them `init` and `step` are the author's own.
    """
    for n in (1, 2, 4):
        start, slopes = np.array([1.0, -2.0, 0.5, -1.5])[:n], np.array([0.5, 1.0, -2.0, -0.7])[:n]
        holes = np.where(np.arange(n) == 1, 0.0, slopes)
        try:
            runs = [_run(optimizer, start, steady) for steady in (slopes, -slopes, 0 * slopes, holes)]
            wrong = _wrong_way(start, slopes, holes, *runs)
        except Exception:  # noqa: BLE001  # it takes no such parameters
            return ""
        if wrong:
            shown = slopes if _wrong_way(start, slopes, slopes, *runs) else holes
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


def _told(note: str, wrong: Any) -> str:
    place = where(np.asarray(wrong))
    return f"{note}: {place}" if place else note


def descends(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """A thousand steps on a quadratic stay finite and end no higher than they began.

    The curvature is fitted to the optimizer's own first steps, so that no rate is too large for it. Where it decays,
    the end is compared with that of decay alone.

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
    none = tree.map(np.zeros_like, slopes)
    curvature = curvature_for(optimizer, start, slopes)
    if not np.isfinite(curvature):
        note = "it does not move in its first steps, so that no curvature suits it"
        return [Verdict("descends", "loss", ok=False, undecided=True, note=note)]
    centre = tree.map(lambda leaf, slope: leaf - slope / curvature, start, slopes)

    def loss(at: Any) -> float:
        return sum(float(np.sum((a - c) ** 2)) for a, c in zip(tree.leaves(at), tree.leaves(centre), strict=True))

    at, state, decayed, decay = start, optimizer.init(start), start, optimizer.init(start)
    with np.errstate(all="ignore"):
        for step in range(1, 1001):
            at, state = optimizer.step(state, at, tree.map(lambda leaf, c: (leaf - c) * curvature, at, centre))
            decayed, decay = optimizer.step(decay, decayed, none)
            if not all(np.isfinite(leaf).all() for leaf in tree.leaves(at)):
                return [
                    Verdict("descends", "loss", ok=False, note=f"after {step} steps on a quadratic it is not finite")
                ]
        first, last, still = map(loss, (start, at, decayed))
    ok = last <= 1.01 * max(first, still)
    note = "" if ok else f"a thousand steps on a quadratic end at {last:.3g} times its curvature, from {first:.3g}"
    return [Verdict("descends", "loss", ok=ok, note=note)]


def curvature_for(optimizer: Optimizer[Any, Any], start: Any, slopes: Any) -> float:
    """The curvature of a quadratic that suits the rate of an optimizer's first steps; infinite if it does not move."""
    moved, still = (_run(optimizer, start, steady)[-1] for steady in (slopes, tree.map(np.zeros_like, slopes)))
    pairs = zip(tree.leaves(moved), tree.leaves(still), tree.leaves(slopes), strict=True)
    rates = [np.abs(a - b) / np.abs(g) / STEPS for a, b, g in pairs if a.size]
    rate = float(max((each.max() for each in rates), default=0.0))
    return STEEPNESS / rate if rate > 0 else np.inf


def elementwise(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number is treated alone: stepping reversed arrays gives the reversed step, over three steps.

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
    straight, mirrored = params, _mirrored(params)
    state, mirrored_state = optimizer.init(straight), optimizer.init(mirrored)
    for _ in range(3):
        straight, state = optimizer.step(state, writable(straight), writable(grads))
        mirrored, mirrored_state = optimizer.step(mirrored_state, writable(mirrored), writable(_mirrored(grads)))
    ok = tree.equal(_mirrored(straight), mirrored)
    return [Verdict("elementwise", "params", ok, "" if ok else "a number's step depends on where it stands")]


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


def _copies(value: Any) -> list[Array]:
    return [array.copy() for array in arrays_in(value)]


def _same(a: list[Array], b: list[Array]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b, strict=True)
    )


def _cast(value: Any, dtype: Any) -> Any:
    return value if dtype is None else tree.map(lambda leaf: leaf.astype(dtype), value)


def _mirrored(value: P) -> P:
    return tree.map(lambda leaf: np.flip(leaf).copy(), value)
