"""A law as it stands in a table: what it asks, and its traits, by which checks run it and reports say what it found."""

from typing import Generic, TypeVar

from attrs import field, frozen

L = TypeVar("L")


@frozen(eq=False)
class Law(Generic[L]):
    """A law and its traits.

    Parameters
    ----------
    ask
        The function that gives its verdicts.
    quick
        What a quick check asks in its place, if that is something else.
    elsewhere
        Whether it does not ask about the arguments as they are given: a quick check leaves it out.
    of_derivative
        Whether it compares with the numerical derivative, which a surrogate is not, and what is random does not have.
    of_process
        Whether it asks what a call changes of the process: changes that other laws come upon are said under its name.
    of_repeats
        Whether it asks if the same call gives the same numbers.
    of_structure
        Whether a fault that all laws would find ends the check: the others would only say the same in other words.
    of_all
        The fields whose faults all laws would find.
    cause
        Whether a fault of it makes other laws fail, as of an argument, of memory or of an earlier call.
    cause_if_right
        Whether it does so where the derivative is right at the arguments that are given.
    echo
        Whether it says of the first call, and of an earlier cache, what other laws find too.
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
    cause_if_right: bool = field(default=False, kw_only=True)
    echo: bool = field(default=False, kw_only=True)
