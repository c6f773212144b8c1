"""The contract of a loss: the last pair of functions, from a network's output and its targets to one number.

    forward (out, targets) -> (loss, cache)
    backward(cache, dloss) -> dout

A loss is the mean over the rows of a batch of each row's loss, so that its size does not grow with the batch.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from chainrule.arrays.arguments import check_functions
from chainrule.arrays.types import Array
from chainrule.naming import paged, reduced, title_of
from chainrule.rules.rule import LossRule

T = TypeVar("T")
C = TypeVar("C")


@paged
@frozen(eq=False, repr=False)
class Loss(Generic[T, C]):
    """A loss: a record of pure functions. `T` is the type of its targets, `C` of its cache.

    Parameters
    ----------
    forward
        `(out, targets) -> (loss, cache)`: the mean of the rows' losses, a 0-d array in the dtype of `out`.
    backward
        `(cache, dloss) -> dout`: linear in `dloss`, the derivative of the final scalar with respect to this loss; 1.0
        where the loss is that scalar.
    rows
        `(out, targets) -> losses`: the loss of each row, of the shape of `out` without its last axis. Their mean is
        the loss.
    name
        The name of the loss, with its options. By default it is found where `forward` comes from.
    operations
        `(shape) -> (forward, backward)`: the floating-point operations, from the shape of `out`.
    couples_rows
        Whether a row's loss depends on other rows, as on their weights.
    rule
        The arithmetic of its rows; see `chainrule.rules.loss`.

    Notes
    -----
    A loss with another `forward` or `backward` is another loss: make it with `Loss(...)`. `attrs.evolve` would keep the
    `rule` of the old one.

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
    name: str | None = field(default=None, kw_only=True)
    operations: Callable[[tuple[int, ...]], tuple[int, int]] | None = field(default=None, kw_only=True)
    couples_rows: bool = field(default=False, kw_only=True)
    rule: LossRule[T] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_functions(self, "forward", "backward", "rows")

    def __repr__(self) -> str:
        """Its name: `Loss(softmax_cross_entropy)`."""
        return f"Loss({title_of(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a module's value by its name, and a loss with options by its constructor and options."""
        return reduced(self)
