"""The results of a layer as they were before the laws called it at other numbers, sizes and dtypes."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule.checking.verdict import Verdict, one_each
from chainrule.laws.trials.sizes import rms
from chainrule.laws.trials.trial import Checked, Fields, Trial, draw

ANOTHER = 1e-5
"""The share of a field from which on its numbers are others, and no other rounding."""

KEPT = "after all calls of this check it is another: is something kept outside the cache, such as the largest x so far?"
"""The words for results that have changed for good."""


@frozen(eq=False)
class FirstCall:
    """The arguments that were given, and what a call gave for them before any other was made.

    A layer may keep for good that it has seen a large number, many rows or float32: then all laws but the first few
    judge what it has become, and each call gives what the one before it gave.
    """

    layer: Any
    params: Any
    x: Any
    results: Fields

    @classmethod
    def of(cls, layer: Checked[Any, Any], params: Any, x: Any) -> "FirstCall":
        """Call the layer at its arguments."""
        return cls(layer, params, x, _results(layer, params, x))

    def changed(self) -> list[Verdict]:
        """The verdicts on fields that a call and another after it give otherwise now, but for rounding."""
        now, again = (_results(self.layer, self.params, self.x) for _ in range(2))
        names = [name for name, leaf in self.results.items() if _differ(leaf, now[name])]
        if any(_differ(leaf, again[name]) for name, leaf in now.items()):
            return []  # it gives something else each time, as another law says
        return [Verdict("other_calls", name, ok=False, note=KEPT) for name in names]


def _results(layer: Any, params: Any, x: Any) -> Fields:
    trial = Trial.of(layer, params, x)
    return trial.results(draw(trial.out, np.random.default_rng(trial.out.size)))


def _differ(a: Any, b: Any) -> bool:
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return True
    with np.errstate(all="ignore"):
        off = np.abs(np.subtract(a, b, dtype=np.result_type(a, b, np.float32)))
    return bool(np.nanmax(off, initial=0.0) > ANOTHER * rms(a))


Law: TypeAlias = Callable[..., list[Verdict]]


def beside_the_first_call(laws: Mapping[str, Law]) -> Mapping[str, Law]:
    """The laws of a layer: `structure` keeps the results of a call, and `other_calls`, the last, compares them."""
    if not {"structure", "other_calls"} <= laws.keys():
        return laws
    first: list[FirstCall] = []

    def structure(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
        verdicts = laws["structure"](layer, params, x, rng)
        if all(each.ok for each in verdicts):
            first.append(FirstCall.of(layer, params, x))
        return verdicts

    def other_calls(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
        verdicts = laws["other_calls"](layer, params, x, rng)
        changed = [each for call in first for each in call.changed()]
        return one_each([*verdicts, *changed])

    return {**laws, "structure": structure, "other_calls": other_calls}
