"""The contract of an optimizer: a frozen record of options with two pure methods.

    init(params)                -> state
    step(state, params, grads)  -> (params, state)

The state is a value like any other: an optimizer remembers nothing. That of the library's optimizers is a `State`,
which has the type of the parameters that it belongs to.
"""

from typing import Generic, Protocol, TypeVar

from attrs import frozen

from chainrule.arrays.records import record
from chainrule.arrays.types import Labels

P = TypeVar("P")
S = TypeVar("S")


class Optimizer(Protocol[P, S]):
    """An optimizer: two methods. `P` is the type of the parameters, `S` of the state.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Optimizer, sgd
    >>> from chainrule.optimizer import State
    >>> def descend(optimizer: Optimizer[Array, State[Array]], params: Array, steps: int) -> Array:
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


@frozen(eq=False)
@record
class State(Generic[P]):
    """The state of an optimizer, typed by the parameters that it belongs to.

    `P` is invariant: a step with gradients of another type than the state's parameters is an error in a type checker.

    Parameters
    ----------
    count
        The steps so far: a 0-d array of integers.
    moments
        Trees like the parameters, as many as the optimizer keeps: running averages of gradients and of their squares.
        Beside parameters of 16 bits they have the dtype float32.
    """

    count: Labels
    moments: tuple[P, ...]
