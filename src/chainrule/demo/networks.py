"""The demo's networks: two affine layers, with one of these between them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import two_layer
from chainrule.combinators.sequential import sequential
from chainrule.layer import Layer
from chainrule.layers.activations.sigmoid import sigmoid
from chainrule.layers.affine import Affine, affine
from chainrule.two_layer import Params

Network: TypeAlias = Layer[Params, Any]


@frozen(eq=False)
class Choice:
    """A network of affine, activation and affine, and how its weights begin.

    `std` is that of the first weights; None for one over the root of a layer's inputs.
    """

    network: Network
    std: float | None

    def init(self, rng: np.random.Generator, n_in: int, n_hidden: int, n_out: int) -> Params:
        """Draw parameters as `two_layer.init` does, with this standard deviation."""
        first = Affine.init(rng, n_in, n_hidden, std=self.std)
        return first, (), Affine.init(rng, n_hidden, n_out, std=self.std)


NETWORKS: Mapping[str, Choice] = {
    "relu": Choice(two_layer.network, std=0.01),
    # Sigmoids that all begin alike tell units apart slowly: thousands of steps in place of hundreds.
    "sigmoid": Choice(sequential(affine, sigmoid, affine), std=None),
}
"""The activations that a user can ask for."""
