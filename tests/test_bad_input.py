"""Arbitrary wrong input: an error that names the quantity, or a right answer; nothing else, and no warning."""

import re
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from chainrule import (
    Affine,
    Embedding,
    Encoder,
    Layer,
    Loss,
    Objective,
    accuracy,
    adam,
    affine,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    clip_by_global_norm,
    directional_derivative,
    draw,
    dropout,
    embedding,
    huber,
    last_of,
    layer_norm,
    mean_squared_error,
    minibatches,
    numerical_gradient,
    one_hot,
    prediction,
    record,
    relu,
    sequential,
    sgd,
    sigmoid,
    smooth_labels,
    softmax_cross_entropy,
    split,
    train,
    tree,
    two_layer,
)
from chainrule.datasets import load_idx, load_mnist
from chainrule.interop.arguments import constant_at
from chainrule.training.shards import combine
from strategies import Floating, generators
from untyped import untyped

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy


class Series:
    """A column of a table, as pandas has it."""

    shape, dtype = (2,), np.dtype(int)


Series.__module__ = "pandas.core.series"

TOKENS = Embedding(np.ones((3, 2)))

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
kinds = st.sampled_from(
    ["f2", "f4", "f8", "g", "i1", "i8", "u1", "u8", "?", "c8", "c16", "O", "U1", "M8[s]", "V4", ">f4"]
)
odd: list[Any] = [None, 1, 2.5, "x", [], [[1.0]], (), {}, np.float32(1), np.ma.masked_array([[1.0]]), object()]
oddities: st.SearchStrategy[Any] = st.sampled_from(odd)


def array_of(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> Any:
    values = rng.integers(0, 3, shape)
    return values.astype(np.int64).astype(kind) if kind != "V4" else np.zeros(shape, "V4")


anything: st.SearchStrategy[Any] = st.one_of(st.builds(array_of, generators, shapes, kinds), oddities)


def answer_or_error(call: Callable[[], Any], *names: str) -> Any:
    """The result of a call; None if it raised an error that begins with one of the names."""
    try:
        return call()
    except (ValueError, TypeError) as error:
        if str(error).startswith(names):
            return None
        raise


@given(W=anything, b=anything)
def test_parameters(W: Any, b: Any) -> None:
    params = answer_or_error(lambda: Affine(W, b), "Affine: ")
    if params is not None:
        assert params.W.ndim == 2
        assert params.b.shape == params.W.shape[1:]
        assert params.W.dtype.kind == "f"


@given(x=anything)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_of_affine(x: Any, dtype: Floating) -> None:
    params = Affine(np.arange(6.0).reshape(2, 3).astype(dtype), np.ones(3, dtype))
    result = answer_or_error(lambda: affine.forward(params, x), "affine: x ")
    if result is not None:
        arrays: tuple[Any, ...] = (x, params.W, params.b)
        exact = [np.asarray(a, np.float64) for a in arrays]
        expected = reference.affine(exact[0].reshape(-1, 2), exact[1], exact[2])  # of small integers
        np.testing.assert_array_equal(result[0], expected.reshape(*x.shape[:-1], 3))
        assert result[0].dtype == dtype


@given(params=anything, x=anything)
@pytest.mark.parametrize(
    "layer", [affine, relu, sigmoid, sequential(relu)], ids=["affine", "relu", "sigmoid", "sequential"]
)
def test_parameters_of_layers(layer: Any, params: Any, x: Any) -> None:
    result = answer_or_error(lambda: layer.forward(params, x), "affine: ", "relu: ", "sigmoid: ", "sequential: ")
    assert result is None or params == ()


@given(dout=anything)
@pytest.mark.parametrize("layer", [relu, sigmoid], ids=["relu", "sigmoid"])
def test_dout(layer: Any, dout: Any) -> None:
    out, cache = layer.forward((), np.ones((2, 3)))
    result = answer_or_error(lambda: layer.backward(cache, dout), "relu backward: dout ", "sigmoid backward: dout ")
    if result is not None:
        assert dout.shape == out.shape
        assert result[0].dtype == out.dtype


@given(targets=anything)
@pytest.mark.parametrize("function", [softmax_cross_entropy.forward, softmax_cross_entropy.rows, accuracy])
def test_targets(function: Any, targets: Any) -> None:
    logits = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 1.0]])
    result = answer_or_error(lambda: function(logits, targets), "softmax_cross_entropy: ", "accuracy: ")
    if result is not None:
        one_hot = np.eye(3)[targets.astype(int)] if targets.ndim == 1 else targets.astype(np.float64)
        assert np.isfinite(one_hot).all()
        assert tree.equal(result, function(logits, one_hot))


@given(logits=anything)
def test_logits(logits: Any) -> None:
    labels = np.zeros(2, np.int64)
    result = answer_or_error(lambda: softmax_cross_entropy.forward(logits, labels), "softmax_cross_entropy: ")
    if result is not None:
        assert result[0].shape == ()
        assert result[0] >= 0


@given(dloss=anything)
def test_dloss(dloss: Any) -> None:
    _, cache = softmax_cross_entropy.forward(np.zeros((2, 3)), np.array([0, 1]))
    result = answer_or_error(lambda: softmax_cross_entropy.backward(cache, dloss), "softmax_cross_entropy backward: ")
    assert result is None or (result.shape == (2, 3) and result.dtype == np.float64)


@given(layers=st.lists(oddities, min_size=1, max_size=3))
def test_composition(layers: list[Any]) -> None:
    assert answer_or_error(lambda: untyped(sequential)(*layers), "sequential: argument ") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sgd(untyped(np.ones(1))), "sgd: learning_rate must be a number, got f64[1]"),
        (lambda: sgd(untyped("fast")), "sgd: learning_rate must be a number, got str"),
        (lambda: sgd(untyped(np.complex64(1))), "sgd: learning_rate must be a number, got c64[]"),
        (lambda: sgd(untyped(1j)), "sgd: learning_rate must be a number, got complex"),
        (lambda: sgd(untyped(True)), "sgd: learning_rate must be a number, got bool"),
        (lambda: sgd(untyped(np.array(1j))), "sgd: learning_rate must be a real number, got c128[]"),
        (lambda: sgd(untyped(np.array("0.1"))), "sgd: learning_rate must be a number, got <U3[]"),
        (lambda: sgd(untyped(np.array("fast", object))), "sgd: learning_rate must be a number, got object[]"),
        (lambda: sgd(untyped(np.bytes_(b"1"))), "sgd: learning_rate must be a number, got |S1[]"),
        (lambda: sgd(untyped(np.zeros((), "V4"))), "sgd: learning_rate must be a number, got |V4[]"),
        (lambda: sgd(10**400), "sgd: learning_rate must be a finite number >= 0, got inf"),
        (lambda: sgd(-0.1), "sgd: learning_rate must be a finite number >= 0, got -0.1"),
        (lambda: sgd(0.1, momentum=1.0), "sgd: momentum must be a finite number in [0, 1), got 1.0"),
        (lambda: layer_norm(eps=-1.0), "layer_norm: eps must be a finite number > 0, got -1.0"),
        (lambda: dropout(1.0, seed=1), "dropout: rate must be a finite number in [0, 1), got 1.0"),
        (lambda: dropout(0.5, untyped(1.5)), "dropout: seed must be a whole number, got float"),
        (lambda: dropout(0.5, untyped(True)), "dropout: seed must be a whole number, got bool"),
        (lambda: dropout(0.5, untyped(np.ones(2, int))), "dropout: seed must be a whole number, got i64[2]"),
        (lambda: dropout(0.5, untyped(np.array(1.0))), "dropout: seed must be a whole number, got f64[]"),
        (
            lambda: dropout(0.5, untyped(np.random.default_rng(0))),
            "dropout: seed must be a whole number, got Generator: take rng.integers(2**31)",
        ),
        (lambda: dropout(0.5, -1), "dropout: seed must be >= 0, got -1"),
        (lambda: dropout(0.5, untyped(strict.asarray(1.0))), "dropout: seed must be a whole number, got f64[]"),
        (lambda: dropout(0.5, untyped(strict.asarray([1]))), "dropout: seed must be a whole number, got i64[1]"),
        (
            lambda: affine.forward(untyped([1]), np.ones((1, 2))),
            "affine: params must be Affine, got list",
        ),
        (
            lambda: embedding.forward(TOKENS, untyped(SimpleNamespace(shape=(2,)))),
            "embedding: labels must be an array of integers, got SimpleNamespace",
        ),
        (
            lambda: embedding.forward(TOKENS, untyped(Series())),
            "embedding: labels must be an array of integers, got Series: convert it with .to_numpy()",
        ),
        (
            lambda: last_of(untyped(Series())),
            "last_of: lengths must be an array of integers, got Series: convert it with .to_numpy()",
        ),
        (
            lambda: relu.forward((), untyped(Series())),
            "relu: x must be an array of floats, got Series: convert it with .to_numpy(np.float32)",
        ),
        (
            lambda: relu.forward((), untyped(np.float32(1))),
            "relu: x must be an array of floats, got float32: convert it with np.asarray",
        ),
        (
            lambda: embedding.forward(TOKENS, strict.asarray([0, 1])),
            "embedding: labels are an array of array_api_strict but E is one of numpy: convert one of them",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert str(error.value) == message


ROWS, X, LABELS = np.ones((2, 3)), np.ones((5, 3)), np.array([0, 1, 0, 1, 1])
PARAMS = two_layer.init(np.random.default_rng(0), 3, 4, 2, dtype=np.float64)
OBJECTIVE = Objective(two_layer.network, softmax_cross_entropy, X, LABELS)
NO_TREE = "must be arrays, in tuples and records, got"


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of_a_seed(seed: object) -> Any:
    return two_layer.network


def trained(loss: Any = softmax_cross_entropy, network: Any = two_layer.network, **others: Any) -> Any:
    return train(network, loss, sgd(0.1), PARAMS, (X, LABELS), rng=rng(), size=2, epochs=1, **others)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: untyped(two_layer.numerical_gradient)(PARAMS, None, LABELS),
            "affine: x must be an array of floats, got NoneType",
        ),
        (
            lambda: untyped(two_layer.numerical_gradient)(PARAMS, [[1.0]], LABELS),
            "affine: x must be an array of floats, got list: convert it with np.asarray",
        ),
        (
            lambda: untyped(two_layer.numerical_gradient)(PARAMS, X, [0, 1]),
            "softmax_cross_entropy: targets must be an array, got list: convert it with np.asarray",
        ),
        (
            lambda: untyped(two_layer.numerical_gradient)(PARAMS, (X,), LABELS),
            "affine: x must be an array of floats, got tuple: convert it with np.asarray",
        ),
        (
            lambda: directional_derivative(
                untyped(Objective)(two_layer.network, softmax_cross_entropy, [[1.0]], LABELS), PARAMS, PARAMS
            ),
            "affine: x must be an array of floats, got list: convert it with np.asarray",
        ),
        (lambda: untyped(numerical_gradient)(OBJECTIVE, PARAMS[:2]), "sequential: 3 layers need 3 params, got 2"),
        (
            lambda: untyped(numerical_gradient)(OBJECTIVE, PARAMS[0]),
            "sequential: params must be a tuple with an entry for each layer, got Affine",
        ),
        (
            lambda: untyped(numerical_gradient)(OBJECTIVE, PARAMS, method=np.ones(2)),
            "numerical_gradient: method must be 'central' or 'complex', got f64[2]",
        ),
        (
            lambda: trained(metrics=None, held_out=(X, LABELS)),
            "train: metrics must be a tuple of functions, got NoneType",
        ),
        (lambda: trained(metrics=3), "train: metrics must be a tuple of functions, got int"),
        (
            lambda: trained(huber, of_a_seed),
            "train: loss must be a Loss, got function: call it first, as huber(...)",
        ),
        (lambda: untyped(draw)(relu, (), numbers=np.ones(2)), "draw: numbers must be True or False, got f64[2]"),
        (lambda: untyped(draw)(relu, width=10**400), "draw: width must be a positive number of pixels, got inf"),
        (lambda: untyped(load_idx)(None), "load_idx: path must be a str or a path, got NoneType"),
        (lambda: untyped(load_mnist)(3), "load_mnist: directory must be a str or a path, got int"),
        (lambda: untyped(tree.map)(None, PARAMS), "map: f must be a function of arrays, got NoneType"),
        (lambda: untyped(combine)(3, [1]), "combine: shards must be a list, got int"),
        (lambda: untyped(combine)([PARAMS], None), "combine: sizes must be a list, got NoneType"),
        (lambda: untyped(combine)([PARAMS], np.array(1)), "combine: sizes must be a list, got i64[]"),
        (lambda: untyped(constant_at)(None), "as_layer: frozen must be names or positions in a list, got None"),
        (lambda: untyped(constant_at)(3), "as_layer: frozen must be names or positions in a list, got 3"),
        (lambda: untyped(record)(None), "record: None must be a class of annotated fields"),
        (lambda: untyped(sigmoid.backward)(Loss, ROWS), "sigmoid backward: cache must be Saved, got the class Loss"),
        (lambda: untyped(affine.grads)(Loss, ROWS), "affine backward: cache must be AffineCache, got the class Loss"),
        (lambda: untyped(one_hot)(np, 3), "one_hot: labels must be an array, got module"),
        (
            lambda: untyped(smooth_labels)(np, 3, 0.1),
            "smooth_labels: labels must be an array, got module",
        ),
        (
            lambda: untyped(mean_squared_error.forward)(ROWS, np),
            "mean_squared_error: targets must be an array, got module",
        ),
        (lambda: untyped(embedding.forward)(TOKENS, np), "embedding: labels must be an array of integers, got module"),
        (
            lambda: Affine.init(rng(), 10**12, 10**12),
            (
                "Affine.init: an array of n_in = 1000000000000, n_out = 1000000000000 is too large, it must have at "
                "most 1152921504606846975 numbers"
            ),
        ),
        (lambda: untyped(adam(0.1).init)((1, None)), f"adam: params {NO_TREE} a tuple of 2"),
        (lambda: untyped(adam(0.1).init)(relu), f"adam: params {NO_TREE} Layer"),
        (lambda: untyped(sgd(0.1).init)(((), 1)), f"sgd: params {NO_TREE} a tuple of 2"),
        (lambda: untyped(clip_by_global_norm(1.0))("abc"), f"clip_by_global_norm: grads {NO_TREE} str"),
        (
            lambda: minibatches(rng(), np.ma.masked_array(X), LABELS, 2),
            "minibatches: x must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (
            lambda: minibatches(rng(), X, (LABELS, np.ma.masked_array(LABELS)), 2),
            "minibatches: targets[1] must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (
            lambda: split(rng(), 0.5, X.view(np.matrix)),
            "split: array 1 must be a plain array, got matrix: convert it with np.asarray",
        ),
        (
            lambda: check_layer(relu, (), ROWS.view(np.matrix), rng=rng()),
            "check_layer: x must be a plain array, got matrix: convert it with np.asarray",
        ),
        (
            lambda: check_layer(affine, Affine(ROWS.T, ROWS[:, 0]), ROWS.view(np.recarray), rng=rng()),
            "check_layer: x must be a plain array, got recarray: convert it with np.asarray",
        ),
        (
            lambda: check_loss(mean_squared_error, ROWS, np.ma.masked_array(ROWS), rng=rng()),
            "check_loss: targets must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
    ],
)
def test_what_is_of_another_kind_is_refused_by_name(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert str(error.value) == message


CHECKED: dict[Any, tuple[Any, ...]] = {
    check_layer: (relu, (), ROWS),
    check_loss: (softmax_cross_entropy, ROWS, np.array([0, 1])),
    check_network: (relu, softmax_cross_entropy, (), ROWS, np.array([0, 1])),
    check_optimizer: (sgd(0.1), ROWS, ROWS),
}


@pytest.mark.parametrize("check", CHECKED, ids=lambda check: str(check.__name__))
def test_only_is_a_collection_of_names_and_effort_a_word(check: Any) -> None:
    names = f"{check.__name__}: only must be a collection of names of laws, got"
    for only, got in ((3, "int"), ("linearity", "str: write ['linearity']")):
        with pytest.raises(TypeError) as refused:
            check(*CHECKED[check], rng=rng(), only=only)
        assert str(refused.value) == f"{names} {got}"
    with pytest.raises(ValueError, match=rf"^{check.__name__}: only=\[\] is none of its laws"):
        check(*CHECKED[check], rng=rng(), only=[[]])
    if check is not check_optimizer:
        with pytest.raises(ValueError, match=rf'^{check.__name__}: effort must be "quick" or "full", got f64\[2\]$'):
            check(*CHECKED[check], rng=rng(), effort=np.ones(2))


def test_parameters_without_arrays_have_a_state() -> None:
    for params in ((), ((), ()), np.zeros(0), (np.ones(2), None)):
        assert adam(0.1).init(params).count == 0


@pytest.mark.parametrize(
    ("function", "lacks"),
    [
        (affine.forward, "forward() missing 1 required positional argument: 'x'"),
        (affine.backward, "backward() missing 1 required positional argument: 'dout'"),
        (affine.grads, "grads() missing 1 required positional argument: 'dout'"),
        (sequential(affine, relu).backward, "backward() missing 1 required positional argument: 'dout'"),
        (softmax_cross_entropy.forward, "forward() missing 1 required positional argument: 'targets'"),
    ],
)
def test_a_call_without_an_argument_is_named_as_its_user_knows_it(function: Callable[..., Any], lacks: str) -> None:
    with pytest.raises(TypeError) as raised:
        function(TOKENS)
    assert str(raised.value) == lacks


def test_seeds_of_all_kinds_are_taken() -> None:
    x = np.ones((4, 5))
    masks = [dropout(0.5, untyped(seed)).forward((), x)[0] for seed in (3, np.int64(3), np.uint8(3), np.array(3))]
    for mask in masks:
        np.testing.assert_array_equal(mask, masks[0])


class FromJax:
    """An array whose class lies in jaxlib, as those of JAX do."""

    dtype, shape, ndim = strict.float64, (2, 3), 2

    def __array_namespace__(self) -> Any:
        return strict


FromJax.__module__ = "jaxlib._jax"


def test_arrays_of_jax_are_called_so() -> None:
    with pytest.raises(TypeError) as error:
        affine.forward(Affine(np.ones((3, 2)), np.ones(2)), untyped(FromJax()))
    assert str(error.value) == ("affine: x is an array of jax but the parameters are of numpy: convert one of them")


@pytest.mark.parametrize(
    ("given", "name"), [(np, "module"), (np.ndarray, "the class ndarray"), (np.float32, "the class float32")]
)
def test_numpy_and_its_classes_which_have_a_shape_are_named_for_what_they_are(given: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"^check_layer: the subject must be a Layer or an Encoder, got {name}$"):
        check_layer(given, (), np.ones((2, 2)), rng=np.random.default_rng(0))


def test_numpy_is_no_array() -> None:
    with pytest.raises(TypeError, match=r"^relu: x must be an array of floats, got module$"):
        relu.forward((), untyped(np))


def test_what_makes_up_a_layer_a_loss_and_an_encoder_is_functions() -> None:
    made: dict[str, Callable[[], object]] = {
        "Layer: forward must be a function, got int": lambda: untyped(Layer)(1, relu.backward),
        "Layer: backward must be a function, got int": lambda: untyped(Layer)(relu.forward, 2),
        "Layer: grads must be a function, got int": lambda: untyped(Layer)(relu.forward, relu.backward, 3),
        "Encoder: grads must be a function, got str": lambda: untyped(Encoder)(embedding.forward, "grads"),
        "Loss: rows must be a function, got f64[2]": lambda: untyped(Loss)(abs, abs, np.ones(2)),
    }
    for message, make in made.items():
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            make()


def test_a_forward_that_returns_an_array_of_two_rows_returns_no_pair() -> None:
    def doubled(params: Any, x: Any) -> Any:
        return 2 * x

    layer: Layer[Any, Any] = Layer(doubled, relu.backward)
    x = np.ones((2, 3))
    for call in (prediction(sequential(layer)), sequential(layer).forward):
        with pytest.raises(TypeError, match=r"doubled.* forward must return \(out, cache\), got f64\[2, 3\]"):
            call(((),), x)
