"""The precision in which an optimizer computes, where its parameters are given in fewer digits than those of float64.

It may compute in float32 whatever it gets, or refuse float64: no more digits are asked of it than it has.
"""

from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._steps import last_place, scaled
from chainrule.laws.trials.copies import in_dtype, writable

Float: TypeAlias = np.dtype[np.floating[Any]]
"""A dtype of floats."""

WIDE: Float = np.dtype(np.float64)
"""The dtype in which optimizers are judged."""

NARROWER: tuple[Float, ...] = (np.dtype(np.float32), np.dtype(np.float16))
"""Those that have fewer digits, the widest first."""

UNEVEN = 1 + 1e-10
"""The factor that gives numbers of fewer digits some that only float64 has."""


@frozen
class Computing:
    """An optimizer that takes float64, and the dtype in which it computes then."""

    optimizer: Any
    dtype: Float = WIDE

    @property
    def eps(self) -> float:
        return float(np.finfo(self.dtype).eps)

    @property
    def lost(self) -> float:
        """The share of a number that the rounding of some steps may take; 0 in float64."""
        return 0.0 if self.dtype == WIDE else STEPS * self.eps

    def held(self, value: Any) -> Any:
        """The nearest numbers that the dtype has, in their own."""
        return tree.map(lambda leaf: leaf.astype(self.dtype).astype(leaf.dtype), value)


@frozen
class Narrowed:
    """An optimizer that is given all numbers in a dtype, and whose parameters come back in that of those it gets."""

    optimizer: Any
    dtype: Float

    def init(self, params: Any) -> Any:
        return self.optimizer.init(in_dtype(params, self.dtype))

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        new, after = self.optimizer.step(state, in_dtype(params, self.dtype), in_dtype(grads, self.dtype))
        return tree.map(lambda leaf, like: leaf.astype(like.dtype), new, params), after


def computing(optimizer: Any, params: Any, grads: Any) -> Computing:
    """The optimizer in the widest dtype that it takes, and no narrower than its parameters, which are as given."""
    given = {leaf.dtype for leaf in tree.leaves(params) if leaf.dtype.kind == "f"}
    if not given or not given <= {*NARROWER}:
        return Computing(optimizer)
    narrower = NARROWER[: 1 + min(map(NARROWER.index, given))]
    taken = next((dtype for dtype in (WIDE, *narrower) if not _refuses(optimizer, params, grads, dtype)), WIDE)
    if taken != WIDE:
        return Computing(Narrowed(optimizer, taken), taken)
    return Computing(optimizer, _digits(optimizer, params, grads, narrower))


def _refuses(optimizer: Any, params: Any, grads: Any, dtype: Float) -> bool:
    at, slopes = (writable(in_dtype(each, dtype)) for each in (params, grads))
    try:
        optimizer.step(optimizer.init(at), at, slopes)
    except (TypeError, ValueError):
        return True
    return False


def _digits(optimizer: Any, params: Any, grads: Any, narrower: tuple[Float, ...]) -> Float:
    """The narrowest dtype that holds all numbers after some steps in float64."""
    start, slopes = (scaled(in_dtype(each, WIDE), UNEVEN) for each in (params, grads))
    ends: list[Array] = tree.leaves(last_place(optimizer, start, repeat(slopes, STEPS)).params)
    fitting = [dtype for dtype in narrower if all(np.array_equal(leaf.astype(dtype), leaf) for leaf in ends)]
    return fitting[-1] if fitting and any(leaf.any() for leaf in ends) else WIDE
