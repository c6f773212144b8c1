"""The faults of class-based networks, each impossible here.

A test is named for the fault and shows what is right in its place.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import (
    Affine,
    Array,
    Layer,
    Objective,
    Unit,
    accuracy,
    affine,
    minibatches,
    numerical_gradient,
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

SOURCES = sorted(Path(inspect.getfile(chainrule)).parent.rglob("*.py"))


def batch(n: int = 5) -> tuple[two_layer.Params, Array, Any]:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 4, 6, 3, std=0.5, dtype=np.float64)
    return params, rng.standard_normal((n, 4)), rng.integers(0, 3, n)


# State, aliasing, purity


def test_relu_backward_overwrites_the_callers_dout() -> None:
    d = np.array([[1.0, 1.0]])
    dx, _ = relu.backward(relu.forward((), np.array([[-1.0, 1.0]]))[1], d)
    np.testing.assert_array_equal(dx + d, [[1, 2]])  # the residual connection that the overwriting broke


def test_predicting_between_loss_and_backward_changes_the_gradient() -> None:
    params, x, labels = batch()
    out, caches = two_layer.network.forward(params, x)
    _, cache = softmax_cross_entropy.forward(out, labels)
    two_layer.predict(params, x[::-1])
    grads = two_layer.network.grads(caches, softmax_cross_entropy.backward(cache, 1.0))
    assert tree.equal(grads, two_layer.gradient(params, x, labels))


def test_a_layer_used_twice_keeps_only_its_last_forward() -> None:
    params, x = Affine(np.array([[2.0]]), np.array([0.0])), np.array([[1.0]])
    h, first = affine.forward(params, x)
    out, second = affine.forward(params, h)
    dh, of_second = affine.backward(second, np.ones_like(out))
    _, of_first = affine.backward(first, dh)
    np.testing.assert_array_equal(of_first.W + of_second.W, [[2 + 2]])  # d(w^2)/dw = 2w = 4


def test_writing_to_x_after_forward_changes_dW() -> None:
    x = np.array([[2.0]])
    _, cache = affine.forward(Affine(np.ones((1, 1)), np.zeros(1)), x)
    x[:] = 100
    np.testing.assert_array_equal(affine.grads(cache, np.ones((1, 1))).W, [[2]])


def test_a_second_copy_of_the_parameters_goes_stale() -> None:
    params, x, labels = batch()
    other = tree.map(lambda leaf: leaf * 0, params)
    assert float(two_layer.loss(other, x, labels)) == pytest.approx(np.log(3))


def test_backward_before_forward_fails_far_away() -> None:
    parameters = inspect.signature(affine.backward).parameters
    assert next(iter(parameters)) == "cache"  # there is nothing to call it with


def test_a_gradient_of_another_shape_broadcasts_into_the_parameters() -> None:
    params = Affine(np.ones((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="must have the shape of its parameter"):
        sgd(0.1).step(sgd(0.1).init(params), params, tree.replace(params, [np.ones((1, 2)), np.ones(2)]))


def test_an_optimizer_writes_to_the_arrays_it_was_given() -> None:
    params, x, labels = batch()
    before = tree.map(np.copy, params)
    sgd(0.1).step(sgd(0.1).init(params), params, two_layer.gradient(params, x, labels))
    assert tree.equal(params, before)


def test_numerical_gradient_leaves_its_argument_perturbed_when_f_raises() -> None:
    x = np.array([2.0])

    def fail(v: Array) -> float:
        raise ArithmeticError("f failed")

    with pytest.raises(ArithmeticError, match="f failed"):
        numerical_gradient(fail, x)
    np.testing.assert_array_equal(x, [2])


def test_the_function_differentiated_ignores_its_argument() -> None:
    params, x, labels = batch()
    f = Objective(two_layer.network, softmax_cross_entropy, x, labels)
    assert float(f(params)) != float(f(tree.map(lambda leaf: leaf + 1, params)))


# Numerics


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sigmoid_overflows(dtype: Any) -> None:
    out, _ = sigmoid.forward((), np.array([[-1000.0, 1000.0]], dtype))  # with warnings as errors
    np.testing.assert_array_equal(out, [[0, 1]])


def test_an_epsilon_in_the_logarithm_makes_the_loss_negative_and_saturates_it() -> None:
    perfect, hopeless = np.array([[0.0, -1000.0]]), np.array([[-1000.0, 0.0]])
    assert softmax_cross_entropy.forward(perfect, np.array([0]))[0] == 0
    assert softmax_cross_entropy.forward(hopeless, np.array([0]))[0] == 1000


def test_softmax_with_loss_ignores_dout() -> None:
    _, cache = softmax_cross_entropy.forward(np.zeros((2, 3)), np.array([0, 1]))
    once, thrice = softmax_cross_entropy.backward(cache, 1.0), softmax_cross_entropy.backward(cache, 3.0)
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-15)


def test_soft_labels_have_a_loss_that_disagrees_with_its_gradient() -> None:
    z, t = np.array([[1.0, 2.0, 0.5]]), np.array([[0.2, 0.5, 0.3]])
    _, cache = softmax_cross_entropy.forward(z, t)
    numeric = numerical_gradient(lambda logits: softmax_cross_entropy.forward(logits, t)[0], z)
    np.testing.assert_allclose(softmax_cross_entropy.backward(cache, 1.0), numeric, rtol=0, atol=1e-9)


def test_labels_or_rows_are_told_apart_by_counting_entries() -> None:
    one_class = np.array([[3.0], [4.0]])
    assert softmax_cross_entropy.forward(one_class, np.array([0, 0]))[0] == 0
    with pytest.raises(ValueError, match=re.escape("got (2, 1)")):
        softmax_cross_entropy.forward(np.zeros((2, 3)), np.array([[0], [1]]))


def test_label_minus_one_wraps_to_the_last_class() -> None:
    with pytest.raises(ValueError, match=re.escape("labels must be in [0, 3), got -1 at row 1")):
        softmax_cross_entropy.forward(np.zeros((2, 3)), np.array([0, -1]))


def test_slope_of_relu_at_zero_is_one() -> None:
    out, cache = relu.forward((), np.array([[0.0, -0.0]]))
    np.testing.assert_array_equal(relu.backward(cache, np.ones_like(out))[0], [[0, 0]])


def test_numerical_gradient_of_integers_is_nonsense() -> None:
    with pytest.raises(TypeError, match=r"i64\[3\]: convert it first"):
        numerical_gradient(lambda v: (v * v).sum(), np.array([1, 2, 3]))


def test_numerical_gradient_in_float32_is_off_by_some_thousandths() -> None:
    params, x, labels = batch()
    narrow = tree.map(lambda leaf: leaf.astype(np.float32), params)
    numeric = two_layer.numerical_gradient(narrow, x.astype(np.float32), labels)
    wide = tree.map(lambda leaf: leaf.astype(np.float64), narrow)
    exact = two_layer.gradient(wide, x.astype(np.float32).astype(np.float64), labels)
    for a, b in zip(tree.leaves(numeric), tree.leaves(exact), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_numerical_gradient_at_a_kink_is_one_half() -> None:
    numeric = numerical_gradient(lambda v: relu.forward((), v)[0].sum(), np.array([0.0, 1e-6]))
    assert np.isnan(numeric[0])
    assert numeric[1] == pytest.approx(1, abs=1e-6)


def test_numerical_gradient_of_a_matrix_sees_one_row_at_a_time() -> None:
    def couples_rows(v: Array) -> float:
        return float(v[0] @ v[1] * v[2].sum())

    x = np.arange(6.0).reshape(3, 2)
    numeric = numerical_gradient(couples_rows, x)
    np.testing.assert_allclose(numeric, [9 * x[1], 9 * x[0], np.full(2, x[0] @ x[1])], rtol=1e-9)
    assert numerical_gradient(lambda v: (v**2).sum(), np.ones((2, 2, 2))).shape == (2, 2, 2)


def test_a_mean_difference_passes_a_gradient_that_is_wrong_by_a_factor_of_two() -> None:
    # With weights of 0.01 the mean absolute difference of a doubled dW1 is some 1e-3, which looks like agreement.
    # Relative to the largest entry, as this library compares, it is 1.
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 784, 50, 10, dtype=np.float64)
    x, labels = rng.random((3, 784)), rng.integers(0, 10, 3)
    exact = two_layer.gradient(params, x, labels)[0].W
    numeric = two_layer.numerical_gradient(params, x, labels, method="complex")[0].W
    assert np.abs(2 * exact - numeric).mean() < 2e-3
    assert np.abs(2 * exact - numeric).max() / np.abs(numeric).max() == pytest.approx(1, rel=1e-6)


def test_float32_is_promoted_somewhere() -> None:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 4, 6, 3)
    x, labels = rng.random((5, 4), np.float32), rng.integers(0, 3, 5)
    out, caches = two_layer.network.forward(params, x)
    loss, cache = softmax_cross_entropy.forward(out, labels)
    dout = softmax_cross_entropy.backward(cache, np.float64(1))
    dx, grads = two_layer.network.backward(caches, dout)
    optimizer = sgd(np.float64(0.1))
    stepped, _ = optimizer.step(optimizer.init(params), params, grads)
    assert {leaf.dtype for leaf in tree.leaves((out, caches, loss, cache, dout, dx, grads, stepped))} == {x.dtype}
    with pytest.raises(TypeError, match="x is float64 but the parameters are float32"):
        two_layer.predict(params, x.astype(np.float64))


# Interface


def test_the_gradient_is_written_out_by_hand_for_one_network() -> None:
    params, x, labels = batch()
    activations: list[Layer[Unit, Any]] = [relu, sigmoid]
    for activation in activations:
        deeper = sequential(affine, activation, affine, activation, affine)
        square = Affine(np.eye(6), np.zeros(6))
        _, grads = value_and_grad(deeper, softmax_cross_entropy)((params[0], (), square, (), params[2]), x, labels)
        assert [leaf.shape for leaf in tree.leaves(grads)] == [(4, 6), (6,), (6, 6), (6,), (6, 3), (3,)]


def test_predict_gives_logits_in_one_place_and_probabilities_in_another() -> None:
    params, x, _ = batch()
    assert tree.equal(two_layer.predict(params, x), two_layer.network.forward(params, x)[0])


def test_accuracy_of_nan_is_one() -> None:
    with pytest.raises(ValueError, match="are nan"):
        accuracy(np.full((2, 3), np.nan), np.array([0, 0]))


def test_accuracy_broadcasts_one_label_over_the_batch() -> None:
    with pytest.raises(ValueError, match="5 rows of logits"):
        accuracy(np.zeros((5, 3)), np.array([0]))


def test_only_one_kind_of_targets_is_taken() -> None:
    params, x, labels = batch()
    one_hot = np.eye(3)[labels]
    assert tree.equal(two_layer.gradient(params, x, labels), two_layer.gradient(params, x, one_hot))
    assert two_layer.accuracy(params, x, labels) == two_layer.accuracy(params, x, one_hot)
    assert tree.equal(two_layer.numerical_gradient(params, x, labels), two_layer.numerical_gradient(params, x, one_hot))


def test_the_loss_reported_is_that_after_the_step() -> None:
    params, x, labels = batch()
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(1.0))
    _, _, loss = step(params, sgd(1.0).init(params), x, labels)
    assert float(loss) == float(two_layer.loss(params, x, labels))


def test_a_bias_of_another_shape_broadcasts() -> None:
    for b in (np.ones((4, 2)), np.ones(5), np.ones(1), np.ones(())):
        with pytest.raises(ValueError, match=re.escape("Affine: W is (3, 2), so b must be (2,), got")):
            Affine(np.ones((3, 2)), b)


def test_one_row_without_its_batch_is_reshaped_and_an_empty_batch_fails() -> None:
    params, x, _ = batch()
    assert two_layer.predict(params, x[0]).shape == (3,)
    assert two_layer.predict(params, x[:0]).shape == (0, 3)


def test_random_numbers_come_from_a_global_seed() -> None:
    legacy: Any = np.random.get_state()
    two_layer.init(np.random.default_rng(0), 4, 6, 3)
    list(minibatches(np.random.default_rng(0), np.ones((9, 2)), np.arange(9), 4))
    after: Any = np.random.get_state()
    assert after[1].tolist() == legacy[1].tolist()


def test_an_epoch_draws_with_replacement_and_misses_examples() -> None:
    batches = minibatches(np.random.default_rng(0), np.ones((9, 2)), np.arange(9), 4)
    assert sorted(int(i) for _, part in batches for i in part) == list(range(9))


def test_imports_of_everything_and_paths_edited_at_run_time() -> None:
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        assert "sys.path" not in text, source.name
        stars = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
        assert not stars, source.name
