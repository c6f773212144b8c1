"""The contract of an optimizer: a frozen record of options with two pure methods.

    init(params)                -> state
    step(state, params, grads)  -> (params, state)

The state has the type that the parameters ask for, and is a value like any other: an optimizer remembers nothing.
"""

from typing import Protocol, TypeVar

P = TypeVar("P")
S = TypeVar("S")


class Optimizer(Protocol[P, S]):
    """What turns gradients into better parameters: `P` is the type of the parameters, `S` of the state."""

    def init(self, params: P, /) -> S:
        """The state before the first step."""
        ...

    def step(self, state: S, params: P, grads: P, /) -> tuple[P, S]:
        """New parameters and the state after this step."""
        ...
