"""The contract of a loss: the last pair of functions, from a network's output and its targets to one number.

    forward (out, targets) -> (loss, cache)
    backward(cache, dloss) -> dout

A loss is the mean over the rows of a batch of each row's loss, so that its size does not grow with the batch.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from attrs import Factory, field, frozen

from chainrule.arrays.types import Array
from chainrule.naming import title_of

T = TypeVar("T")
C = TypeVar("C")


@frozen(eq=False, repr=False)
class Loss(Generic[T, C]):
    """A loss: a record of pure functions. `T` is the type of its targets, `C` of its cache.

    Parameters
    ----------
    forward
        `(out, targets) -> (loss, cache)`: the mean of the rows' losses, a 0-d array in the dtype of `out`.
    backward
        `(cache, dloss) -> dout`: linear in `dloss`, the derivative of the final scalar by this loss; 1.0 where the loss
        is that scalar.
    rows
        `(out, targets) -> losses`: the loss of each row, of shape (n,).
    value_and_dout
        `(out, targets, dloss) -> (loss, dout)`: forward and backward at once, where that is faster. By default it calls
        one and then the other.

    Notes
    -----
    A loss with another `forward` or `backward` is another loss: make it with `Loss(...)`. `attrs.evolve` would keep the
    `value_and_dout` of the old one.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Loss, own
    >>> def rows(out: Array, targets: Array) -> Array:
    ...     losses: Array = ((out - targets) ** 2).sum(axis=1)
    ...     return losses
    >>> def forward(out: Array, targets: Array) -> tuple[Array, Array]:
    ...     return rows(out, targets).mean(), own(out - targets)
    >>> def backward(cache: Array, dloss: Array | float) -> Array:
    ...     return 2 * cache * dloss / len(cache)
    >>> squared_error = Loss(forward, backward, rows)
    >>> squared_error
    Loss(squared_error)
    >>> loss, cache = squared_error.forward(np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]]))
    >>> squared_error.backward(cache, 1.0)
    array([[2.],
           [0.]])
    """

    forward: Callable[[Array, T], tuple[Array, C]]
    backward: Callable[[C, Array | float], Array]
    rows: Callable[[Array, T], Array]

    def _in_turn(self) -> Callable[[Array, T, Array | float], tuple[Array, Array]]:
        return partial(_forward_backward, self.forward, self.backward)

    value_and_dout: Callable[[Array, T, Array | float], tuple[Array, Array]] = field(
        default=Factory(_in_turn, takes_self=True)
    )

    def __repr__(self) -> str:
        """Its name: `Loss(softmax_cross_entropy)`."""
        return f"Loss({title_of(self)})"


def _forward_backward(
    forward: Callable[[Array, T], tuple[Array, C]],
    backward: Callable[[C, Array | float], Array],
    out: Array,
    targets: T,
    dloss: Array | float,
) -> tuple[Array, Array]:
    value, cache = forward(out, targets)
    return value, backward(cache, dloss)
