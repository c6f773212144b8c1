"""A training step: the gradient of a loss and an optimizer's step along it, in one pass."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from attrs import asdict, frozen
from hypothesis import given
from hypothesis import strategies as st

from catalogue import is_bias
from chainrule import (
    Affine,
    Array,
    Embedding,
    Layer,
    Loss,
    Optimizer,
    Unit,
    adagrad,
    adam,
    adamw,
    affine,
    clip_by_global_norm,
    dropout,
    embedding,
    encoded,
    layer_norm,
    lion,
    own,
    prediction,
    read_only,
    record,
    relu,
    rmsprop,
    rules,
    schedules,
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
from chainrule.rules.optimizers import ArrayOptimizer
from strategies import Floating, all_dtypes, dtypes, generators, normal, sides
from untyped import untyped


@frozen
class Momentum:
    """Somebody's optimizer: its state is the sum of all gradients so far."""

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


def gradient(network: Any, params: Any, x: Array, targets: Any) -> tuple[Array, Any]:
    """The loss and its gradient, from the public pairs."""
    out, caches = network.forward(params, x)
    loss, cache = softmax_cross_entropy.forward(out, targets)
    return loss, network.grads(caches, softmax_cross_entropy.backward(cache, 1.0))


def by_hand(network: Any, optimizer: Any, params: Any, state: Any, x: Array, targets: Any) -> tuple[Any, Any, Array]:
    loss, grads = gradient(network, params, x, targets)
    params, state = optimizer.step(state, params, grads)
    return params, state, loss


@given(rng=generators, n=sides, dtype=all_dtypes, rate=st.floats(0, 4), middle=st.sampled_from([relu, sigmoid]))
def test_a_step_is_the_gradient_and_the_optimizers_step(
    rng: np.random.Generator, n: int, dtype: Floating, rate: float, middle: Layer[Unit, Any]
) -> None:
    params, x, labels = problem(rng, n, dtype)
    before = tree.map(np.copy, (params, x))
    network, optimizer = sequential(affine, middle, affine), sgd(rate)
    state = optimizer.init(params)
    one_hot = np.eye(params[2].b.size, dtype=dtype)[labels]
    for targets in (labels, one_hot):
        stepped, after, loss = training_step(network, softmax_cross_entropy, optimizer)(params, state, x, targets)
        expected, expected_state, expected_loss = by_hand(network, optimizer, params, state, x, targets)
        assert tree.equal((after, loss), (expected_state, expected_loss))
        eps = float(np.finfo(dtype).eps)
        for got, leaf in zip(tree.leaves(stepped), tree.leaves(expected), strict=True):
            assert got.dtype == dtype
            # The rate is multiplied elsewhere: roundings in sums of at most 6 products of numbers of size 1 to 10.
            np.testing.assert_allclose(got, leaf, rtol=64 * eps, atol=64 * eps)
    assert tree.equal(before, (params, x))


def signs(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
    return xp.plus(-rate * xp.sign(grad), param), ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rate", [2.0**-30, 0.5, 2.0**10])
def test_a_step_goes_against_the_gradient(rate: float, dtype: Floating) -> None:
    params = two_layer.init(np.random.default_rng(0), 4, 3, 2, std=1.0, dtype=dtype)
    x, labels = normal(np.random.default_rng(1), 5, 4, dtype=dtype), np.array([0, 1, 1, 0, 1])
    _, grads = gradient(two_layer.network, params, x, labels)
    for optimizer, slopes in ((sgd(rate), grads), (rules.optimizer("signs", signs, rate), tree.map(np.sign, grads))):
        state = optimizer.init(params)
        stepped, _, _ = training_step(two_layer.network, softmax_cross_entropy, optimizer)(params, state, x, labels)
        for new, old, slope in zip(*map(tree.leaves, (stepped, params, slopes)), strict=True):
            assert new.dtype == dtype
            assert not new.flags.writeable
            eps = float(np.finfo(dtype).eps)  # for some roundings of the largest term
            np.testing.assert_allclose(new, old - dtype(rate) * slope, rtol=0, atol=8 * eps * max(1, rate))


def test_in_a_step_the_optimizer_may_write_to_the_gradients() -> None:
    mine: list[bool] = []

    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        mine.append(xp.mine(grad))
        return xp.plus(grad, param), moments

    params, x, labels = problem(np.random.default_rng(0), 4)
    for moments in (0, 1):
        optimizer = rules.optimizer("writes", update, 0.5, moments=moments)
        state = optimizer.init(params)
        training_step(sequential(affine, relu, affine), softmax_cross_entropy, optimizer)(params, state, x, labels)
    assert mine == [True] * 8


@frozen(eq=False)
@record
class Shifts:
    """Two rows, one of them in a record of its own."""

    first: Array
    rest: Any


@pytest.mark.parametrize("optimizer", [sgd(0.5), sgd(0.5, momentum=0.5), adam(0.5)], ids=repr)
def test_records_in_records_are_stepped_and_nobody_can_write_to_what_a_gradient_was_a_view_of(optimizer: Any) -> None:
    make = rules.unchecked(Shifts)

    def forward(xp: rules.Namespace, params: Shifts, x: Array) -> tuple[Array, Unit]:
        return x + params.first + params.rest.first, ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array | None, Shifts]:
        both = np.stack([dout.sum(axis=0), 2 * dout.sum(axis=0)])
        return None, make(both[0], make(both[1], ()))

    layer = rules.layer("shifts", Shifts, forward, backward)
    params = Shifts(np.ones(3), Shifts(np.zeros(3), ()))
    x, labels, state = np.eye(3), np.array([0, 1, 1]), optimizer.init(params)
    for _ in range(2):
        out, cache = layer.forward(params, x)
        slopes = softmax_cross_entropy.backward(softmax_cross_entropy.forward(out, labels)[1], 1.0)
        expected, _ = optimizer.step(state, params, layer.grads(cache, slopes))
        params, state, _ = training_step(layer, softmax_cross_entropy, optimizer)(params, state, x, labels)
        for got, leaf in zip(tree.leaves(params), tree.leaves(expected), strict=True):
            np.testing.assert_allclose(got, leaf, rtol=0, atol=1e-15)  # of numbers of size 1, a rounding or two
            assert own(got) is got  # constant down to its base


def test_a_step_is_taken_in_the_records_of_the_gradients() -> None:
    make, made = rules.unchecked(Shifts), list[Shifts]()

    def forward(xp: rules.Namespace, params: Shifts, x: Array) -> tuple[Array, Unit]:
        return x + params.first + params.rest, ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array | None, Shifts]:
        made.append(make(xp.sum_rows(dout), xp.sum_rows(dout)))
        return dout if wants_dx else None, made[-1]

    layer = rules.layer("shifts", Shifts, forward, backward)
    network = sequential(layer, sequential(layer))
    params = Shifts(np.ones(3), np.zeros(3)), (Shifts(np.ones(3), np.zeros(3)),)
    step, state = training_step(network, softmax_cross_entropy, sgd(0.5)), sgd(0.5).init(params)
    (first, (second,)), _, _ = step(params, state, np.eye(3), np.array([0, 1, 1]))
    assert first is made[1]
    assert second is made[0]
    assert not any(leaf.flags.writeable for leaf in tree.leaves((first, second)))


def waning(count: Any) -> Any:
    return 0.5 / (count + 1)


EXACT = [
    sgd(0.1, momentum=0.9),
    sgd(0.1, momentum=0.9, nesterov=True),
    sgd(waning, momentum=0.5),
    adam(0.01),
    adam(waning),
    adamw(0.01, weight_decay=0.5),
    adamw(waning, decays=is_bias),
    rmsprop(0.01),
    adagrad(0.1),
    lion(0.01, weight_decay=0.5),
    Momentum(),
]


@pytest.mark.parametrize("optimizer", EXACT, ids=repr)
@given(rng=generators, n=sides, dtype=dtypes)
def test_steps_with_moments_are_the_optimizers_own_to_the_last_bit(
    optimizer: Any, rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    params, x, labels = problem(rng, n, dtype)
    network = sequential(affine, relu, affine)
    step = training_step(network, softmax_cross_entropy, optimizer)
    expected = got = params, optimizer.init(params), np.zeros((), dtype)
    for _ in range(3):
        got = step(got[0], got[1], x, labels)
        expected = by_hand(network, optimizer, expected[0], expected[1], x, labels)
        assert tree.equal(got, expected)


@pytest.mark.parametrize("rate", [1e-9, 1e9])
def test_a_rate_far_from_1_is_multiplied_where_it_cannot_underflow(rate: float) -> None:
    params, x, labels = problem(np.random.default_rng(0), 4)
    network, optimizer = sequential(affine, relu, affine), sgd(rate)
    state = optimizer.init(params)
    step = training_step(network, softmax_cross_entropy, optimizer)
    assert tree.equal(step(params, state, x, labels), by_hand(network, optimizer, params, state, x, labels))


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("optimizer", [sgd(0.1), *EXACT[:-1]], ids=repr)
def test_what_a_step_returns_is_fresh_and_read_only(optimizer: ArrayOptimizer, n: int) -> None:
    params, x, labels = problem(np.random.default_rng(0), n)
    state = optimizer.init(params)
    result = training_step(sequential(affine, relu, affine), softmax_cross_entropy, optimizer)(params, state, x, labels)
    given_ = [*tree.leaves(params), *tree.leaves(state), x]
    assert not any(np.shares_memory(new, old) for new in tree.leaves(result) for old in given_)
    assert not any(leaf.flags.writeable for leaf in tree.leaves(result))
    moved: Any = tree.leaves(result)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(moved) for b in moved[:i])


def test_an_optimizer_that_anybody_wrote_gets_gradients_that_it_cannot_write_to() -> None:
    class Greedy(Momentum):
        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            assert not any(leaf.flags.writeable for leaf in tree.leaves(grads))
            return super().step(state, params, grads)

    greedy: Optimizer[Any, Any] = Greedy()
    params, x, labels = problem(np.random.default_rng(0), 1)
    network, state = sequential(affine, relu, affine), greedy.init(params)
    result = training_step(network, softmax_cross_entropy, greedy)(params, state, x, labels)
    assert tree.equal(result, by_hand(network, Momentum(), params, state, x, labels))


@pytest.mark.parametrize("optimizer", [sgd(0.1), *EXACT], ids=repr)
def test_gradients_are_adjusted_before_the_optimizer_sees_them(optimizer: Any) -> None:
    def halved(grads: Any) -> Any:
        assert not any(leaf.flags.writeable for leaf in tree.leaves(grads))
        return tree.map(lambda leaf: leaf / 2, grads)

    params, x, labels = problem(np.random.default_rng(0), 4)
    network, state = sequential(affine, relu, affine), optimizer.init(params)
    loss, grads = gradient(network, params, x, labels)
    expected = (*optimizer.step(state, params, halved(grads)), loss)
    adjusted = training_step(network, softmax_cross_entropy, optimizer, adjust=halved)
    assert tree.equal(adjusted(params, state, x, labels), expected)


def test_what_adjust_returns_is_left_as_it_is() -> None:
    kept: list[Any] = []

    def remembered(grads: Any) -> Any:
        kept.append(tree.map(np.copy, grads))
        return kept[-1]

    params, x, labels = problem(np.random.default_rng(0), 4)
    network = sequential(affine, relu, affine)
    for optimizer in (sgd(0.1), sgd(0.1, momentum=0.9), adam(0.1)):
        step = training_step(network, softmax_cross_entropy, optimizer, adjust=remembered)
        step(params, optimizer.init(params), x, labels)
        assert tree.equal(kept[-1], gradient(network, params, x, labels)[1])


@pytest.mark.parametrize("optimizer", [sgd(0.1), rules.optimizer("sum", None, 0.1)], ids=repr)
def test_a_writable_array_that_adjust_returns_is_left_as_it_is(optimizer: Any) -> None:
    kept: list[Array] = []

    def remembered(grads: Array) -> Array:
        kept.append(np.ones_like(grads))
        return kept[-1]

    def forward(params: Array, x: Array) -> tuple[Array, Unit]:
        return x + params, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Array]:
        return dout, dout.sum(axis=0)

    params, state = np.zeros(2), optimizer.init(np.zeros(2))
    shift: Layer[Array, Unit] = Layer(forward, backward)
    step = training_step(shift, softmax_cross_entropy, optimizer, adjust=remembered)
    new, _, _ = step(params, state, np.ones((3, 2)), np.array([0, 1, 1]))
    assert (kept[0].tolist(), kept[0].flags.writeable) == ([1, 1], True)
    assert not np.shares_memory(new, kept[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: training_step(affine, softmax_cross_entropy, sgd(0.1), adjust=untyped(1.0)),
            "training_step: adjust must be a function of the gradients, got float",
        ),
        (
            lambda: untyped(training_step)(3, softmax_cross_entropy, sgd(0.1)),
            "training_step: network must be a Layer or an Encoder, got int",
        ),
        (
            lambda: training_step(affine, untyped(affine), sgd(0.1)),
            "training_step: loss must be a Loss, got Layer",
        ),
    ],
)
def test_what_no_step_can_be_made_of_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_function_of_a_seed_takes_the_seed_last() -> None:
    def scaled(seed: int) -> Layer[tuple[Affine, Unit], Any]:
        def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
            return seed * x, ()

        def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
            return seed * dout, ()

        return sequential(affine, Layer(forward, backward))

    rng, optimizer = np.random.default_rng(0), sgd(0.1)
    params, x, labels = (Affine(normal(rng, 4, 3), normal(rng, 3)), ()), normal(rng, 5, 4), np.array([0, 1, 2, 0, 1])
    state = optimizer.init(params)
    step = training_step(scaled, softmax_cross_entropy, optimizer)
    for seed in (1, 3):
        expected = training_step(scaled(seed), softmax_cross_entropy, optimizer)(params, state, x, labels)
        assert tree.equal(step(params, state, x, labels, seed), expected)
    refused = r"must be a Layer or an Encoder, got function"
    with pytest.raises(TypeError, match=refused):
        untyped(prediction)(scaled)

    def twice_of_a_seed(seed: int) -> Any:
        return scaled

    with pytest.raises(TypeError, match=refused):
        untyped(training_step)(twice_of_a_seed, softmax_cross_entropy, optimizer)(params, state, x, labels, 1)


@pytest.mark.parametrize(
    ("of_a_seed", "count", "words"),
    [
        (
            True,
            4,
            r"step\(params, state, x, targets, seed\) takes 5 arguments, got 4: the network is a function of a seed",
        ),
        (
            True,
            6,
            r"step\(params, state, x, targets, seed\) takes 5 arguments, got 6: the network is a function of a seed",
        ),
        (False, 5, r"step\(params, state, x, targets\) takes 4 arguments, got 5$"),
        (False, 0, r"step\(params, state, x, targets\) takes 4 arguments, got 0$"),
    ],
)
@pytest.mark.parametrize("optimizer", [sgd(0.1), SimpleNamespace(init=adam(0.1).init, step=adam(0.1).step)])
def test_a_step_with_too_few_or_too_many_arguments_says_which_it_takes(
    of_a_seed: bool, count: int, words: str, optimizer: Any
) -> None:
    network: Any = partial(dropout, 0.5) if of_a_seed else affine
    step = untyped(training_step)(network, softmax_cross_entropy, optimizer)
    with pytest.raises(TypeError, match=words):
        step(*range(count))


def test_a_step_takes_its_arguments_by_name() -> None:
    params, x, labels = Affine(np.ones((4, 3)), np.zeros(3)), np.ones((2, 4)), np.array([0, 2])
    optimizer = sgd(0.1)
    step: Any = training_step(affine, softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    named = step(params=params, state=state, x=x, targets=labels)
    assert tree.equal(named, step(params, state, x, labels))


def test_what_makes_a_layer_is_not_taken_for_a_function_of_a_seed() -> None:
    with pytest.raises(TypeError, match=r"training_step: network must be .*: call it first, as layer_norm\(\.\.\.\)"):
        untyped(training_step)(layer_norm, softmax_cross_entropy, sgd(0.1))


@pytest.mark.parametrize("params", [None, "abc", 3])
@pytest.mark.parametrize("optimizer", [sgd(0.1), adam(0.1), adamw(0.1), lion(0.1)])
def test_a_state_is_made_of_parameters_alone(params: Any, optimizer: Any) -> None:
    with pytest.raises(TypeError, match=r"params must be arrays, in tuples and records, got (NoneType|str|int)"):
        optimizer.init(params)
    assert optimizer.init(()).count == 0


def test_a_function_of_a_seed_may_return_an_encoder_and_gradients_may_be_adjusted() -> None:
    def tokens(seed: int) -> Any:
        return encoded(embedding, dropout(0.5, seed))

    optimizer, clip = sgd(0.1), clip_by_global_norm(0.01)
    params, x, labels = (Embedding(normal(np.random.default_rng(0), 5, 3)), ()), np.array([4, 0]), np.array([2, 1])
    state = optimizer.init(params)
    step = untyped(training_step)(tokens, softmax_cross_entropy, optimizer, adjust=clip)
    expected = untyped(training_step)(tokens(7), softmax_cross_entropy, optimizer, adjust=clip)(
        params, state, x, labels
    )
    assert tree.equal(step(params, state, x, labels, 7), expected)
    unclipped = untyped(training_step)(tokens(7), softmax_cross_entropy, optimizer)(params, state, x, labels)
    assert not tree.equal(unclipped[0], expected[0])


def test_what_does_not_fit_is_refused_in_the_words_of_the_pairs() -> None:
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
    optimizer = sgd(0.1)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    for arguments in wrong:
        state = optimizer.init(params)
        with pytest.raises((TypeError, ValueError)) as expected:
            by_hand(two_layer.network, optimizer, arguments[0], state, *arguments[1:])
        with pytest.raises(type(expected.value)) as got:
            step(arguments[0], state, *arguments[1:])
        assert str(got.value) == str(expected.value)
        assert getattr(got.value, "__notes__", []) == getattr(expected.value, "__notes__", [])
        assert got.value.__context__ is None  # what fails is told once


@frozen(repr=False)
class Halved(ArrayOptimizer):
    """Descent that halves the gradients first."""

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        return super().step(state, params, tree.map(lambda grad: read_only(grad / 2), grads))


def test_an_optimizer_made_from_the_librarys_keeps_its_own_step() -> None:
    params, x, labels = problem(np.random.default_rng(0), 5)
    network, optimizer = sequential(affine, relu, affine), Halved(**asdict(sgd(1.0), recurse=False))
    state = optimizer.init(params)
    halved = training_step(network, softmax_cross_entropy, optimizer)(params, state, x, labels)
    assert tree.equal(halved, by_hand(network, optimizer, params, state, x, labels))


def squares(logits: Array, targets: Array) -> Array:
    losses: Array = ((logits - targets) ** 2).sum(axis=1)
    return losses


def test_a_loss_that_promotes_is_refused() -> None:
    def forward(logits: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(squares(logits, targets).mean()), logits - targets

    def backward(cache: Array, dloss: Array | float) -> Array:
        dout: Array = (2 * cache * dloss / len(cache)).astype(cache.dtype)
        return dout

    params, x = Affine(np.ones((4, 3), np.float32), np.zeros(3, np.float32)), np.ones((6, 4), np.float32)
    step, state = (
        training_step(affine, Loss(forward, backward, squares, name="squares"), sgd(0.1)),
        sgd(0.1).init(params),
    )
    targets = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    with pytest.raises(TypeError) as caught:
        step(params, state, x, targets)
    assert str(caught.value) == "squares backward: dout is float64, expected float32 (the dtype of out)"
    with pytest.raises(TypeError, match=r"squares backward: dout must be a plain array, got MaskedArray"):
        step(params, state, x, np.ma.masked_array(targets.astype(np.float32)))
    moved, _, _ = step(params, state, x, targets.astype(np.float32))
    assert moved.W.dtype == np.float32


def test_parameters_of_another_library_are_refused() -> None:
    strict: Any = import_module("array_api_strict")
    params, x, labels = problem(np.random.default_rng(0), 5)
    others = tree.map(strict.asarray, params)
    network = sequential(affine, relu, affine)
    for f in (
        lambda: training_step(network, softmax_cross_entropy, sgd(0.1))(others, sgd(0.1).init(others), x, labels),
        lambda: prediction(network)(others, x),
    ):
        with pytest.raises(TypeError, match=r"x is an array of numpy but the parameters are of array_api_strict"):
            f()


def test_what_is_no_optimizer_is_refused() -> None:
    class Stepper:
        def step(self, state: Any, params: Any, grads: Any) -> Any: ...

    first = r"function: call it first, as sgd\(...\)"
    for wrong, name in ((0.1, "float"), (Stepper(), "Stepper"), (sgd, first), (Stepper, "the class Stepper")):
        with pytest.raises(TypeError, match=rf"training_step: optimizer must have init and step, .*, got {name}"):
            training_step(affine, softmax_cross_entropy, untyped(wrong))


@frozen(eq=False)
class LookAlike:
    """A class that has the fields of an `Affine`, and is none."""

    W: Array
    b: Array


def test_parameters_that_were_not_checked_are_refused() -> None:
    params = Affine(np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    x, labels = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])
    step, state = training_step(affine, softmax_cross_entropy, sgd(0.1)), sgd(0.1).init(params)
    with pytest.raises(TypeError, match=r"affine: params must be Affine, got LookAlike"):
        step(untyped(LookAlike(params.W, params.b)), state, x, labels)
    make = unchecked(Affine)  # without the checks of the constructor
    with pytest.raises(ValueError, match=r"sgd: the gradient f32\[3\] must have the shape of its parameter f32\[1\]"):
        step(make(params.W, read_only(np.zeros(1, np.float32))), state, x, labels)
    with pytest.raises(TypeError, match=r"sgd: the gradient f32\[3\] must have the dtype of its parameter f64\[3\]"):
        step(make(params.W, read_only(np.zeros(3))), state, x, labels)


def test_the_factor_of_a_schedule_rides_in_no_loss() -> None:
    rng = np.random.default_rng(0)
    params, x = Affine.init(rng, 5, 3), rng.standard_normal((4, 5)).astype(np.float32)
    labels, optimizer = np.array([0, 1, 2, 1]), sgd(schedules.cosine(0.3, 0.1, 5))
    step, both = training_step(affine, softmax_cross_entropy, optimizer), value_and_grad(affine, softmax_cross_entropy)
    state, alone, of_alone = optimizer.init(params), params, optimizer.init(params)
    for _ in range(4):
        params, state, _ = step(params, state, x, labels)
        alone, of_alone = optimizer.step(of_alone, alone, both(alone, x, labels)[1])
    assert tree.equal(params, alone)
