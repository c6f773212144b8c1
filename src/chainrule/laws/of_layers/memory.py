"""The laws of memory: what results share, and what is written."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._drawn import DRAWN, is_drawn
from chainrule.laws.of_layers._other_numbers import ZEROS
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.junk import empty_holds, leave
from chainrule.laws.trials.names import names_of
from chainrule.laws.trials.trial import Checked, Trial, copied_fields, draw, run_forward

SMALL = 2**13
"""So many numbers at most has an array of which memory is given out again soon."""

MANY = 64
"""The number of arrays of a shape that take up all free memory of that size."""

OF_ANOTHER, USED_AGAIN = "of another call", "a later call changes it: is a buffer used again?"
"""The words for results of which a later call makes its own."""

UNWRITTEN = "it depends on what was in memory before: is an entry of empty not written?"
"""The words for results that follow what was in memory."""

OF_CALLS = "it is another from call to call, whatever was in memory before: is something stored outside the cache?"
"""The words for results that differ, and do not follow what was in memory."""

JUNK = (np.nan, -1e4, 7.0)
"""The numbers that memory is filled with, one after another; nan can be seen in a result."""


def nothing_shared(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Writable results share no memory with each other, with arguments, the cache, or the results of another call.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.nothing_shared(affine, params, x, rng))
    True
    """
    found: dict[str, str] = {}
    cases: list[tuple[Any, Any, bool]] = [
        (params, x, False),
        *((params, each, False) for each in rows_of(x).values()),
        (params, _positive(layer, x), True),
        *((in_dtype(params, dtype), in_dtype(x, dtype), False) for dtype in (np.float32, np.float16)),
    ]
    for own, given, positive in cases:
        try:
            notes = _shared(layer, writable(own), writable(given), rng, positive=positive)
        except Exception:
            if given is x:
                raise
            continue  # it refuses this x, which is an answer
        for name, note in notes.items():
            if not found.get(name):
                found[name] = note
    return [Verdict("nothing_shared", name, ok=not note, note=note) for name, note in found.items()]


def _positive(layer: Checked[Any, Any], x: Any) -> Any:
    return x if isinstance(layer, Encoder) else tree.map(lambda leaf: np.abs(leaf) + leaf.dtype.type(0.5), x)


def _shared(
    layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator, *, positive: bool
) -> dict[str, str]:
    out, cache = layer.forward(params, x)
    dout = np.ones_like(out) if positive else draw(np.asarray(out), rng)
    trial = Trial(layer, params, x, out, cache)
    first = {"out": out, **trial.back_as_laid_out(dout)}
    kept = copied_fields(first)
    other_out, other_cache = layer.forward(params, writable(x))
    other = Trial(layer, params, x, other_out, other_cache)
    second = {"out": other_out, **other.back_as_laid_out(dout.copy())}
    third = trial.back_as_laid_out(dout.copy())
    notes: dict[str, str] = {}
    names = names_of(layer)
    for name, leaf in first.items():
        others: list[tuple[str, Any]] = [
            *((f"the result {names.of(each)}", value) for each, value in first.items() if each != name),
            *((f"{names.of(each)} {OF_ANOTHER}", value) for each, value in (*second.items(), *third.items())),
            *(("the cache", value) for value in arrays_in(cache)),
            (names.dout, dout),
            *((names.x, value) for value in tree.leaves(x)),
            *(("params", value) for value in tree.leaves(params)),
        ]
        changes = not np.array_equal(kept[name], leaf, equal_nan=True)
        notes[name] = _sharing(leaf, others) or (USED_AGAIN if changes else "")
    return notes


def _sharing(leaf: Any, others: list[tuple[str, Any]]) -> str:
    """The memory that a result which can be written to shares, in words; "" if none."""
    if not (is_numpy(leaf) and leaf.flags.writeable and leaf.size):
        return ""
    if _overlaps(leaf):
        return "it is writable, and several of its entries share memory"
    shared = (f"it is writable, and shares memory with {what}" for what, value in others if _shares(leaf, value))
    return next(shared, "")


def _overlaps(a: Array) -> bool:
    return any(step == 0 and length > 1 for step, length in zip(a.strides, a.shape, strict=True))


def _shares(a: Any, b: Any) -> bool:
    return is_numpy(b) and b.size > 0 and bool(np.may_share_memory(a, b)) and bool(np.shares_memory(a, b))


def all_written(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Results do not depend on what was in memory before: nothing that `np.empty` gave is left as it was.

    Neither do they in float32, or in float64 where float32 is given. Meanwhile `np.empty` and `np.empty_like` give
    arrays that are full of a number, in the whole process.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.all_written(affine, params, x, rng))
    True
    """
    found = _unwritten(layer, params, x, rng)
    names = names_of(layer)
    for name, note in _unwritten(layer, params, x, rng, _with_zeros).items():
        found[name] = found.get(name) or (note and f"for {names.dout} with a row of zeros and others: {note}")
    if not isinstance(layer, Encoder) and np.ndim(x) and np.size(x) > 1:
        zero = np.zeros((), np.asarray(x).dtype)
        some = {"zeros": np.where(rng.random(np.shape(x)) < ZEROS, zero, x), "a row of zeros": np.array(x)}
        some["a row of zeros"][0] = zero
        for words, with_zeros in some.items():
            with contextlib.suppress(Exception):  # it refuses zeros, which is an answer
                for name, note in _unwritten(layer, params, with_zeros, rng).items():
                    found[name] = found.get(name) or (note and f"for {names.x} with {words}: {note}")
    dtypes = {leaf.dtype for leaf in tree.leaves((params, x)) if leaf.dtype.kind == "f"}
    other = np.dtype(np.float64 if dtypes == {np.dtype(np.float32)} else np.float32)
    with contextlib.suppress(Exception), np.errstate(all="ignore"):  # it refuses that dtype
        for name, note in _unwritten(layer, *in_dtype((params, x), other), rng, _with_zeros).items():
            words = f"in {other.name}, for {names.dout} with a row of zeros and others"
            found[name] = found.get(name) or (note and f"{words}: {note}")
    return [Verdict("all_written", name, ok=not note, note=note) for name, note in found.items()]


def _with_zeros(dout: Array, rng: np.random.Generator) -> Array:
    """The array, in which all of the first row is 0, and some other numbers."""
    some = np.where(rng.random(dout.shape) < ZEROS, 0, dout).astype(dout.dtype)
    if some.ndim:
        some[:1] = 0
    return some


def _usual(dout: Array, rng: np.random.Generator) -> Array:
    return dout


def _unwritten(
    layer: Checked[Any, Any],
    params: Any,
    x: Any,
    rng: np.random.Generator,
    of: Callable[[Array, np.random.Generator], Array] = _usual,
) -> dict[str, str]:
    """The fault of each result that depends on what was in memory before, in words; "" if it does not."""
    out, cache = run_forward(layer, params, x)
    dout = of(draw(out, rng), rng)
    trial = Trial(layer, params, x, out, cache)
    right = trial.results(dout)
    shapes = {(leaf.shape, leaf.dtype) for leaf in (*right.values(), *arrays_in(cache), *tree.leaves(x))}
    runs = [_over_junk(trial, dout, shapes, junk) for junk in JUNK for _ in range(2)]
    bad = {
        name for found in runs for name, leaf in found.items() if not np.array_equal(leaf, right[name], equal_nan=True)
    }
    notes = dict.fromkeys(right, "")
    if bad:
        in_turn = [_over_junk(trial, dout, shapes, junk) for _ in range(2) for junk in JUNK]
        notes |= {name: _cause([each[name] for each in runs], [each[name] for each in in_turn]) for name in bad}
        if OF_CALLS in notes.values() and is_drawn(layer, params, x, dout):
            notes |= {name: DRAWN for name in bad if notes[name] == OF_CALLS}
    clear(shapes)
    return notes


def _over_junk(trial: Trial, dout: Array, shapes: set[tuple[tuple[int, ...], Any]], junk: float) -> dict[str, Array]:
    """Copies of the results of a call that finds memory full of a number."""
    layer, params, x = trial.layer, trial.params, trial.x
    leave(junk, shapes)
    with empty_holds(junk):
        out, cache = layer.forward(params, writable(x))
    leave(junk, shapes)
    again = Trial(layer, params, x, out, cache)
    with empty_holds(junk):
        found = {"out": out, **again.back_as_laid_out(dout.copy())}
    return copied_fields(found)


def _cause(twice: list[Array], in_turn: list[Array]) -> str:
    """Why results differ, in words, by those for each number of JUNK twice, and for all of them in turn, two times.

    They follow what was in memory if they are nan where that was, and never otherwise; or if each number has its own.
    """
    of_nan, of_others = [*twice[:2], *in_turn[::3]], [*twice[2:], *in_turn[1:3], *in_turn[4:]]
    if any(_has_nan(leaf) for leaf in of_nan) and not any(map(_has_nan, of_others)):
        return UNWRITTEN
    several = [[*twice[2 * i : 2 * i + 2], *in_turn[i::3]] for i in range(len(JUNK))]
    steady = all(_same(each[0], leaf) for each in several for leaf in each)
    return UNWRITTEN if steady and not all(_same(each[0], several[0][0]) for each in several) else OF_CALLS


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _has_nan(leaf: Array) -> bool:
    return bool(np.isnan(leaf).any())


def is_used_again(verdict: Verdict) -> bool:
    """Tell whether the memory of a result is that of another call too."""
    return verdict.note.endswith(OF_ANOTHER) or USED_AGAIN in verdict.note


def is_unwritten(verdict: Verdict) -> bool:
    """Tell whether a result follows what was in memory."""
    return UNWRITTEN in verdict.note


def is_of_calls(verdict: Verdict) -> bool:
    """Tell whether a result differs from call to call, as laws of state say too, and does not follow memory."""
    return verdict.law == "all_written" and (OF_CALLS in verdict.note or DRAWN in verdict.note)


def clear(shapes: set[tuple[tuple[int, ...], Any]]) -> None:
    """Leave no nan behind in free memory, for what comes next."""
    leave(0.0, {each for each in shapes if math.prod(each[0]) < SMALL}, MANY)
