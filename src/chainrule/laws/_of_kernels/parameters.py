"""The law of `check_against` about other parameters: zeros among them, and the other sign."""

from collections.abc import Callable, Iterator

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Real, values
from chainrule.laws._of_kernels.check import Check, truth_at, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, lifted
from chainrule.laws._of_kernels.kinks import BESIDE, is_smooth
from chainrule.laws._of_kernels.yardstick import Judged, Truth, numbers
from chainrule.laws.of_layers._other_numbers import ZEROS, signs_of
from chainrule.laws.trials.sizes import rms

NOT_MEANT = "If these parameters are not meant, let f refuse them"
"""The advice where all that were given have one sign, which may be what f asks for."""

FARTHER_BESIDE = 2.0**-4
"""So far from 0, of the size of a parameter, a formula is tried for a kink whose slopes are found from differences,
which look a little to both sides themselves."""


def parameters(check: Check) -> Iterator[Verdict]:
    """Parameters of both signs give what the formula gives where some are 0; so do both signs where all were 0.

    If all that were given have one sign, f may be meant for it alone: what is wrong elsewhere is undecided. At a kink
    of the formula nothing is judged.
    """
    named = tree.named_leaves(check.args[1:])  # those without a gradient may hold what belongs together, as a mask does
    moving = {i: values(leaf) for i, (path, leaf) in enumerate(named) if path in check.names.gradients}
    free = {i: leaf for i, leaf in moving.items() if (leaf > 0).any() and (leaf < 0).any()}
    nothing = {i: leaf for i, leaf in moving.items() if not leaf.any()}
    signed = {i: leaf for i, leaf in moving.items() if leaf.any() and i not in free}

    def zeros(leaf: Real) -> Real:
        made = leaf.copy()
        made.flat[check.rng.permutation(leaf.size)[: max(1, int(ZEROS * leaf.size))]] = 0
        return made

    def both(leaf: Real) -> Real:
        return leaf * signs_of(leaf, check.rng) if leaf.any() else check.rng.standard_normal(leaf.shape)

    found = _tried(check, free, zeros, "for parameters with zeros")
    found += _tried(check, nothing, both, "for parameters of both signs where all were 0")
    doubtful = _tried(check, signed, zeros, "for parameters with zeros where they had none")
    doubtful += _tried(check, signed, both, "for parameters of both signs where all had one")
    yield from worst_judged([*found, *map(_doubted, doubtful)])


def _doubted(judged: Judged) -> Judged:
    if not judged.verdict.wrong:
        return judged
    return evolve(judged, verdict=evolve(judged.verdict, undecided=True, advice=NOT_MEANT), unsettled=True)


def _tried(check: Check, some: dict[int, Real], change: Callable[[Real], Real], words: str) -> list[Judged]:
    known = truth_at(check, _with(check, check.args, {i: change(leaf) for i, leaf in some.items()})) if some else None
    if known is None:
        return []
    known = evolve(known, right={name: leaf for name, leaf in known.right.items() if np.isfinite(leaf).all()})
    try:
        results = numbers(check.f.run(check.copied(known.args), known.dout))
    except Exception:  # it may refuse them
        return []
    found = check.compared("parameters", results, known, words)
    return [
        each
        for each in found
        if not each.verdict.wrong or is_smooth(check, known, each.verdict, _beside(check, known, [*some]))
    ]


def _with(check: Check, args: Arguments, others: dict[int, Real]) -> Arguments:
    """The arguments with other numbers for some parameters, in the arrays that they have."""
    leaves = tree.leaves(args[1:])
    made = [check.backend.like(others[i], leaf) if i in others else leaf for i, leaf in enumerate(leaves)]
    return (args[0], *tree.replace(args[1:], made))


def _beside(check: Check, known: Truth, some: list[int]) -> Iterator[Arguments]:
    """The point with parameters that are 0 a little to one side of it, and to the other."""
    wide = lifted(known.args, check.backend.wide)
    share, leaves = BESIDE if check.has_backward else FARTHER_BESIDE, tree.leaves(wide[1:])
    for side in (share, -share):
        near = {i: values(leaves[i]) for i in some}
        yield _with(check, wide, {i: np.where(leaf == 0, side * (rms(leaf) or 1.0), leaf) for i, leaf in near.items()})
