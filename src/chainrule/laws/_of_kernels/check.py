"""A check as it runs: the function, the formula and the point, and the verdicts on results there."""

from collections.abc import Callable

import numpy as np
from attrs import evolve, field, frozen

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Backend, Real, values
from chainrule.laws._of_kernels.kernels import Arguments, Kernel, Names, lifted
from chainrule.laws._of_kernels.yardstick import Judged, Size, Truth, judge, numbers, truth

MOST_NUMBERS = 2**20
"""The most numbers of x at another number of rows or columns."""

MOST_ENTRIES = 1200
"""The same where the derivative of the reference is found entry by entry."""


@frozen(eq=False)
class Check:
    """The thing that is checked, and the right answers for the arguments as they are given, for a normal dout."""

    f: Kernel
    reference: Kernel
    args: Arguments
    rng: np.random.Generator
    deterministic: bool
    has_backward: bool
    first: Truth
    wrong: set[str] = field(factory=set[str])
    """The results that are wrong as they are: other laws would only say it again."""
    of_names: Callable[[Names], Kernel] | None = None
    """Makes f again, for fewer arguments that need gradients; nothing where that makes no difference."""
    other_sizes: list[Arguments] = field(factory=list[Arguments])
    """Arguments with other numbers of rows, that the formula takes."""

    @property
    def backend(self) -> Backend:
        return self.f.backend

    @property
    def names(self) -> Names:
        return self.f.names

    @property
    def most(self) -> int:
        """The most numbers of x that are tried."""
        return MOST_NUMBERS if self.has_backward else MOST_ENTRIES

    def copied(self, args: Arguments | None = None) -> Arguments:
        return lifted(self.args if args is None else args, self.backend.copy)

    def truth(self, args: Arguments, dout: Real) -> Truth:
        typical = {name: Size.of(leaf[np.isfinite(leaf)]).root for name, leaf in self.first.right.items()}
        return truth(self.reference, args, dout, self.rng, has_backward=self.has_backward, typical=typical)

    def judged(self, law: str, known: Truth, words: str = "") -> list[Judged]:
        """The verdicts on every result of f at a point; a call that fails is one."""
        try:
            with np.errstate(all="ignore"):
                results = numbers(self.f.run(self.copied(known.args), known.dout))
        except Exception as error:
            note = f"{words}: {error_text(error)}" if words else error_text(error)
            return [Judged(np.inf, Verdict(law, "call", ok=False, note=note))]
        return self.compared(law, results, known, words)

    def compared(self, law: str, results: dict[str, Real], known: Truth, words: str = "") -> list[Judged]:
        found: list[Judged] = []
        for name in known.right:
            if name in self.wrong:
                continue
            if name in results:
                found.append(judge(law, name, results[name], known, words))
            else:
                note = "f gives None for it: name the argument in frozen if it is constant"
                found.append(Judged(np.inf, Verdict(law, name, ok=False, note=note)))
        return found


def rounded(numbers_: Real, args: Arguments, backend: Backend) -> Real:
    return values(backend.like(numbers_, args[0]))


def error_text(error: BaseException) -> str:
    return f"raised {type(error).__name__}: {str(error).removeprefix('as_layer: ')}"  # which the user has not called


def truth_at(check: Check, args: Arguments, dout: Callable[[tuple[int, ...]], Real] | None = None) -> Truth | None:
    """The right answers at another point, if the reference takes it."""
    try:
        with np.errstate(all="ignore"):
            shape = values(check.reference.forward(lifted(args, check.backend.wide))[0]).shape
            numbers_ = check.rng.standard_normal(shape) if dout is None else dout(shape)
            return check.truth(args, rounded(numbers_, check.args, check.backend))
    except Exception:
        return None


def worst_judged(found: list[Judged]) -> list[Verdict]:
    """One verdict for each field: the first wrong one, else the one that is nearest to it."""
    by_field: dict[str, list[Judged]] = {}
    for each in found:
        by_field.setdefault(each.verdict.field, []).append(each)
    chosen: list[Verdict] = []
    for some in by_field.values():
        wrong = [each.verdict for each in some if each.verdict.wrong]
        right = [each for each in some if not each.verdict.undecided]
        nearest = max(right or some, key=lambda each: each.share).verdict
        unsettled = [each.verdict for each in some if each.unsettled]
        chosen.append((wrong or unsettled or [evolve(nearest, power=some[0].verdict.power)])[0])
    return chosen
