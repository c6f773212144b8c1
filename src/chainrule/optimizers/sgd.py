"""Stochastic gradient descent: a step against the gradient.

    params <- params - rate * grads

**Derivation.** To first order a step v changes the loss by <grads, v>; among steps of one length that is smallest for v
against `grads`. The rate says how far the first order is trusted.

**To remember:** downhill, in proportion to the slope.
"""

import math
from functools import partial
from typing import TypeVar

from attrs import field, frozen

from chainrule import tree
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, Unit

P = TypeVar("P")


def _rate(rate: float) -> float:
    if isinstance(rate, str | complex) or not hasattr(rate, "__float__") or getattr(rate, "shape", ()) != ():
        raise TypeError(f"sgd: rate must be a number, got {type(rate).__name__}")
    return float(rate)  # a np.float64 would promote float32 parameters


@frozen
class Sgd:
    """Stochastic gradient descent; its state is `()`.

    Parameters
    ----------
    rate
        The learning rate, finite and >= 0.

    Raises
    ------
    ValueError
        If the rate is negative or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> from chainrule import Sgd
    >>> Sgd(rate=0.1)
    Sgd(rate=0.1)
    """

    rate: float = field(converter=_rate)

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise ValueError(f"sgd: rate must be a finite number >= 0, got {self.rate}")

    def init(self, params: object) -> Unit:
        """The state before the first step: there is none."""
        return ()

    def step(self, state: Unit, params: P, grads: P) -> tuple[P, Unit]:
        """One step: `params - rate * grads`.

        Parameters
        ----------
        state
            `()`.
        params
            A tree of arrays.
        grads
            Gradients of the same structure, shapes and dtypes.

        Returns
        -------
        tuple
            Fresh parameters, and the state `()`.

        Raises
        ------
        ValueError
            If `grads` differs from `params` in structure or in a shape.
        TypeError
            If it differs in a dtype.
        """
        return tree.map(partial(_descend, self.rate), params, grads), state


def sgd(rate: float) -> Sgd:
    """Make stochastic gradient descent with a constant rate.

    Parameters
    ----------
    rate
        The learning rate, finite and >= 0.

    Returns
    -------
    Sgd
        The optimizer.

    Raises
    ------
    ValueError
        If the rate is negative or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, sgd
    >>> params = Affine(W=np.ones((1, 2)), b=np.zeros(2))
    >>> grads = Affine(W=np.full((1, 2), 5.0), b=np.ones(2))
    >>> optimizer = sgd(0.1)
    >>> params, state = optimizer.step(optimizer.init(params), params, grads)
    >>> params.W, params.b
    (array([[0.5, 0.5]]), array([-0.1, -0.1]))
    """
    return Sgd(rate)


def _descend(rate: float, param: Array, grad: Array) -> Array:
    if grad.shape != param.shape:
        raise ValueError(f"sgd: the gradient {summary(grad)} must have the shape of its parameter {summary(param)}")
    if grad.dtype != param.dtype:
        raise TypeError(f"sgd: the gradient {summary(grad)} must have the dtype of its parameter {summary(param)}")
    stepped = grad * -rate
    stepped += param
    return read_only(stepped)
