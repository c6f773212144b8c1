"""One pass through a network: it gives what the public pairs give, whatever layers meet in it."""

import functools
import pickle
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest

from catalogue import LAYERS, Subject
from chainrule import (
    Affine,
    Array,
    Convolution,
    Embedding,
    Encoder,
    Layer,
    Loss,
    Unit,
    add,
    affine,
    concatenate,
    convolution,
    embedding,
    encoded,
    fixed,
    global_max_pool,
    identity,
    max_pool,
    multiply,
    own,
    prediction,
    recomputed,
    relu,
    residual,
    rules,
    sequential,
    sgd,
    softmax_cross_entropy,
    tied,
    training_step,
    tree,
    value_and_grad,
)
from chainrule.arrays.tuned import TUNED
from chainrule.parts import Around, Chain
from chainrule.rules.combinators import layer_or_encoder
from chainrule.rules.passes import rule_of
from strategies import Floating, normal
from untyped import untyped

pandas: Any = import_module("pandas")  # it does not declare its types

SEEDS = 64
"""So many draws of a subject have all small shapes among them."""

BATCHES: list[tuple[int, Floating]] = [(1, np.float32), (1, np.float64), (4, np.float64), (3, np.float16)]


def half_squares(xp: rules.Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
    error = out - targets
    return xp.sum_last(error * error) / 2, error


squares = rules.loss("squares", half_squares)


NAMED = {subject.name: subject for subject in LAYERS}


@functools.cache
def draws(name: str, n: int, dtype: str) -> dict[tuple[int, ...], tuple[Any, Array, tuple[int, ...]]]:
    """Parameters and inputs of many shapes, and the shapes of the outputs, by the shapes of the inputs."""
    subject = NAMED[name]
    made = [subject.make(np.random.default_rng(seed), n, np.dtype(dtype).type) for seed in range(SEEDS)]
    return {x.shape: (params, x, subject.layer.forward(params, x)[0].shape) for params, x in made}


def meeting(first: Subject, second: Subject, n: int, dtype: Floating) -> tuple[Any, Any, Array] | None:
    """Parameters of both and an input, so that the second takes what the first gives."""
    ready = draws(second.name, n, np.dtype(dtype).name)
    for params, x, shape in draws(first.name, n, np.dtype(dtype).name).values():
        if shape in ready:
            return params, ready[shape][0], x
    return None


@functools.cache
def followers(first: str) -> list[Subject]:
    """The layers that take what a layer gives."""
    return [second for second in LAYERS if meeting(NAMED[first], second, 2, np.float32)]


@pytest.mark.parametrize("first", LAYERS, ids=lambda subject: subject.name)
def test_any_two_layers_in_one_pass_give_what_their_pairs_give_to_the_last_bit(first: Subject) -> None:
    for second, (n, dtype) in product(followers(first.name), BATCHES):
        network = sequential(first.layer, second.layer)
        met = meeting(first, second, n, dtype)
        assert met is not None
        p, q, x = met
        between, first_cache = first.layer.forward(p, x)
        out, second_cache = second.layer.forward(q, between)
        targets = normal(np.random.default_rng(n), *out.shape, dtype=dtype)
        value, cache = squares.forward(out, targets)
        back, of_second = second.layer.backward(second_cache, squares.backward(cache, 1.0))
        given = tree.map(np.copy, (p, q, x, targets))
        loss, grads = value_and_grad(network, squares)((p, q), x, targets)
        assert tree.equal((loss, grads), (value, (first.layer.grads(first_cache, back), of_second))), second.name
        assert tree.equal(prediction(network)((p, q), x), out), second.name
        assert tree.equal((p, q, x, targets), given), second.name


@pytest.mark.parametrize("first", LAYERS, ids=lambda subject: subject.name)
def test_nothing_that_a_pass_returns_shares_memory_that_can_be_written(first: Subject) -> None:
    optimizer = sgd(0.1)
    for second, n in product(followers(first.name), (1, 3)):
        network = sequential(first.layer, second.layer)
        met = meeting(first, second, n, np.float64)
        assert met is not None
        p, q, x = met
        out = prediction(network)((p, q), x)
        targets = np.zeros_like(out)
        loss, grads = value_and_grad(network, squares)((p, q), x, targets)
        stepped, state, _ = training_step(network, squares, optimizer)((p, q), optimizer.init((p, q)), x, targets)
        for leaf in tree.leaves((out, loss, grads, stepped, state)):
            assert own(leaf) is leaf, second.name  # constant down to its base
            assert not np.shares_memory(leaf, x), second.name
            assert not np.shares_memory(leaf, targets), second.name
        leaves = tree.leaves(grads)
        assert not any(np.shares_memory(a, b) for i, a in enumerate(leaves) for b in leaves[:i]), second.name


def problem(n: int = 4) -> tuple[tuple[Affine, Unit, Affine], Array, Any]:
    rng = np.random.default_rng(0)
    params = Affine(normal(rng, 4, 3), normal(rng, 3)), (), Affine(normal(rng, 3, 2), normal(rng, 2))
    return params, normal(rng, n, 4), rng.integers(0, 2, n)


# Layers that somebody wrote as a pair.


@pytest.mark.parametrize("subject", LAYERS, ids=lambda subject: subject.name)
def test_a_layer_without_a_rule_gives_the_numbers_of_the_one_with_it(subject: Subject) -> None:
    pair: Layer[Any, Any] = Layer(subject.layer.forward, subject.layer.backward)
    for n, dtype in BATCHES:
        params, x = subject.make(np.random.default_rng(n), n, dtype)
        targets = np.zeros_like(subject.layer.forward(params, x)[0])
        f, g = value_and_grad(pair, squares), value_and_grad(subject.layer, squares)
        assert tree.equal(f(params, x, targets), g(params, x, targets))
        between, beside = sequential(relu, pair, relu), sequential(relu, subject.layer, relu)
        f, g = value_and_grad(between, squares), value_and_grad(beside, squares)
        assert tree.equal(f(((), params, ()), x, targets), g(((), params, ()), x, targets))
        assert tree.equal(prediction(between)(((), params, ()), x), prediction(beside)(((), params, ()), x))


def doubling_in_buffers() -> Layer[Unit, Unit]:
    """A layer that writes every result into the same memory."""
    buffers: dict[tuple[str, tuple[int, ...]], Array] = {}

    def twice(name: str, x: Array) -> Array:
        buffer = buffers.setdefault((name, x.shape), np.empty_like(x))
        np.multiply(x, 2, out=buffer)
        return buffer

    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return twice("out", x), ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return twice("dx", dout), ()

    return Layer(forward, backward)


def doubling() -> Layer[Unit, Unit]:
    """The same in fresh memory."""

    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return 2 * x, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return 2 * dout, ()

    return Layer(forward, backward)


def test_a_layer_without_a_rule_may_use_its_buffers_again() -> None:
    (first, _, last), x, labels = problem()
    params = ((), first, (), (), last, ())
    reusing = sequential(doubling_in_buffers(), affine, doubling_in_buffers(), relu, affine, doubling_in_buffers())
    fresh = sequential(doubling(), affine, doubling(), relu, affine, doubling())
    f, g = value_and_grad(reusing, softmax_cross_entropy), value_and_grad(fresh, softmax_cross_entropy)
    once, predicted = f(params, x, labels), prediction(reusing)(params, x)
    kept = tree.map(np.copy, (once, predicted))
    assert tree.equal(once, g(params, x, labels))
    f(params, 1 - x, labels)
    prediction(reusing)(params, 1 - x)
    assert tree.equal((once, predicted), kept)


def as_it_is(params: Any) -> Any:
    return params


def _lazy_forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def _lazy_backward(x: Array, dout: Array) -> tuple[Array, Unit]:
    return dout, ()


lazy: Layer[Unit, Array] = Layer(_lazy_forward, _lazy_backward)
squared: Layer[Unit, Array] = Layer(lambda params, x: (x * x, x), lambda x, dout: (2 * x * dout, ()))

AROUND: dict[str, Callable[[Any], Any]] = {
    "sequential": lambda f: sequential(f, f),
    "fixed": fixed,
    "tied": lambda f: untyped(tied)(f, as_it_is, as_it_is),
    "recomputed": recomputed,
    "residual": residual,
    "add": lambda f: add(f, f),
    "multiply": lambda f: multiply(f, f),
    "concatenate": lambda f: concatenate(f, f),
}


@pytest.mark.parametrize("combine", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("layer", [lazy, squared], ids=["lazy", "squared"])
def test_a_combinator_owns_what_a_layer_without_a_rule_keeps_and_returns(layer: Any, combine: Any) -> None:
    network = combine(layer)
    params: Any = () if network.parts.__class__ is Around else ((), ())
    x, dout = np.array([[3.0, 5.0]]), np.array([[1.0, 2.0]])
    out, cache = network.forward(params, x)
    dout = np.concatenate([dout] * (out.shape[1] // 2), axis=1)
    before = tree.map(np.array, (out, network.backward(cache, dout)[0]))
    x += 1  # as somebody does who fills the buffer with the next batch
    dx, grads = network.backward(cache, dout)
    dout += 1
    assert tree.equal(before, (out, dx))
    assert not any(each.flags.writeable for each in tree.leaves((out, dx, grads)))


def test_a_combinator_owns_what_an_encoder_without_a_rule_keeps_and_returns() -> None:
    def forward(rows: Array, labels: Any) -> tuple[Array, Any]:
        return rows, labels

    def grads(labels: Any, dout: Array) -> Array:
        given: Array = dout[labels]
        return given

    network = encoded(Encoder(forward, grads), identity)
    rows, labels, dout = np.ones((2, 1)), np.array([1, 0]), np.array([[3.0], [5.0]])
    out, cache = network.forward((rows, ()), labels)
    rows += 1
    labels[:] = 0
    (given, _) = network.grads(cache, dout)
    assert (out.tolist(), given.tolist()) == ([[1], [1]], [[5], [3]])
    assert not given.flags.writeable


def test_gradients_that_a_layer_makes_in_a_buffer_are_copied() -> None:
    buffer = np.zeros(3)

    def forward(params: Array, x: Array) -> tuple[Array, Unit]:
        return x + params, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Array]:
        dout.sum(axis=0, out=buffer)
        return dout, buffer

    f = value_and_grad(Layer(forward, backward), squares)
    _, grads = f(np.zeros(3), np.ones((2, 3)), np.zeros((2, 3)))
    f(np.ones(3), np.ones((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(grads, [1, 1, 1])


def test_a_layer_without_a_rule_is_given_what_it_cannot_write_to() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        with pytest.raises(ValueError, match="read-only"):
            x *= 0
        return x, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        with pytest.raises(ValueError, match="read-only"):
            dout *= 0
        return dout, ()

    strict: Layer[Unit, Unit] = Layer(forward, backward)
    (first, _, last), x, labels = problem()
    network, same = sequential(strict, affine, strict, affine, strict), sequential(affine, affine)
    params = ((), first, (), last, ())
    loss, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    expected_loss, (of_first, of_last) = value_and_grad(same, softmax_cross_entropy)((first, last), x, labels)
    assert tree.equal((loss, grads), (expected_loss, ((), of_first, (), of_last, ())))
    optimizer = sgd(0.1)
    stepped, _, _ = training_step(network, softmax_cross_entropy, optimizer)(params, optimizer.init(params), x, labels)
    expected, _, _ = training_step(same, softmax_cross_entropy, optimizer)(
        (first, last), optimizer.init((first, last)), x, labels
    )
    assert tree.equal((stepped[1], stepped[3]), expected)
    assert x.flags.writeable  # the caller's own array is left as it was


def test_a_gradient_that_is_dout_itself_is_not_written_to_by_the_step() -> None:
    seen: list[Array] = []

    def forward(params: Array, x: Array) -> tuple[Array, Unit]:
        return x + params, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Array]:
        seen.append(dout)
        return dout, dout  # x and the parameter have one shape

    shift: Layer[Array, Unit] = Layer(forward, backward)
    params, x = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    optimizer = sgd(0.5)
    stepped, _, _ = training_step(shift, squares, optimizer)(params, optimizer.init(params), x, np.zeros((1, 2)))
    np.testing.assert_array_equal(stepped, [[1 - 2.0, 2 - 3.0]])
    np.testing.assert_array_equal(np.abs(seen[0]), [[2, 3]])  # the rate rides in dout
    assert np.sign(seen[0]).all()


def test_a_layer_without_a_rule_does_not_keep_the_layers_beside_it_from_their_rules() -> None:
    def tripled(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        return 3 * x, ()

    def back(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
        return 3 * dout, ()

    two_faced: Layer[Unit, Unit] = Layer(
        doubling().forward, doubling().backward, rule=rules.Rule[Unit, Unit](tripled, back)
    )
    x = np.ones((1, 2))
    for network in (sequential(two_faced, doubling()), sequential(doubling(), two_faced)):
        assert network.forward(((), ()), x)[0].tolist() == [[4, 4]]
        assert prediction(network)(((), ()), x).tolist() == [[6, 6]]
        assert value_and_grad(network, squares)(((), ()), x, x)[0] == 25


def test_a_dx_that_is_not_like_x_is_refused_where_it_arises() -> None:
    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return dout[:1], ()

    wrong: Layer[Unit, Any] = Layer(doubling().forward, backward)
    (first, _, last), x, labels = problem()
    f = value_and_grad(sequential(affine, wrong, affine), softmax_cross_entropy)
    with pytest.raises(ValueError, match=r"dx has shape \(1, 3\), expected \(4, 3\) \(the shape of x\)") as caught:
        f((first, (), last), x, labels)
    assert caught.value.__notes__ == ["in layer 2 of 3"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ([[1.0, 2.0]], "wrong forward: out must be an array of floats, got list: convert it with np.asarray"),
        (np.ones((1, 2), int), "wrong forward: out is int64, not floating-point"),
        (np.ma.masked_array(np.ones((1, 2))), "wrong forward: out must be a plain array, got MaskedArray"),
    ],
)
def test_an_out_that_is_no_array_of_floats_is_refused_where_it_arises(out: Any, message: str) -> None:
    def forward(params: Unit, x: Array) -> tuple[Any, Unit]:
        return out, ()

    wrong: Layer[Unit, Unit] = Layer(forward, doubling().backward, name="wrong")
    with pytest.raises(TypeError, match=re.escape(message)):
        value_and_grad(wrong, squares)((), np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(TypeError, match=re.escape(message)):
        prediction(sequential(wrong, relu))(((), ()), np.ones((1, 2)))


def test_an_out_of_an_encoder_that_is_no_array_of_floats_is_refused_where_it_arises() -> None:
    def forward(params: Unit, x: Any) -> tuple[Any, Unit]:
        return [1.0], ()

    def grads(cache: Unit, dout: Array) -> Unit:
        return ()

    wrong: Encoder[Unit, Unit, Any] = Encoder(forward, grads, name="wrong")
    for call in (
        lambda: prediction(wrong)((), np.array([0])),
        lambda: value_and_grad(wrong, squares)((), np.array([0]), np.ones((1, 2))),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert (
            str(caught.value) == "wrong forward: out must be an array of floats, got list: convert it with np.asarray"
        )


@pytest.mark.parametrize("params", [(), object(), (np.ma.masked_array([1.0]),), (np.array(["a"]), [])])
def test_an_input_that_is_no_array_of_floats_is_refused_by_the_first_layer(params: Any) -> None:
    for network in (relu, sequential(relu)):
        inner = params if network is relu else (params,)
        with pytest.raises(TypeError) as expected:
            untyped(network).forward(inner, np.array([[1, 2]]))
        assert str(expected.value).startswith("relu: ")
        with pytest.raises(TypeError) as got:
            prediction(untyped(network))(inner, np.array([[1, 2]]))
        assert str(got.value) == str(expected.value)


@pytest.mark.parametrize("x", [[[1.0]], None, "x", pandas.DataFrame([[1.0]])])
@pytest.mark.parametrize(
    ("network", "params"),
    [
        (residual(relu), ()),
        (add(relu, relu), ((), ())),
        (multiply(relu, relu), ((), ())),
        (concatenate(relu, relu), ((), ())),
        (recomputed(relu), ()),
        (residual(fixed(relu)), ()),
    ],
)
def test_an_input_that_is_no_array_is_refused_by_the_first_layer_behind_a_fork(
    network: Any, params: Any, x: Any
) -> None:
    for call in (prediction(network), network.forward):
        with pytest.raises(TypeError, match=r"^relu: x must be an array of floats, got "):
            call(params, x)


@pytest.mark.parametrize(
    "params", [np.ones((2, 3)), np.asarray(1.0), np.ones(0), [], Affine(np.ones((3, 2)), np.ones(2))]
)
def test_a_layer_without_parameters_refuses_some_in_a_pass_as_its_pair_does(params: Any) -> None:
    for call in (prediction(untyped(relu)), untyped(relu).forward):
        with pytest.raises(TypeError, match=r"^relu: it has no parameters: params must be \(\), got "):
            call(params, np.ones((2, 3)))


@pytest.mark.parametrize("given", [None, (), (np.ones((2, 3)),), (np.ones((2, 3)), (), ()), np.ones((2, 3)), 3])
def test_what_is_no_pair_is_refused_where_it_arises(given: Any) -> None:
    x = np.ones((2, 3))
    forward: Layer[Unit, Unit] = Layer(lambda params, x: given, doubling().backward, name="wrong")
    for call in (prediction(sequential(forward)), sequential(forward).forward):
        with pytest.raises(TypeError, match=r"^wrong forward must return \(out, cache\), got "):
            call(((),), x)
    backward: Layer[Unit, Any] = Layer(doubling().forward, lambda cache, dout: given, name="wrong")
    network = sequential(relu, backward)
    with pytest.raises(TypeError, match=r"^wrong backward must return \(dx, grads\), got "):
        network.backward(network.forward(((), ()), x)[1], x)
    with pytest.raises(TypeError, match=r"^wrong backward must return \(dx, grads\), got "):
        value_and_grad(network, squares)(((), ()), x, x)
    loss: Loss[Array, Any] = Loss(
        lambda out, targets: given, lambda cache, dloss: x, lambda out, targets: x, name="off"
    )
    with pytest.raises(TypeError, match=r"^off forward must return \(loss, cache\), got "):
        value_and_grad(relu, loss)((), x, x)


def test_a_prediction_can_be_pickled() -> None:
    params, x = (Affine(np.ones((3, 2)), np.ones(2)), ()), np.ones((4, 3))
    predict = prediction(sequential(affine, relu))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(predict))(params, x), predict(params, x))


# Rules.


STRICT: Any = import_module("array_api_strict")


def noting(seen: list[Any]) -> Layer[Unit, Unit]:
    """A layer that notes the functions with which it is run, and whether it is to own its input anew."""

    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        seen.append((type(xp.ones_like(x)), xp.own(x) is x))
        return xp.ones_like(x), ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
        seen.append((type(xp.ones_like(dout)), xp.own(dout) is dout))
        return xp.ones_like(dout), ()

    return rules.layer("noting", (), forward, backward)


def table_of_anything() -> Encoder[Embedding, Embedding, Any]:
    """An encoder that gives its table, whatever its input is."""

    def forward(xp: rules.Namespace, params: Embedding, x: Any) -> tuple[Array, Embedding]:
        return params.E + xp.zeros_like(params.E), params

    def grads(xp: rules.Namespace, cache: Embedding, dout: Array) -> Embedding:
        return Embedding(dout + xp.zeros_like(dout))

    return rules.encoder("table", Embedding, forward, grads)


@pytest.mark.parametrize("library", [np, STRICT], ids=["numpy", "array_api_strict"])
def test_a_pass_is_run_with_the_functions_of_its_arrays_and_owns_them(library: Any) -> None:
    seen: list[Any] = []
    x = library.asarray(np.ones((3, 2)))
    prediction(noting(seen))((), x)
    value_and_grad(noting(seen), squares)((), x, x)
    network = encoded(table_of_anything(), noting(seen))
    for anything in (library.asarray([1]), np.array([1]), "text"):
        value_and_grad(network, squares)((Embedding(x), ()), anything, x)
        prediction(network)((Embedding(x), ()), anything)
    assert seen == [(type(x), True)] * 12


def test_the_derivative_of_a_loss_belongs_to_the_pass_and_dx_is_not_wanted_of_the_first_layer() -> None:
    seen: list[Any] = []

    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        return x + 1, ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        seen.append((xp.mine(dout), wants_dx))
        return xp.times(dout, 1.0), ()

    layer = rules.layer("increment", (), forward, backward)
    value_and_grad(layer, squares)((), np.ones((1, 2)), np.ones((1, 2)))
    value_and_grad(sequential(layer, layer), squares)(((), ()), np.ones((1, 2)), np.ones((1, 2)))
    assert seen == [(True, False), (True, True), (True, False)]


@pytest.mark.parametrize("library", [np, STRICT], ids=["numpy", "array_api_strict"])
def test_a_combinator_is_run_with_the_functions_of_its_arrays_and_owns_none(library: Any) -> None:
    seen: list[Any] = []

    def forward(parts: Any, xp: rules.Namespace, params: Any, x: Any) -> Any:
        out, cache = parts[0].forward(xp, params, x)
        seen.append((type(xp.ones_like(out)), xp.mine(xp.ones_like(out))))
        return out, [cache]

    def backward(parts: Any, xp: rules.Namespace, caches: Any, dout: Array, wants_dx: bool) -> Any:
        seen.append((type(xp.ones_like(dout)), xp.mine(xp.ones_like(dout))))
        return parts[0].backward(xp, caches.pop(), dout, wants_dx)

    x = library.asarray(np.ones((3, 2)))
    passing: Layer[Unit, Unit] = Layer(doubling().forward, doubling().backward)
    layer = rules.combinator("around", Around(passing), (passing,), forward, backward)
    out, caches = layer.forward((), x)
    layer.backward(caches, out)
    layer.grads(caches, out)
    assert seen == [(type(x), False)] * 3
    table = table_of_anything()
    encoder = layer_or_encoder("around", Around(table), (table,), forward, backward)
    for anything in (library.asarray([1]), np.array([1]), "text"):
        out, caches = encoder.forward(Embedding(x), anything)
        encoder.grads(caches, out)
    assert seen == [(type(x), False)] * 9


def around(parts: Any, xp: rules.Namespace, params: Any, x: Array, *, times: int = 1) -> Any:
    """The page of around."""
    out, cache = parts[0].forward(xp, params, x)
    return out, [cache]


def test_a_combinator_says_its_options_its_page_and_its_traits() -> None:
    wanted: list[Any] = []

    def backward(parts: Any, xp: rules.Namespace, caches: Any, dout: Array, wants_dx: bool) -> Any:
        wanted.append(wants_dx)
        return None, parts[0].backward(xp, caches.pop(), dout, wants_dx)[1]

    layer = rules.combinator(
        "around", Around(relu), (relu,), partial(around, times=3), backward, couples_rows=True, event_axes=2
    )
    assert repr(layer) == "Layer(around(relu, times=3))"
    assert layer.__doc__ == "The page of around."
    assert (layer.couples_rows, layer.event_axes, layer.elementwise) == (True, 2, True)
    out, caches = layer.forward((), np.ones((1, 2)))
    assert layer.grads(caches, out) == ()
    with pytest.raises(TypeError) as caught:
        layer.backward(caches, out)
    assert str(caught.value) == "around backward: a part gave no dx where it was wanted"
    assert wanted == [False, True]


def without_dx(xp: rules.Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    return None, ()


blind = rules.layer("blind", (), lambda xp, params, x: (x, rules.Saved(x)), without_dx)


@pytest.mark.parametrize(
    ("middle", "params", "name", "note"),
    [
        (blind, (), "sequential", "in layer 2 of 3"),
        (fixed(blind), (), "sequential", "in layer 2 of 3"),
        (recomputed(blind), (), "sequential", "in layer 2 of 3"),
        (sequential(blind), ((),), "sequential", "in layer 1 of 1"),
        (residual(blind), (), "residual", "in layer 2 of 3"),
        (add(relu, blind), ((), ()), "add", "in branch 2 of 2"),
        (multiply(blind, relu), ((), ()), "multiply", "in branch 1 of 2"),
        (concatenate(blind, relu), ((), ()), "concatenate", "in branch 1 of 2"),
    ],
    ids=str,
)
def test_a_pass_refuses_a_layer_without_dx_where_it_is_wanted(middle: Any, params: Any, name: str, note: str) -> None:
    rng = np.random.default_rng(0)
    width = 6 if name == "concatenate" else 3
    network = sequential(affine, middle, affine)
    given = Affine.init(rng, 4, 3), params, Affine.init(rng, width, 2)
    x, labels = np.ones((5, 4), np.float32), np.zeros(5, np.int64)
    with pytest.raises(TypeError) as caught:
        value_and_grad(network, softmax_cross_entropy)(given, x, labels)
    assert str(caught.value) == f"{name} backward: the layer gave no dx where it was wanted"
    assert caught.value.__notes__[0] == note


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (3, "around: argument 2 must be a Layer, got int"),
        (
            embedding,
            "around: argument 2 must be a Layer, got Encoder: encoded(encoder, layer) puts a layer behind it",
        ),
    ],
)
def test_what_is_no_layer_is_refused_by_a_combinator(part: Any, message: str) -> None:
    def backward(parts: Any, xp: rules.Namespace, caches: Any, dout: Array, wants_dx: bool) -> Any:
        raise NotImplementedError

    with pytest.raises(TypeError) as caught:
        rules.combinator("around", Chain((relu, part)), (relu, part), around, backward)
    assert str(caught.value) == message


def doubling_in_place() -> Layer[Unit, Unit]:
    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        if not xp.mine(x):
            return 2 * x, ()
        x *= 2
        return x, ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
        return xp.times(dout, xp.scalar(2.0, dout)), ()

    return rules.layer("in_place", (), forward, backward)


@pytest.mark.parametrize("subject", LAYERS, ids=lambda subject: subject.name)
def test_what_a_layer_hands_on_as_the_next_ones_own_it_needs_no_more(subject: Subject) -> None:
    network, expected = sequential(subject.layer, doubling_in_place()), sequential(subject.layer, doubling())
    for n, dtype in BATCHES:
        params, x = subject.make(np.random.default_rng(n), n, dtype)
        targets = np.zeros_like(subject.layer.forward(params, x)[0])
        given = tree.map(np.copy, (params, x))
        got = value_and_grad(network, squares)((params, ()), x, targets)
        assert tree.equal(got, value_and_grad(expected, squares)((params, ()), x, targets))
        assert tree.equal((params, x), given)


def test_a_rule_may_write_into_what_is_its_own_and_not_into_what_is_the_callers() -> None:
    in_place = doubling_in_place()
    (first, _, last), x, labels = problem()
    params, before = ((), first, (), (), (), last), x.copy()
    network = sequential(in_place, affine, in_place, relu, in_place, affine)
    expected = sequential(doubling(), affine, doubling(), relu, doubling(), affine)
    got = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    assert tree.equal(got, value_and_grad(expected, softmax_cross_entropy)(params, x, labels))
    assert tree.equal(network.forward(params, x)[0], expected.forward(params, x)[0])
    np.testing.assert_array_equal(x, before)


def test_dx_is_computed_where_a_layer_before_or_the_caller_wants_it_and_nowhere_else() -> None:
    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        return xp.own(x), ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        if wants_dx:
            raise ArithmeticError("dx is wanted")
        return None, ()

    last = rules.layer("without_dx", (), forward, backward)
    x, zeros = np.ones((2, 3)), np.zeros((2, 3))
    value_and_grad(last, squares)((), x, zeros)
    network, params = sequential(sequential(last, relu), relu), (((), ()), ())
    value_and_grad(network, squares)(params, x, zeros)
    caches = network.forward(params, x)[1]
    network.grads(caches, x)
    with pytest.raises(ArithmeticError, match="dx is wanted"):
        network.backward(caches, x)
    later = sequential(relu, last)
    with pytest.raises(ArithmeticError, match="dx is wanted") as caught:
        value_and_grad(later, squares)(((), ()), x, zeros)
    assert caught.value.__notes__ == ["in layer 2 of 2"]


WITHOUT_DX = [subject for subject in LAYERS if subject.name != "sequential()"]
"""Those that save work where no dx is wanted; the other has it for nothing."""


@pytest.mark.parametrize("subject", WITHOUT_DX, ids=lambda subject: subject.name)
def test_no_dx_is_made_where_none_is_wanted(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 3, np.float64)
    rule = rule_of(subject.layer)
    out, cache = rule.forward(TUNED, params, x)
    dx, _ = rule.backward(TUNED, cache, np.ones_like(out), False)
    assert dx is None


def test_joints_do_not_add_what_nobody_wants() -> None:
    x = normal(np.random.default_rng(0), 4, 3)
    same = sequential()  # which gives dx always
    subjects: list[tuple[Layer[Any, Any], Any]] = [
        (residual(same), ()),
        (add(same, same), ((), ())),
        (multiply(same, same), ((), ())),
        (concatenate(same, same), ((), ())),
    ]
    for layer, params in subjects:
        rule = rule_of(layer)
        out, cache = rule.forward(TUNED, params, x)
        assert rule.backward(TUNED, cache, out, False)[0] is None


# What keeps the order of numbers comes after a maximum.


def seen_by_a_pass(steps: Callable[..., Any]) -> list[tuple[int, ...]]:
    """The shapes of what a rectifier of somebody's sees between a convolution and 2 x 2 max pooling."""
    seen: list[tuple[int, ...]] = []

    def forward(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
        seen.append(x.shape)
        out = xp.positive_part(x)
        return out, out

    def backward(xp: rules.Namespace, out: Array, dout: Array) -> Array:
        seen.append(dout.shape)
        return xp.gate(out, dout)

    rectifier = rules.elementwise("rectifier", forward, backward=backward, quiet=None, keeps_order=True)
    rng = np.random.default_rng(0)
    kernel = Convolution(normal(rng, 3, 3, 1, 2, dtype=np.float64), normal(rng, 2, dtype=np.float64))
    steps(sequential(convolution(), rectifier, max_pool(2)), (kernel, (), ()), normal(rng, 3, 4, 4, 1))
    return [shape for shape in seen if 0 not in shape]


def test_a_pass_takes_what_keeps_the_order_after_a_maximum_of_which_it_takes_fewer_numbers() -> None:
    few, many = (3, 2, 2, 2), (3, 4, 4, 2)

    def gradient(network: Layer[Any, Any], params: Any, x: Array) -> None:
        value_and_grad(network, squares)(params, x, np.zeros(few))

    def predicted(network: Layer[Any, Any], params: Any, x: Array) -> None:
        prediction(network)(params, x)

    def forward(network: Layer[Any, Any], params: Any, x: Array) -> None:
        network.forward(params, x)

    assert seen_by_a_pass(gradient) == [few, few]
    assert seen_by_a_pass(predicted) == [few]
    assert seen_by_a_pass(forward) == [many]  # the pair has a cache of each layer


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("pool", [max_pool(2), max_pool(3, 1, 1), max_pool((3, 2), 2), global_max_pool])
def test_relu_before_a_maximum_gives_the_numbers_of_the_pairs_to_the_last_bit(pool: Layer[Any, Any], n: int) -> None:
    network, rng = sequential(convolution(), relu, pool, relu), np.random.default_rng(n)
    bias = np.array([-99.0, -1.0, 9.0])  # of the first channel all numbers are negative, and become equal
    params = Convolution(normal(rng, 3, 3, 2, 3), bias), (), (), ()
    x = normal(rng, n, 7, 6, 2)
    out, caches = network.forward(params, x)
    assert (out[..., 0] == 0).all()
    assert (out[..., 2] > 0).any()
    targets = normal(rng, *out.shape)
    value, cache = squares.forward(out, targets)
    grads = network.grads(caches, squares.backward(cache, 1.0))
    assert tree.equal(value_and_grad(network, squares)(params, x, targets), (value, grads))
    assert tree.equal(prediction(network)(params, x), out)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ((0, ()), "relu: it has no parameters: params must be (), got int"),
        (((), 0), "max_pool: it has no parameters: params must be (), got int"),
    ],
)
def test_wrong_parameters_around_a_maximum_are_told_by_the_layer_they_are_of(params: Any, said: str) -> None:
    network = sequential(identity, relu, max_pool(2))
    with pytest.raises(TypeError, match=re.escape(said)) as raised:
        prediction(network)(((), *params), np.ones((1, 4, 4, 1)))
    assert raised.value.__notes__ == [f"in layer {2 + params.index(0)} of 3"]
