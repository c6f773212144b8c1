import pickle
import re
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import (
    Affine,
    Array,
    Labels,
    Loss,
    Objective,
    Weighted,
    affine,
    huber,
    mean_squared_error,
    numerical_gradient,
    rules,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    value_and_grad,
    weighted,
)
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

CE = weighted(softmax_cross_entropy)

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Labels, Loss, Targets, Weighted, affine, mean_squared_error, sgd
from chainrule import softmax_cross_entropy, training_step, weighted
from chainrule.rules.losses import Slopes


def accepted(logits: Array, labels: Labels, weights: Array, params: Affine) -> None:
    assert_type(weighted(softmax_cross_entropy), Loss[Weighted[Targets], Slopes])
    targets = Weighted(labels, weights)
    assert_type(weighted(softmax_cross_entropy).forward(logits, targets), tuple[Array, Slopes])
    assert_type(weighted(mean_squared_error).rows(logits, Weighted(logits, weights > 0)), Array)
    step = training_step(affine, weighted(softmax_cross_entropy), sgd(0.1))
    assert_type(step(params, sgd(0.1).init(params), logits, targets)[2], Array)


def refused(logits: Array, labels: Labels, weights: Array, own: Loss[Array, Array]) -> None:
    weighted(softmax_cross_entropy).forward(logits, labels)  # rejected: the weights are missing
    weighted(mean_squared_error).forward(logits, Weighted(labels, weights))  # rejected: targets of another loss
    weighted(own)  # rejected: its cache holds no slopes of its rows
    Weighted(labels, [1.0, 0.0])  # rejected: a list is no array
"""


def loss_and_gradient(loss: Loss[Any, Any], out: Array, targets: Any) -> tuple[Array, Array]:
    value, cache = loss.forward(out, targets)
    return value, loss.backward(cache, 1.0)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_it_is_the_sum_of_weighted_losses_over_the_sum_of_weights(
    rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    z, labels, weights = normal(rng, n, 2, 3, dtype=dtype), rng.integers(0, 3, (n, 2)), rng.random((n, 2)) + 0.1
    loss, dz = loss_and_gradient(CE, z, Weighted(labels, weights))
    w, z = weights.astype(dtype).astype(np.longdouble), z.astype(np.longdouble)
    slopes = softmax_cross_entropy.backward(softmax_cross_entropy.forward(z, labels)[1], 2 * n)
    few = 16 * float(np.finfo(dtype).eps)  # the roundings of a loss, two means and four products
    np.testing.assert_allclose(loss, (w * softmax_cross_entropy.rows(z, labels)).sum() / w.sum(), rtol=few)
    np.testing.assert_allclose(dz, slopes * (w / w.sum())[..., None], rtol=0, atol=few)
    assert loss.dtype == dz.dtype == CE.rows(z.astype(dtype), Weighted(labels, weights)).dtype == dtype
    assert loss.shape == ()


@pytest.mark.parametrize("loss", [softmax_cross_entropy, mean_squared_error, huber(0.5)], ids=repr)
@given(rng=generators, n=sides)
def test_equal_weights_are_none(loss: Loss[Any, Any], rng: np.random.Generator, n: int) -> None:
    out = normal(rng, n, 3)
    targets = rng.integers(0, 3, n) if loss is softmax_cross_entropy else normal(rng, n, 3)
    plain = loss_and_gradient(loss, out, targets)
    for weights in (np.ones(n, bool), np.full(n, 7), np.full(n, 0.3)):
        for a, b in zip(loss_and_gradient(weighted(loss), out, Weighted(targets, weights)), plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("what", [0.0, 1e300, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("inner", [softmax_cross_entropy, mean_squared_error], ids=repr)
def test_rows_of_weight_0_are_not_there_whatever_stands_in_them(what: float, inner: Loss[Any, Any]) -> None:
    rng = np.random.default_rng(0)
    out, weights = normal(rng, 5, 3), np.array([1.0, 0.0, 2.0, 0.0, 0.5])
    targets = rng.integers(0, 3, 5) if inner is softmax_cross_entropy else normal(rng, 5, 3)
    there = weights > 0
    out[~there] = what
    loss = weighted(inner)
    with np.errstate(all="raise"):
        value, dout = loss_and_gradient(loss, out, Weighted(targets, weights))
        fewer, fewer_dout = loss_and_gradient(loss, out[there], Weighted(targets[there], weights[there]))
        rows = loss.rows(out, Weighted(targets, weights))
    np.testing.assert_allclose(value, fewer, rtol=1e-15)
    np.testing.assert_allclose(dout[there], fewer_dout, rtol=1e-15)
    np.testing.assert_array_equal(dout[~there], np.zeros((2, 3)))
    assert not rows[~there].any()


def test_a_weight_of_two_is_a_row_that_is_there_twice() -> None:
    rng = np.random.default_rng(0)
    z, labels, counts = normal(rng, 4, 3), rng.integers(0, 3, 4), np.array([2, 1, 0, 3])
    loss, dz = loss_and_gradient(CE, z, Weighted(labels, counts))
    again, dagain = loss_and_gradient(softmax_cross_entropy, z.repeat(counts, axis=0), labels.repeat(counts))
    np.testing.assert_allclose(loss, again, rtol=1e-15)
    np.testing.assert_allclose(dz[counts > 0], dagain[[0, 2, 3]] * counts[counts > 0, None], rtol=1e-14)


def test_one_row_in_many_of_float16_is_all_that_counts() -> None:
    out, weights = np.zeros((9000, 1), np.float16), np.zeros(9000, np.float16)
    out[7], weights[7] = 10, 0.125
    loss, dout = loss_and_gradient(weighted(mean_squared_error), out, Weighted(np.zeros((9000, 1)), weights))
    assert loss == 100  # 9000 times as much would be more than float16 holds
    assert dout[7] == pytest.approx(20, rel=2e-3)  # two roundings to three digits
    assert np.count_nonzero(dout) == 1


def test_a_step_and_numerical_gradients_take_it() -> None:
    rng = np.random.default_rng(0)
    params, x = Affine.init(rng, 4, 3, dtype=np.float64), normal(rng, 6, 4)
    targets = Weighted(rng.integers(0, 3, 6), np.array([1.0, 0.0, 2.0, 0.5, 0.0, 1.0]))
    loss, grads = value_and_grad(affine, CE)(params, x, targets)
    numerical = numerical_gradient(Objective(affine, CE, x, targets), params)
    for a, b in zip(tree.leaves(grads), tree.leaves(numerical), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)  # that of central differences
    new, _, again = training_step(affine, CE, sgd(0.5))(params, sgd(0.5).init(params), x, targets)
    assert again == loss
    np.testing.assert_allclose(new.W, params.W - 0.5 * grads.W, rtol=0, atol=1e-15)


def test_a_copy_is_made_again_with_its_loss() -> None:
    loss = weighted(huber(2.0))
    out, targets = np.array([[3.0], [1.0]]), Weighted(np.zeros((2, 1)), np.array([1.0, 3.0]))
    for again in (pickle.loads(pickle.dumps(loss)), deepcopy(loss)):
        assert repr(again) == "Loss(weighted(loss=huber(delta=2.0)))"
        assert tree.equal(loss_and_gradient(again, out, targets), loss_and_gradient(loss, out, targets))


def own_rows(out: Array, targets: Array) -> Array:
    losses: Array = ((out - targets) ** 2).sum(axis=1)
    return losses


def own_forward(out: Array, targets: Array) -> tuple[Array, Array]:
    return np.asarray(own_rows(out, targets).mean()), out - targets


def own_backward(cache: Array, dloss: Array | float) -> Array:
    return 2 * cache * dloss / len(cache)


def test_a_loss_of_ones_own_by_its_rows_is_weighted_too_and_a_pair_is_not() -> None:
    def rows(xp: rules.Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
        error = out - targets
        return xp.sum_last(error * error), 2 * error

    mine = rules.loss("mine", rows)
    out, targets = np.array([[1.0], [3.0]]), Weighted(np.zeros((2, 1)), np.array([3, 1]))
    loss, dout = loss_and_gradient(weighted(mine), out, targets)
    assert loss == 3.0
    np.testing.assert_array_equal(dout, [[1.5], [1.5]])
    message = "weighted: Loss(own) has no slopes of its rows: make it with chainrule.rules.loss"
    with pytest.raises(TypeError, match=re.escape(message)):
        weighted(untyped(Loss(own_forward, own_backward, own_rows)))
    message = "weighted: the rows of Loss(weighted(loss=mine)) depend on each other, and can't be weighted one by one"
    with pytest.raises(TypeError, match=re.escape(message)):
        weighted(weighted(mine))
    with pytest.raises(
        TypeError, match=re.escape("weighted: loss must be a Loss, got function: call it first, as huber")
    ):
        weighted(untyped(huber))


@pytest.mark.parametrize(
    ("weights", "dtype", "message"),
    [
        (np.array([1, np.inf], np.float32), np.float64, "must be finite and >= 0, got inf at row 1"),
        (np.array([1, np.inf], np.float32), np.float32, "must be finite and >= 0, got inf at row 1"),
        (np.array([1.0, 1e300]), np.float32, "must be finite and >= 0, got 1e+300, inf in float32 at row 1"),
        (np.array([1.0, 1e6]), np.float16, "must be finite and >= 0, got 1e+06, inf in float16 at row 1"),
        (np.array([10**6, 1]), np.float16, "must be finite and >= 0, got 1e+06, inf in float16 at row 0"),
        (np.array([1e-9, 0.0]), np.float16, "the mean over no rows is undefined, all weights are 0 in float16"),
    ],
)
def test_weights_are_judged_in_the_dtype_in_which_they_count(weights: Any, dtype: Any, message: str) -> None:
    for loss in (CE, weighted(mean_squared_error)):
        z, targets = np.zeros((2, 3), dtype), np.zeros(2, int) if loss is CE else np.zeros((2, 3))
        with pytest.raises(ValueError, match=re.escape(message)):
            loss.forward(z, Weighted(targets, weights))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_at_both_ends_of_a_dtype_count_as_others_do(dtype: Any) -> None:
    z, labels, kind = np.array([[0.0, 1.0], [0.5, 0.0]], dtype), np.array([0, 1]), np.finfo(dtype)
    expected = tuple(loss_and_gradient(softmax_cross_entropy, z, labels))
    for value in (kind.max, kind.smallest_subnormal):
        found = loss_and_gradient(CE, z, Weighted(labels, np.full(2, value)))
        assert tree.equal(tuple(found), expected)


def test_bad_weights() -> None:
    z, labels = np.zeros((2, 3, 4)), np.zeros((2, 3), int)
    one = np.ones((2, 3))
    bad: list[tuple[Any, str]] = [
        (one[0], "weights must be one for each row (2, 3), got (3,)"),
        (np.where(labels == 0, -1, 1), "weights must be finite and >= 0, got -1 at row (0, 0)"),
        (one * np.array([1, 1, np.nan]), "weights must be finite and >= 0, got nan at row (0, 2)"),
        (one * np.array([1, np.inf, 1]), "weights must be finite and >= 0, got inf at row (0, 1)"),
        (0 * one, "the mean over no rows is undefined, all weights are 0"),
        (one < 0, "the mean over no rows is undefined, all weights are 0"),
    ]
    for weights, message in bad:
        with pytest.raises(ValueError, match=re.escape(f"weighted: {message}")):
            CE.forward(z, Weighted(labels, weights))
    others: list[tuple[Any, str]] = [
        ([[1.0] * 3] * 2, "weights must be an array, got list: convert it with np.asarray"),
        (one * 1j, "weights must be real numbers or truth values, got complex128"),
        (np.ma.masked_array(one), "weights must be a plain array, got MaskedArray"),
    ]
    for weights, message in others:
        with pytest.raises(TypeError, match=re.escape(f"weighted: {message}")):
            CE.forward(z, Weighted(labels, untyped(weights)))
    with pytest.raises(TypeError, match=re.escape("weighted: targets must be Weighted, got i64[2, 3]")):
        CE.forward(z, untyped(labels))
    with pytest.raises(ValueError, match=re.escape("softmax_cross_entropy: labels must be in [0, 4), got 4 at row")):
        CE.forward(z, Weighted(labels + 4, one))


def test_targets_own_their_arrays() -> None:
    labels: Labels = np.array([1, 0])
    weights = np.array([1.0, 0.5])
    targets = Weighted(labels, weights)
    labels[:], weights[:] = 0, 0
    assert targets.targets.tolist() == [1, 0]
    assert targets.weights.tolist() == [1.0, 0.5]
