"""An objective: the loss of a network on one batch, as a function of the parameters alone.

    f(params) = loss(network(params, x), targets)

Gradient checks differentiate it. It is a record and no closure: `numerical_gradient` can read its parts, and run only
the layers that a perturbed parameter reaches.
"""

from typing import Any, Generic, TypeVar

from attrs import field, frozen

from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import own
from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, Labels
from chainrule.encoder import Trainable, checked_network
from chainrule.loss import Loss

P = TypeVar("P")
T = TypeVar("T")


@frozen(eq=False)
class Objective(Generic[P, T]):
    """The loss of a network on one batch, a function of its parameters.

    Parameters
    ----------
    network
        A layer or an encoder.
    loss
        The loss, which compares its output with the targets.
    x
        The inputs of the batch. Arrays of them and of the targets that can be written to are copied.
    targets
        Its targets.

    Raises
    ------
    TypeError
        If the network is no `Layer` or `Encoder`, or the loss no `Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, Objective, affine, softmax_cross_entropy
    >>> f = Objective(affine, softmax_cross_entropy, np.array([[1.0, 2.0]]), np.array([2]))
    >>> print(f"{f(Affine(W=np.zeros((2, 3)), b=np.zeros(3))):.6f}")
    1.098612
    >>> f
    Objective(network=Layer(affine), loss=Loss(softmax_cross_entropy), x=f64[1, 2], targets=i64[1])
    """

    network: Trainable[P, Any]
    loss: Loss[T, Any]
    x: Array | Labels = field(repr=summary)
    targets: T = field(repr=summary)

    def __attrs_post_init__(self) -> None:
        checked_network("Objective", self.network)
        if not isinstance(self.loss, Loss):
            raise TypeError(f"Objective: loss must be a Loss, got {describe(self.loss)}")
        object.__setattr__(self, "x", own(self.x))
        object.__setattr__(self, "targets", own(self.targets))

    def __call__(self, params: P) -> Array:
        """The loss at these parameters, 0-d."""
        return self.loss.forward(self.network.forward(params, self.x)[0], self.targets)[0]
