"""Lines that show a fault which no single number shows: of memory, state, rows, layouts, structure or `dout`.

From few rows and numbers of one digit on, programs are run until one does what it should not; so the lines that are
given have been seen to show the fault.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_losses._as_layer import as_layer
from chainrule.laws.showing._arrays_in_code import OF_DOUT, OF_X
from chainrule.laws.showing._author import Author, Shown
from chainrule.laws.showing._dialects import dialect
from chainrule.laws.showing._pair import Pair
from chainrule.laws.showing._programs import (
    Programs,
    of_arguments,
    of_calls,
    of_dout,
    of_far,
    of_grads,
    of_layouts,
    of_mean,
    of_nan,
    of_ownership,
    of_process,
    of_read_only,
    of_repeats,
    of_rows,
    of_sharing,
    of_sizes,
    of_structure,
    of_threads,
    of_types,
    of_unwritten,
    of_value,
)
from chainrule.laws.showing.program import Program
from chainrule.laws.showing.smallest import LARGE, rounded
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.process import as_new, contained
from chainrule.laws.trials.settings import SETTINGS
from chainrule.laws.trials.trial import Trial

ROWS = (1, 2, 3, 5, 9, 65, 129)
"""The numbers of rows that are tried, besides that of x."""

TRIES, TRIES_OF_THREADS = 240, 4
"""The most programs of a kind that are tried; those of threads make hundreds of calls."""

TIMES = 3
"""The number of times in a row that a program has to show it, before it is given."""

PROGRAMS: Mapping[str, tuple[Programs, ...]] = MappingProxyType(
    {
        "process_unchanged": (of_process, of_repeats, of_calls),
        "structure": (of_structure,),
        "derivative": (of_value, of_repeats, of_structure, of_calls),
        "other_values": (of_repeats, of_structure, of_far, of_calls),
        "other_sizes": (of_repeats, of_structure, of_rows),
        "any_dout": (of_repeats, of_structure, of_dout, of_calls),
        "precision": (of_structure,),
        "linearity": (of_repeats, of_dout, of_calls),
        "scaled": (of_repeats, of_dout, of_structure, of_calls),
        "nan_shows": (of_nan,),
        "arguments_unchanged": (of_arguments, of_read_only),
        "read_only_accepted": (of_read_only, of_arguments, of_repeats, of_calls),
        "any_layout": (of_layouts, of_arguments, of_read_only),
        "nothing_shared": (of_sharing,),
        "all_written": (of_unwritten, of_repeats, of_calls),
        "repeatability": (of_repeats, of_calls),
        "calls_in_between": (of_repeats, of_calls, of_grads),
        "threads": (of_repeats, of_calls, of_threads),
        "ownership": (of_ownership,),
        "independent_rows": (of_repeats, of_rows, of_structure),
        "grads_without_dx": (of_repeats, of_grads, of_calls),
        "other_calls": (of_arguments, of_layouts, of_sharing, of_structure, of_repeats, of_grads, of_calls),
    }
)
"""The programs that may show what a law found, the most telling first; where equal calls differ, mostly that."""

OF_LOSSES: Mapping[str, tuple[Programs, ...]] = MappingProxyType(
    {
        "loss_state": (of_process, of_read_only, of_repeats, of_calls, of_threads),
        "loss_structure": (of_types,),
        "loss_derivative": (of_repeats, of_types, of_calls),
        "loss_values": (of_repeats, of_types, of_dout, of_sizes, of_calls),
        "loss_targets": (of_repeats, of_types, of_dout, of_calls),
        "loss_precision": (of_types,),
        "loss_linearity": (of_repeats, of_dout, of_calls),
        "loss_purity": (of_arguments, of_read_only, of_repeats, of_ownership, of_calls),
        "loss_memory": (of_layouts, of_arguments, of_read_only, of_sharing, of_repeats, of_unwritten, of_ownership),
        "mean_of_rows": (of_mean,),
    }
)
"""The same for the laws of losses."""


@frozen(eq=False)
class Attempt:
    """A layer, or a loss for its targets, and the arguments that a program is tried with."""

    layer: Any
    params: Any
    x: Any
    dout: Any


@frozen(eq=False)
class CheckedLayer:
    """A layer, with parameters that are a tree, and the arguments that it was checked with."""

    layer: Any
    params: Any
    x: Any

    def some(self, rows: Any, simple: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
        """The layer, its parameters and x, with some rows and simpler numbers."""
        return self.layer, simple(self.params), simple(self.x[rows])

    def ones(self, x: Any) -> Any:
        """A `dout` for a layer that keeps the shape of its x, or that refuses this one."""
        return np.ones_like(x)


@frozen(eq=False)
class CheckedLoss:
    """A loss, and the arguments that it was checked with."""

    loss: Any
    x: Any
    targets: Any
    params: tuple[()] = ()

    def some(self, rows: Any, simple: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
        """The loss as a layer for its targets, and out, with some rows and simpler numbers."""
        targets = tree.map(partial(_taken_if_there, rows), self.targets)
        return as_layer(self.loss, simple(targets)), (), simple(self.x[rows])

    def ones(self, x: Any) -> Any:
        """A `dloss`."""
        return np.ones((), x.dtype)


def _taken_if_there(rows: Any, leaf: Any) -> Any:
    """Some rows of targets; all of those that have too few, which the loss is to refuse."""
    return leaf[rows] if leaf.ndim and rows.max(initial=0) < len(leaf) else leaf


def demonstrated(verdict: Verdict, subject: CheckedLayer | CheckedLoss, author: Author) -> str:
    """Lines of code that show what a verdict says, with few rows and simple numbers; "" if none are found.

    They end in the printing of two values that should be the same, or in a call that raises.
    """
    known, x = {**PROGRAMS, **OF_LOSSES}.get(verdict.law, ()), subject.x
    if verdict.field in SETTINGS:
        known = tuple(programs for programs in known if programs is of_process)
    if not known or not is_numpy(x) or not x.ndim or not len(x):
        return ""
    if sum(leaf.size for leaf in tree.leaves((subject.params, x))) > LARGE:  # each call takes a while
        return ""

    def search() -> str:
        some = chain.from_iterable(
            islice(_tried(verdict, programs, subject, author), TRIES_OF_THREADS if programs is of_threads else TRIES)
            for programs in known
        )
        return next((lines for lines in some if lines), "")

    return contained(search)


def _tried(verdict: Verdict, programs: Programs, subject: CheckedLayer | CheckedLoss, author: Author) -> Iterator[str]:
    own = [leaf.dtype for leaf in tree.leaves((subject.x, subject.params)) if leaf.dtype.kind == "f"]
    for dtype in dict.fromkeys((*own, *map(np.dtype, (np.float64, np.float32, np.float16)))):
        for case in _cases(subject, dtype):
            for code in _codes(verdict, case, author, dtype.name):
                for program in programs(code, verdict.field):
                    yield _lines(program, code, verdict)


def _cases(subject: CheckedLayer | CheckedLoss, dtype: Any) -> Iterator[Attempt]:
    """Few rows before many, numbers of one digit before others; and positive ones, which some layers pass on."""
    rng, n = np.random.default_rng(OF_DOUT), len(subject.x)

    def narrowed(leaf: Any) -> Any:
        return leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf

    def simple(digits: int, value: Any) -> Any:
        return tree.map(lambda leaf: narrowed(rounded(digits, OF_X, leaf)), value)

    for digits in (1, 3):
        for rows in dict.fromkeys((*ROWS, n)):
            layer, params, x = subject.some(np.arange(rows) % n, partial(simple, digits))
            shape = _shape(layer, params, x)
            dout = None if shape is None else rounded(digits, OF_DOUT, np.asarray(rng.standard_normal(shape)))
            yield Attempt(layer, params, x, narrowed(subject.ones(x) if dout is None else dout))
    layer, params, x = subject.some(np.arange(n), partial(tree.map, narrowed))
    if x.dtype.kind == "f":
        x = narrowed(np.abs(simple(1, x)) + 1)
        shape = _shape(layer, params, x)
        yield Attempt(layer, params, x, subject.ones(x) if shape is None else np.ones(shape, dtype))


def _shape(layer: Any, params: Any, x: Any) -> tuple[int, ...] | None:
    """The shape of the output; None where forward refuses its arguments, or is what lines are to show."""
    try:
        out, _ = contained(lambda: layer.forward(*writable((params, x))))
        shape: tuple[int, ...] = np.shape(out)
    except Exception:  # it refuses them, or is what lines are to show
        return None
    return shape


def _codes(verdict: Verdict, case: Attempt, author: Author, dtype: str) -> Iterator[Pair]:
    try:
        trial = contained(lambda: Trial.of(case.layer, case.params, case.x))
    except Exception:  # it is what lines are to show
        trial = Trial(case.layer, case.params, case.x, case.x, None)
    fields = ["out", *trial.arguments]
    field = verdict.field.replace("()", "")
    if verdict.law in OF_LOSSES:
        field = {"loss": "out", "dout": "dx"}.get(field, "")
    elif verdict.law == "ownership":  # what is written to later shows in derivatives
        field = ""
    for name in [field] if field in fields else fields:
        part = Part(trial, name, case.dout, case.dout, dict)
        yield dialect(Shown(part, (), 1.0, kinked=False, dtype=dtype), author)


def _lines(program: Program, code: Pair, verdict: Verdict) -> str:
    """The lines of a program if it shows something, whenever it is run; else ""."""
    try:
        setting = [*code.arrays]
    except ValueError:  # there are too many numbers
        return ""
    if any("result(" in line for line in (*program.lines, program.got, program.expected)):
        setting += code.function
    lines, end = code.translated("\n".join([*setting, *program.lines])), ""
    for _ in range(TIMES):
        end = _run(lines, program, code, verdict)
        if not end:
            return ""
    return f"{lines}\n{end}"


def _run(lines: str, program: Program, code: Pair, verdict: Verdict) -> str:
    """The last line, if the two values at the end are not the same, or if getting one raises; else ""."""

    def run() -> str:
        with code.contained():
            given = code.translated("x"), code.translated("dout")
            return program.translated(code.translated).end(lines, code.author.names, given, verdict)

    def anew() -> str:
        as_new()
        return run()

    return contained(anew) if verdict.field in SETTINGS else run()
