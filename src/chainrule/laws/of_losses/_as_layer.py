"""A loss as a layer, of which the laws of layers can be asked, and their verdicts in the words of losses."""

from operator import itemgetter
from typing import Any, TypeVar, cast

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_any_tuple, is_tuple
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.linearity import ROUNDING
from chainrule.laws.trials.copies import same_numbers, targets_in_dtype
from chainrule.laws.trials.names import Names
from chainrule.laws.trials.trial import Trial, measured
from chainrule.layer import Layer
from chainrule.loss import Loss

T = TypeVar("T")
C = TypeVar("C")

OF_LOSSES = Names(x="out", dx="dout", dout="dloss")

NOISES = 64
"""By how many times its own noise a loss may break an equality, as layers may: in float32, by about 2e-6."""


def as_layer(loss: Loss[Any, Any], targets: Any, *, rows: int = 0) -> Layer[tuple[()], Any]:
    """A loss as a layer of its output, for fixed targets: its `out` is the loss, and its `dout` is `dloss`.

    Of an output with another number of rows than `rows`, the targets are those of these rows again and again.
    """

    def backward(cache: Any, dout: Array) -> tuple[Array, tuple[()]]:
        of_out = loss.backward(cache, dout)
        given: object = of_out
        if is_any_tuple(given):
            raise TypeError(f"backward must return dout, an array like out, got {describe(given)}")
        return of_out, ()

    return Layer(LossForward(loss, targets, rows), backward, couples_rows=True)


@frozen(eq=False)
class LossForward:
    loss: Loss[Any, Any]
    targets: Any
    rows: int = 0
    names: Names = OF_LOSSES

    def __call__(self, params: tuple[()], x: Array) -> tuple[Array, Any]:
        targets = with_rows(self.rows, x, self.targets)
        if x.dtype.kind == "f":
            targets = targets_in_dtype(targets, x.dtype)
        value, cache = run_loss(self.loss, x, targets)
        return np.asarray(value, getattr(value, "dtype", x.dtype)), cache


def with_rows(rows: int, x: Array, targets: T) -> T:
    """The targets of as many rows as `x` has, if they have a row for each of `rows`."""
    n = number_of_rows(x)
    if rows in (0, n) or any(leaf.ndim < 1 or len(leaf) != rows for leaf in tree.leaves(targets)):
        return targets
    return tree.map(itemgetter(np.arange(n) % rows), targets)


def number_of_rows(x: Array) -> int:
    """The length of the first axis, or 0 without one."""
    return len(x) if x.ndim else 0


FIELDS = {"dx": "dout", "out": "loss", "dout": "dloss", "x": "out"}
"""The names of a layer's fields where it is a loss."""


def renamed(law: str, verdicts: list[Verdict]) -> list[Verdict]:
    return [evolve(each, law=law, field=FIELDS.get(each.field, each.field)) for each in verdicts]


def one_verdict(law: str, verdicts: list[Verdict]) -> list[Verdict]:
    """The first verdict that is wrong, or unfit, or else one that is right, or else one that can't tell."""
    wrong = [each for each in verdicts if each.wrong] or [each for each in verdicts if each.advice]
    right = [evolve(each, note="") for each in verdicts if each.ok]
    return renamed(law, wrong[:1] or right[:1] or verdicts[:1])


IGNORED = "it is the same for every dloss: was it ignored?"
"""The words for a backward that does not depend on dloss, which is then off by any factor."""


def of_ignored(loss: Loss[T, C], out: Array, targets: T, verdicts: list[Verdict]) -> list[Verdict]:
    if not any(each.wrong for each in verdicts):
        return verdicts
    _, cache = run_loss(loss, out, targets)
    once, twice = (np.array(loss.backward(cache, dloss)) for dloss in (1.0, 2.0))
    ignored = once.any() and same_numbers(once, twice)
    return [evolve(each, note=IGNORED) if ignored and each.wrong else each for each in verdicts]


def run_loss(loss: Loss[T, C], out: Array, targets: T) -> tuple[Array, C]:
    result: object = loss.forward(out, targets)
    if not is_tuple(result) or len(result) != 2:
        raise TypeError(f"forward must return (loss, cache), got {describe(result)}")
    return cast("tuple[Array, C]", result)


def rounding_of_loss(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> float:
    """The error that an equality may have: `ROUNDING`, or more of a loss that computes in float32 in any case."""
    base = measured(Trial.in_float64(as_layer(loss, targets), (), out), rng)
    return max(ROUNDING, NOISES * base.noise)
