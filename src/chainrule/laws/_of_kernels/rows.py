"""The law of `check_against` about numbers of rows: the edges of blocks."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Real, Torch, is_float, values
from chainrule.laws._of_kernels.check import Check, rounded, truth_at, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, Kernel, arrays_of, in_memory, lifted
from chainrule.laws._of_kernels.yardstick import Judged
from chainrule.laws.trials.wording import plural

ROWS = (1, 7, 8, 9, 31, 32, 33, 127, 128, 129, 257, 1000)
"""Numbers of rows: the edges of blocks."""


FEW_ROWS = (1, 9, 129, 257, 1000)
"""The same where each is compiled anew."""


Cut: TypeAlias = Callable[[Any, Any], bool]
"""`(array, x)`: whether an array gets fewer rows, or more, where x does."""


def rows(check: Check) -> Iterator[Verdict]:
    """Other numbers of rows, at the edges of blocks, after each other: those that the formula takes."""
    x = check.args[0]
    n, each = (int(x.shape[0]), math.prod(x.shape[1:])) if x.ndim > 1 else (0, 0)
    found: list[Judged] = []
    every = [*(ROWS if in_memory(check.backend) else FEW_ROWS)] if n else []
    most = check.most
    small = [count for count in every if each * count <= most]
    cut, fitting = _cut(check, small)
    left, right_with = [str(count) for count in every if count not in fitting], 0
    for count in fitting:
        judged = _with_rows(check, count, cut)
        if judged is None:
            left.append(str(count))
            continue
        for_positive, for_normal = judged
        found += [_beyond(each, right_with) for each in (*for_positive, *for_normal)]
        if any(not each.verdict.ok for each in for_positive):
            break
        right_with = 0 if any(not each.verdict.ok for each in for_normal) else count
    note = f"left out: {', '.join(left)} rows" if left else ""
    if _others(small, check) and not _others(fitting, check):
        note = f"it takes {n} rows and no other number"
    if not found:
        why = "what is wrong with them is so without them" if n else "x has no rows"
        yield Verdict("rows", "x", ok=True, note=note or f"left out: {why}")
        return
    for verdict in worst_judged(found):
        yield evolve(verdict, note=f"{verdict.note}; {note}") if note and verdict.ok else verdict


def _beyond(judged: Judged, right_with: int) -> Judged:
    """The verdict on a number of rows; if it is wrong, with the number up to which all was right."""
    verdict = judged.verdict
    if not verdict.wrong or not right_with:
        return judged
    case, colon, found = verdict.note.partition(": ")
    return evolve(judged, verdict=evolve(verdict, note=f"{case}, and not with {right_with}{colon}{found}"))


def _with_rows(check: Check, count: int, cut: Cut) -> tuple[list[Judged], list[Judged]] | None:
    """The verdicts with a number of rows, for a positive dout and for a normal one; None where they are refused."""
    n, words = check.args[0].shape[0], f"with {plural(count, 'row')}"
    known = truth_at(check, _taken(check, check.rng.integers(0, n, count), cut), _positive(check.rng))
    if known is None:
        return None
    if count != n:
        check.other_sizes.append(known.args)
    if _refuses(check, known.args):
        return None
    for_positive = check.judged("rows", known, words)
    douts = {words: check.rng.standard_normal(known.dout.shape)}
    if count == ROWS[-1] and known.format.is_low:  # sums of products with out are long there
        douts[f"{words} for dout that is out"] = known.right[check.names.out].copy()
    for_others: list[Judged] = []
    for each, dout in douts.items():
        there = check.truth(known.args, rounded(dout, check.args, check.backend))
        for_others += check.judged("rows", there, each)
    return for_positive, for_others


def _refuses(check: Check, args: Arguments) -> bool:
    """Tell whether the forward of f refuses arguments on purpose, as one that takes multiples of its block alone."""
    try:
        with np.errstate(all="ignore"):
            check.f.forward(check.copied(args))
    except (AssertionError, NotImplementedError):
        return True
    except ValueError:  # of NumPy's it may be a shape that does not fit; torch raises others
        return isinstance(check.backend, Torch)
    except Exception:  # another law says so
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
                    kernel_.backward(cache, check.backend.like(np.zeros_like(values(out)), out))
        except Exception:
            return False
        return True

    def beyond(cut: Cut, count: int) -> bool:
        """Tell whether whole numbers that choose rows of x choose one that is not there: JAX raises nothing then."""
        chosen = [each for each in arrays_of(check.args[1:]) if not (is_float(each) or cut(each, check.args[0]))]
        return any(count <= values(each).max(initial=0) < n for each in chosen)

    def fitting(cut: Cut) -> list[int]:
        every = [_taken(check, np.arange(count) % n, cut) for count in counts]
        taken = zip(counts, every, strict=True)
        some = [
            count
            for count, args in taken
            if run(check.reference, lifted(args, check.backend.wide)) and not beyond(cut, count)
        ]
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
    x, rest = check.args[0], check.args[1:]

    def take(array: Any) -> Any:
        return check.backend.take(array, which) if cut(array, x) else array

    return (check.backend.take(x, which), *lifted(rest, take))
