"""The largest first: what keeps the order of numbers comes after a maximum, of which it takes fewer.

    max(f(x_1), ..., f(x_k)) = f(max(x_1, ..., x_k))        for an f that never turns numbers round

Of relu and 2 x 2 max pooling a quarter is left to do, forward and backward, to the same bits. Where f makes numbers
equal, the first of them may be another one before f than after it; but there its slope is 0, and nothing comes back.
"""

from itertools import pairwise
from typing import Any

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array, is_array
from chainrule.rules.rule import Rule


def largest_first(rules: tuple[Rule[Any, Any], ...]) -> tuple[Rule[Any, Any], ...]:
    """Rules one after another: in place of one that keeps the order nothing is done, and after the maximum both."""
    made = list(rules)
    for i, (one, two) in enumerate(pairwise(rules)):
        if one.keeps_order and two.takes_largest:
            made[i : i + 2] = _put_off(one), _both(two, one)
    return tuple(made)


def _put_off(rule: Rule[Any, Any]) -> Rule[Any, Any]:
    """The rule on nothing, which checks its arguments."""

    def forward(xp: Namespace, params: Any, x: Array) -> tuple[Array, Any]:
        rule.forward(xp, params, x[None, ...][:0, ...] if is_array(x) else x)
        return x, ()

    def backward(xp: Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
        return (dout if wants_dx else None), ()

    return Rule(forward, backward)


def _both(largest: Rule[Any, Any], then: Rule[Any, Any]) -> Rule[Any, Any]:
    """The maximum, and then what has no parameters."""

    def forward(xp: Namespace, params: Any, x: Array) -> tuple[Array, Any]:
        top, cache = largest.forward(xp, params, x)
        out, saved = then.forward(xp, (), top)
        return out, (cache, saved)

    def backward(xp: Namespace, caches: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
        cache, saved = caches
        dtop, _ = then.backward(xp, saved, dout, wants_dx)
        return largest.backward(xp, cache, dout if dtop is None else dtop, wants_dx)

    return Rule(forward, backward)
