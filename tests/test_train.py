"""A training step: what it gives, and by which of its two ways."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    Array,
    Layer,
    Loss,
    Optimizer,
    Sgd,
    Unit,
    affine,
    prediction,
    read_only,
    relu,
    sequential,
    sgd,
    sigmoid,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.arrays.records import unchecked
from chainrule.layer import Bare
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped
from watched import three, watched

FORWARD = [f"{i} forward" for i in range(3)]
PLAIN = [*FORWARD, "2 backward", "1 backward", "0 grads"]
BARE = ["0 bare", "1 bare", "2 bare", "2 bare back and dx", "1 bare back and dx", "0 bare back"]


@frozen
class Momentum:
    """An optimizer with a state: the sum of all gradients so far."""

    def init(self, params: Any) -> Any:
        return tree.map(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        state = tree.map(np.add, state, grads)
        return tree.map(np.subtract, params, state), state


def problem(rng: np.random.Generator, n: int, dtype: Floating = np.float64) -> tuple[Any, Array, Any]:
    d, h, k = rng.integers(1, 6, 3)
    params = (
        Affine(normal(rng, d, h, dtype=dtype), normal(rng, h, dtype=dtype)),
        (),
        Affine(normal(rng, h, k, dtype=dtype), normal(rng, k, dtype=dtype)),
    )
    return params, normal(rng, n, d, dtype=dtype), rng.integers(0, k, n)


def by_hand(network: Any, optimizer: Any, params: Any, state: Any, x: Array, targets: Any) -> tuple[Any, Any, Array]:
    loss, grads = value_and_grad(network, softmax_cross_entropy)(params, x, targets)
    params, state = optimizer.step(state, params, grads)
    return params, state, loss


@given(rng=generators, n=sides, dtype=all_dtypes, rate=st.floats(0, 4), middle=st.sampled_from([relu, sigmoid]))
def test_a_step_is_value_and_grad_and_the_optimizers_step(
    rng: np.random.Generator, n: int, dtype: Floating, rate: float, middle: Layer[Unit, Any]
) -> None:
    params, x, labels = problem(rng, n, dtype)
    before = tree.map(np.copy, (params, x))
    network, optimizer = sequential(affine, middle, affine), sgd(rate)
    one_hot = np.eye(params[2].b.size, dtype=dtype)[labels]
    for targets in (labels, one_hot):
        stepped, state, loss = training_step(network, softmax_cross_entropy, optimizer)(params, (), x, targets)
        expected, _, expected_loss = by_hand(network, optimizer, params, (), x, targets)
        assert state == ()
        assert tree.equal(loss, expected_loss)
        eps = float(np.finfo(dtype).eps)
        for got, leaf in zip(tree.leaves(stepped), tree.leaves(expected), strict=True):
            assert got.dtype == dtype
            # The rate is multiplied elsewhere: roundings in sums of at most 6 products of numbers of size 1 to 10.
            np.testing.assert_allclose(got, leaf, rtol=64 * eps, atol=64 * eps)
    assert tree.equal(before, (params, x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_descent_runs_the_bare_arithmetic_and_nothing_else(dtype: Floating) -> None:
    calls: list[str] = []
    step = training_step(three(calls), softmax_cross_entropy, sgd(0.1))
    params, x, labels = problem(np.random.default_rng(0), 4, dtype)
    stepped, _, _ = step(params, (), x, labels)
    assert calls == BARE  # the first layer is not asked for dx
    assert not any(np.shares_memory(new, old) for new in tree.leaves(stepped) for old in (*tree.leaves(params), x))
    assert not any(leaf.flags.writeable for leaf in tree.leaves(stepped))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_dtypes_go_forward_and_backward(dtype: Floating) -> None:
    calls: list[str] = []
    network, optimizer = three(calls), sgd(0.1)
    params, x, labels = problem(np.random.default_rng(0), 4, dtype)
    result = training_step(network, softmax_cross_entropy, optimizer)(params, (), x, labels)
    assert calls == PLAIN
    assert tree.equal(untyped(result), by_hand(network, optimizer, params, (), x, labels))


def test_other_optimizers_get_gradients_and_their_state() -> None:
    calls: list[str] = []
    network, optimizer = three(calls), Momentum()
    typed: Optimizer[Any, Any] = optimizer
    step = training_step(network, softmax_cross_entropy, typed)
    params, x, labels = problem(np.random.default_rng(0), 4)
    once = step(params, optimizer.init(params), x, labels)
    assert calls == PLAIN
    twice = step(once[0], once[1], x, labels)
    expected = by_hand(network, optimizer, params, optimizer.init(params), x, labels)
    assert tree.equal(untyped(once), expected)
    assert tree.equal(untyped(twice), by_hand(network, optimizer, expected[0], expected[1], x, labels))


def test_one_layer_without_bare_arithmetic_is_enough_for_the_plain_step() -> None:
    calls: list[str] = []
    own: Layer[Unit, Any] = Layer(relu.forward, relu.backward)
    network = sequential(watched("0", affine, calls), own, watched("2", affine, calls))
    params, x, labels = problem(np.random.default_rng(0), 4)
    result = training_step(network, softmax_cross_entropy, sgd(0.1))(params, (), x, labels)
    assert calls == [call for call in PLAIN if call[0] != "1"]
    assert tree.equal(untyped(result), by_hand(network, sgd(0.1), params, (), x, labels))


def test_bare_arithmetic_may_raise_anything() -> None:
    def refuse(*_: object) -> Any:
        raise ZeroDivisionError

    params, x, labels = problem(np.random.default_rng(0), 4)
    assert relu.bare is not None
    for bare in (Bare(refuse, relu.bare.backward), Bare(relu.bare.forward, refuse)):
        network = sequential(affine, Layer(relu.forward, relu.backward, bare=bare), affine)
        result = training_step(network, softmax_cross_entropy, sgd(0.1))(params, (), x, labels)
        assert tree.equal(untyped(result), by_hand(network, sgd(0.1), params, (), x, labels))


def test_what_does_not_fit_is_refused_as_by_the_plain_step() -> None:
    params, x, t = two_layer.init(np.random.default_rng(0), 4, 3, 2), np.ones((5, 4), np.float32), np.array([0] * 5)
    in_double = tree.map(lambda leaf: leaf.astype(np.float64), params)
    wrong: list[tuple[Any, Any, Any]] = [
        (params, x.astype(np.float64), t),
        (in_double, x, t),
        (params, x[0], t),
        (params, x[:, :3], t),
        (params, x[None], t),
        (params, x.astype(int), t),
        (params, x.tolist(), t),
        (params[:2], x, t),
        ((*params, ()), x, t),
        (list(params), x, t),
        ((params[0], (), params[0]), x, t),
        ((params[0], (1,), params[2]), x, t),
        (params, x, t[:4]),
        (params, x, t + 2),
        (params, x, t - 1),
        (params, x, t.tolist()),
        (params, x[:0], t[:0]),
    ]
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(0.1))
    for arguments in wrong:
        with pytest.raises((TypeError, ValueError)) as expected:
            by_hand(two_layer.network, sgd(0.1), arguments[0], (), *arguments[1:])
        with pytest.raises(type(expected.value)) as got:
            step(arguments[0], (), *arguments[1:])
        assert str(got.value) == str(expected.value)
        assert getattr(got.value, "__notes__", []) == getattr(expected.value, "__notes__", [])


@frozen
class Halved(Sgd):
    """Descent that halves the gradients first."""

    def step(self, state: Unit, params: Any, grads: Any) -> tuple[Any, Unit]:
        return super().step(state, params, tree.map(lambda grad: read_only(grad / 2), grads))


def test_an_optimizer_made_from_sgd_keeps_its_own_step() -> None:
    params, x, labels = problem(np.random.default_rng(0), 5)
    network = sequential(affine, relu, affine)
    halved = training_step(network, softmax_cross_entropy, Halved(1.0))(params, (), x, labels)
    assert tree.equal(halved[0], by_hand(network, Halved(1.0), params, (), x, labels)[0])


def squares(logits: Array, targets: Array) -> Array:
    losses: Array = ((logits - targets) ** 2).sum(axis=1)
    return losses


def test_a_loss_that_promotes_is_refused_as_by_the_plain_step() -> None:
    def forward(logits: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(squares(logits, targets).mean()), logits - targets

    def backward(cache: Array, dloss: Array | float) -> Array:
        dout: Array = (2 * cache * dloss / len(cache)).astype(cache.dtype)
        return dout

    params, x = Affine(np.ones((4, 3), np.float32), np.zeros(3, np.float32)), np.ones((6, 4), np.float32)
    step = training_step(affine, Loss(forward, backward, squares), sgd(0.1))
    targets = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    with pytest.raises(TypeError, match=r"affine backward: dout is float64, expected float32"):
        step(params, (), x, targets)
    with pytest.raises(TypeError, match=r"affine backward: dout must be a plain array, got MaskedArray"):
        step(params, (), x, np.ma.masked_array(targets.astype(np.float32)))
    moved, _, _ = step(params, (), x, targets.astype(np.float32))
    assert moved.W.dtype == np.float32


def test_parameters_of_another_library_are_refused_as_by_the_plain_step() -> None:
    strict: Any = import_module("array_api_strict")
    params, x, labels = problem(np.random.default_rng(0), 5)
    others = tree.map(strict.asarray, params)
    network = sequential(affine, relu, affine)
    for f in (
        lambda: training_step(network, softmax_cross_entropy, sgd(0.1))(others, (), x, labels),
        lambda: prediction(network)(others, x),
    ):
        with pytest.raises(TypeError, match=r"x is an array of numpy but the parameters are of array_api_strict"):
            f()


def test_what_fails_is_told_once() -> None:
    params, x, labels = problem(np.random.default_rng(0), 5)
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(0.1))
    with pytest.raises(ValueError, match=r"affine: x has") as caught:
        step(params, (), np.ones((5, len(x.T) + 1)), labels)
    assert caught.value.__context__ is None


def test_what_is_no_optimizer_is_refused() -> None:
    class Stepper:
        def step(self, state: Any, params: Any, grads: Any) -> Any: ...

    for wrong, name in ((0.1, "float"), (Stepper(), "Stepper")):
        with pytest.raises(TypeError, match=rf"training_step: optimizer must have init and step, .*, got {name}"):
            training_step(affine, softmax_cross_entropy, untyped(wrong))


@frozen(eq=False)
class LookAlike:
    """What has the fields of an `Affine`, and is none."""

    W: Array
    b: Array


def test_parameters_that_were_not_checked_are_refused_as_by_the_plain_step() -> None:
    params = Affine(np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    x, labels = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])
    step = training_step(affine, softmax_cross_entropy, sgd(0.1))
    with pytest.raises(TypeError, match=r"affine: params must be Affine, got LookAlike"):
        step(untyped(LookAlike(params.W, params.b)), (), x, labels)
    make = unchecked(Affine)  # without the checks of the constructor
    with pytest.raises(ValueError, match=r"sgd: the gradient f32\[3\] must have the shape of its parameter f32\[1\]"):
        step(make(params.W, read_only(np.zeros(1, np.float32))), (), x, labels)
    with pytest.raises(TypeError, match=r"sgd: the gradient .* must have the dtype of its parameter f64\[3\]"):
        step(make(params.W, read_only(np.zeros(3))), (), x, labels)
