"""The contract of an optimizer: a frozen record of options with two pure methods.

    init(params)                -> state
    step(state, params, grads)  -> (params, state)

The state has the type that the parameters ask for, and is a value like any other: an optimizer remembers nothing.
"""

from typing import Protocol, TypeVar

P = TypeVar("P")
S = TypeVar("S")


class Optimizer(Protocol[P, S]):
    """What turns gradients into better parameters: `P` is the type of the parameters, `S` of the state.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Optimizer, Unit, sgd
    >>> def descend(optimizer: Optimizer[Array, Unit], params: Array, steps: int) -> Array:
    ...     state = optimizer.init(params)
    ...     for _ in range(steps):
    ...         params, state = optimizer.step(state, params, 2 * params)  # the gradient of sum(params^2)
    ...     return params
    >>> descend(sgd(0.25), np.array([8.0]), 3)
    array([1.])
    """

    def init(self, params: P, /) -> S:
        """The state before the first step."""
        ...

    def step(self, state: S, params: P, grads: P, /) -> tuple[P, S]:
        """New parameters and the state after this step."""
        ...
