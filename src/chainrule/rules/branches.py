"""Branches: layers that take one input, forward, and back to the sum of their derivatives.

    out_i = f_i(x)        dx = J_1^T dout_1 + ... + J_n^T dout_n

Copy and sum are an adjoint pair: what was copied to all branches going forward is added coming back. The joint of a
fork says what becomes of the outputs, and what `dout_i` is.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import frozen

from chainrule.arrays.arguments import describe, record_of
from chainrule.arrays.libraries import same_dtype
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, is_array
from chainrule.rules.combinators import Caches, Rules, counted, placed
from chainrule.rules.rule import refuse_no_dx

C = TypeVar("C")


@frozen(eq=False)
@record
class Beside(Generic[C]):
    """The cache of a branch, and an array that the joint keeps beside it."""

    cache: C
    kept: Array


beside: Callable[[Any, Array], Beside[Any]] = unchecked(Beside)


def apart(name: str, caches: Caches) -> tuple[Caches, list[Array]]:
    """The caches of the branches, and what the joint kept beside each."""
    for i, each in enumerate(caches):
        record_of(each, Beside, f"{name} backward: cache {i + 1} of {len(caches)}")
    return [each.cache for each in caches], [each.kept for each in caches]


def each_branch(
    name: str, parts: Rules, xp: Namespace, params: Any, x: Array, fits: Callable[[str, Array, Array, int], None]
) -> Iterator[tuple[Array, Any]]:
    """Run branches on one input, as a combinator's forward has them: the output and the cache of each.

    `fits(name, first, other, i)` refuses the output of branch i beside that of the first.
    """
    counted(name, "params", params, len(parts))
    x = xp.shared(x)
    first: Array | None = None
    for i, part in enumerate(parts):
        try:
            out, cache = part.forward(xp, params[i], x)
            first = out if first is None else first
            fits(name, first, out, i)
        except Exception as error:
            placed(error, i, parts, "branch")
            raise
        yield out, cache


def back_through(
    name: str, parts: Rules, xp: Namespace, caches: Caches, douts: Iterable[Array], wants_dx: bool
) -> tuple[Array | None, tuple[Any, ...]]:
    """Go back through branches, last one first, as a combinator's backward has them; caches are used up.

    `douts` come back to each branch, that of the last first. The result is the sum of their dx, None where it is not
    wanted, and the gradients of each, first one first.
    """
    total: Array | None = None
    grads: list[Any] = []
    for i, dout in zip(reversed(range(len(parts))), douts, strict=False):  # one dout for all may come without end
        try:
            dx, own = parts[i].backward(xp, caches.pop(), dout, wants_dx)
            if dx is None and wants_dx:
                refuse_no_dx(name)
        except Exception as error:
            placed(error, i, parts, "branch")
            raise
        grads.append(own)
        if wants_dx and dx is not None:
            if total is not None:
                refuse_unlike(name, dx, total, f"that of branch {i + 2}")
            total = dx if total is None else xp.quietly(xp.plus, total, dx)
    return total, tuple(reversed(grads))


def refuse_unlike(name: str, dx: Array, other: Array, of: str) -> None:
    """Refuse a dx that differs in shape or dtype from what it is added to: nothing is broadcast."""
    if not is_array(dx):
        raise TypeError(f"{name} backward: dx of a layer must be an array, got {describe(dx)}")
    if dx.shape != other.shape or not same_dtype(dx, other):
        kind = ValueError if dx.shape != other.shape else TypeError
        raise kind(f"{name} backward: dx of a layer is {describe(dx)}, and must be like {of}, {describe(other)}")


def of_one_shape(name: str, first: Array, other: Array, i: int) -> None:
    """Refuse branches whose outputs differ in shape or dtype: nothing is broadcast."""
    if other.shape != first.shape or not of_one_dtype(first, other):
        both = f"branch 1 gives {describe(first)} and branch {i + 1} {describe(other)}"
        raise ValueError(f"{name}: the branches must give outputs of one shape and dtype, but {both}")


def of_one_dtype(first: Array, other: Array) -> bool:
    """Tell if two outputs have one dtype; a complex step meets real arrays."""
    return any(getattr(each, "lifted", False) for each in (first, other)) or same_dtype(first, other)
