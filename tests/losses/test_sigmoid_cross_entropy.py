import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import reference
from chainrule import (
    Array,
    Labels,
    prediction,
    sgd,
    sigmoid,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    training_step,
    two_layer,
)
from strategies import Floating, all_dtypes, generators, layouts, normal, sides
from untyped import untyped

BCE = sigmoid_cross_entropy

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Labels, Loss, affine, sgd, sigmoid_cross_entropy, training_step
from chainrule.rules.losses import Slopes


def accepted(logits: Array, targets: Array | Labels, params: Affine) -> None:
    assert_type(sigmoid_cross_entropy, Loss[Array | Labels, Slopes])
    assert_type(sigmoid_cross_entropy.forward(logits, targets), tuple[Array, Slopes])
    step = training_step(affine, sigmoid_cross_entropy, sgd(0.1))
    assert_type(step(params, sgd(0.1).init(params), logits, targets)[2], Array)


def refused(logits: Array) -> None:
    sigmoid_cross_entropy(logits, logits)  # rejected: a loss is a pair of functions
    sigmoid_cross_entropy.forward(logits)  # rejected: the targets are missing
    sigmoid_cross_entropy.forward(logits, [1, 0])  # rejected: a list is no array
"""


def loss_and_gradient(logits: Array, targets: Array | Labels) -> tuple[Array, Array]:
    loss, cache = BCE.forward(logits, targets)
    return loss, BCE.backward(cache, 1.0)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_it_is_the_cross_entropy_of_the_sigmoid(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x, t = normal(rng, n, 2, 3, dtype=dtype), rng.random((n, 2, 3)).astype(dtype)
    loss, slopes = loss_and_gradient(x, t)
    p = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    expected = -t * np.log(p) - (1 - t) * np.log1p(-p)
    few = 8 * float(np.finfo(dtype).eps)  # the roundings of some sums and products of terms of one sign, and two means
    np.testing.assert_allclose(loss, expected.mean(), rtol=few)
    np.testing.assert_allclose(slopes, (p - t) / p.size, rtol=0, atol=few / p.size)
    assert loss.dtype == slopes.dtype == dtype
    assert BCE.rows(x, t).shape == (n, 2)


@pytest.mark.parametrize("t", [0.0, 1e-300, 0.25, 0.5, 1 - 2**-53, 1.0])
def test_relative_accuracy_of_loss_and_gradient_in_both_tails(t: float) -> None:
    tails = [-1e4, -744.0, -700.0, -36.5, -20.0, -1e-8, -0.0, 5e-324, 1e-8, 1.0, 20.0, 36.5, 700.0, 744.0, 1e4]
    for x in [*tails, *np.linspace(-60, 60, 121)]:
        loss, slopes = loss_and_gradient(np.array([[x]]), np.array([[t]]))
        exact, slope, largest = reference.sigmoid_cross_entropy_50_digits(float(x), t)
        assert float(loss) == pytest.approx(exact, rel=1e-14, abs=5e-324), x
        # Where t is 0 or 1 the slope is one term, and relative to the end; elsewhere two terms may cancel.
        assert float(slopes[0, 0]) == pytest.approx(slope, rel=1e-14, abs=4 * 2**-53 * largest * (0 < t < 1)), x


@given(rng=generators, n=sides)
def test_two_classes_of_a_softmax_are_one_yes_or_no(rng: np.random.Generator, n: int) -> None:
    x, labels = 10 * normal(rng, n, 1), rng.integers(0, 2, n)
    loss, slopes = loss_and_gradient(x, labels[:, None])
    both, cache = softmax_cross_entropy.forward(np.concatenate([np.zeros((n, 1)), x], axis=1), labels)
    np.testing.assert_allclose(loss, both, rtol=1e-14)
    np.testing.assert_allclose(slopes[:, 0], softmax_cross_entropy.backward(cache, 1.0)[:, 1], rtol=1e-14)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_yes_and_no_are_mirror_images(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x, t = 4 * normal(rng, n, 3, dtype=dtype), rng.integers(0, 2, (n, 3))
    loss, slopes = loss_and_gradient(x, t)
    mirrored, mirrored_slopes = loss_and_gradient(-x, 1 - t)
    np.testing.assert_allclose(mirrored, loss, rtol=4 * float(np.finfo(dtype).eps))  # the same terms, in another order
    np.testing.assert_array_equal(mirrored_slopes, -slopes)
    assert loss >= 0


def test_the_slope_is_prediction_minus_truth() -> None:
    x, t = np.array([[-2.0, 0.0, 3.0]]), np.array([[0.25, 0.5, 1.0]])
    np.testing.assert_allclose(3 * loss_and_gradient(x, t)[1], sigmoid.forward((), x)[0] - t, rtol=0, atol=4e-16)


def test_known_values() -> None:
    loss, slopes = loss_and_gradient(np.log(np.array([[3.0]])), np.array([[1.0]]))  # p = 3 / 4
    assert float(loss) == pytest.approx(-np.log(0.75), rel=1e-15)
    assert float(slopes[0, 0]) == pytest.approx(-0.25, rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extreme_logits_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    x = np.array([[top, top, -top, -top, 0, np.finfo(dtype).tiny]], dtype)
    t = np.array([[1, 0, 0, 1, 1, 0]], dtype)
    with np.errstate(all="raise"):
        (loss,), slopes = BCE.rows(x, t), 6 * loss_and_gradient(x, t)[1]
    np.testing.assert_allclose(loss, 2 * (top / 6), rtol=4 * float(np.finfo(dtype).eps))
    np.testing.assert_allclose(slopes, [[0, 1, 0, -1, -0.5, 0.5]], rtol=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize(
    ("x", "t", "loss", "slope"),
    [
        (-np.inf, 0.0, np.nan, 0.0),
        (-np.inf, 0.5, np.inf, -0.5),
        (-np.inf, 1.0, np.inf, -1.0),
        (np.inf, 0.0, np.inf, 1.0),
        (np.inf, 0.5, np.inf, 0.5),
        (np.inf, 1.0, np.nan, 0.0),
        (np.nan, 1.0, np.nan, np.nan),
    ],
)
def test_infinity_and_nan(x: float, t: float, loss: float, slope: float) -> None:
    logits, targets = np.array([[x], [0.0]]), np.array([[t], [1.0]])
    with np.errstate(all="raise"):
        losses, slopes = BCE.rows(logits, targets), 2 * loss_and_gradient(logits, targets)[1]
    np.testing.assert_array_equal(losses[0], loss)
    np.testing.assert_array_equal(slopes[0], slope)
    np.testing.assert_allclose([losses[1], slopes[1, 0]], [np.log(2), -0.5], rtol=1e-15)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_every_memory_layout_and_dtype_of_targets_gives_the_same(
    rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    x, t = normal(rng, n, 3, dtype=dtype), rng.integers(0, 2, (n, 3))
    loss, slopes = loss_and_gradient(x, t)
    eps = float(np.finfo(dtype).eps)
    for name, laid_out in layouts(x).items():
        other, other_slopes = loss_and_gradient(laid_out, t)
        np.testing.assert_allclose(other, loss, rtol=4 * eps, err_msg=name)  # sums in another order
        np.testing.assert_allclose(other_slopes, slopes, rtol=4 * eps, err_msg=name)
    for kind in ("u1", "f4", ">f8"):
        np.testing.assert_array_equal(loss_and_gradient(x, t.astype(kind))[1], slopes)


def test_a_network_learns_two_answers_at_once() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2))
    answers = np.stack([x[:, 0] > 0, x[:, 0] + x[:, 1] > 0.5], axis=1).astype(np.float64)
    params = two_layer.init(rng, 2, 16, 2, std=0.5, dtype=np.float64)
    step = training_step(two_layer.network, BCE, sgd(0.5))
    state = sgd(0.5).init(params)
    for _ in range(500):
        params, state, _ = step(params, state, x, answers)
    assert ((prediction(two_layer.network)(params, x) > 0) == answers).mean() > 0.95


def test_bad_input() -> None:
    x = np.zeros((3, 2))
    bad: list[tuple[Any, Any, str]] = [
        (x[0], x[0], "logits must have rows of numbers (..., k), got shape (2,): add an axis, as logits[:, None]"),
        (x[:0], x[:0], "the mean over an empty batch is undefined, logits have shape (0, 2)"),
        (x, x[:, :1], "targets must have the shape of logits (3, 2), got (3, 1)"),
        (x, x + np.array([0, 1.5]), "targets must be in [0, 1], got 1.5 at row 0, column 1"),
        (x, np.array([[0, 1], [1, 0], [-1, 0]]), "targets must be in [0, 1], got -1 at row 2, column 0"),
        (x, np.array([[0, 1], [1, np.nan], [1, 0]]), "targets must be in [0, 1], got nan at row 1, column 1"),
        (x[None], 2 + x[None], "targets must be in [0, 1], got 2 at row (0, 0), column 0"),
    ]
    for logits, targets, message in bad:
        with pytest.raises(ValueError, match=re.escape(f"sigmoid_cross_entropy: {message}")):
            BCE.forward(logits, targets)
    with pytest.raises(TypeError, match="sigmoid_cross_entropy: targets must be real numbers, got bool"):
        BCE.forward(x, untyped(x > 0))
    with pytest.raises(TypeError, match=r"targets must be an array, got list: convert it with np\.asarray"):
        BCE.forward(x, untyped([[1, 0]] * 3))
