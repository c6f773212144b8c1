"""The gradient of a loss by the parameters: forward through the network and the loss, then back through both.

    loss = l(f(params, x), targets)        dL = <dout, d(out)>, with dout = l.backward(cache, 1)

The network's own `dx` is never computed: it would cost a matrix product with the largest weights and nobody reads it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.layer import Layer
from chainrule.loss import Loss

P = TypeVar("P")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


def value_and_grad(network: Layer[P, C], loss: Loss[T, D]) -> Callable[[P, Array, T], tuple[Array, P]]:
    """Make the function that gives a loss and its gradient.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`.
    loss
        What compares its output with the targets.

    Returns
    -------
    Callable
        `(params, x, targets) -> (loss, grads)`: the loss as a 0-d array, and gradients of the type of `params`. It
        raises what the network and the loss raise.

    Raises
    ------
    TypeError
        If the network is no `Layer` or the loss no `Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, softmax_cross_entropy, value_and_grad
    >>> params = Affine(W=np.zeros((2, 3)), b=np.zeros(3))
    >>> f = value_and_grad(affine, softmax_cross_entropy)
    >>> loss, grads = f(params, np.array([[1.0, 2.0]]), np.array([2]))
    >>> print(f"{loss:.6f}")
    1.098612
    >>> grads.b.round(3)
    array([ 0.333,  0.333, -0.667])
    """
    if not isinstance(network, Layer):
        raise TypeError(f"value_and_grad: network must be a Layer, got {describe(network)}")
    if not isinstance(loss, Loss):
        raise TypeError(f"value_and_grad: loss must be a Loss, got {describe(loss)}")
    return partial(_value_and_grad, network, loss)


def _value_and_grad(network: Layer[P, C], loss: Loss[T, D], params: P, x: Array, targets: T) -> tuple[Array, P]:
    out, cache = network.forward(params, x)
    value, dout = loss.value_and_dout(out, targets, 1.0)
    return value, network.grads(cache, dout)
