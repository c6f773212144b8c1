"""A layer is called what its module calls it, or what its function is called."""

from collections.abc import Callable
from functools import partial

import numpy as np

from chainrule import Array, Layer, Loss, Objective, Unit, affine, relu, sequential, sigmoid, softmax_cross_entropy
from chainrule.naming import name_of


def forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    return dout, ()


def swish_forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def _scaled(rate: float, name: str, mask: Array, params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def leaky(rate: float) -> Layer[Unit, Array]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return rate * x, x

    return Layer(forward, backward)


class Tanh:
    def forward(self, params: Unit, x: Array) -> tuple[Array, Array]:
        return x, x


class Functor:
    def __call__(self, params: Unit, x: Array) -> tuple[Array, Array]:
        return x, x


identity = Layer(forward, backward)
_hidden = Layer(swish_forward, backward)


def test_the_librarys_own() -> None:
    assert [name_of(each) for each in (affine, relu, sigmoid)] == ["affine", "relu", "sigmoid"]
    assert name_of(softmax_cross_entropy) == "softmax_cross_entropy"
    assert name_of(sequential(affine)) == "sequential"


def test_a_name_in_the_functions_module_comes_first() -> None:
    assert name_of(identity) == "identity"
    assert name_of(_hidden) == "swish"


def test_functions_name_layers_that_nobody_named() -> None:
    assert name_of(Layer(forward, backward, couples_rows=True)) == "identity"  # the same forward
    assert name_of(leaky(0.1)) == "leaky"
    assert name_of(Layer(Tanh().forward, backward)) == "Tanh"
    assert name_of(Layer(Functor(), backward)) == "Functor"
    assert name_of(Layer(lambda params, x: (x, x), backward)) == "test_functions_name_layers_that_nobody_named"
    loss: Loss[Array, Array] = Loss(lambda out, t: (out, out), lambda c, d: c, lambda out, t: out)
    assert name_of(loss).startswith("test_functions")


class Defining:
    """A layer in whose module more is defined whenever its function is asked for."""

    @property
    def forward(self) -> Callable[..., object]:
        globals()[f"defined_{len(globals())}"] = None
        return elsewhere


def elsewhere(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


_unnamed, defining = Defining(), Defining()


def test_more_may_be_defined_while_a_name_is_looked_for() -> None:
    assert name_of(Defining()) == "defining"


def test_options_stand_in_brackets_if_they_are_short() -> None:
    bound = partial(partial(_scaled, 0.5), mask=np.ones(3), name="a")
    assert name_of(Layer(bound, backward)) == "scaled(0.5, name='a')"


def test_layers_losses_and_objectives_print_names_and_shapes() -> None:
    network = sequential(affine, sequential(relu, affine))
    assert repr(network) == "Layer(sequential(affine, sequential(relu, affine)))"
    assert repr(softmax_cross_entropy) == "Loss(softmax_cross_entropy)"
    objective = Objective(network, softmax_cross_entropy, np.ones((3, 2)), np.arange(3))
    assert repr(objective) == f"Objective(network={network}, loss={softmax_cross_entropy}, x=f64[3, 2], targets=i64[3])"
