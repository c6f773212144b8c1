"""A rule: the arithmetic of a layer alone, in the form in which a pass through a network runs it.

    forward (xp, params, x)              -> (out, cache)
    backward(xp, cache, dout, wants_dx)  -> (dx, grads)

The pair of a layer of the library is made of its rule (`chainrule.rules.layer`), and a rule is made of a layer that has
a pair alone (`chainrule.rules.passes.rule_of`): either form gives the other.
"""

from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from attrs import frozen

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array

P = TypeVar("P")
C = TypeVar("C")
T = TypeVar("T")


@frozen(eq=False)
class Rule(Generic[P, C]):
    """The arithmetic of a layer, run by a pass that owns every array between its first layer and its last.

    Parameters
    ----------
    forward
        `(xp, params, x) -> (out, cache)`. It checks shapes, and nothing that the pass has checked already.
    backward
        `(xp, cache, dout, wants_dx) -> (dx, grads)`; None for `dx` where it is not wanted.
    source
        The function that goes forward as its author wrote it, with the options that are bound to it: it leads to the
        module that holds the layer's page.
    quiet
        The same for a pass in which NumPy warns of nothing; None if the layer's warnings are meant to be seen.
    keeps_order
        Whether a larger number never becomes the smaller one, and numbers that become equal have a slope of 0.
    takes_largest
        Whether each number of the output is the largest one of some of the input's, the first of equal ones.

    Examples
    --------
    >>> from chainrule import affine, rules
    >>> isinstance(affine.rule, rules.Rule)
    True
    """

    forward: Callable[[Namespace, P, Array], tuple[Array, C]]
    backward: Callable[[Namespace, C, Array, bool], tuple[Array | None, P]]
    source: Callable[..., Any] | None = None
    quiet: "Rule[P, C] | None" = None
    keeps_order: bool = False
    takes_largest: bool = False


def refuse_no_dx(name: str, giver: str = "the layer") -> NoReturn:
    """Refuse the None that a rule, or a part of a combinator, gave for a `dx` that was wanted."""
    raise TypeError(f"{name} backward: {giver} gave no dx where it was wanted")


@frozen(eq=False)
class LossRule(Generic[T]):
    """The arithmetic of a loss, as a pass runs it.

    Parameters
    ----------
    at_once
        `(xp, out, targets, dloss) -> (loss, dout)`: forward and backward in one, where NumPy is to warn of nothing.
    rows
        As `chainrule.rules.loss` takes it.
    source
        `rows` as its author wrote it, with the options that are bound to it.
    """

    at_once: Callable[[Namespace, Array, T, Array | float], tuple[Array, Array]]
    rows: Callable[[Namespace, Array, T], tuple[Array, ...]]
    source: Callable[..., Any] | None = None
