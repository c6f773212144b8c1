"""Trees whose arrays each have a counterpart: gradients beside parameters, moments beside both."""

from collections.abc import Callable
from typing import Any

from chainrule import tree
from chainrule.arrays.types import Array


def tree_misfit(whole: str, refuse: Callable[[Array, Array], None], like: Any, given: Any) -> Exception | None:
    """The error of a tree of another structure, in the words given, else that of the first array that is refused."""
    try:
        tree.zipped(_nothing, like, given)
    except ValueError as differing:
        return ValueError(f"{whole}: {differing}")
    try:
        tree.zipped(refuse, like, given)
    except (TypeError, ValueError) as differing:
        return differing
    return None


def _nothing(like: Array, given: Array) -> None:
    """To compare the structure of trees alone."""
