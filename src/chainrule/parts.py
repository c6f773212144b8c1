"""The parts of a layer that is made of layers, and how they stand to each other.

    Chain    one after another: the output of each is the input of the next
    Fork     beside each other: each takes the same input, and a joint makes one output of theirs
    Around   one, with something done to it: its parameters are the layer's own, or are made of them

A combinator sets it as the trait `parts` of its layer. Drawing, tracing, fixing and inference follow it. A layer that
is not made of layers may tell by it which arrays of its parameters are constant (`Constants`).
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from attrs import Factory, field, frozen

FRAMES = 8
"""The calls within each other that a level of layers in layers needs at most, with some room: a deep copy needs 6."""


def _depth_of(parts: "Chain | Fork | Around") -> int:
    return 1 + max((getattr(getattr(layer, "parts", ()), "depth", 0) for layer in parts.layers), default=0)


def check_depth(name: str, parts: "Chain | Fork | Around") -> None:
    """Refuse layers that are nested so deep that a call would meet Python's recursion limit."""
    limit = sys.getrecursionlimit()
    if parts.depth > limit // FRAMES:
        raise ValueError(
            f"{name}: the layer is {parts.depth} levels deep, but Python's recursion limit of {limit} allows about "
            f"{limit // FRAMES}: nest it less, as sequential(*layers) does, or raise the limit with "
            "sys.setrecursionlimit"
        )


@frozen(eq=False)
class Chain:
    """Layers one after another; parameters and caches are tuples with an entry for each."""

    layers: tuple[Any, ...]
    depth: int = field(init=False, default=Factory(_depth_of, takes_self=True))


@frozen(eq=False)
class Fork:
    """Layers beside each other, which take the same input; parameters and caches are tuples with an entry for each.

    The joint tells how their outputs become one, as a picture shows it: `"+"`, `"*"`, `"‖"` for side by side. If it
    keeps an array beside the cache of each branch, a cache is a pair.
    """

    layers: tuple[Any, ...]
    joint: str
    keeps: bool = False
    depth: int = field(init=False, default=Factory(_depth_of, takes_self=True))


@frozen(eq=False)
class Around:
    """One layer, whose parameters are those of the whole, or are made of them.

    With `skip`, the input is added to its output, as `residual` does. Fixed parameters stay as they are. Tied ones are
    made of the whole's, which are fewer, and can't be found in those. If it is recomputed, its parameters and its input
    are kept in place of its cache.
    """

    layer: Any
    skip: bool = False
    fixed: bool = False
    tied: bool = False
    recomputed: bool = False
    depth: int = field(init=False, default=Factory(_depth_of, takes_self=True))

    @property
    def is_whole(self) -> bool:
        """True if it can't be gone into: the parameters or the cache of the part are not there."""
        return self.tied or self.recomputed

    @property
    def layers(self) -> tuple[Any, ...]:
        """The part, in a tuple."""
        return (self.layer,)


class Constants(NamedTuple):
    """No parts, but parameters of which some arrays stay as they are."""

    keep: Callable[[Any, Any], Any]
    """`(old, new) -> params`: the new parameters, and the old ones of what is constant."""


Parts: TypeAlias = "Chain | Fork | Around | Constants | tuple[()]"
"""The parts of a layer; `()` for one that is not made of layers, or does not say so."""


def layers_of(subject: Any) -> tuple[Any, ...]:
    """The layers that a layer is made of, `()` if it has no parts."""
    parts: Parts = getattr(subject, "parts", ())  # a loss has none
    return () if isinstance(parts, tuple) else parts.layers


def caches_of(subject: Any, cache: Any) -> tuple[Any, ...]:
    """The caches of the layers that a layer is made of, in its own; what was not kept is computed again."""
    parts: Parts = subject.parts
    if isinstance(parts, Around) and parts.recomputed:
        return (parts.layer.forward(cache[0].params, cache[0].x)[1],)
    if isinstance(parts, Around) and parts.fixed:
        return (cache[0][0],)
    if isinstance(parts, Fork) and parts.keeps:
        return tuple(each.cache for each in cache)
    return tuple(cache)


def kept_by_joint(subject: Any, cache: Any) -> tuple[Any, ...]:
    """The arrays that the joint of a fork keeps beside the caches of its branches."""
    parts: Parts = subject.parts
    return tuple(each.kept for each in cache) if isinstance(parts, Fork) and parts.keeps else ()


def has_fixed(subject: Any) -> bool:
    """Tell whether a layer has fixed parameters, at any depth."""
    parts: Parts = subject.parts
    if isinstance(parts, Constants):
        return True
    return (isinstance(parts, Around) and parts.fixed) or any(has_fixed(part) for part in layers_of(subject))


def unmoved(subject: Any, old: Any, new: Any) -> Any:
    """The new parameters, and the old ones of what is fixed."""
    parts: Parts = subject.parts
    if isinstance(parts, Around):
        if parts.tied:  # nothing in it is fixed: `tied` refuses that
            return new
        return old if parts.fixed else unmoved(parts.layer, old, new)
    if isinstance(parts, Constants):
        return parts.keep(old, new)
    if isinstance(parts, tuple):
        return new
    return tuple(unmoved(part, a, b) for part, a, b in zip(parts.layers, old, new, strict=True))
