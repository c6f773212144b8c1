import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Embedding,
    Layer,
    Statistics,
    affine,
    batch_norm,
    dropout,
    embedding,
    encoded,
    fixed,
    identity,
    inference,
    layer_norm,
    relu,
    residual,
    sequential,
    statistics,
    tree,
)
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Embedding,
    Encoder,
    Labels,
    Layer,
    Network,
    Statistics,
    Unit,
    affine,
    batch_norm,
    dropout,
    embedding,
    encoded,
    inference,
    prediction,
    sequential,
    statistics,
)
from chainrule.training.inference import StatisticsTree

Params = tuple[Affine, BatchNorm, Unit]
network = sequential(affine, batch_norm(), dropout(0.5, 1))


def accepted(params: Params, x: Array) -> None:
    found = statistics(network, params, [x, x])
    assert_type(found, StatisticsTree)
    assert_type(inference(network, params, [x]), Layer[Params, object])
    assert_type(inference(network, params, batches=(each for each in [x])), Layer[Params, object])
    in_use = inference(network, params, statistics=found)
    assert_type(in_use, Layer[Params, object])
    assert_type(prediction(in_use)(params, x), Array)
    inference(network, params, statistics=((), Statistics(x, x), ()))


def networks_whose_caches_have_no_type(network: Network[Params], params: Params, x: Array) -> None:
    assert_type(inference(network, params, [x]), Network[Params])
    statistics(network, params, [x])


def encoders(params: tuple[Embedding, BatchNorm], x: Labels) -> None:
    tokens = encoded(embedding, batch_norm())
    assert_type(inference(tokens, params, [x]), Encoder[tuple[Embedding, BatchNorm], object, Labels])
    statistics(tokens, params, [x])


def refused(params: Params, x: Array) -> None:
    inference(network)  # rejected: the parameters are missing
    inference(network, params[0], [x])  # rejected: parameters of one layer for a network
    inference(network, params, 3)  # rejected: batches are iterable
    inference(network, params, statistics=(x, x, x))  # rejected: arrays are no statistics
    statistics(network, params)  # rejected: the batches are missing
    statistics(network, params[:2], [x])  # rejected: an entry for each layer
    statistics(network, params, [np.arange(3)])  # rejected: integers are no floats
"""

RNG = np.random.default_rng(0)
X = [normal(RNG, n, 3) for n in (4, 2, 7)]
NORM = BatchNorm(normal(RNG, 3), normal(RNG, 3))


def test_statistics_are_the_weighted_means_of_means_and_of_unbiased_variances() -> None:
    found = statistics(batch_norm(), NORM, iter(X))
    assert isinstance(found, Statistics)
    n = np.array([4, 2, 7])
    np.testing.assert_allclose(found.mean, n @ [x.mean(axis=0) for x in X] / 13, rtol=1e-14)
    np.testing.assert_allclose(found.var, n @ [x.var(axis=0, ddof=1) for x in X] / 13, rtol=1e-14)


def test_positions_count_as_rows() -> None:
    x = normal(RNG, 2, 5, 3)
    found = statistics(batch_norm(), NORM, [x])
    assert isinstance(found, Statistics)
    np.testing.assert_allclose(found.var, x.var(axis=(0, 1), ddof=1), rtol=1e-13)


def test_statistics_are_a_tree_like_the_parameters() -> None:
    network = sequential(residual(sequential(affine, batch_norm())), relu, fixed(batch_norm()), sequential(relu))
    params = ((Affine.init(RNG, 3, 3, dtype=np.float64), NORM), (), NORM, ((),))
    found: Any = statistics(network, params, X)
    assert isinstance(found[0][1], Statistics)
    assert isinstance(found[2], Statistics)
    assert (found[0][0], found[1], found[3]) == ((), (), ((),))


def test_in_use_dropout_is_gone_and_batch_norms_have_statistics() -> None:
    network = sequential(residual(sequential(affine, batch_norm())), dropout(0.5, seed=1), fixed(batch_norm()))
    params = ((Affine.init(RNG, 3, 3, dtype=np.float64), NORM), (), NORM)
    found: Any = statistics(network, params, X)
    in_use = inference(network, params, X)
    first: Statistics = found[0][1]
    last: Statistics = found[2]
    by_hand = sequential(residual(sequential(affine, batch_norm(first))), identity, fixed(batch_norm(last)))
    assert repr(in_use) == repr(by_hand)
    x = normal(RNG, 5, 3)
    assert tree.equal(in_use.forward(params, x)[0], by_hand.forward(params, x)[0])
    assert tree.equal(inference(network, params, statistics=found).forward(params, x)[0], in_use.forward(params, x)[0])
    assert not in_use.couples_rows


def test_a_network_without_modes_is_itself() -> None:
    network = sequential(affine, relu, residual(relu))
    assert inference(network, (Affine.init(RNG, 3, 3), (), ())) is network


def test_dropout_needs_no_statistics() -> None:
    assert inference(dropout(0.5, 0), ()) is identity
    assert repr(inference(sequential(relu, dropout(0.5, 0)), ((), ()))) == "Layer(sequential(relu, identity))"


def test_an_encoder_stays_one() -> None:
    network = encoded(embedding, sequential(batch_norm(), dropout(0.1, 0)))
    params = (Embedding.init(RNG, 5, 3, dtype=np.float64), (NORM, ()))
    tokens = np.array([[0, 1], [2, 4], [1, 1]])
    in_use = inference(network, params, [tokens])
    assert repr(in_use).startswith("Encoder(encoded(embedding, sequential(batch_norm(statistics=Statistics(")
    out, cache = in_use.forward(params, tokens)
    assert out.shape == (3, 2, 3)
    assert tree.named_leaves(in_use.grads(cache, out))[0][0] == "[0].E"


def test_a_batch_norm_without_statistics_is_named_with_its_place() -> None:
    network = sequential(affine, sequential(relu, batch_norm()))
    with pytest.raises(
        ValueError, match=re.escape("inference: batch_norm(eps=1e-05) needs statistics: give")
    ) as caught:
        inference(network, (Affine.init(RNG, 3, 3), ((), NORM)))
    assert caught.value.__notes__ == ["in layer 2 of 2", "in layer 2 of 2"]


def doubled(layer: Layer[Any, Any]) -> Layer[Any, Any]:
    """A layer of layers that no module's function makes again."""
    from chainrule.parts import Around  # noqa: PLC0415  # what somebody writes who makes a combinator

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        out, cache = layer.forward(params, x)
        return 2 * out, (cache,)

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        return layer.backward(cache[0], 2 * dout)

    return Layer(forward, backward, name="doubled", parts=Around(layer))


def test_a_combinator_that_cannot_be_made_again_is_named() -> None:
    assert isinstance(statistics(doubled(batch_norm()), NORM, X), Statistics)
    with pytest.raises(TypeError, match=re.escape("inference: doubled(batch_norm(eps=1e-05)) can't be made again of")):
        inference(doubled(batch_norm()), NORM, X)
    assert inference(doubled(layer_norm()), NORM).name == "doubled"


def test_statistics_of_a_part_are_those_of_all_batches() -> None:
    alone = statistics(batch_norm(), NORM, X)
    assert tree.equal(statistics(sequential(batch_norm(), relu), (NORM, ()), X), (alone, ()))
    assert tree.equal(statistics(residual(batch_norm()), NORM, X), alone)
    assert tree.equal(statistics(sequential(residual(fixed(batch_norm())), relu), (NORM, ()), X), (alone, ()))


def test_statistics_of_what_needs_none_are_a_tree_like_the_parameters() -> None:
    block = residual(sequential(affine, sequential(relu)))
    params = ((Affine.init(RNG, 3, 3, dtype=np.float64), ((),)), NORM)
    found = statistics(sequential(block, batch_norm()), params, X)
    assert isinstance(found, tuple)
    assert found[0] == ((), ((),))
    assert isinstance(found[1], Statistics)


def test_a_part_alone_is_no_place_in_a_network() -> None:
    with pytest.raises(ValueError, match="needs statistics") as caught:
        inference(sequential(relu, residual(batch_norm())), ((), NORM))
    assert caught.value.__notes__ == ["in layer 2 of 2"]


def beside(*layers: Layer[Any, Any], caches: Any = None) -> Layer[Any, Any]:
    """The sum of layers, which no module's function makes again, and whose caches may be what they should not."""
    from chainrule.parts import Fork  # noqa: PLC0415  # what somebody writes who makes a combinator

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        outs = [layer.forward(part, x) for layer, part in zip(layers, params, strict=True)]
        return np.sum([out for out, _ in outs], axis=0), caches or tuple(cache for _, cache in outs)

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        raise NotImplementedError

    return Layer(forward, backward, name="beside", parts=Fork(layers, "+"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: statistics(untyped(batch_norm), NORM, X),
            TypeError,
            "statistics: network must be a Layer or an Encoder, got function: call it first, as batch_norm(...)",
        ),
        (lambda: inference(batch_norm(), NORM, []), ValueError, "inference: there are no batches"),
        (lambda: statistics(batch_norm(), NORM, []), ValueError, "statistics: there are no batches"),
        (
            lambda: inference(batch_norm(), NORM, X, Statistics(np.zeros(3), np.ones(3))),
            ValueError,
            "inference: got both batches and statistics: give one of them",
        ),
        (
            lambda: statistics(beside(relu, evolve(batch_norm(), name="norm"), caches=[1, 2]), ((), NORM), X),
            TypeError,
            "statistics: beside(relu, norm): its cache must be a tuple of 2, an entry for each of its layers, got list",
        ),
        (
            lambda: inference(beside(relu, dropout(0.5, 0)), ((), ())),
            TypeError,
            "inference: beside(relu, dropout(rate=0.5, seed=0)) can't be made again of relu, identity",
        ),
    ],
)
def test_what_is_refused_is_said_in_full(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_bad_input() -> None:
    network, params = sequential(batch_norm(), relu), (NORM, ())
    found = statistics(network, params, X)
    with pytest.raises(ValueError, match="inference: got both batches and statistics: give one of them"):
        inference(network, params, X, statistics=found)
    with pytest.raises(ValueError, match="statistics: there are no batches"):
        statistics(network, params, [])
    with pytest.raises(
        TypeError, match=re.escape("batches must be an iterable of inputs, got f64[4, 3]: put a single")
    ):
        statistics(network, params, untyped(X[0]))
    with pytest.raises(TypeError, match="statistics: batches must be an iterable of inputs, got int"):
        statistics(network, params, untyped(3))
    with pytest.raises(ValueError, match=re.escape("statistics: batch_norm(eps=1e-05) saw a batch of 1 row, whose")):
        statistics(network, params, [X[0][:1]])
    message = "has 2 layers, so its statistics must be a tuple of 2, got a tuple of 1"
    with pytest.raises(ValueError, match=re.escape(message)):
        inference(network, params, statistics=(Statistics(np.zeros(3), np.ones(3)),))
    with pytest.raises(
        TypeError, match=re.escape("inference: batch_norm(eps=1e-05) needs a Statistics, got a tuple of 0")
    ):
        inference(network, params, statistics=((), ()))

    def of_a_seed(seed: int) -> Any:
        return network

    with pytest.raises(
        TypeError, match=re.escape("inference: network must be a Layer or an Encoder, got function: give")
    ):
        inference(untyped(of_a_seed), params)
