"""The law of numbers that are treated alike, wherever they stand, and each alone."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_optimizers._steps import last_place, scaled
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.optimizer import Optimizer
from chainrule.rules.optimizers import ArrayOptimizer

P = TypeVar("P")
S = TypeVar("S")


def elementwise(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number is treated alone: stepping reversed arrays gives the reversed step, over three steps.

    It is the same for arrays of another memory layout, where the gradient of another number or of all in another array
    is 0, and where those of another array are turned, for parameters of 0. Where arrays of the same numbers take
    different steps, nothing can be told. What is symmetric in all numbers and alike for both signs, as a norm is,
    passes, unless the optimizer is made by `rules.optimizer`: it goes through large arrays in blocks, so that there no
    other gradient may matter.

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
        or _by_arrays(optimizer, in_dtype(params, np.float64), in_dtype(grads, np.float64))
        or _by_others(optimizer, params, grads)
    )
    if not note and (note := _by_triplets(optimizer, params, grads)):
        return [Verdict("elementwise", "params", ok=False, note=note, undecided=True, advice=BY_PLACE)]
    return [Verdict("elementwise", "params", not note, note)]


BY_PLACE = (
    "If an array's place is meant to matter, as for rates that differ by layer, compare the steps with the formula"
)
"""The advice where arrays of the same numbers take different steps."""


def _taken(optimizer: Optimizer[Any, Any], params: Any, slopes: Sequence[Any]) -> Any:
    return last_place(optimizer, params, slopes).params


def _by_place(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
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
    right = _taken(optimizer, writable(params), [writable(grads)] * 3)
    laid = {"parameters": (_otherwise(params), grads), "gradients": (params, _otherwise(grads))}
    for name, (at, slopes) in laid.items():
        try:
            got = _taken(optimizer, at, [slopes] * 3)
        except Exception:
            continue
        if _apart(got, right, params):
            return f"the entries of {name} in another memory layout are mixed up: are they read as they lie in memory?"
    return ""


def _otherwise(value: P) -> P:
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
    slopes = [scaled(whole, factor) for factor in FACTORS]
    slopes[AMID] = tree.map(lambda leaf: np.where(_chosen(leaf), change(leaf), leaf).astype(leaf.dtype), slopes[AMID])
    return slopes


def _chosen(leaf: Array) -> Any:
    """The place of the entry that is changed: none in an array of one."""
    return np.arange(leaf.size).reshape(leaf.shape) == (leaf.size // 2 if leaf.size > 1 else -1)


def _by_a_zero(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    changes: list[Callable[[Array], Any]] = [np.zeros_like, lambda leaf: 1e-9 * leaf]
    given, wide = in_dtype(params, np.float64), in_dtype(grads, np.float64)
    try:
        got, right = (_taken(optimizer, given, _changed(wide, change)) for change in changes)
    except Exception:
        return ""
    chosen = tree.map(_chosen, params)
    kept = [tree.map(lambda leaf, hole: np.where(hole, 0, leaf), at, chosen) for at in (got, right)]
    return "a gradient of 0 changes the steps of other numbers" if _apart(kept[0], kept[1], given) else ""


MOST_ARRAYS = 4
"""The number of arrays whose gradients are changed alone."""


def _by_arrays(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where the gradients of one array, all 0 or all turned, change the steps of others.

    Those of 0 are compared with those of nearly 0, as of a norm both are the same. Those turned are from parameters of
    0, where both signs are alike for a norm, also with decay before it.
    """
    none, slopes = tree.map(np.zeros_like, params), _changed(grads, np.positive)

    def others_of(i: int, start: Any, factors: Sequence[float]) -> Any:
        steps = [_of_one(each, i, factor) for each, factor in zip(slopes, factors, strict=False)]
        return _without(_taken(optimizer, start, steps), i)

    count = len(tree.leaves(params))
    with suppress(Exception), np.errstate(all="ignore"):  # it takes no such arguments, which is an answer
        for i in range(min(MOST_ARRAYS, count) if count > 1 else 0):
            straight, turned = (others_of(i, none, [sign] * AMID) for sign in (1.0, -1.0))
            if _apart(turned, straight, _without(none, i)):
                return "the signs of the gradients of one array change the steps of others"
            zero, nearly = (others_of(i, params, (1.0, 1.0, factor, 1.0)) for factor in (0.0, 1e-9))
            if _apart(zero, nearly, _without(params, i)):
                return "gradients of 0 in all of one array change the steps of others"
    return ""


def _of_one(value: P, i: int, factor: float) -> P:
    return tree.replace(value, [leaf * factor if k == i else leaf for k, leaf in enumerate(tree.leaves(value))])


def _without(value: Any, i: int) -> Any:
    return tuple(leaf for k, leaf in enumerate(tree.leaves(value)) if k != i)


def _by_others(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    if not isinstance(optimizer, ArrayOptimizer):
        return ""
    changes: list[Callable[[Array], Any]] = [np.positive, lambda leaf: -3 * leaf]
    ends = [_taken(optimizer, params, _changed(grads, change)) for change in changes]
    kept = [tree.map(lambda leaf: np.where(_chosen(leaf), 0, leaf), at) for at in ends]
    words = "the gradient of a number changes the steps of others: by the rules each is treated alone"
    return "" if tree.equal(*kept) else words


def _by_triplets(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> str:
    """The fault where arrays of the same numbers take other steps, as where each of them counts as a step.

    There are three of each, as two may be the parts of a pair, which have rules of their own.
    """
    given, slopes = (tuple(leaf.copy() for leaf in tree.leaves(each) for _ in range(3)) for each in (params, grads))
    with suppress(Exception), np.errstate(all="ignore"):  # it takes no tuples, or no such arrays, which is an answer
        ends = _taken(optimizer, given, [slopes] * AMID)
        if len(ends) == len(given) and any(_apart(ends[i::3], ends[0::3], given[0::3]) for i in (1, 2)):
            return "arrays of the same numbers take different steps: does each of them count as a step?"
    return ""


def _apart(a: Any, b: Any, start: Any) -> bool:
    """Tell whether two ends are further apart than rounding is, by the way from the start."""
    for x, y, at in zip(tree.leaves(a), tree.leaves(b), tree.leaves(start), strict=True):
        way, size = (np.abs(each).max(initial=0.0) for each in (y - at, y))
        if not np.all(np.abs(x - y) <= 1e-3 * way + 16 * np.finfo(y.dtype).eps * size):
            return bool(np.isfinite(y).all())
    return False


def _mirrored(value: P) -> P:
    return tree.map(lambda leaf: np.flip(leaf).copy(), value)
