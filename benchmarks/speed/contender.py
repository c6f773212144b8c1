"""What it takes to be measured."""

from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from speed.problem import Problem

Arrays: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""W1, b1, W2, b2."""


class Contender(Protocol):
    """A way to train the two-layer network and to predict with it, at the start of a problem."""

    def __init__(self, problem: Problem) -> None:
        """Hold the batch and the parameters in the form in which its users have them."""
        ...

    def steps(self, count: int) -> None:
        """Take so many steps of training on the batch, and return when they are done."""
        ...

    def loss(self) -> float | None:
        """The loss before the last step, as the contender computed it; `None` if it computes none."""
        ...

    def parameters(self) -> Arrays:
        """The parameters now."""
        ...

    def predictions(self, count: int) -> None:
        """Predict the batch so many times; each is done before the next begins."""
        ...

    def logits(self) -> NDArray[Any]:
        """What was predicted last, before any softmax that the contender may have no use for either."""
        ...
