"""The laws of `check_against` about memory: layouts, what is written to, kept or left unwritten."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.check import Check, error_text, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, arrays_of, in_memory, lifted
from chainrule.laws._of_kernels.yardstick import Judged, Truth, numbers
from chainrule.laws.of_layers.layouts import MATRIX, constant


@frozen(eq=False)
class Placed:
    """A point at which dout lies in another place, which `layout` puts it in: that shows what is wrong there."""

    known: Truth
    layout: Callable[[Any], Any]
    words: str


def layouts(check: Check) -> Iterator[Verdict]:
    """Other places in memory: of dout, of x and of the parameters; and the broadcast dout that a sum gives."""
    axes = max(check.first.dout.ndim, *(array.ndim for array in arrays_of(check.args)))
    every = check.backend.layouts_of(axes)
    if not every:
        yield Verdict("layouts", "x", ok=True, note="left out: arrays of this library have one layout")
        return
    found: list[Judged] = []
    x, has_parameters = check.args[0], len(check.args[1:]) > 0
    ones = check.truth(check.args, np.ones(check.first.dout.shape))
    found += _with_dout(check, ones, check.backend.broadcast, "for a broadcast dout, as sum().backward() gives it")
    for words, layout in every.items():
        found += _with_dout(check, check.first, layout, f"for {words} dout")
        of_x = (layout(check.backend.copy(x)), *check.copied()[1:])
        found += _with_arguments(check, of_x, f"for {words} x")
        if has_parameters:
            others = (check.copied()[0], *lifted(check.copied()[1:], constant(layout)))
            found += _with_arguments(check, others, f"for {words.partition(' ')[2]} parameters")
    dout = check.first.dout
    for axis, words in ((0, "rows"), (-1, "columns")) if dout.ndim >= MATRIX and dout.size else ():
        equal = np.broadcast_to(np.take(dout, [0], axis), dout.shape).copy()
        expanded = partial(check.backend.expanded, axis=axis)
        found += _with_dout(check, check.truth(check.args, equal), expanded, f"for a dout expanded over {words}")
    yield from worst_judged(found)


def _with_dout(check: Check, known: Truth, layout: Callable[[Any], Any], words: str) -> list[Judged]:
    """The verdicts for a dout in another place: whoever writes a kernel does not choose it, so none may be refused."""
    args = check.copied()
    try:
        out, cache = check.f.forward(args)
        dout = layout(check.backend.like(known.dout, out))
        results = {check.names.out: out, **check.f.backward(cache, dout)}
    except Exception as error:
        return [Judged(np.inf, Verdict("layouts", "dout", ok=False, note=f"{words}: {error_text(error)}"))]
    placed = Placed(known, layout, words)
    judged = check.compared("layouts", numbers(results), known, words)
    return [evolve(each, verdict=evolve(each.verdict, point=placed if each.verdict.wrong else None)) for each in judged]


def _with_arguments(check: Check, args: Arguments, words: str) -> list[Judged]:
    try:
        results = numbers(check.f.run(args, check.first.dout))
    except Exception:
        return []
    return check.compared("layouts", results, check.first, words)


def unchanged(check: Check) -> Iterator[Verdict]:
    """Nothing is written to x, the parameters or dout."""
    if not in_memory(check.backend):
        return
    args = check.copied()
    arrays = dict(zip(_names_of_arrays(check), arrays_of(args), strict=True))
    before = {name: check.backend.bits(array) for name, array in arrays.items()}
    counts = {name: check.backend.written(array) for name, array in arrays.items()}
    out, cache = check.f.forward(args)
    dout = check.backend.like(check.first.dout, out)
    arrays["dout"], before["dout"], counts["dout"] = dout, check.backend.bits(dout), check.backend.written(dout)
    check.f.backward(cache, dout)
    for name, array in arrays.items():
        note = ""
        if check.backend.bits(array) != before[name]:
            note = "it is written to"
        elif check.backend.written(array) != counts[name]:
            note = "it is written to, and put back"
        yield Verdict("unchanged", name, ok=not note, note=note)


def _names_of_arrays(check: Check) -> list[str]:
    return [
        f"{name}{path}"
        for name, arg in zip(check.names.arguments, check.args, strict=True)
        for path, _ in tree.named_leaves(arg)
    ]


def kept(check: Check) -> Iterator[Verdict]:
    """A write of the caller to x or the parameters after forward changes no gradient, or is an error in backward."""
    if not in_memory(check.backend):
        return
    for i in range(len(arrays_of(check.args))):
        args = check.copied()
        out, cache = check.f.forward(args)
        changed = arrays_of(args)[i]
        if getattr(getattr(changed, "flags", None), "writeable", True):
            check.backend.change(changed)
        try:
            results = check.f.backward(cache, check.backend.like(check.first.dout, out))
        except Exception:  # torch watches over what it saves
            continue
        found = check.compared(
            "kept", {check.names.out: check.first.right[check.names.out], **numbers(results)}, check.first
        )
        wrong = next((each.verdict.field for each in found if each.verdict.wrong), "")
        name = _names_of_arrays(check)[i]
        note = (
            f"what is written to {name} after forward changes {wrong}: keep a copy, or save it by ctx" if wrong else ""
        )
        yield Verdict("kept", name, ok=not wrong, note=note)


def unwritten(check: Check) -> Iterator[Verdict]:
    """Results do not depend on what was in memory before: all is written that `empty` gave."""
    if not in_memory(check.backend):
        return
    first = check.f.run(check.copied(), check.first.dout)
    args, dout = check.copied(), check.first.dout
    with check.backend.junk([*first.values(), *arrays_of(check.args)]):
        out, cache = check.f.forward(args)
    slope = check.backend.like(dout, out)
    with check.backend.junk([*first.values(), *arrays_of(check.args)]):
        results = numbers({check.names.out: out, **check.f.backward(cache, slope)})
    for verdict in (each.verdict for each in check.compared("unwritten", results, check.first)):
        note = "it depends on what was in memory before: is an entry of empty not written?" if verdict.wrong else ""
        yield Verdict("unwritten", verdict.field, ok=not verdict.wrong, note=note)
