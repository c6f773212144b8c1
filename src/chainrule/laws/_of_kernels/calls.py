"""The laws of `check_against` about calls: before, between and after each other, and with fewer gradients.

torch asks a function for the gradients that are needed, records it or not, and runs it on memory that others write to.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Real, Torch, values
from chainrule.laws._of_kernels.check import Check, error_text, truth_at, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, Names, Results, arrays_of, in_memory
from chainrule.laws._of_kernels.yardstick import Judged, numbers
from chainrule.laws.of_layers.process import FIRST_CALL
from chainrule.laws.trials.process import settings_kept
from chainrule.laws.trials.wording import plural

WRITTEN = "modified by an inplace operation"
"""In the error of torch for a backward that would use what was written to after forward had saved it."""


def process_unchanged(check: Check) -> Iterator[Verdict]:
    """A call leaves the process as it was: settings of NumPy and of torch, random states, the environment."""
    wrong: list[list[str]] = []

    def call() -> None:
        with contextlib.suppress(Exception):  # another law says what it raises
            wrong.append(_wrong(check, check.f.run(check.copied(), check.first.dout)))

    verdicts = settings_kept("process_unchanged", call, np.random.default_rng(0))
    # What is not the same at each call may draw random numbers.
    yield from (each for each in verdicts if each.ok or check.deterministic or "state" not in each.field)
    call()
    note = "" if wrong[1:] == wrong[:-1] else "the first call gives other numbers than the next: is something kept?"
    yield Verdict("process_unchanged", FIRST_CALL, ok=not note, note=note)


def repeated(check: Check) -> Iterator[Verdict]:
    """The same call gives the same, to the bit; so does backward, the second time and after other calls."""
    runs = [_bits(check, check.f.run(check.copied(), check.first.dout)) for _ in range(3)]
    out, cache = check.f.forward(check.copied())
    with contextlib.suppress(Exception):  # it refuses these numbers, which is an answer
        check.f.run(_half_as_large_again(check), -check.first.dout)
    dout = check.backend.like(check.first.dout, out)
    changed = dict.fromkeys(_wrong(check, check.f.backward(cache, dout)), "another call")
    for args in check.other_sizes[:2]:
        out, cache = check.f.forward(check.copied())
        _run_at(check, args)
        n = len(args[0])
        for name in _wrong(check, check.f.backward(cache, dout)):
            changed.setdefault(name, f"a call with {plural(n, 'row')}")
    again = _again(check, dout)
    for name, bits in runs[0].items():
        note = again.get(name, "")
        if check.deterministic and any(run[name] != bits for run in runs):
            note = "the same call gives other bits: name deterministic=False if sums are taken in any order"
        if name in changed:
            note = f"{changed[name]} between forward and backward changes it"
        yield Verdict("repeated", name, ok=not note, note=note)


def _half_as_large_again(check: Check) -> Arguments:
    return (check.backend.like(1.5 * values(check.args[0]), check.args[0]), *check.copied()[1:])


def _wrong(check: Check, results: Results) -> list[str]:
    known = evolve(check.first, right={name: check.first.right[name] for name in results})
    found = check.compared("repeated", numbers(results), known)
    return [each.verdict.field for each in found if each.verdict.wrong]


def _run_at(check: Check, args: Arguments) -> None:
    try:
        out, cache = check.f.forward(check.copied(args))
        check.f.backward(cache, check.backend.like(np.ones(tuple(out.shape)), out))
    except Exception:  # a law of its own says so
        return


def _again(check: Check, dout: Any) -> dict[str, str]:
    """The fault of the second backward of one call, which may be refused where something has been freed."""
    _, cache = check.f.forward(check.copied())
    check.f.backward(cache, dout)
    try:
        second = check.f.backward(cache, dout)
    except (RuntimeError, AttributeError) as error:
        if WRITTEN not in str(error):
            return {}
        note = "the second backward of one call is refused by torch: backward writes to what was saved"
        return dict.fromkeys(check.names.gradients.values(), note)
    except Exception as error:
        return dict.fromkeys(check.names.gradients.values(), f"the second backward of one call {error_text(error)}")
    note = "the second backward of one call gives another: is what was saved written to?"
    return dict.fromkeys(_wrong(check, second), note)


def _bits(check: Check, results: Results) -> dict[str, bytes]:
    return {name: check.backend.bits(array) for name, array in results.items()}


def held(check: Check) -> Iterator[Verdict]:
    """Results are left alone: the output by backward, and all of them by a later call."""
    started = _started(check, check.copied())
    if started is None:
        return
    out, back = started
    before = check.backend.bits(out)
    results = {check.names.out: out, **back(check.first.dout)}
    notes = {} if check.backend.bits(out) == before else {check.names.out: "backward writes to it"}
    bits = _bits(check, results)
    with contextlib.suppress(Exception):  # it refuses these numbers, which is an answer
        other = _started(check, _half_as_large_again(check))
        if other is not None:
            other[1](-check.first.dout)
    for name, array in results.items():
        if check.backend.bits(array) != bits[name]:
            notes.setdefault(name, "a later call writes to it: is a buffer used again?")
        yield Verdict("held", name, ok=name not in notes, note=notes.get(name, ""))


def _started(check: Check, args: Arguments) -> tuple[Any, Callable[[Real], Results]] | None:
    """The output and the backward of a call, whose results are those of f itself and no copies."""
    if not isinstance(check.backend, Torch):
        if not in_memory(check.backend):
            return None
        out, cache = check.f.forward(args)
        return out, lambda dout: check.f.backward(cache, check.backend.like(dout, out))
    plain, torch = check.f.plain, check.backend.torch
    if plain is None:
        return None
    wanted = _requiring(check.names, args)
    with torch.enable_grad():
        out = plain(args)

    def back(dout: Real) -> Results:
        if not out.requires_grad:
            return {}
        slope = check.backend.like(dout, out)
        found = torch.autograd.grad(out, [*wanted.values()], slope, retain_graph=True, allow_unused=True)
        return {name: array for name, array in zip(wanted, found, strict=True) if _is_dense(array)}

    return out, back


def _is_dense(array: Any) -> bool:
    return array is not None and not array.is_sparse


def _requiring(names: Names, args: Arguments) -> Results:
    given: dict[str, Any] = {"": args[0], **dict(tree.named_leaves(args[1:]))}
    return {name: given[path].requires_grad_() for path, name in names.gradients.items()}


def stale(check: Check) -> Iterator[Verdict]:
    """After the caller has written to x and the parameters, a call gives what belongs to the new numbers."""
    if not in_memory(check.backend):
        return
    args = check.copied()
    check.f.run(args, check.first.dout)
    for array in arrays_of(args):
        check.backend.renew(array)
    known = truth_at(check, check.copied(args), check.first.dout.reshape)
    if known is None:
        return
    fresh = check.judged("stale", known, "for other numbers in all arguments")
    if any(each.verdict.field == "call" for each in fresh):  # it refuses these numbers, which is an answer
        return
    results = numbers(check.f.run(args, known.dout))
    wrong_as_well = {each.verdict.field: each.verdict for each in fresh if not each.verdict.ok}
    for verdict in (each.verdict for each in check.compared("stale", results, known)):
        note = "" if verdict.ok else "it is that of numbers which an argument had before: is something kept of it?"
        anew = wrong_as_well.get(verdict.field)
        yield anew or Verdict("stale", verdict.field, ok=not verdict.wrong, note=note)
    yield from _of_one_tensor(check)


def _of_one_tensor(check: Check) -> Iterator[Verdict]:
    """The verdict on the output for tensors that were given before, and have had other numbers written into them."""
    plain, backend = check.f.plain, check.backend
    if plain is None or not isinstance(backend, Torch):
        return
    args = check.copied()
    with backend.torch.no_grad():
        plain(args)
        for array in arrays_of(args):
            backend.renew(array)
        again, fresh = (values(plain(given)) for given in (args, check.copied(args)))
    if check.deterministic and check.names.out not in check.wrong and not np.array_equal(again, fresh, equal_nan=True):
        note = "for a tensor with other numbers than before it is another: is something kept by its identity?"
        yield Verdict("stale", check.names.out, ok=False, note=note)


def without_gradients(check: Check) -> Iterator[Verdict]:
    """The values are the same where torch records nothing, and where no argument requires a gradient."""
    plain, backend = check.f.plain, check.backend
    if plain is None or not isinstance(backend, Torch):
        return
    found: list[Judged] = []
    known = evolve(check.first, right={check.names.out: check.first.right[check.names.out]})
    modes = (
        ("under torch.no_grad()", backend.torch.no_grad, True),
        ("where nothing requires a gradient", backend.torch.enable_grad, False),
    )
    for words, mode, requires in modes:
        args = check.copied()
        if requires:
            _requiring(check.names, args)
        try:
            with mode():
                out = plain(args)
        except Exception:
            continue
        found += check.compared("without_gradients", numbers({check.names.out: out}), known, words)
    yield from worst_judged(found)


def requires_grad(check: Check) -> Iterator[Verdict]:
    """The gradients are the same where some arguments need none: each alone, and all but each."""
    if check.of_names is None:
        return
    of_argument: dict[str, dict[str, str]] = {}
    for path, name in check.names.gradients.items():
        place = int(path[1 : path.index("]")]) + 1 if path else 0
        of_argument.setdefault(check.names.arguments[place], {})[path] = name
    every = [*of_argument]
    alone = [(each,) for each in every if len(every) > 1]
    without = [tuple(name for name in every if name != each) for each in every if len(every) > 2]
    found: list[Judged] = []
    for some in (*alone, *without):
        words = f"where {' and '.join(some)} alone {'requires' if len(some) == 1 else 'require'} a gradient"
        found += _with_some(check, {path: name for each in some for path, name in of_argument[each].items()}, words)
    yield from worst_judged(found)


def _with_some(check: Check, gradients: dict[str, str], words: str) -> list[Judged]:
    names = evolve(check.names, gradients=gradients)
    f = check.of_names(names) if check.of_names is not None else check.f
    args = check.copied()
    try:
        out, cache = f.forward(args)
    except Exception:
        return []
    right = {name: check.first.right[name] for name in (names.out, *gradients.values())}
    try:
        results = {names.out: out, **f.backward(cache, check.backend.like(check.first.dout, out))}
    except Exception as error:
        note = f"{words}: backward {error_text(error)}"
        return [Judged(np.inf, Verdict("requires_grad", name, ok=False, note=note)) for name in gradients.values()]
    return check.compared("requires_grad", numbers(results), evolve(check.first, right=right), words)
