"""The laws of what a loss writes to, shares and keeps: its arguments, its cache, and the settings of the process."""

from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws.of_layers._other_numbers import ZEROS
from chainrule.laws.of_layers._watched import all_watched, was_written, written_while_called
from chainrule.laws.of_layers.layouts import DENSE, LAID_OUT, Layout, any_layout, laid, layouts_of
from chainrule.laws.of_layers.memory import all_written, is_unwritten, nothing_shared
from chainrule.laws.of_layers.process import process_unchanged
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.of_layers.state import calls_in_between
from chainrule.laws.of_layers.threads import threads
from chainrule.laws.of_losses._as_layer import (
    OF_LOSSES,
    as_layer,
    number_of_rows,
    renamed,
    rounding_of_loss,
    run_loss,
    with_rows,
)
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import (
    in_dtype,
    in_float64,
    read_only_copy,
    same_numbers,
    targets_in_dtype,
    targets_in_float64,
    writable,
)
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")


def loss_purity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, read-only ones are accepted, calls repeat, and writing to `out` changes no gradient.

    So it is for one row and in other dtypes, and for a `dloss` that is a writable array.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on; copies are used.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_purity(mean_squared_error, out, targets, rng))
    True
    """
    verdicts: list[Verdict] = []
    for case, given, wanted in _other_copies(out, targets):
        try:
            verdicts += _pure(loss, given, wanted, case)
        except Exception:
            if not case:
                raise
            continue  # it refuses this size or dtype, which is an answer
    return one_each(verdicts)


def _other_copies(out: Array, targets: T) -> Iterator[tuple[str, Array, T]]:
    yield "", out, targets
    if len(out) > 1 and in_rows(out, targets):
        yield "with 1 row", out[:1], tree.map(itemgetter(slice(1)), targets)
    for dtype in map(np.dtype, (np.float32, np.float64, np.float16)):
        if dtype != out.dtype:
            yield f"in {dtype.name}", in_dtype(out, dtype), targets_in_dtype(targets, dtype)


def in_rows(out: Array, targets: Any) -> bool:
    """Tell whether all targets have as many rows as out."""
    return all(leaf.ndim and len(leaf) == len(out) for leaf in tree.leaves(targets))


def _pure(loss: Loss[T, C], out: Array, targets: T, case: str) -> list[Verdict]:
    given, wanted = writable(out), writable(targets)
    value, cache = run_loss(loss, given, wanted)
    kept = [array.copy() for array in arrays_in(cache)]
    first = np.array(loss.backward(cache, 1.0))
    written = "" if all(map(same_numbers, kept, arrays_in(cache))) else "backward wrote to its cache"
    written = written_to(out, targets, given, wanted) or written or _written_to_dloss(loss, cache, out.dtype)
    try:
        frozen = read_only_copy((out, targets))
        frozen_value, frozen_cache = run_loss(loss, *frozen)
        again = np.array(loss.backward(frozen_cache, 1.0))
        if any(leaf.flags.writeable for leaf in tree.leaves(frozen)):
            written = written or "a call made one of its arguments writable, which the caller had made read-only"
    except Exception as error:
        if not case:
            raise
        note = written or f"read-only ones are refused: {type(error).__name__}: {error}"
        return [Verdict("loss_purity", "arguments", ok=False, note=f"{case}: {note}")]
    repeats = tree.equal((value, first), (frozen_value, again)) and tree.equal(first, loss.backward(cache, 1.0))
    for leaf in tree.leaves((given, wanted)):
        leaf[...] = -2 * leaf if leaf.dtype.kind == "f" else leaf == 0  # other sizes and signs, other labels
    owns = not repeats or tree.equal(first, loss.backward(cache, 1.0))
    shares = "the cache shares the memory of out or targets: hold own(...) of them in it"
    notes = {
        "arguments": written,
        "repetition": "" if repeats else "the same call gives other numbers",
        "ownership": "" if owns else shares,
    }
    at = f"{case}: " if case else ""
    return [Verdict("loss_purity", name, not note, note and f"{at}{note}") for name, note in notes.items()]


def written_to(out: Array, targets: T, given: Array, wanted: T) -> str:
    """The fault of calls that did something to the copies of arguments, in words; they are writable afterwards."""
    locked = [leaf for leaf in tree.leaves((given, wanted)) if not leaf.flags.writeable]
    for leaf in locked:
        leaf.flags.writeable = True
    if locked:
        return "a call made one of its arguments read-only, which is the caller's"
    names = {"out": tree.equal(out, given), "targets": tree.equal(targets, wanted)}
    written = " and ".join(name for name, same in names.items() if not same)
    return f"a call wrote to {written}" if written else ""


def _written_to_dloss(loss: Loss[Any, C], cache: C, dtype: np.dtype[Any]) -> str:
    dloss = np.array(1.5, dtype)
    loss.backward(cache, dloss)
    return "" if dloss == 1.5 else "backward wrote to its dloss"


def loss_memory(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """Every layout of `out` and targets is taken, results share no memory, all of them is written, and no argument is.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on; copies are used.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For the arguments and results.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_memory(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=number_of_rows(out))
    laws = (any_layout, nothing_shared, all_written)
    verdicts = [verdict for law in laws for verdict in law(layer, (), out, rng) if verdict.field != "params"]
    verdicts += _unwritten_at_targets(layer, out, targets, rng)
    for words, layout in LAID_OUT.items():
        names = dict.fromkeys(written_while_called(layer, (), out, rng, (DENSE, layout)))
        verdicts += [
            Verdict("", name, ok=False, note=f"the call wrote to {OF_LOSSES.of(name)} while it lasted{words}")
            for name in names
        ]
        if _writes_to_targets(loss, out, targets, layout):
            verdicts.append(Verdict("", "targets", ok=False, note=f"the call wrote to targets while it lasted{words}"))
    for words, rows in {"": out, **rows_of(out)}.items():
        beside = with_rows(number_of_rows(out), rows, targets)
        for note in _written_by_a_call(loss, rows, beside):
            verdicts.append(Verdict("", "targets" if "targets" in note else "x", ok=False, note=note))
        if _gives_its_cache(loss, rows, beside):
            note = f"it is writable, and shares memory with the cache{words}"
            verdicts.append(Verdict("", "dx", ok=False, note=note))
    verdicts += _laid_out(loss, out, targets, rng)
    verdicts.sort(key=lambda each: not is_unwritten(each))  # from which others follow
    return renamed("loss_memory", one_each(verdicts))


def _gives_its_cache(loss: Loss[Any, Any], out: Array, targets: Any) -> bool:
    """Tell whether the gradient for a dloss of 1 is memory of the cache that its caller may write to."""
    with suppress(Exception), np.errstate(all="ignore"):
        _, cache = run_loss(loss, writable(out), writable(targets))
        dout = loss.backward(cache, 1.0)
        return bool(dout.flags.writeable and any(np.shares_memory(dout, kept) for kept in arrays_in(cache)))
    return False


def _laid_out(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> Iterator[Verdict]:
    out, targets = in_float64(out), targets_in_float64(targets)
    value, cache = run_loss(loss, out, targets)
    dout, rounding = np.array(loss.backward(cache, 1.0)), rounding_of_loss(loss, out, targets, rng)
    for name, layout in layouts_of(max(leaf.ndim for leaf in (out, *tree.leaves(targets)))).items():
        try:
            given: Any = (layout(out), layout(targets) if is_numpy(targets) else tree.map(layout, targets))
            other, kept = run_loss(loss, *given)
            results = {"out": (np.asarray(other), np.asarray(value)), "dx": (loss.backward(kept, 1.0), dout)}
        except Exception:
            continue
        for field, (got, expected) in results.items():
            note = f"{name} out with targets in the same layout gives another one"
            yield compare("", field, got, np.where(np.isfinite(expected), expected, np.nan), rounding, note=note)


def _unwritten_at_targets(layer: Any, out: Array, targets: Any, rng: np.random.Generator) -> Iterator[Verdict]:
    """The verdicts on memory that is not written where out is its target, of some entries."""
    for leaf in tree.leaves(targets):
        if leaf.dtype.kind == "f" and leaf.shape == out.shape:
            some = np.where(rng.random(out.shape) < ZEROS, leaf, out).astype(out.dtype)
            found: list[Verdict] = []
            with suppress(Exception):  # it refuses them: targets may be numbers that no out is
                found = all_written(layer, (), some, rng)
            yield from (evolve(each, note=f"where out is the targets: {each.note}") for each in found if each.wrong)


def _writes_to_targets(loss: Loss[T, C], out: Array, targets: T, layout: Layout) -> bool:
    """Tell whether targets are written to while a call lasts; as usually laid out, if they are put back.

    Of those that are not, `loss_purity` says it.
    """
    given = all_watched(targets, layout)
    with suppress(Exception):  # it takes no such layout, or goes by the type of arrays
        loss.forward(laid(out, layout), given)
    return was_written(given) and (layout is not DENSE or tree.equal(given, targets))


def _written_by_a_call(loss: Loss[Any, Any], out: Array, targets: Any) -> Iterator[str]:
    """The arguments that a call wrote to, in words; of one row in float64 `loss_purity` says it, and then no more."""
    dtypes: tuple[Any, ...] = (np.float64, np.float32, np.float16)
    for dtype in dtypes:
        lent_out, beside = out.astype(dtype), writable(targets)
        with suppress(Exception), np.errstate(all="ignore"):
            loss.backward(loss.forward(lent_out, beside)[1], 1.0)
        wrote_to = [
            *(["out"] if not np.array_equal(lent_out, out.astype(dtype), equal_nan=True) else []),
            *(["targets"] if not tree.equal(beside, targets) else []),
        ]
        if wrote_to and number_of_rows(out) == 1 and dtype is np.float64:
            return
        yield from (f"a call wrote to {name}, in {np.dtype(dtype).name}" for name in wrote_to)


def loss_state(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """Calls in between, threads and the process: nothing is kept outside of the cache, and nothing global is changed.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For all that could be changed.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_state(mean_squared_error, out, targets, rng))
    True
    """
    layer = as_layer(loss, targets, rows=number_of_rows(out))
    laws = (process_unchanged, calls_in_between, threads)
    verdicts = renamed("loss_state", [verdict for law in laws for verdict in law(layer, (), out, rng)])
    again = "a second backward on it gives other numbers: does backward write to it?"
    if any(each.field == "grads" and each.wrong for each in verdicts):  # of a loss they are such a backward
        verdicts = [each for each in verdicts if each.field != "backward"]
        verdicts.append(Verdict("loss_state", "cache", ok=False, note=again))
    return [each for each in verdicts if each.field != "grads"]
