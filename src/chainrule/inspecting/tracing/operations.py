"""How many floating-point operations a layer or a loss takes: a table, because only its author can know.

An addition, a multiplication, a comparison and an elementary function such as `exp`, of one number, count one each.
Terms that are smaller by a factor of a matrix's side, or of the number of classes, are left out.

    affine                   x (n, d), out (n, m)    2 n d m forward     4 n d m backward, half of it for dx
    relu                     N numbers               N                   N
    sigmoid                  N numbers               5 N                 4 N
    softmax_cross_entropy    N logits                4 N                 N
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from chainrule.layer import Layer
from chainrule.layers.affine import affine
from chainrule.layers.relu import relu
from chainrule.layers.sigmoid import sigmoid
from chainrule.loss import Loss
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy

Shape: TypeAlias = tuple[int, ...]
Count: TypeAlias = Callable[[Shape, Shape], tuple[int, int]]
"""From the shapes of x and out to the operations forward and backward."""


def operations(subject: Layer[Any, Any] | Loss[Any, Any], x: Shape, out: Shape) -> tuple[int | None, int | None]:
    """Count the floating-point operations of a layer or a loss.

    Parameters
    ----------
    subject
        A layer or a loss.
    x, out
        The shapes of what goes in and what comes out; for a loss, those of the logits and `()`.

    Returns
    -------
    forward, backward : int or None
        None for a subject that is not in the table.

    Examples
    --------
    >>> from chainrule import affine
    >>> from chainrule.inspecting.tracing.operations import operations
    >>> operations(affine, (100, 784), (100, 50))
    (7840000, 15680000)
    """
    for known, count in TABLE:
        if subject.forward is known:
            return count(x, out)
    return None, None


def _affine(x: Shape, out: Shape) -> tuple[int, int]:
    products = math.prod(x) * out[1]
    return 2 * products, 4 * products


def _each(forward: int, backward: int) -> Count:
    """So many operations for each number of x."""

    def count(x: Shape, out: Shape) -> tuple[int, int]:
        return forward * math.prod(x), backward * math.prod(x)

    return count


TABLE: tuple[tuple[Callable[..., object], Count], ...] = (
    (affine.forward, _affine),
    (relu.forward, _each(1, 1)),
    (sigmoid.forward, _each(5, 4)),
    (softmax_cross_entropy.forward, _each(4, 1)),
)
"""By the function that goes forward: an author adds a line."""
