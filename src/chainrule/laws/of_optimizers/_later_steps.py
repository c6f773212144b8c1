"""Faults of the gradients of later steps: followed upwards, or used no more; by the path of an array, in words.

All numbers have one size, and all gradients another, so that whatever treats each number alone treats all of an array
alike, but for the sign: also decay before a sign, clipping and the norm of an array.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import seen
from chainrule.laws.trials.wording import where

PARAM, SLOPE = 0.25, 0.75
"""The sizes of numbers and gradients: decay is less than a gradient, and against it, so that no number comes to 0."""

LOOKED = 16
"""The steps up to which the effect of the gradient of one of the first is looked at."""

LATER = 64
"""The steps in which a gradient has to have an effect on each number if it has one on others."""

LONG = 1000
"""The steps in which another gradient than the first has to have an effect."""


def later_faults(optimizer: Any, params: Any, eps: float, rng: np.random.Generator) -> dict[str, str]:
    """The faults of the arrays that have one, for parameters of such shapes; where gradients are negative is drawn.

    Steps are rounded by the eps.
    """
    signs = tree.map(lambda leaf: _signs(leaf, rng), params)
    slopes = tree.map(lambda sign: SLOPE * sign, signs)
    turned, none = tree.map(np.negative, slopes), tree.map(np.zeros_like, slopes)
    start = tree.map(lambda sign: -PARAM * sign, signs)

    def effects_of(changed: Sequence[Any], looks: range) -> list[Array]:
        return _effects(seen(optimizer, start, changed, looks), steady, looks, signs, eps)

    with np.errstate(all="ignore"):
        steady = seen(optimizer, start, [slopes] * LATER, range(1, LATER + 1))
        effects = [
            effects_of([slopes] * k + [turned] + [slopes] * (LOOKED - k - 1), range(k + 1, LOOKED + 1))
            for k in range(STEPS)
        ]
        late, off = (
            effects_of([slopes] * STEPS + [other] * (LATER - STEPS), range(LATER, LATER + 1))
            for other in (turned, none)
        )
        if not all(np.isfinite(each).all() for step in (*effects, late, off) for each in step):
            return {}
        if _only_the_first(effects, late) and not _has_another(optimizer, start, slopes, turned):
            return {path: ONCE for path, leaf in tree.named_leaves(start) if leaf.size}
    used = any(each.any() for each in late)
    notes: dict[str, str] = {}
    for i, (path, _) in enumerate(tree.named_leaves(start)):
        note = _along([step[i] for step in effects]) or _unused([step[i] for step in effects], late[i], off[i], used)
        if note:
            notes[path] = note
    return notes


ONCE = f"only the gradient of the first step has an effect: in {LONG} steps no other moves a number"
"""The words for an optimizer that moves once."""


def _signs(leaf: Array, rng: np.random.Generator) -> Array:
    return rng.permutation(np.where(np.arange(leaf.size) % 2, -1.0, 1.0)).reshape(leaf.shape)


def _effects(others: Sequence[Any], steady: Sequence[Any], looks: range, signs: Any, eps: float) -> list[Array]:
    """The distance that each number is further up its gradient than under steady ones; 0 if by rounding alone."""
    pairs = [(tree.leaves(other), tree.leaves(steady[step - 1])) for other, step in zip(others, looks, strict=True)]
    return [
        np.array([sign * _unlike(other[i], at[i], -PARAM * sign, eps) for other, at in pairs])
        for i, sign in enumerate(tree.leaves(signs))
    ]


def _unlike(other: Array, at: Array, first: Array, eps: float) -> Array:
    difference = other - at
    way, size = (np.abs(each).max(initial=0.0) for each in (at - first, at))
    return np.where(np.abs(difference) <= 1e-9 * way + 64 * eps * size, 0.0, difference)


def _only_the_first(effects: Sequence[Sequence[Array]], late: Sequence[Array]) -> bool:
    first, *others = ([each.any() for each in step] for step in (*effects, late))
    return any(first) and not any(map(any, others))


def _has_another(optimizer: Any, start: Any, slopes: Any, turned: Any) -> bool:
    runs = [[slopes] + [each] * (LONG - 1) for each in (slopes, turned)]
    return not tree.equal(*(seen(optimizer, start, run, range(LONG, LONG + 1))[-1] for run in runs))


def _along(effects: Sequence[Array]) -> str:
    for k, steps in enumerate(effects):
        wrong = (steps <= 0).all(0) & (steps[-1] < 0)
        if wrong.any():
            return told(f"at step {k + 1} a number goes along its gradient", wrong)
    return ""


def _unused(effects: Sequence[Array], late: Array, off: Array, used: bool) -> str:
    by_step = np.array([steps.any(0) for steps in effects])
    wrong = by_step.any(0) & ~late.any(0)
    if used and wrong.any():
        last = int(np.flatnonzero(by_step[:, wrong].any(1))[-1]) + 1
        return told(f"after step {last} the gradient of a number has no effect, but that of others has", wrong)
    wrong = late.any(0) & ~off.any(0)
    if wrong.any() and off.any():
        return told("after some steps gradients of one sign have no effect", wrong)
    return ""


def told(note: str, wrong: Any) -> str:
    place = where(np.asarray(wrong))
    return f"{note}: {place}" if place else note
