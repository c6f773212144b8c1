"""The smallest case in which a kernel still gives a wrong result: few rows and columns, numbers of one digit.

From where a law was found broken, lengths are cut while the result stays wrong, in all arrays that share them: all but
one, then half of them, then fewer. Then numbers are rounded to one digit, or to three, and large arrays are drawn.
"""

import time
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Backend, Real, is_float, values
from chainrule.laws._of_kernels.check import Check
from chainrule.laws._of_kernels.kernels import Arguments, arrays_of, in_memory, lifted
from chainrule.laws._of_kernels.memory import Placed
from chainrule.laws._of_kernels.yardstick import Truth, judge
from chainrule.laws.showing._arrays_in_code import FEW, drawn

TRIES, FEW_TRIES = 64, 6
"""The most cases that are tried, and where each takes long: of large arrays, or compiled anew."""

PATIENCE = 5.0
"""The seconds after which no smaller case is tried: a kernel in Python takes a while for each."""

LARGE = 2**16
"""Arguments of more numbers are large."""


@frozen(eq=False)
class Case:
    """Arguments and a dout for which a result is wrong.

    It is `drawn` if the numbers of arrays that are not written out are drawn from the seed of their place, dout's last;
    `place` says in which other place dout lies.
    """

    args: Arguments
    dout: Real
    verdict: Verdict
    drawn: bool = False
    place: str = ""


@frozen(eq=False)
class Search:
    check: Check
    law: str
    name: str
    placed: Placed | None
    tries: Iterator[int]

    def case(self, args: Arguments, dout: Real) -> Case | None:
        if next(self.tries, None) is None:
            return None
        f, backend = self.check.f, self.check.backend
        layout = self.placed.layout if self.placed is not None else backend.copy
        try:
            with np.errstate(all="ignore"):
                known = self.check.truth(args, values(layout(backend.like(dout, args[0]))))
                out, cache = f.forward(self.check.copied(args))
                results = {f.names.out: out, **f.backward(cache, layout(backend.like(known.dout, out)))}
                got = values(results[self.name])
                found = judge(self.law, self.name, got, known).verdict
        except Exception:  # fewer rows, or such numbers, are refused
            return None
        place = self.placed.words if self.placed is not None else ""
        return Case(args, known.dout, found, place=place) if found.wrong and len(found.index) == got.ndim else None

    def shorter(self, case: Case, length: int, *, rows: bool) -> Case:
        """The case with as little of a length as shows it: of rows alone, or of every axis that has it."""
        some = length - 1
        while some > 0:
            for kept in (slice(0, length - some), slice(some, length)):
                smaller = self.case(*_part(self.check.backend, case, length, kept, rows=rows))
                if smaller is not None:
                    case, length = smaller, length - some
                    break
            else:
                some = min(some, length) // 2
            some = min(some, length - 1)
        return case


def smallest(check: Check, verdict: Verdict) -> Case | None:
    """The smallest case found that shows what a verdict says; None where a call by itself is right."""
    placed = verdict.point if isinstance(verdict.point, Placed) else None
    point = placed.known if placed is not None else verdict.point
    if not isinstance(point, Truth):
        return None
    check = evolve(check, rng=np.random.default_rng(0))
    small = sum(values(array).size for array in arrays_of(point.args)) <= LARGE
    most = TRIES if small and in_memory(check.backend) else FEW_TRIES
    case = Search(check, verdict.law, verdict.field, placed, iter(range(1))).case(point.args, point.dout)
    if case is None:
        return None
    until = time.perf_counter() + PATIENCE
    tries = takewhile(lambda _: time.perf_counter() < until, range(most))
    search = Search(check, verdict.law, verdict.field, placed, tries)
    for rows in point.args[0].shape[:1]:
        case = search.shorter(case, rows, rows=True)
    for side in dict.fromkeys(side for array in arrays_of(case.args) for side in array.shape):
        case = search.shorter(case, side, rows=False)
    search = evolve(search, tries=iter(range(3)))
    simpler = (search.case(*_simple(case, check.backend, digits)) for digits in (1, 3, 0))
    return next((evolve(each, drawn=True) for each in simpler if each is not None), case)


def _part(backend: Backend, case: Case, length: int, kept: slice, *, rows: bool) -> tuple[Arguments, Real]:
    """A part of the rows of x and of dout, if it has as many; or of each axis that has a length."""
    if rows:
        dout = case.dout[kept] if case.dout.shape[:1] == (length,) else case.dout
        return (backend.copy(case.args[0][kept]), *case.args[1:]), dout

    def part(array: Any) -> Any:
        return array[tuple(kept if side == length else slice(None) for side in array.shape)]

    return lifted(case.args, lambda array: backend.copy(part(array))), part(case.dout)


def _simple(case: Case, backend: Backend, digits: int) -> tuple[Arguments, Real]:
    """The arguments and the dout with numbers of a few digits, or as they are for 0; large arrays are drawn."""
    seeds = iter(range(len(arrays_of(case.args))))

    def simple(array: Any) -> Any:
        plain, seed = values(array), next(seeds)
        if is_float(array) or plain.size > FEW:
            return backend.like(few_digits(plain, digits, seed), array)
        return backend.copy(array)

    args = lifted(case.args, simple)
    return args, few_digits(case.dout, digits, len(arrays_of(case.args)))


def few_digits(array: Real, digits: int, seed: int) -> Real:
    """The numbers of an array with a few digits, or as they are for 0; those of a large array are drawn."""
    if array.size > FEW:
        return drawn(seed, array)
    if not digits:
        return array
    return np.array([float(f"{number:.{digits - 1}e}") for number in array.reshape(-1)]).reshape(array.shape)
