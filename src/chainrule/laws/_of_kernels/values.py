"""The laws of `check_against` about numbers: every `dout`, other values, and what is no number."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Real, dtype_name, is_float, values
from chainrule.laws._of_kernels.check import Check, error_text, rounded, truth_at, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, arrays_of, lifted
from chainrule.laws._of_kernels.kinks import is_smooth
from chainrule.laws._of_kernels.yardstick import Judged, coarsest, numbers
from chainrule.laws.of_layers._kinds_of_dout import douts

SCALES = {"x / 1024": 2.0**-10, "4 x": 4.0}
"""Other values of x."""

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
    except Exception as error:
        cause = next((words for text, words in NOT_RUN.items() if text in str(error)), "")
        note = f"{cause}: it {error_text(error)}" if cause else error_text(error)
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
    except Exception:  # it does not run in this dtype
        expected[check.names.out] = dtype_name(check.args[0])
    given = {"": check.args[0], **dict(tree.named_leaves(check.args[1:]))}
    return expected | {name: dtype_name(given[path]) for path, name in check.names.gradients.items()}


def values_and_gradients(check: Check) -> Iterator[Verdict]:
    """Values and gradients for every dout, and for other x."""
    found = check.judged("gradients", check.first)
    at_first = {each.verdict.field for each in found if each.verdict.wrong}
    for words, dout in _douts(check).items():
        found += check.judged("gradients", check.truth(check.args, dout), f"for dout {words}")
    for words, scale in SCALES.items():
        args = (check.backend.like(values(check.args[0]) * scale, check.args[0]), *check.args[1:])
        found += _elsewhere(check, "gradients", args, f"for {words}")
    others = _other_parameters(check)
    if others is not None:
        found += _elsewhere(check, "gradients", others, "for other parameters")
    yield from _by_field(
        evolve(verdict, law="values")
        if verdict.field == check.names.out
        else (_or_a_tie(check, verdict) if verdict.field in at_first else verdict)
        for verdict in worst_judged(found)
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
            return check.backend.copy(array)
        size = float(np.abs(plain).flat[0]) or 1.0
        return check.backend.like(plain + size * check.rng.uniform(0.1, 0.5, plain.shape), array)

    return (check.backend.copy(x), *lifted(rest, drawn)) if any(equal) else None


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
    if is_smooth(check, check.first, verdict):
        return verdict  # hundreds of numbers in bfloat16 always have equal ones
    for _ in range(APART):  # a narrow dtype may have fewer numbers, of which some meet
        even = check.rng.permutation(np.linspace(float(x.min()), float(x.max()), x.size)).reshape(x.shape)
        args = (check.backend.like(even, check.args[0]), *check.args[1:])
        there = {each.verdict.field: each.verdict for each in _elsewhere(check, "gradients", args, "")}
        if verdict.field in there and there[verdict.field].ok:
            return evolve(verdict, undecided=True, note=f"{verdict.note}: {TIE}")
    return verdict


def _by_field(verdicts: Any) -> Iterator[Verdict]:
    yield from sorted(verdicts, key=lambda verdict: verdict.law != "values")


def _elsewhere(check: Check, law: str, args: Arguments, words: str) -> list[Judged]:
    known = truth_at(check, args)
    return [] if known is None else check.judged(law, known, words)


def _douts(check: Check) -> dict[str, Real]:
    rng, shape, size = check.rng, check.first.dout.shape, 2.0 ** coarsest(check.args).half
    base, out = check.first.dout, check.first.right[check.names.out].copy()
    kinds = {name: dout for name, dout in douts(base, rng).items() if _is_usual(dout)}
    kinds |= {
        "of zeros": np.zeros(shape),
        "of positive numbers": rng.uniform(0.5, 1.5, shape),
        f"of {size:.0e}": size * base,
        f"of {1 / size:.0e}": base / size,
    }
    if _is_usual(out):  # products with it add up
        kinds |= {"that is out": out, "of the signs of out": np.sign(out)}
    kinds.pop("of normal numbers", None)  # the first; of no entries there is no kind
    return {name: rounded(dout, check.args, check.backend) for name, dout in kinds.items()}


def _is_usual(dout: Real) -> bool:
    return bool(1e-20 < np.abs(dout).max(initial=0.0) < 2049)


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
        except Exception:
            continue
        bad_x, slope = at(np.nan)
        got = numbers(check.f.run(check.copied((check.backend.like(bad_x, check.args[0]), *check.args[1:])), slope))
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
    changed = array.copy()
    changed[i] *= factor
    return changed


def _wide(check: Check, x: Real, dout: Real) -> dict[str, Real]:
    """The results of the formula in float64 at another x; a numerical derivative, which has NaN everywhere, is none."""
    args = lifted((check.backend.like(x, check.args[0]), *check.args[1:]), check.backend.wide)
    if check.has_backward:
        return numbers(check.reference.run(args, dout))
    return {check.names.out: values(check.reference.forward(args)[0])}
