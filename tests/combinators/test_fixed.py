"""Fixed parts: they compute, let the derivative through, and stay as they are to the last bit."""

from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Embedding,
    Encoder,
    Layer,
    Objective,
    Unit,
    adam,
    adamw,
    affine,
    check_layer,
    check_network,
    embedding,
    encoded,
    fixed,
    numerical_gradient,
    relu,
    residual,
    sequential,
    sgd,
    sigmoid,
    softmax_cross_entropy,
    tied,
    training_step,
    tree,
    value_and_grad,
)
from chainrule.optimizer import State
from chainrule.parts import Constants, has_fixed, unmoved
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Embedding, Labels, affine, embedding, encoded, fixed, relu, sequential

def accepted(params: Affine, E: Embedding, x: Array, labels: Labels) -> None:
    network = sequential(fixed(affine), relu)
    assert_type(network.grads(network.forward((params, ()), x)[1], x)[0], Affine)
    tokens = encoded(fixed(embedding), affine)
    assert_type(tokens.grads(tokens.forward((E, params), labels)[1], x), tuple[Embedding, Affine])

def mistakes(params: Affine, x: Array) -> None:
    fixed(affine, params)  # rejected: the parameters are an argument of forward, as ever
    fixed(affine).forward((), x)  # rejected: it has parameters all the same
"""


def case() -> tuple[Any, Any, Array, Any]:
    rng = np.random.default_rng(0)
    network = sequential(affine, fixed(sequential(relu, affine)), residual(fixed(affine)), affine)
    a, b, c, d = (Affine(normal(rng, *sides), normal(rng, sides[1])) for sides in ((4, 3), (3, 3), (3, 3), (3, 2)))
    return network, (a, ((), b), c, d), normal(rng, 6, 4), rng.integers(0, 2, 6)


def test_gradients_are_zeros_and_the_rest_are_those_of_the_network() -> None:
    network, params, x, labels = case()
    free = sequential(affine, sequential(relu, affine), residual(affine), affine)
    loss, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    expected_loss, expected = value_and_grad(free, softmax_cross_entropy)(params, x, labels)
    assert tree.equal((loss, grads[0], grads[3]), (expected_loss, expected[0], expected[3]))
    assert not any(leaf.any() for leaf in tree.leaves((grads[1], grads[2])))


class Drift:
    """An optimizer that moves what has no gradient too."""

    def init(self, params: Any) -> Unit:
        return ()

    def step(self, state: Unit, params: Any, grads: Any) -> tuple[Any, Unit]:
        return tree.map(lambda p, g: p * 0.9 - g, params, grads), ()


def raised(grads: Any) -> Any:
    return tree.map(lambda leaf: leaf + 1, grads)


@pytest.mark.parametrize(
    "optimizer", [sgd(0.1), sgd(0.1, momentum=0.9), adam(0.1), adamw(0.1, weight_decay=0.5), Drift()]
)
@pytest.mark.parametrize("adjust", [None, raised])
def test_no_optimizer_moves_a_bit_of_them(optimizer: Any, adjust: Any) -> None:
    network, params, x, labels = case()
    step = untyped(training_step)(network, softmax_cross_entropy, optimizer, adjust=adjust)
    now, state = params, optimizer.init(params)
    for _ in range(3):
        now, state, _ = step(now, state, x, labels)
    assert tree.equal((now[1], now[2]), (params[1], params[2]))
    assert not tree.equal(now[0], params[0])
    assert not tree.equal(now[3], params[3])


def test_backward_of_what_is_fixed_is_not_run_where_no_dx_is_wanted() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x, ()

    def refuse(cache: Unit, dout: Array) -> Any:
        raise AssertionError("backward was run")

    rng = np.random.default_rng(0)
    first: Layer[Unit, Unit] = Layer(forward, refuse)
    network = sequential(fixed(first), affine)
    params = ((), Affine(normal(rng, 3, 2), normal(rng, 2)))
    value_and_grad(network, softmax_cross_entropy)(params, normal(rng, 4, 3), np.zeros(4, np.int64))


def test_an_encoder_may_be_fixed() -> None:
    rng = np.random.default_rng(0)
    network = encoded(fixed(embedding), affine)
    assert isinstance(fixed(embedding), Encoder)
    params = Embedding(normal(rng, 5, 4)), Affine(normal(rng, 4, 3), normal(rng, 3))
    tokens, labels = rng.integers(0, 5, 6), rng.integers(0, 3, 6)
    step = training_step(network, softmax_cross_entropy, adam(0.1))
    state: State[Any] = adam(0.1).init(params)
    after, _, _ = step(params, state, tokens, labels)
    assert tree.equal(after[0], params[0])
    assert check_network(network, softmax_cross_entropy, params, tokens, labels, rng=rng).ok


def test_the_checker_asks_for_zeros_and_a_numerical_gradient_does_not() -> None:
    network, params, x, labels = case()
    rng = np.random.default_rng(0)
    assert check_network(network, softmax_cross_entropy, params, x, labels, rng=rng).ok
    gradient = numerical_gradient(Objective(network, softmax_cross_entropy, x, labels), params)
    assert tree.leaves(gradient[1])[0].any()


@pytest.mark.usefixtures("without_lines_to_paste")
def test_the_checker_sees_a_fixed_layer_that_has_gradients() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Affine]:
        dx, grads = fixed(affine).backward(cache, dout)
        return dx, tree.map(lambda leaf: leaf + 1e-9, grads)

    rng = np.random.default_rng(0)
    right = fixed(affine)
    wrong = Layer(right.forward, backward, parts=right.parts)
    report = check_layer(wrong, Affine(normal(rng, 3, 2), normal(rng, 2)), normal(rng, 4, 3), rng=rng)
    assert ("derivative", "grads.W", "the part is fixed") in {(v.law, v.field, v.note) for v in report.failures}


def itself(params: Affine) -> Affine:
    return params


def keep_bias(old: Affine, new: Affine) -> Affine:
    return Affine(new.W, old.b)


def affine_without_gradient_of_b(cache: Any, dout: Array) -> tuple[Array, Affine]:
    dx, grads = affine.backward(cache, dout)
    return dx, Affine(grads.W, np.zeros_like(grads.b))


@pytest.mark.usefixtures("without_lines_to_paste")
def test_some_arrays_of_a_layer_may_be_constant() -> None:
    rng = np.random.default_rng(0)
    half = Layer(affine.forward, affine_without_gradient_of_b, parts=Constants(keep_bias), name="half")
    params, x = Affine(normal(rng, 3, 3), normal(rng, 3)), normal(rng, 4, 3)
    assert check_layer(half, params, x, rng=rng).ok
    wrong = check_layer(Layer(affine.forward, affine.backward, parts=Constants(keep_bias)), params, x, rng=rng)
    assert [(v.field, v.note) for v in wrong.failures] == [("grads.b", "the part is fixed")]
    network = sequential(half, affine)
    assert has_fixed(network)
    assert repr(network) == "Layer(sequential(half, affine))"
    optimizer = sgd(0.1)
    step = training_step(network, softmax_cross_entropy, optimizer)
    after, _, _ = step((params, params), optimizer.init((params, params)), x, np.array([0, 1, 2, 0]))
    assert tree.equal(after[0].b, params.b)
    assert not tree.equal(after[0].W, params.W)
    assert not tree.equal(after[1].b, params.b)
    with pytest.raises(ValueError, match="tied: a part of half is fixed"):
        tied(half, itself, itself)


def test_around_what_is_fixed_the_rest_of_a_residual_is_trained() -> None:
    rng = np.random.default_rng(0)
    network = residual(sequential(fixed(affine), sigmoid, affine))
    first, last = (Affine(normal(rng, 3, 3), normal(rng, 3)) for _ in range(2))
    optimizer = sgd(0.1)
    step = training_step(network, softmax_cross_entropy, optimizer)
    state = optimizer.init((first, (), last))
    after, _, _ = step((first, (), last), state, normal(rng, 4, 3), np.array([0, 1, 2, 0]))
    assert tree.equal(after[0], first)
    assert not tree.equal(after[2], last)


def test_parameters_of_more_or_fewer_layers_than_a_network_has_are_no_parameters_of_it() -> None:
    network = sequential(fixed(relu), relu)
    for old, new in ((((), ()), ((),)), (((),), ((), ()))):
        with pytest.raises(ValueError, match=r"zip\(\) argument"):
            unmoved(network, old, new)


def test_only_layers_and_encoders_can_be_fixed() -> None:
    with pytest.raises(TypeError, match="fixed: argument 1 must be a Layer or an Encoder, got Affine"):
        untyped(fixed)(Affine(np.ones((2, 2)), np.ones(2)))
