"""A law as it stands in a table: what it asks, and its traits, by which checks run it and reports say what it found."""

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import field, frozen

from chainrule.checking.verdict import Verdict

L = TypeVar("L")


def always(verdict: Verdict) -> bool:
    """Say yes: any fault that a law finds may be a cause."""
    return True


@frozen(eq=False)
class Law(Generic[L]):
    """A law and its traits.

    A quick check asks `quick`, if there is one, and leaves out a law that asks `elsewhere`, not about the arguments as
    they are given. One is `of_derivative` if it compares with the numerical derivative, which a surrogate is not, and
    what is random does not have; `of_process` if it asks what a call changes of the process; `of_repeats` if it asks
    for the same numbers of the same call; `of_structure` if a fault in `of_all` ends the check. It is a `cause` if its
    fault makes other laws fail, of those that `is_cause` is true of, or one `cause_if_right` where the derivative is
    right at the arguments that are given; it is an `echo` if it says of the first call, and of an earlier cache, what
    other laws find too.
    """

    ask: L
    quick: L | None = field(default=None, kw_only=True)
    elsewhere: bool = field(default=False, kw_only=True)
    of_derivative: bool = field(default=False, kw_only=True)
    of_process: bool = field(default=False, kw_only=True)
    of_repeats: bool = field(default=False, kw_only=True)
    of_structure: bool = field(default=False, kw_only=True)
    of_all: frozenset[str] = field(default=frozenset({"call", "grads"}), kw_only=True)
    cause: bool = field(default=False, kw_only=True)
    is_cause: Callable[[Verdict], bool] = field(default=always, kw_only=True)
    cause_if_right: bool = field(default=False, kw_only=True)
    echo: bool = field(default=False, kw_only=True)
