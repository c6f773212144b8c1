"""Faults of the steps of an optimizer beside their results: writing, sharing, remembering; by field, in words."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations, product
from typing import Any, TypeAlias

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_any_tuple, is_dict, is_list
from chainrule.laws.of_layers._watched import all_watched, was_written
from chainrule.laws.of_layers.layouts import LAID_OUT, Layout
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import as_laid_out, read_only_copy, writable

Notes: TypeAlias = dict[str, str]

WATCHED = 12
"""The steps of a run in which each is watched: every tenth may be another."""

LATER = 128
"""The steps after which the first is taken again: a rate may fall after a hundred."""


def impurities(optimizer: Any, params: Any, grads: Any, rng: np.random.Generator, *, later: bool) -> Notes:
    """The faults of a step taken alone, and of the steps of runs; the first again `later`, after many."""
    other = tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), grads)
    none = tree.map(np.zeros_like, grads)
    notes = _of_one(optimizer, params, grads, other)
    for slopes in ([grads, other, none, _holed(grads)] + [other, grads] * (WATCHED // 2 - 2), [none, none]):
        notes = of_a_run(optimizer, params, slopes) | notes
    if "arguments" not in notes:
        found = (
            _of_init(optimizer, params)
            or _by_identity(optimizer, params, grads, other)
            or (_later(optimizer, params, grads) if later else "")
        )
        if found:
            notes.setdefault("repetition", found)
    return notes


def copies(value: Any) -> list[Array]:
    return [array.copy() for array in arrays_in(value)]


def _copies_of(arguments: dict[str, Any]) -> dict[str, list[Array]]:
    """The arrays in each, and the numbers that a list or a dictionary holds, which a call may write to as well."""
    return {name: [*copies(value), *map(np.asarray, _numbers(value))] for name, value in arguments.items()}


def _written(before: dict[str, list[Array]], arguments: dict[str, Any]) -> str:
    """The names of what is no longer as it was before."""
    now = _copies_of(arguments)
    return " and ".join(name for name, held in before.items() if not same(held, now[name]))


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, int | float):
        return [value]
    inside: list[Any] = list(value.values()) if is_dict(value) else []
    if is_list(value) or is_any_tuple(value):
        inside = list(value)
    return [number for each in inside for number in _numbers(each)]


def same(a: list[Array], b: list[Array]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b, strict=True)
    )


def _of_one(optimizer: Any, params: Any, grads: Any, other: Any) -> Notes:
    notes: Notes = {}
    given, slopes = writable(params), writable(grads)
    state = optimizer.init(given)
    arguments = {"state": state, "params": given, "grads": slopes}
    before = _copies_of(arguments)
    first = optimizer.step(state, given, slopes)
    kept = copies(first)
    if name := _written(before, arguments):
        notes["arguments"] = f"a call wrote to {name}"
    elif not all(leaf.flags.writeable for leaf in tree.leaves((given, slopes))):
        notes["arguments"] = "a call made one of its arguments read-only"
    for words, layout in LAID_OUT.items():
        if name := _put_back(optimizer, state, params, grads, layout):
            notes.setdefault("arguments", f"a call wrote to {name} while it lasted{words}")
    optimizer.step(optimizer.init(given), given, writable(other))
    optimizer.step(first[1], first[0], writable(other))
    if not same(kept, copies(first)):
        notes["ownership"] = "a later call changes the results of an earlier one: is a buffer used again?"
    repeated = [
        optimizer.step(state, given, slopes),
        optimizer.step(state, read_only_copy(params), read_only_copy(grads)),
    ]
    if not all(same(kept, copies(again)) for again in repeated):
        notes["repetition"] = "the same call gives other numbers"
    shared = _shared((state,), [given, slopes]) or _shared(first, [given, slopes])
    if shared:
        notes["ownership"] = shared
    return notes


def of_a_run(optimizer: Any, params: Any, slopes: Sequence[Any]) -> Notes:
    notes: Notes = {}
    at = as_laid_out(params)
    state = optimizer.init(writable(params))
    for step, steady in enumerate(slopes):
        grads = as_laid_out(steady)
        arguments = {"state": state, "params": at, "grads": grads}
        before = _copies_of(arguments)
        results = optimizer.step(state, at, grads)
        when = f", at step {step + 1}" if step else ""
        if name := _written(before, arguments):
            notes.setdefault("arguments", f"a call wrote to {name}{when}")
        elif name := _put_back(optimizer, state, at, grads, _in_their_order):
            notes.setdefault("arguments", f"a call wrote to {name} while it lasted{when}")
        shared = _shared(results, [at, grads])
        if shared:
            zero = "" if any(leaf.any() for leaf in tree.leaves(grads)) else ", where all gradients are 0"
            notes.setdefault("ownership", f"{shared}{when}{zero}")
        at, state = results
    return notes


def _in_their_order(leaf: Array) -> Array:
    return leaf.copy("A")


def _put_back(optimizer: Any, state: Any, params: Any, grads: Any, layout: Layout) -> str:
    given = {"params": all_watched(params, layout), "grads": all_watched(grads, layout)}
    with suppress(Exception):  # it takes no such layout, or goes by the type of arrays
        optimizer.step(state, *given.values())
    return " and ".join(name for name, value in given.items() if was_written(value))


def _shared(results: Any, given: Any) -> str:
    held = [array for each in results for array in arrays_in(each)]
    with_given, with_each_other = product(held, arrays_in(given)), combinations(held, 2)
    of_given, of_results = (
        [(a, b) for a, b in pairs if a.flags.writeable or b.flags.writeable] for pairs in (with_given, with_each_other)
    )
    if any(a is not b and np.shares_memory(a, b) for a, b in (*of_given, *of_results) if a.size):
        return "results share memory with arguments or with each other"
    if any(a is b for a, b in of_given):
        return "a result is an array of the arguments: return a copy of it"
    if any(a is b for a, b in of_results):
        return ONE_ARRAY
    return ""


ONE_ARRAY = "two results are one array: return a copy of it"


def _holed(grads: Any) -> Any:
    return tree.map(lambda leaf: np.where(np.arange(leaf.size).reshape(leaf.shape) == 0, 0, leaf), grads)


def _of_init(optimizer: Any, params: Any) -> str:
    states: list[list[Array]] = []
    for number in (3, -5):
        held = [np.full_like(leaf, number) for leaf in tree.leaves(params) for _ in range(8)]
        del held  # np.empty may give this memory out
        states.append(copies(optimizer.init(writable(params))))
    words = "init gives another state for the same parameters: is some of it never written, as by np.empty?"
    return "" if same(*states) else words


def _by_identity(optimizer: Any, params: Any, grads: Any, other: Any) -> str:
    given, slopes = writable(params), writable(grads)
    state = optimizer.init(given)
    optimizer.step(state, given, slopes)
    for leaf, values in zip(tree.leaves(slopes), tree.leaves(other), strict=True):
        leaf[...] = values
    again = copies(optimizer.step(state, given, slopes))
    fresh = copies(optimizer.step(state, given, writable(other)))
    words = "other gradients in the same array give other numbers than in a new one: is it kept by identity?"
    return "" if same(again, fresh) else words


def _later(optimizer: Any, params: Any, grads: Any) -> str:
    given, slopes = writable(params), writable(grads)
    state = optimizer.init(given)
    first = optimizer.step(state, given, slopes)
    kept, (at, after) = copies(first), first
    for _ in range(LATER):
        at, after = optimizer.step(after, at, writable(grads))
    words = (
        f"the first step, taken again after {LATER} others, gives other numbers: is something kept outside the state?"
    )
    return "" if same(kept, copies(optimizer.step(state, given, slopes))) else words
