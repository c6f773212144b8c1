"""The gradient check of the demo: every entry of every gradient, against two methods that use values alone.

It is done in float64, where differences are good for nine digits and the complex step for fifteen.
"""

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.types import Array, Labels
from chainrule.checking.numerical_gradient import Method, numerical_gradient
from chainrule.checking.verdict import Verdict, compare
from chainrule.demo.networks import Network
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
from chainrule.training.gradient import value_and_grad
from chainrule.training.objective import Objective
from chainrule.two_layer import Params

NAMES = ("W1", "b1", "W2", "b2")

BOUNDS: tuple[tuple[Method, float], ...] = (("central", 1e-7), ("complex", 1e-12))
"""The methods, and the largest error that each may show, relative to the largest entry of the array."""

SEEN = 2e-10
"""The smallest relative change in the loss that differences can tell from rounding, which was measured as 4e-11."""


@frozen(eq=False)
class Finding:
    """The result of one method for the gradient with respect to one array.

    The law of the verdict is the method. `kinks` entries stand at a kink, where there is no derivative to compare with.
    """

    verdict: Verdict
    shape: tuple[int, ...]
    kinks: int


def check(network: Network, params: Params, x: Array, labels: Labels) -> list[Finding]:
    """Compare the gradient from backpropagation with central differences and with the complex step.

    For each method, there is a finding for each array of the parameters.
    """
    x, params = x.astype(np.float64), tree.map(lambda leaf: leaf.astype(np.float64), params)
    loss, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    objective = Objective(network, softmax_cross_entropy, x, labels)
    return [
        _finding(method, bound, name, got, expected, float(loss))
        for method, bound in BOUNDS
        for name, got, expected in zip(
            NAMES,
            tree.leaves(grads),
            tree.leaves(numerical_gradient(objective, params, method=method)),
            strict=True,
        )
    ]


def _finding(method: Method, bound: float, name: str, got: Array, expected: Array, loss: float) -> Finding:
    unknown = np.isnan(expected)
    if method == "complex":
        verdict = compare(method, name, got, expected, bound)
        # It has a value at kinks too: nan is no excuse.
        return Finding(evolve(verdict, ok=verdict.ok and not unknown.any()), got.shape, kinks=0)
    largest = float(np.max(np.abs(expected), where=~unknown, initial=0.0))
    if largest > 0:
        bound = max(bound, SEEN * loss / largest)
    return Finding(compare(method, name, got, expected, bound), got.shape, kinks=int(unknown.sum()))
