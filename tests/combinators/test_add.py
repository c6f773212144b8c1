"""Sums of layers: branches that take one input, what their sum is, and what does not fit."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Layer,
    Objective,
    Unit,
    add,
    affine,
    numerical_gradient,
    prediction,
    relu,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tree,
    value_and_grad,
)
from chainrule.parts import Fork
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, add, affine, relu, sequential, sigmoid

def accepted(params: Affine, x: Array, layers: list[Layer[Unit, object]]) -> None:
    two = add(affine, relu)
    out, caches = two.forward((params, ()), x)
    assert_type(out, Array)
    assert_type(two.backward(caches, x)[1], tuple[Affine, Unit])
    assert_type(add(affine).grads(add(affine).forward((params,), x)[1], x), tuple[Affine])
    six = add(affine, relu, affine, sigmoid, relu, sequential(affine, relu))
    given = (params, (), params, (), (), (params, ()))
    assert_type(
        six.grads(six.forward(given, x)[1], x), tuple[Affine, Unit, Affine, Unit, Unit, tuple[Affine, Unit]]
    )
    assert_type(add(relu, relu, relu, relu, relu, relu, relu), Layer[tuple[object, ...], tuple[object, ...]])
    assert_type(add(*layers), Layer[tuple[object, ...], tuple[object, ...]])

def mistakes(params: Affine, x: Array) -> None:
    add()  # rejected: a sum of nothing has no shape
    add(affine, relu).forward((params, params), x)  # rejected: ReLU has no parameters
    add(affine, relu).forward((params,), x)  # rejected: an entry is missing
    add(affine, 3)  # rejected: a number is no layer
"""


def square(rng: np.random.Generator, d: int = 3, m: int = 3) -> Affine:
    return Affine(normal(rng, d, m), normal(rng, m))


def test_branches_of_other_shapes_are_refused_with_both_and_the_branch() -> None:
    rng = np.random.default_rng(0)
    params, x = (square(rng, 3, 2), square(rng, 3, 5), square(rng, 3, 2)), np.ones((4, 3))
    message = (
        "add: the branches must give outputs of one shape and dtype, "
        "but branch 1 gives f64[4, 2] and branch 2 f64[4, 5]"
    )
    for call in (add(affine, affine, affine).forward, prediction(add(affine, affine, affine))):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}") as raised:
            call(params, x)
        assert raised.value.__notes__ == ["in branch 2 of 3"]


def test_what_a_branch_raises_says_which_it_was() -> None:
    rng = np.random.default_rng(0)
    network = sequential(relu, add(relu, sequential(affine, relu)))
    with pytest.raises(ValueError, match="affine: x has 4 features") as raised:
        network.forward(((), ((), (square(rng), ()))), np.ones((2, 4)))
    assert raised.value.__notes__ == ["in layer 1 of 2", "in branch 2 of 2", "in layer 2 of 2"]
    params = ((), ((), (square(rng), ())))
    out, caches = network.forward(params, np.ones((2, 3)))
    with pytest.raises(ValueError, match="dout has shape") as raised:
        network.backward(caches, out[:1])
    assert raised.value.__notes__[-2:] == ["in branch 2 of 2", "in layer 2 of 2"]


@pytest.mark.parametrize(
    ("records", "error", "message"),
    [
        (((),), ValueError, "add: 2 layers need 2 params, got 1"),
        ([(), ()], TypeError, "add: params must be a tuple with an entry for each layer, got list"),
    ],
)
def test_wrong_numbers_of_parameters(records: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        add(relu, sigmoid).forward(records, np.ones((2, 2)))


def test_there_is_one_branch_at_least_and_all_are_layers() -> None:
    with pytest.raises(TypeError, match="add: it needs one branch at least, got none"):
        untyped(add)()
    with pytest.raises(TypeError, match="add: argument 2 must be a Layer, got int"):
        untyped(add)(relu, 3)


def test_branches_that_return_their_input_do_not_write_to_each_other() -> None:
    """`sequential()` gives x itself: to add in place would change what the other branches see."""
    x = np.array([[-1.0, 2.0]])
    before = x.copy()
    network = sequential(relu, add(sequential(), sequential(), relu))
    out = prediction(network)(((), ((), (), ())), x)
    np.testing.assert_array_equal(out, [[0.0, 6.0]])
    np.testing.assert_array_equal(x, before)


def test_a_branch_of_somebodys_that_writes_to_nothing_joins_the_pass() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return dout, ()

    rng = np.random.default_rng(0)
    same: Layer[Unit, Unit] = Layer(forward, backward)
    ours, theirs = add(affine, sequential(), affine), add(affine, same, affine)
    params, x, labels = (square(rng), (), square(rng)), normal(rng, 4, 3), np.array([0, 1, 2, 0])
    both = [value_and_grad(network, softmax_cross_entropy)(params, x, labels) for network in (ours, theirs)]
    assert tree.equal(*both)


def test_what_the_first_branch_raises_says_so() -> None:
    rng = np.random.default_rng(0)
    layer = add(affine, relu)
    out, caches = layer.forward((square(rng), ()), np.ones((2, 3)))
    with pytest.raises(ValueError, match="affine: x has 4 features") as raised:
        layer.forward((square(rng), ()), np.ones((2, 4)))
    assert raised.value.__notes__ == ["in branch 1 of 2"]
    other = affine.forward(square(rng, 3, 2), np.ones((2, 3)))[1]
    with pytest.raises(ValueError, match="dout has shape") as raised:
        layer.backward((other, caches[1]), out)
    assert raised.value.__notes__ == ["in branch 1 of 2"]


def test_branches_of_other_dtypes_are_refused_with_both() -> None:
    def halved(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x.astype(np.float32), ()

    def refuse(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        raise AssertionError("backward was called")

    with pytest.raises(ValueError, match="add: the branches") as raised:
        add(relu, Layer(halved, refuse)).forward(((), ()), np.ones((4, 2)))
    assert str(raised.value) == (
        "add: the branches must give outputs of one shape and dtype, "
        "but branch 1 gives f64[4, 2] and branch 2 f32[4, 2]"
    )
    swapped = np.ones((4, 2), np.dtype(np.float64).newbyteorder())
    out, _ = add(sequential(), relu).forward(((), ()), swapped)  # byte order is no other dtype
    np.testing.assert_array_equal(out, np.full((4, 2), 2.0))


def test_a_complex_step_in_one_branch_meets_real_numbers_in_another() -> None:
    rng = np.random.default_rng(0)
    network, params, x = add(affine, relu), (square(rng), ()), normal(rng, 4, 3)
    f = Objective(network, softmax_cross_entropy, x, np.array([0, 1, 2, 0]))
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, np.array([0, 1, 2, 0]))
    for function in (f, f.__call__):  # with its layers in sight, and as a function of the parameters alone
        found = numerical_gradient(function, params, method="complex")
        np.testing.assert_allclose(found[0].W, grads[0].W, rtol=0, atol=1e-15)


def test_a_joint_costs_an_addition_for_each_number_and_each_branch_but_the_first() -> None:
    for layer, joints in ((add(relu), 0), (add(relu, sigmoid), 1), (add(relu, sigmoid, relu, affine), 3)):
        assert layer.operations is not None
        assert layer.operations(untyped(()), (4, 3), (4, 5)) == (joints * 20, joints * 12)


def test_the_parts_are_a_fork() -> None:
    parts = add(affine, relu).parts
    assert isinstance(parts, Fork)
    assert (parts.layers, parts.joint) == ((affine, relu), "+")
    coupled = Layer(relu.forward, relu.backward, couples_rows=True)
    assert add(affine, coupled).couples_rows
