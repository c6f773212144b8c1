"""The embedding: rows by their labels, which labels are refused, and its types."""

import re
import tracemalloc
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Embedding,
    Encoder,
    affine,
    check_layer,
    check_network,
    embedding,
    encoded,
    prediction,
    sequential,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    value_and_grad,
)
from strategies import Floating, normal
from untyped import untyped

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import (
    Affine, Array, Embedding, Encoder, Labels, Network, affine, check_layer, embedding, encoded, prediction, sequential,
    sgd, softmax_cross_entropy, training_step, value_and_grad,
)
from chainrule.layers.embedding import EmbeddingCache
from chainrule.training.objective import Objective

def accepted(params: Embedding, labels: Labels, x: Array, W: Affine, rng: np.random.Generator) -> None:
    assert_type(embedding, Encoder[Embedding, EmbeddingCache, Labels])
    out, cache = embedding.forward(params, labels)
    assert_type(out, Array)
    assert_type(embedding.grads(cache, out).E, Array)
    assert_type(Embedding.init(rng, 10, 4, std=0.02, dtype=np.float64), Embedding)
    network = encoded(embedding, affine)
    gradient = value_and_grad(network, softmax_cross_entropy)
    assert_type(gradient((params, W), labels, labels)[1], tuple[Embedding, Affine])
    assert_type(prediction(network)((params, W), labels), Array)
    step = training_step(network, softmax_cross_entropy, sgd(0.1))
    step((params, W), sgd(0.1).init((params, W)), labels, labels)
    check_layer(embedding, params, labels, rng=rng)
    Objective(network, softmax_cross_entropy, labels, labels)((params, W))

def a_network() -> Network[tuple[Embedding, Affine]]:
    return encoded(embedding, affine)

def mistakes(params: Embedding, labels: Labels, x: Array, W: Affine, rng: np.random.Generator) -> None:
    embedding.forward(params, x)  # rejected: floats are no labels
    embedding.forward(W, labels)  # rejected: the parameters of another layer
    embedding.backward(x, x)  # rejected: an encoder has no dx
    sequential(embedding, affine)  # rejected: an encoder is no layer
    encoded(affine, affine)  # rejected: a layer is no encoder
    encoded(embedding, embedding)  # rejected: an encoder stands first
    value_and_grad(embedding, softmax_cross_entropy)(params, x, labels)  # rejected: floats for labels
    Embedding.init(rng, 10)  # rejected: the number of features is missing
"""

PARAMS = Embedding(np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))


def test_labels_of_any_shape_choose_rows() -> None:
    for shape in [(), (3,), (2, 3), (2, 1, 2), (0,), (2, 0)]:
        labels = np.arange(int(np.prod(shape))).reshape(shape) % 3
        out, _ = embedding.forward(PARAMS, labels)
        assert out.shape == (*shape, 2)
        np.testing.assert_array_equal(out, PARAMS.E[labels])


@pytest.mark.parametrize(
    "kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i4"]
)
def test_labels_of_any_integer_dtype_do(kind: Any) -> None:
    out, cache = embedding.forward(PARAMS, np.array([2, 0, 2]).astype(kind))
    np.testing.assert_array_equal(out, [[4, 5], [0, 1], [4, 5]])
    np.testing.assert_array_equal(embedding.grads(cache, np.ones((3, 2))).E, [[1, 1], [0, 0], [2, 2]])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 3], "got 3 at row 1"),
        ([0, 1, -1], "got -1 at row 2"),
        ([[0, 1], [2, -3]], "got -3 at row (1, 1)"),
        ([[[0], [7]]], "got 7 at row (0, 1, 0)"),
    ],
)
def test_a_label_out_of_range_is_refused_with_its_row_and_the_number_of_tokens(labels: Any, said: str) -> None:
    message = f"embedding: E has 3 tokens, so labels must be in [0, 3), {said}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        embedding.forward(PARAMS, np.array(labels))
    step = training_step(encoded(embedding, sequential()), softmax_cross_entropy, sgd(0.1))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as raised:
        step((PARAMS, ()), sgd(0.1).init((PARAMS, ())), np.array(labels), np.array(labels))
    assert raised.value.__notes__ == ["in layer 1 of 2"]


def test_a_label_alone_has_no_row() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 3\), got 3$"):
        embedding.forward(PARAMS, np.array(3))


@pytest.mark.parametrize(
    ("params", "labels", "message"),
    [
        (PARAMS, [0, 1], "embedding: labels must be an array of integers, got list: convert it with np.asarray"),
        (PARAMS, np.array([0.0]), r"embedding: labels must be integers, got f64\[1\]"),
        (PARAMS, np.array([True]), r"embedding: labels must be integers, got bool\[1\]"),
        (
            PARAMS,
            np.ma.masked_array([0]),
            "embedding: labels must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (Affine(np.ones((3, 2)), np.ones(2)), np.array([0]), "embedding: params must be Embedding, got Affine"),
    ],
)
def test_what_is_no_label_is_refused(params: Any, labels: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        untyped(embedding.forward)(params, labels)


def test_the_gradient_takes_memory_for_itself_and_for_no_matrix_of_ones_and_zeros() -> None:
    k, n, d = 10_000, 5_000, 4
    params, labels = Embedding(np.zeros((k, d), np.float32)), np.arange(n)
    out, cache = embedding.forward(params, labels)
    tracemalloc.start()
    try:
        grads = embedding.grads(cache, np.ones_like(out))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Sums of the tokens that occur, and the rows that they are made of; and orders and lengths of runs, some at a time.
    assert peak < grads.E.nbytes + 2 * out.nbytes + 8 * labels.nbytes + 10_000 < n * k // 8


def test_a_nan_stays_in_the_row_of_its_token_unless_a_library_has_no_scatter() -> None:
    E, labels, dout = np.ones((3, 1)), np.array([1, 2]), np.array([[np.nan], [1.0]])
    grads = embedding.grads(embedding.forward(Embedding(E), labels)[1], dout)
    np.testing.assert_array_equal(grads.E, [[0], [np.nan], [1]])
    params = Embedding(strict.asarray(E))
    of_strict = embedding.grads(embedding.forward(params, strict.asarray(labels))[1], strict.asarray(dout))
    assert np.isnan(np.asarray(of_strict.E)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype: Floating) -> None:
    params = Embedding(PARAMS.E.astype(dtype))
    out, cache = embedding.forward(params, np.array([1]))
    assert out.dtype == embedding.grads(cache, out).E.dtype == dtype


def test_the_checker_takes_an_encoder_and_sees_a_gradient_that_forgets_repeats() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([[0, 1, 1], [2, 1, 0]])
    assert check_layer(embedding, PARAMS, labels, rng=rng).ok
    assert {verdict.law for verdict in check_layer(embedding, PARAMS, labels, rng=rng).verdicts} >= {
        *("structure", "derivative", "linearity", "ownership", "independent_rows", "one_pass")
    }

    def grads(cache: Any, dout: Any) -> Embedding:
        gradient = np.zeros_like(cache.E)
        gradient[cache.labels] = dout  # the last one wins
        return Embedding(gradient)

    report = check_layer(Encoder(embedding.forward, grads), PARAMS, labels, rng=rng)
    assert "derivative" in {verdict.law for verdict in report.failures}


def test_a_network_of_tokens_is_checked_trained_and_used() -> None:
    rng = np.random.default_rng(0)
    network = encoded(embedding, affine)
    params = Embedding(normal(rng, 5, 4)), Affine(normal(rng, 4, 3), normal(rng, 3))
    tokens, targets = rng.integers(0, 5, (6, 2)), rng.integers(0, 3, (6, 2))
    assert check_network(network, softmax_cross_entropy, params, tokens, targets, rng=rng).ok
    optimizer = sgd(0.5)
    step, state = training_step(network, softmax_cross_entropy, optimizer), optimizer.init(params)
    losses: list[float] = []
    for _ in range(50):
        params, state, loss = step(params, state, tokens, targets)
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 2
    assert tree.equal(prediction(network)(params, tokens), network.forward(params, tokens)[0])


def test_a_row_that_no_label_chose_stays() -> None:
    params = Embedding(np.ones((4, 2))), ()
    gradient = value_and_grad(encoded(embedding, sequential()), softmax_cross_entropy)
    grads = gradient(params, np.array([1, 1]), np.array([0, 1]))[1]
    assert not grads[0].E[[0, 2, 3]].any()


def test_labels_may_be_written_to_after_forward() -> None:
    labels = np.array([1, 1, 0])
    _, cache = embedding.forward(PARAMS, labels)
    labels[:] = 2
    np.testing.assert_array_equal(embedding.grads(cache, np.ones((3, 2))).E, [[1, 1], [2, 2], [0, 0]])


def test_parameters_are_checked_and_drawn() -> None:
    with pytest.raises(ValueError, match=r"Embedding: E must be 2-D \(tokens, features\), got shape \(3,\)"):
        Embedding(np.ones(3))
    with pytest.raises(TypeError, match=r"Embedding: E is int64, not floating-point"):
        Embedding(untyped(np.ones((3, 2), np.int64)))
    by_default = Embedding.init(np.random.default_rng(0), 4, 3)
    np.testing.assert_array_equal(by_default.E, np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32))
    assert by_default.E.dtype == np.float32
    drawn = Embedding.init(np.random.default_rng(0), 400, 50, std=0.5, dtype=np.float64)
    assert drawn.E.dtype == np.float64
    assert float(drawn.E.std()) == pytest.approx(0.5, rel=0.02)
    for arguments, error in (((-1, 2), ValueError), ((2.5, 2), TypeError)):
        with pytest.raises(error, match=r"Embedding\.init: n_tokens must be"):
            untyped(Embedding.init)(np.random.default_rng(0), *arguments)
    with pytest.raises(ValueError, match=r"Embedding\.init: std must be a finite number >= 0, got -1"):
        Embedding.init(np.random.default_rng(0), 3, 2, std=-1.0)
