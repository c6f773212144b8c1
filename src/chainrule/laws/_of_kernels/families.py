"""The laws of `check_against`: families of cases, each judged by the rule in `yardstick`."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.checking.progress import progress
from chainrule.checking.report import Report
from chainrule.checking.verdict import Verdict
from chainrule.interop.arguments import Place
from chainrule.laws._of_kernels.calls import held, process_unchanged, repeated, requires_grad, stale, without_gradients
from chainrule.laws._of_kernels.check import Check, rounded, said, truth_at, worst
from chainrule.laws._of_kernels.elsewhere import columns, extremes, lengths
from chainrule.laws._of_kernels.homes import MATRIX, Real, Torch, dtype_name, home_of, is_float, library_of, values
from chainrule.laws._of_kernels.kernels import (
    Arguments,
    Kernel,
    Names,
    arrays_of,
    in_memory,
    kernel,
    lifted,
    names_of,
)
from chainrule.laws._of_kernels.yardstick import Truth, coarsest, numbers, truth
from chainrule.laws.of_layers.values import douts
from chainrule.laws.trials.process import put_back

ROWS = (1, 7, 8, 9, 31, 32, 33, 127, 128, 129, 257, 1000)
"""Numbers of rows: the edges of blocks."""

FEW_ROWS = (1, 9, 129, 257, 1000)
"""The same where each is compiled anew."""

SCALES = {"x / 1024": 2.0**-10, "4 x": 4.0}
"""Other values of x."""

Law: TypeAlias = Callable[["Check"], Iterator[Verdict]]

Cut: TypeAlias = Callable[[Any, Any], bool]
"""`(array, x)`: whether an array gets fewer rows, or more, where x does."""


def report_of(
    f: Any,
    reference: Any,
    args: Arguments,
    rng: np.random.Generator,
    *,
    frozen: tuple[Place, ...] = (),
    deterministic: bool = True,
    laws: Sequence[Law] = (),
) -> Report:
    """Run all families, or some of them."""
    args = _arguments(f, reference, args)
    library = library_of((f, reference), arrays_of(args))
    home = home_of(library, arrays_of(args))
    args = lifted(home, args, lambda array: np.asarray(array) if library == "jax" else array)
    names = names_of(f, reference, args, frozen)
    of_f = kernel(f, library, args, names, home, role="f")
    of_reference = kernel(reference, library, args, names, home, role="reference")
    has_backward = library != "numpy" or hasattr(reference, "backward")
    try:
        with np.errstate(all="ignore"):
            out = values(of_reference.forward(lifted(home, args, home.wide))[0])
    except Exception as error:
        raise ValueError(
            f"check_against: the reference does not take these arguments in float64: {error}"
            f"{_of_module(f, reference, names)}"
        ) from error
    first = truth(
        of_reference, args, rounded(rng.standard_normal(out.shape), args, home), rng, has_backward=has_backward
    )
    check = Check(of_f, of_reference, args, rng, deterministic, has_backward, first)
    if of_f.plain is not None and isinstance(home, Torch):
        check = evolve(check, of_names=partial(kernel, f, library, args, home=home, role="f"))
    verdicts: list[Verdict] = []
    laws = laws or LAWS
    with progress(len(laws)) as begun, put_back():
        for law in laws:
            begun(law.__name__)
            try:
                with np.errstate(all="ignore"):  # of large douts f may overflow, as the formula does
                    verdicts += law(check)
            except Exception as error:  # noqa: BLE001  # whatever f does, it is part of the report
                verdicts.append(Verdict(law.__name__, "call", ok=False, note=said(error)))
            if any(verdict.field == "call" for verdict in verdicts):
                break  # other laws would only say the same in other words
            if law is values_and_gradients:
                check.wrong.update(verdict.field for verdict in verdicts if not verdict.ok and verdict.law != "dtypes")
    return Report(tuple(verdicts))


def _of_module(f: Any, reference: Any, names: Names) -> str:
    """The call of a reference beside a module, whose parameters it is given."""
    if hasattr(f, "named_parameters") and not hasattr(reference, "named_parameters"):
        return f"; f is a module, so the reference is called as reference({', '.join(names.arguments)})"
    return ""


def _arguments(f: Any, reference: Any, args: Arguments) -> Arguments:
    """The arguments, with a module's own parameters if there are none; what is wrong with them is an error."""
    if not args:
        raise TypeError("check_against: there is no x: give x, and then the parameters")
    module = next((each for each in (f, reference) if hasattr(each, "named_parameters")), None)
    if module is not None and len(args) == 1:
        args = (args[0], *(parameter.detach() for _, parameter in module.named_parameters()))
    for i, arg in enumerate(args):
        try:
            tree.leaves(arg)
        except TypeError as error:
            raise TypeError(f"check_against: argument {i}: {error}") from error
    x = args[0]
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(f"check_against: x must be an array, got {describe(x)}")
    if not is_float(x):
        raise TypeError(f"check_against: x must be of floats, got {describe(x)}")
    for i, leaf in enumerate(arrays_of(args)):
        if dtype_name(leaf) == "float64":
            name = "x" if i == 0 else "a parameter"
            raise ValueError(
                f"check_against: {name} is float64, {describe(leaf)}: check_layer judges it there, with no reference"
            )
    return args


IN_PLACE = (
    "f writes to an argument in place, which torch refuses where it requires a gradient: give f a copy, "
    "as by lambda x: f(x.clone())"
)

NOT_RUN = {
    "use_reentrant": (
        "f cannot be called by torch.autograd.grad, as a check does, only by backward(): "
        "give checkpoint(..., use_reentrant=False)"
    ),
    "a leaf Variable that requires grad is being used in an in-place operation": IN_PLACE,
    "a leaf Variable that requires grad has been used in an in-place operation": IN_PLACE,
}
"""The words of torch about functions that are not wrong, and cannot be run as a check does; and what to do."""


def dtypes(check: Check) -> Iterator[Verdict]:
    """The output has the dtype that the formula gives it, and gradients that of their arguments."""
    try:
        results = check.f.run(check.copied(), check.first.dout)
    except Exception as error:  # noqa: BLE001  # it is part of the report
        cause = next((words for said, words in NOT_RUN.items() if said in str(error)), "")
        note = f"{cause}: it {said(error)}" if cause else said(error)
        yield Verdict("gradients", "call", ok=False, undecided=bool(cause), note=note)
        return
    expected = _dtypes(check)
    for name, dtype in expected.items():
        if name in results:
            got = dtype_name(results[name])
            whose = "the formula" if name == check.names.out else "its argument"
            note = "" if got == dtype else f"it is {got}, and that of {whose} is {dtype}"
            yield Verdict("dtypes", name, ok=not note, note=note)


def _dtypes(check: Check) -> dict[str, str]:
    expected: dict[str, str] = {}
    try:
        expected[check.names.out] = dtype_name(check.reference.forward(check.args)[0])
    except Exception:  # noqa: BLE001  # it does not run in this dtype
        expected[check.names.out] = dtype_name(check.args[0])
    given = {"": check.args[0], **dict(tree.named_leaves(check.args[1:]))}
    return expected | {name: dtype_name(given[path]) for path, name in check.names.gradients.items()}


def values_and_gradients(check: Check) -> Iterator[Verdict]:
    """Values and gradients for every dout, and for other x."""
    found = check.judged("gradients", check.first)
    at_first = {verdict.field for _, verdict in found if verdict.wrong}
    for words, dout in _douts(check).items():
        found += check.judged("gradients", check.truth(check.args, dout), f"for dout {words}")
    for words, scale in SCALES.items():
        args = (check.home.like(values(check.args[0]) * scale, check.args[0]), *check.args[1:])
        found += _elsewhere(check, "gradients", args, f"for {words}")
    others = _other_parameters(check)
    if others is not None:
        found += _elsewhere(check, "gradients", others, "for other parameters")
    yield from _by_field(
        evolve(verdict, law="values")
        if verdict.field == check.names.out
        else (_or_a_tie(check, verdict) if verdict.field in at_first else verdict)
        for verdict in worst(found)
    )


def _other_parameters(check: Check) -> Arguments | None:
    """The arguments with other numbers for the parameters that are all equal, as at their usual start; None if none is.

    Zeros and ones hide what is multiplied by them.
    """
    x, rest = check.args[0], check.args[1:]
    equal = [is_float(each) and math.prod(each.shape) > 0 and np.ptp(values(each)) == 0 for each in arrays_of(rest)]

    def drawn(array: Any) -> Any:
        plain = values(array)
        if not is_float(array) or not plain.size or np.ptp(plain):
            return check.home.copy(array)
        size = float(np.abs(plain).flat[0]) or 1.0
        return check.home.like(plain + size * check.rng.uniform(0.1, 0.5, plain.shape), array)

    return (check.home.copy(x), *lifted(check.home, rest, drawn)) if any(equal) else None


APART = 4
"""The number of times that other numbers of x are drawn, as far from each other as can be."""

TIE = (
    "x has equal numbers, and where they are apart it is right: at a tie, and at a kink as that of relu at 0, "
    "another slope may be right too. Give an x without"
)
"""The words for a gradient that is another where the formula may not be differentiable."""


def _or_a_tie(check: Check, verdict: Verdict) -> Verdict:
    """The verdict on a gradient, which is undecided if x has equal numbers and it is right for numbers far apart."""
    x = values(check.args[0])
    if not verdict.wrong or verdict.field == "call" or not np.isfinite(x).all() or np.unique(x).size == x.size:
        return verdict
    for _ in range(APART):  # a narrow dtype may have fewer numbers, of which some meet
        even = check.rng.permutation(np.linspace(float(x.min()), float(x.max()), x.size)).reshape(x.shape)
        args = (check.home.like(even, check.args[0]), *check.args[1:])
        there = {each.field: each for _, each in _elsewhere(check, "gradients", args, "")}
        if verdict.field in there and there[verdict.field].ok:
            return evolve(verdict, undecided=True, note=f"{verdict.note}: {TIE}")
    return verdict


def _by_field(verdicts: Any) -> Iterator[Verdict]:
    yield from sorted(verdicts, key=lambda verdict: verdict.law != "values")


def _elsewhere(check: Check, law: str, args: Arguments, words: str) -> list[tuple[float, Verdict]]:
    """The verdicts for other arguments, if the reference takes them."""
    known = truth_at(check, args)
    return [] if known is None else check.judged(law, known, words)


def _douts(check: Check) -> dict[str, Real]:
    """Every kind of dout that the dtype has."""
    rng, shape, size = check.rng, check.first.dout.shape, 2.0 ** coarsest(check.args).half
    base = check.first.dout
    kinds = {name: dout for name, dout in douts(base, rng).items() if 1e-20 < np.abs(dout).max(initial=0.0) < 2049}
    kinds |= {
        "of zeros": np.zeros(shape),
        "of positive numbers": rng.uniform(0.5, 1.5, shape),
        f"of {size:.0e}": size * base,
        f"of {1 / size:.0e}": base / size,
    }
    kinds.pop("of normal numbers", None)  # the first; of no entries there is no kind
    return {name: rounded(dout, check.args, check.home) for name, dout in kinds.items()}


def rows(check: Check) -> Iterator[Verdict]:
    """Other numbers of rows, at the edges of blocks, after each other: those that the formula takes."""
    x = check.args[0]
    n, each = (int(x.shape[0]), math.prod(x.shape[1:])) if x.ndim > 1 else (0, 0)
    found: list[tuple[float, Verdict]] = []
    every = [*(ROWS if in_memory(check.home) else FEW_ROWS)] if n else []
    most = check.most
    small = [count for count in every if each * count <= most]
    cut, fitting = _cut(check, small)
    left = [str(count) for count in every if count not in fitting]
    for count in fitting:
        known = truth_at(check, _taken(check, check.rng.integers(0, n, count), cut), _positive(check.rng))
        if known is None:
            left.append(str(count))
            continue
        if count != n:
            check.other_sizes.append(known.args)
        words = f"with {count} {'row' if count == 1 else 'rows'}"
        if _refuses(check, known.args):
            left.append(str(count))
            continue
        some = check.judged("rows", known, words)
        found += some
        other = evolve(known, dout=rounded(check.rng.standard_normal(known.dout.shape), check.args, check.home))
        found += check.judged("rows", check.truth(other.args, other.dout), words)
        if any(not verdict.ok for _, verdict in some):
            break
    note = f"left out: {', '.join(left)} rows" if left else ""
    if _others(small, check) and not _others(fitting, check):
        note = f"it takes {n} rows and no other number"
    if not found:
        yield Verdict("rows", "x", ok=True, note=note or "left out: x has no rows")
        return
    for verdict in worst(found):
        yield evolve(verdict, note=f"{verdict.note}; {note}") if note and verdict.ok else verdict


def _refuses(check: Check, args: Arguments) -> bool:
    """Tell whether the forward of f refuses arguments on purpose, as one that takes multiples of its block alone."""
    try:
        with np.errstate(all="ignore"):
            check.f.forward(check.copied(args))
    except (AssertionError, NotImplementedError):
        return True
    except Exception:  # noqa: BLE001  # another law says so
        return False
    return False


def _positive(rng: np.random.Generator) -> Callable[[tuple[int, ...]], Real]:
    return lambda shape: rng.uniform(0.5, 1.5, shape)


def _cut(check: Check, counts: list[int]) -> tuple[Cut, list[int]]:
    """Which arrays have rows as x has them, and the numbers of rows that the formula then takes.

    These are the arrays with which the formula takes the most numbers of rows, and of several choices the first with
    which f runs.
    """
    n = check.args[0].shape[0] if counts else 0

    def run(kernel_: Kernel, args: Arguments) -> bool:
        try:
            with np.errstate(all="ignore"):
                out, cache = kernel_.forward(args)
                if kernel_ is check.f:
                    kernel_.backward(args, cache, check.home.like(np.zeros_like(values(out)), out))
        except Exception:  # noqa: BLE001  # it refuses them, which is an answer
            return False
        return True

    def fitting(cut: Cut) -> list[int]:
        every = [_taken(check, np.arange(count) % n, cut) for count in counts]
        taken = zip(counts, every, strict=True)
        some = [count for count, args in taken if run(check.reference, lifted(check.home, args, check.home.wide))]
        # Where the formula takes one row and no other number, it broadcasts it.
        return some if _others(some, check) or not _others(counts, check) else [count for count in some if count == n]

    has_rows = any(array.shape[:1] == (n,) for array in arrays_of(check.args[1:]))
    choices = [(cut, fitting(cut)) for cut in (CUTS if has_rows else (_nothing_else,))]
    most = max(len(some) for _, some in choices)
    best = [(cut, some) for cut, some in choices if len(some) == most]
    if len(best) > 1 and most:
        for cut, some in best:
            if run(check.f, check.copied(_taken(check, np.arange(some[:2][-1]) % n, cut))):
                return cut, some
    return best[0]


def _others(counts: list[int], check: Check) -> bool:
    """True if there are other numbers of rows than 1 and that of x."""
    return bool({*counts} - {1, *check.args[0].shape[:1]})


def _of_the_shape_of_x(array: Any, x: Any) -> bool:
    return bool(array.shape == x.shape)


def _nothing_else(array: Any, x: Any) -> bool:
    return False


def _with_as_many_rows(array: Any, x: Any) -> bool:
    return bool(array.shape[:1] == x.shape[:1])


CUTS: tuple[Cut, ...] = (_of_the_shape_of_x, _nothing_else, _with_as_many_rows)
"""The arrays beside x that may have a row for each of x."""


def _taken(check: Check, which: Real, cut: Cut) -> Arguments:
    """The arguments with these rows of x, and of the arrays that have rows as x has them."""
    x, rest = check.args[0], check.args[1:]

    def take(array: Any) -> Any:
        return check.home.take(array, which) if cut(array, x) else array

    return (check.home.take(x, which), *lifted(check.home, rest, take))


def layouts(check: Check) -> Iterator[Verdict]:
    """Other places in memory: of dout, of x and of the parameters; and the broadcast dout that a sum gives."""
    axes = max(check.first.dout.ndim, *(array.ndim for array in arrays_of(check.args)))
    every = check.home.layouts_of(axes)
    if not every:
        yield Verdict("layouts", "x", ok=True, note="left out: arrays of this library have one layout")
        return
    found: list[tuple[float, Verdict]] = []
    x, has_parameters = check.args[0], len(check.args[1:]) > 0
    ones = check.truth(check.args, np.ones(check.first.dout.shape))
    found += _with_dout(check, ones, check.home.broadcast, "for a broadcast dout, as sum().backward() gives it")
    for words, layout in every.items():
        found += _with_dout(check, check.first, layout, f"for {words} dout")
        of_x = (layout(check.home.copy(x)), *check.copied()[1:])
        found += _with_arguments(check, of_x, f"for {words} x")
        if has_parameters:
            others = (check.copied()[0], *lifted(check.home, check.copied()[1:], _constant(layout)))
            found += _with_arguments(check, others, f"for {words.partition(' ')[2]} parameters")
    dout = check.first.dout
    for axis, words in ((0, "rows"), (-1, "columns")) if dout.ndim >= MATRIX and dout.size else ():
        equal = np.broadcast_to(np.take(dout, [0], axis), dout.shape).copy()
        expanded = partial(check.home.expanded, axis=axis)
        found += _with_dout(check, check.truth(check.args, equal), expanded, f"for a dout expanded over {words}")
    yield from worst(found)


def _constant(layout: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The layout of arrays that are read-only, which records hold as they are."""

    def arranged(array: Any) -> Any:
        made = layout(array)
        base = made
        while isinstance(base, np.ndarray):
            base.flags.writeable = False
            base = base.base
        return made

    return arranged


def _with_dout(check: Check, known: Truth, layout: Callable[[Any], Any], words: str) -> list[tuple[float, Verdict]]:
    """The verdicts for a dout in another place: whoever writes a kernel does not choose it, so none may be refused."""
    args = check.copied()
    try:
        out, cache = check.f.forward(args)
        dout = layout(check.home.like(known.dout, out))
        results = {check.names.out: out, **check.f.backward(args, cache, dout)}
    except Exception as error:  # noqa: BLE001  # it is part of the report
        return [(np.inf, Verdict("layouts", "dout", ok=False, note=f"{words}: {said(error)}"))]
    return check.compared("layouts", numbers(results), known, words)


def _with_arguments(check: Check, args: Arguments, words: str) -> list[tuple[float, Verdict]]:
    try:
        results = numbers(check.f.run(args, check.first.dout))
    except Exception:  # noqa: BLE001  # it refuses them, which is an answer
        return []
    return check.compared("layouts", results, check.first, words)


def unchanged(check: Check) -> Iterator[Verdict]:
    """Nothing is written to x, the parameters or dout."""
    if not in_memory(check.home):
        return
    args = check.copied()
    arrays = dict(zip(_names_of_arrays(check), arrays_of(args), strict=True))
    before = {name: check.home.bits(array) for name, array in arrays.items()}
    counts = {name: check.home.written(array) for name, array in arrays.items()}
    out, cache = check.f.forward(args)
    dout = check.home.like(check.first.dout, out)
    arrays["dout"], before["dout"], counts["dout"] = dout, check.home.bits(dout), check.home.written(dout)
    check.f.backward(args, cache, dout)
    for name, array in arrays.items():
        note = ""
        if check.home.bits(array) != before[name]:
            note = "it is written to"
        elif check.home.written(array) != counts[name]:
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
    if not in_memory(check.home):
        return
    note = ""
    for i in range(len(arrays_of(check.args))):
        args = check.copied()
        out, cache = check.f.forward(args)
        changed = arrays_of(args)[i]
        if getattr(getattr(changed, "flags", None), "writeable", True):
            check.home.change(changed)
        try:
            results = check.f.backward(args, cache, check.home.like(check.first.dout, out))
        except Exception:  # noqa: BLE001, S112  # torch watches over what it saves
            continue
        found = check.compared(
            "kept", {check.names.out: check.first.right[check.names.out], **numbers(results)}, check.first
        )
        wrong = next((verdict.field for _, verdict in found if verdict.wrong), "")
        name = _names_of_arrays(check)[i]
        note = f"what is written to {name} after forward changes it: keep a copy, or save it by ctx" if wrong else ""
        yield Verdict("kept", name, ok=not wrong, note=note.replace("changes it", f"changes {wrong}"))


def not_a_number(check: Check) -> Iterator[Verdict]:
    """NaN in one row of x or of dout shows in the results where it shows in those of the formula, and nowhere else.

    Where the row has no part in a result, it may be NaN or not: NaN times a slope of 0 is either.
    """
    x, dout = values(check.args[0]), check.first.dout
    if not x.ndim or not dout.ndim or not x.size or not dout.size:
        return
    i, j = len(x) // 2, min(len(x) // 2, len(dout) - 1)
    notes = dict.fromkeys(check.first.right, "")
    for of_x, place in ((True, i), (False, j)):
        words = f"for NaN in row {place} of {'x' if of_x else 'dout'}"

        def at(factor: Any, of_x: bool = of_x) -> tuple[Real, Real]:
            return (_times_in_row(x, i, factor), dout) if of_x else (x, _times_in_row(dout, j, factor))

        try:
            right = _wide(check, *at(np.nan))
            others = [_wide(check, *at(check.rng.uniform(0.5, 1, (x if of_x else dout).shape[1:]))) for _ in range(2)]
        except Exception:  # noqa: BLE001, S112  # it refuses NaN, which is an answer
            continue
        bad_x, slope = at(np.nan)
        got = numbers(check.f.run(check.copied((check.home.like(bad_x, check.args[0]), *check.args[1:])), slope))
        for name in [*right.keys() & got.keys()]:
            if name not in check.wrong and got[name].shape == right[name].shape and not notes[name]:
                moved = np.any([each[name] != others[0][name] for each in (check.first.right, *others)], axis=0)
                lost, wild = _lost_and_wild(check, name, got[name], right[name], moved, place, of_x=of_x)
                notes[name] = f"{words} it is a number where that of the formula is NaN" if lost else ""
                notes[name] = f"{words} it is NaN where that of the formula is a number" if wild else notes[name]
    for name, note in notes.items():
        yield Verdict("not_a_number", name, ok=not note, note=note)


def _lost_and_wild(
    check: Check, name: str, got: Real, right: Real, moved: Real, i: int, *, of_x: bool
) -> tuple[bool, bool]:
    """Tell whether NaN is lost that the formula has, or there is NaN that it has not; i is the row that is NaN."""
    lost = np.isnan(right) & np.isfinite(got) & moved
    wild = np.isfinite(right) & ~np.isfinite(got) & (np.abs(right) < check.first.format.largest)
    dx = f"d{check.names.arguments[0]}"
    other = np.zeros(right.shape, dtype=bool)
    if name in (check.names.out, dx) and len(right) == len(check.args[0]):
        other[np.arange(len(right)) != i] = True
    # Rows that do not depend on each other have no part in each other, not even one of 0.
    wild &= other if other.any() else moved
    wild &= moved | ~(moved & other).any()
    if name == dx and of_x:  # the slope of x itself, at NaN, may be anything: that of relu is 0 or NaN
        return False, bool((wild & other).any())
    return bool(lost.any()), bool(wild.any())


def _times_in_row(array: Real, i: int, factor: Any) -> Real:
    """A copy in which one row is multiplied."""
    changed = array.copy()
    changed[i] *= factor
    return changed


def _wide(check: Check, x: Real, dout: Real) -> dict[str, Real]:
    """The results of the formula in float64 at another x; a numerical derivative, which has NaN everywhere, is none."""
    args = lifted(check.home, (check.home.like(x, check.args[0]), *check.args[1:]), check.home.wide)
    if check.has_backward:
        return numbers(check.reference.run(args, dout))
    return {check.names.out: values(check.reference.forward(args)[0])}


def unwritten(check: Check) -> Iterator[Verdict]:
    """Results do not depend on what was in memory before: all is written that `empty` gave."""
    if not in_memory(check.home):
        return
    first = check.f.run(check.copied(), check.first.dout)
    args, dout = check.copied(), check.first.dout
    with check.home.junk([*first.values(), *arrays_of(check.args)]):
        out, cache = check.f.forward(args)
    slope = check.home.like(dout, out)
    with check.home.junk([*first.values(), *arrays_of(check.args)]):
        results = numbers({check.names.out: out, **check.f.backward(args, cache, slope)})
    for _, verdict in check.compared("unwritten", results, check.first):
        note = "it depends on what was in memory before: is an entry of empty not written?" if verdict.wrong else ""
        yield Verdict("unwritten", verdict.field, ok=not verdict.wrong, note=note)


LAWS: tuple[Law, ...] = (
    process_unchanged,
    dtypes,
    values_and_gradients,
    rows,
    columns,
    lengths,
    extremes,
    layouts,
    requires_grad,
    without_gradients,
    repeated,
    held,
    stale,
    unchanged,
    kept,
    not_a_number,
    unwritten,
)
"""All of them: those that say most come first."""
