import numpy as np
import pytest
from hypothesis import given

import reference
from chainrule import (
    Array,
    Labels,
    accuracy,
    initializers,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.checking.numerical_gradient import Method
from strategies import Floating, dtypes, generators, normal, sides


def problem(
    rng: np.random.Generator, n: int, dtype: Floating = np.float64
) -> tuple[two_layer.Params, Array, Labels, int]:
    d, h, k = (int(side) for side in rng.integers(1, 8, 3))
    params = two_layer.init(rng, d, h, k, std=0.5, dtype=dtype)
    return params, normal(rng, n, d, dtype=dtype), rng.integers(0, k, n), k


@given(rng=generators, n=sides)
def test_loss_and_gradient_equal_the_textbooks_formulas(rng: np.random.Generator, n: int) -> None:
    params, x, labels, k = problem(rng, n)
    loss, grads = reference.two_layer(x, np.eye(k)[labels], params[0].W, params[0].b, params[2].W, params[2].b)
    for targets in (labels, np.eye(k)[labels]):
        assert float(two_layer.loss(params, x, targets)) == pytest.approx(loss, rel=0, abs=1e-12)
        for ours, theirs in zip(tree.leaves(two_layer.gradient(params, x, targets)), grads, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)  # the bound: seen 1e-16


@pytest.mark.parametrize(("method", "bound"), [("central", 1e-7), ("complex", 1e-12)])
@pytest.mark.parametrize("std", [0.01, 0.1])
def test_gradient_equals_the_numerical_one_at_the_books_size(method: Method, bound: float, std: float) -> None:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 784, 50, 10, std=std, dtype=np.float64)
    x, labels = rng.random((3, 784)), rng.integers(0, 10, 3)
    exact = two_layer.gradient(params, x, labels)
    numeric = two_layer.numerical_gradient(params, x, labels, method=method)
    for a, b in zip(tree.leaves(exact), tree.leaves(numeric), strict=True):
        assert float(np.abs(a - b).max() / np.abs(a).max()) < bound


def test_init() -> None:
    first, unit, second = two_layer.init(np.random.default_rng(0), 784, 50, 10)
    assert (first.W.shape, first.b.shape, unit, second.W.shape, second.b.shape) == (
        (784, 50),
        (50,),
        (),
        (50, 10),
        (10,),
    )
    assert first.W.std() == pytest.approx(0.01, rel=0.02)  # of 39,200 normal numbers: 0.4%, five times
    assert second.W.std() == pytest.approx(0.01, rel=0.2)  # of 500 normal numbers: 3%, six times
    assert not first.b.any()
    assert not second.b.any()
    assert all(leaf.dtype == np.float32 for leaf in tree.leaves((first, second)))
    assert all(
        leaf.dtype == np.float64
        for leaf in tree.leaves(two_layer.init(np.random.default_rng(0), 2, 3, 4, dtype=np.float64))
    )


def test_an_initializer_draws_the_weights_of_both_layers() -> None:
    first, _, second = two_layer.init(np.random.default_rng(0), 30, 20, 10, weights=initializers.orthogonal)
    for W in (first.W, second.W):
        np.testing.assert_allclose(W.T @ W, np.eye(W.shape[1]), atol=1e-5)  # sums of 30 products in float32


@given(rng=generators, n=sides, dtype=dtypes)
def test_parts_fit_together(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    params, x, labels, _ = problem(rng, n, dtype)
    logits = two_layer.predict(params, x)
    assert tree.equal(two_layer.loss(params, x, labels), softmax_cross_entropy.forward(logits, labels)[0])
    assert two_layer.accuracy(params, x, labels) == accuracy(logits, labels)
    _, grads = value_and_grad(two_layer.network, softmax_cross_entropy)(params, x, labels)
    assert tree.equal(two_layer.gradient(params, x, labels), grads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_keeps_the_dtype_everywhere_and_learns(dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 2, 16, 2, std=0.5, dtype=dtype)
    x = normal(rng, 200, 2, dtype=dtype)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)  # exclusive or: no linear classifier learns it
    optimizer = sgd(np.float64(0.5))
    step, state = training_step(two_layer.network, softmax_cross_entropy, optimizer), optimizer.init(params)
    losses: list[float] = []
    for _ in range(500):
        params, state, loss = step(params, state, x, labels)
        losses.append(float(loss))
        assert loss.dtype == dtype
    assert all(leaf.dtype == dtype for leaf in tree.leaves(params))
    assert losses[0] == pytest.approx(np.log(2), abs=0.3)
    assert losses[-1] < 0.2
    assert two_layer.accuracy(params, x, labels) > 0.95


def test_a_step_is_value_and_grad_and_the_optimizers_step() -> None:
    params, x, labels, _ = problem(np.random.default_rng(0), 5)
    optimizer = sgd(0.3)
    step, before = training_step(two_layer.network, softmax_cross_entropy, optimizer), optimizer.init(params)
    stepped, state, loss = step(params, before, x, labels)
    expected_loss, grads = value_and_grad(two_layer.network, softmax_cross_entropy)(params, x, labels)
    expected, after = optimizer.step(before, params, grads)
    assert tree.equal((state, loss), (after, expected_loss))
    for got, leaf in zip(tree.leaves(stepped), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, leaf, rtol=0, atol=1e-14)  # the rate is multiplied elsewhere: some roundings


def test_numerical_gradient_really_uses_its_argument() -> None:
    params, x, labels, _ = problem(np.random.default_rng(1), 4)
    other = tree.map(lambda leaf: 2 * leaf + 1, params)
    assert not tree.equal(
        two_layer.numerical_gradient(params, x, labels), two_layer.numerical_gradient(other, x, labels)
    )
