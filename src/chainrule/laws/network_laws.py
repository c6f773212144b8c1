"""The law of a network with its loss: that the gradient which training follows is that of the loss."""

from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.array import Array
from chainrule.gradient import value_and_grad
from chainrule.laws.copies import in_float64
from chainrule.laws.layer_laws import right
from chainrule.laws.oracle import BOUNDS, best_method
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.numeric import numerical_gradient
from chainrule.objective import Objective
from chainrule.verdict import Verdict

P = TypeVar("P")
T = TypeVar("T")


def network_gradient(
    network: Layer[P, Any], loss: Loss[T, Any], params: P, x: Array, targets: T, rng: np.random.Generator
) -> list[Verdict]:
    """`value_and_grad(network, loss)` gives the gradient of the loss by every parameter.

    Computed in float64 on copies: by complex step where network and loss are analytic, by central differences
    elsewhere.

    Parameters
    ----------
    network, loss, params, x, targets
        The network with its loss, and what to run them on.
    rng
        Where the direction comes from that tells which.

    Returns
    -------
    list[Verdict]
        For each array of the gradient.
    """
    params, x, targets = in_float64(params), in_float64(x), in_float64(targets)
    objective = Objective(network, loss, x, targets)
    _, grads = value_and_grad(network, loss)(params, x, targets)
    method = best_method(objective, params, rng)
    expected = numerical_gradient(objective, params, method=method)
    return [
        right("network_gradient", f"grads{path}", got, exact, got.size, *BOUNDS[method], rows=len(x))
        for (path, exact), got in zip(tree.named_leaves(expected), tree.leaves(grads), strict=True)
    ]
