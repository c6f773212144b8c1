"""The cache of a function of another library: what the library keeps to differentiate it."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule.arrays.types import Array


@frozen(eq=False)
class Graph:
    """What forward keeps: the graph that the library has recorded. `tree` finds no arrays in it.

    It may be used as often as you like. It can't be pickled.

    Parameters
    ----------
    pull
        `(dout, wants_dx) -> (dx, grads)`, with None for a `dx` that is not wanted.
    """

    pull: Callable[[Array, bool], tuple[Any, Any]]


def backward(cache: Graph, dout: Array) -> tuple[Any, Any]:
    """`(dx, grads)`."""
    return cache.pull(dout, True)


def grads(cache: Graph, dout: Array) -> Any:
    """The gradients of the parameters alone."""
    return cache.pull(dout, False)[1]
