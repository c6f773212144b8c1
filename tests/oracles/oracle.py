"""The oracle: the same functions in another library's words, and its own way to differentiate them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from attrs import field, frozen

from chainrule import Array, Labels, Targets

Function: TypeAlias = Callable[..., Any]
"""A function of arrays of the other library."""


class Pullback(Protocol):
    """Values and derivatives of a function of the other library, for NumPy arrays."""

    def __call__(
        self, function: Function, inputs: Sequence[Array], dout: Array, *constants: Array | Labels
    ) -> tuple[Array, list[Array]]:
        """`function(*inputs, *constants)`, and the derivatives of `<dout, function>` with respect to the inputs."""
        ...


@frozen
class Oracle:
    """Another library's answers."""

    name: str
    functions: dict[str, Function]
    """Subjects of the catalogue by their names: `(x, *arrays of params) -> out`."""
    cross_entropy: Function
    """`(logits, targets) -> loss`, the mean over the rows."""
    pullback: Pullback
    catalogue: dict[str, Function] = field(factory=dict[str, Function])
    """More subjects, as the catalogue itself writes them in this library: `(x or out, *arrays) -> out or loss`."""

    def loss_and_gradient(self, logits: Array, targets: Targets) -> tuple[Array, Array]:
        """The cross-entropy of the softmax of the logits, and its derivative with respect to them."""
        loss, (gradient,) = self.pullback(self.cross_entropy, [logits], np.ones((), logits.dtype), targets)
        return loss, gradient


def plus(f: Function, x: Any) -> Any:
    """`x + f(x)`."""
    return x + f(x)


def subjects(affine: Function, relu: Function, sigmoid: Function) -> dict[str, Function]:
    """The subjects of the catalogue, of the layers as another library has them."""

    def identity(x: Any) -> Any:
        return x

    def through(activation: Function) -> Function:
        def network(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
            return affine(activation(affine(x, W1, b1)), W2, b2)

        return network

    def residual(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return x + affine(sigmoid(affine(x, W1, b1)), W2, b2)

    def add(x: Any, W: Any, b: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return affine(x, W, b) + sigmoid(x) + affine(relu(affine(x, W1, b1)), W2, b2)

    def repeated(x: Any, *params: Any) -> Any:
        for W, b in zip(params[::2], params[1::2], strict=True):
            x = x + sigmoid(affine(x, W, b))
        return x

    def tied(x: Any, W: Any, b: Any) -> Any:
        return affine(affine(x, W, b), W, b)

    def multiply(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return affine(x, W1, b1) * sigmoid(x) * sigmoid(affine(x, W2, b2))

    return {
        "multiply": multiply,
        "recomputed": through(sigmoid),
        "residual": residual,
        "residual relu": partial(plus, relu),
        "add": add,
        "repeated": repeated,
        "tied": tied,
        "affine": affine,
        "relu": relu,
        "sigmoid": sigmoid,
        "sequential()": identity,
        "sequential(affine, relu, affine)": through(relu),
        "sequential(affine, sigmoid, affine)": through(sigmoid),
        "nested sequential": through(relu),
    }
