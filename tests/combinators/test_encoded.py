"""A layer behind an encoder is an encoder: what joins, what is refused, and where an error was."""

import pickle
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Embedding,
    Encoder,
    Labels,
    Layer,
    Unit,
    affine,
    embedding,
    encoded,
    fixed,
    relu,
    residual,
    rules,
    sequential,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    value_and_grad,
)
from strategies import normal
from untyped import untyped


def case() -> tuple[Any, Any, Labels]:
    rng = np.random.default_rng(0)
    network = encoded(embedding, sequential(residual(affine), relu))
    params = Embedding(normal(rng, 4, 3)), (Affine(normal(rng, 3, 3), normal(rng, 3)), ())
    return network, params, rng.integers(0, 4, (5, 2))


def test_it_does_what_calling_both_does() -> None:
    network, params, tokens = case()
    between, first = embedding.forward(params[0], tokens)
    layer = sequential(residual(affine), relu)
    out, second = layer.forward(params[1], between)
    dout = np.ones_like(out)
    dx, grads = layer.backward(second, dout)
    composed, caches = network.forward(params, tokens)
    assert tree.equal(composed, out)
    assert tree.equal(network.grads(caches, dout), (embedding.grads(first, dx), grads))


def test_encoders_nest_and_are_encoders() -> None:
    network, params, tokens = case()
    assert isinstance(encoded(network, relu), Encoder)
    nested = encoded(encoded(embedding, residual(affine)), relu)
    out, _ = nested.forward(((params[0], params[1][0]), ()), tokens)
    assert tree.equal(out, network.forward(params, tokens)[0])
    assert repr(nested) == "Encoder(encoded(encoded(embedding, residual(affine)), relu))"


def test_encoders_pickle_by_name_and_by_what_they_are_made_of() -> None:
    network, params, tokens = case()
    assert pickle.loads(pickle.dumps(embedding)) is embedding
    copied = pickle.loads(pickle.dumps(network))
    assert tree.equal(copied.forward(params, tokens)[0], network.forward(params, tokens)[0])


def test_one_pass_is_the_functions_to_the_last_bit() -> None:
    network, params, tokens = case()
    labels = np.zeros(tokens.shape, np.int64)
    out, caches = network.forward(params, tokens)
    value, cache = softmax_cross_entropy.forward(out, labels)
    grads = network.grads(caches, softmax_cross_entropy.backward(cache, 1.0))
    assert tree.equal(value_and_grad(network, softmax_cross_entropy)(params, tokens, labels), (value, grads))


def test_somebodys_encoder_takes_its_place() -> None:
    def forward(params: Array, x: Labels) -> tuple[Array, tuple[Array, Labels]]:
        return params[x], (params, x)

    def grads(cache: tuple[Array, Labels], dout: Array) -> Array:
        gradient = np.zeros_like(cache[0])
        np.add.at(gradient, cache[1], dout)
        return gradient

    ours, params, tokens = case()
    theirs = encoded(Encoder(forward, grads), sequential(residual(affine), relu))
    labels = np.zeros(tokens.shape, np.int64)
    loss, expected = value_and_grad(ours, softmax_cross_entropy)(params, tokens, labels)
    given = (np.array(params[0].E), params[1])
    found, gradient = value_and_grad(theirs, softmax_cross_entropy)(given, tokens, labels)
    assert tree.equal((found, gradient[1]), (loss, expected[1]))
    assert tree.equal(gradient[0], expected[0].E)


def test_errors_say_where() -> None:
    network, params, tokens = case()
    wrong = (params[0], (Affine(np.ones((2, 2)), np.ones(2)), ()))
    step = untyped(training_step)(network, softmax_cross_entropy, sgd(0.1))
    with pytest.raises(ValueError, match="affine: x has 3 features") as raised:
        network.forward(wrong, tokens)
    assert raised.value.__notes__ == ["in layer 1 of 2", "in layer 2 of 2"]
    with pytest.raises(ValueError, match="affine: x has 3 features") as raised:
        step(wrong, sgd(0.1).init(wrong), tokens, tokens)
    assert raised.value.__notes__ == ["in layer 1 of 2", "in layer 2 of 2"]
    with pytest.raises(ValueError, match="encoded: 2 layers need 2 params, got 1"):
        network.forward(params[:1], tokens)
    out, caches = network.forward(params, tokens)
    with pytest.raises(ValueError, match="relu backward: dout has shape") as raised:
        network.grads(caches, out[:3])
    assert raised.value.__notes__ == ["in layer 2 of 2", "in layer 2 of 2"]
    other = embedding.forward(params[0], tokens[:2])[1]
    with pytest.raises(ValueError, match="embedding backward: dout has shape") as raised:
        network.grads((other, caches[1]), out)
    assert raised.value.__notes__ == ["in layer 1 of 2"]


def test_what_does_not_join_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"encoded: argument 1 must be an Encoder, got Layer"):
        untyped(encoded)(affine, relu)
    for second, said in ((embedding, "Encoder: an encoder stands first"), (abs, "builtin_function_or_method")):
        with pytest.raises(TypeError) as raised:
            untyped(encoded)(embedding, second)
        assert str(raised.value) == f"encoded: argument 2 must be a Layer, got {said}"
    with pytest.raises(
        TypeError, match=r"sequential: argument 1 must be a Layer, got Encoder: encoded\(encoder, layer\)"
    ):
        untyped(sequential)(embedding, relu)


def test_grads_of_a_fixed_encoder_are_not_computed() -> None:
    def refuse(cache: Any, dout: Array) -> Embedding:
        raise AssertionError("grads was called")

    _, params, tokens = case()
    network = encoded(fixed(Encoder(embedding.forward, refuse)), residual(affine))
    given = (params[0], params[1][0])
    out, caches = network.forward(given, tokens)
    for grads in (
        network.grads(caches, out),
        value_and_grad(network, softmax_cross_entropy)(given, tokens, np.zeros(tokens.shape, np.int64))[1],
    ):
        assert not grads[0].E.any()
        assert grads[1].W.any()


def test_a_layer_without_dx_ends_the_way_back_with_an_error() -> None:
    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, rules.Saved]:
        return xp.own(x), rules.Saved(x)

    def backward(xp: rules.Namespace, cache: rules.Saved, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        return None, ()

    _, params, tokens = case()
    gradient = value_and_grad(encoded(embedding, rules.layer("blind", (), forward, backward)), softmax_cross_entropy)
    with pytest.raises(TypeError, match="dx") as raised:
        gradient((params[0], ()), tokens, np.zeros(tokens.shape, np.int64))
    assert str(raised.value) == "encoded backward: the layer gave no dx where it was wanted"


def test_event_axes_are_those_of_the_tokens() -> None:
    assert embedding.event_axes == 0
    assert encoded(embedding, affine).event_axes == 0
    assert encoded(embedding, relu).event_axes == 0
    images: Layer[Unit, Any] = Layer(relu.forward, relu.backward, event_axes=2)
    assert encoded(embedding, images).event_axes == 1  # a row of tokens is an image of features
    unknown = Layer(relu.forward, relu.backward)
    assert encoded(embedding, unknown).event_axes is None
    assert encoded(Encoder(embedding.forward, embedding.grads), relu).event_axes is None
