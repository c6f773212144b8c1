"""The law of `check_against` about numbers of rows: the edges of blocks."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.check import Check, rounded, truth_at, worst
from chainrule.laws._of_kernels.homes import Real, values
from chainrule.laws._of_kernels.kernels import Arguments, Kernel, arrays_of, in_memory, lifted
from chainrule.laws._of_kernels.yardstick import Judged

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
        if any(not each.verdict.ok for each in some):
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
