"""The gradient of a loss with respect to the parameters: forward through the network and the loss, then back.

    loss = l(f(params, x), targets)        dL = <dout, d(out)>, with dout = l.backward(cache, 1)

All of it is one pass over the rules of the layers. The arrays between the first layer and the last belong to the pass,
and need no copies, no read-only marks and no second checks. The network's own `dx` is not computed: it would cost a
matrix product with the largest weights, and nobody reads it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a, like, remedy, two
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed, read_only
from chainrule.arrays.types import Array
from chainrule.encoder import Trainable, checked_network
from chainrule.loss import Loss
from chainrule.naming import name_of
from chainrule.rules.passes import in_pass, rule_of
from chainrule.rules.rule import Rule

P = TypeVar("P")
T = TypeVar("T")
X = TypeVar("X")


def value_and_grad(network: Trainable[P, X], loss: Loss[T, Any]) -> Callable[[P, X, T], tuple[Array, P]]:
    """Make the function that gives a loss and its gradient.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`, or an encoder.
    loss
        The loss, which compares its output with the targets.

    Returns
    -------
    Callable
        `(params, x, targets) -> (loss, grads)`: the loss as a 0-d array, and gradients of the type of `params`. It
        raises what the network and the loss raise.

    Raises
    ------
    TypeError
        If the network is no `Layer` or `Encoder`, or the loss no `Loss`.

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
    return partial(_value_and_grad, Pass.of("value_and_grad", network, loss))


@frozen(eq=False)
class Pass:
    """A network and a loss, to be run forward and back; the name is the caller's, for messages.

    The rule is the network's, and `at_once` is `(xp, out, targets, dloss) -> (loss, dout)`. In a quiet pass, NumPy is
    to warn of nothing at all; each part sees to that itself otherwise.
    """

    name: str
    network: Any
    loss: Any
    rule: Rule[Any, Any]
    at_once: Callable[[Namespace, Array, Any, Array | float], tuple[Array, Array]]
    quiet: bool

    @classmethod
    def of(cls, name: str, network: Any, loss: Any) -> "Pass":
        """Make a pass of a network and a loss; anything else is a TypeError."""
        rule: Rule[Any, Any] = rule_of(checked_network(name, network))
        if not is_a(loss, Loss):
            raise TypeError(f"{name}: loss must be a Loss, got {describe(loss)}{remedy(loss)}")
        if loss.rule is None:
            return cls(name, network, loss, rule, partial(_in_turn, loss), quiet=False)
        if rule.quiet is None:
            return cls(name, network, loss, rule, partial(_quietly, loss.rule.at_once), quiet=False)
        return cls(name, network, loss, rule.quiet, loss.rule.at_once, quiet=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the network and the loss alone: rules are closures, and are made again."""
        return Pass.of, (self.name, self.network, self.loss)

    def run(self, params: Any, x: Any, targets: Any, factor: float | None = None) -> tuple[Array, Any, bool]:
        """The loss, the gradients, and whether they are multiplied by the factor, which may ride in `dloss`."""
        xp, run = in_pass(x, params), self.through
        return xp.quietly(run, xp, params, x, targets, factor) if self.quiet else run(xp, params, x, targets, factor)

    def through(
        self, xp: Namespace, params: Any, x: Any, targets: Any, factor: float | None
    ) -> tuple[Array, Any, bool]:
        """Forward through the network and the loss, and back."""
        out, cache = self.rule.forward(xp, params, borrowed(x))
        rides = factor is not None and getattr(out.dtype, "char", "") in RIDE
        value, dout = self.at_once(xp, out, targets, factor if factor is not None and rides else 1.0)
        del out
        return value, self.rule.backward(xp, cache, dout, False)[1], rides


RIDE = ("f", "d")
"""The dtypes in which a factor may ride: in float16, and the small floats of other libraries, it would underflow."""


def _value_and_grad(both: Pass, params: Any, x: Any, targets: Any) -> tuple[Array, Any]:
    value, grads, _ = both.run(params, x, targets)
    return value, locked(grads)


def locked(grads: P) -> P:
    """The gradients of a pass, from now on read-only."""
    return tree.map(read_only, grads)


def _in_turn(
    loss: Loss[Any, Any], xp: Namespace, out: Array, targets: Any, dloss: Array | float
) -> tuple[Array, Array]:
    value, cache = two(loss.forward(borrowed(out), targets), f"{name_of(loss)} forward", "(loss, cache)")
    dout = loss.backward(cache, dloss)
    like(dout, out.shape, out.dtype, f"{name_of(loss)} backward: dout", "out")
    return value, borrowed(dout)


def _quietly(
    at_once: Callable[..., tuple[Array, Array]], xp: Namespace, out: Array, targets: Any, dloss: Array | float
) -> tuple[Array, Array]:
    """A loss with a rule, behind a network that NumPy may warn of."""
    return xp.quietly(at_once, xp, out, targets, dloss)
