import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from chainrule import Affine, Array, Targets, affine, mean_squared_error, softmax_cross_entropy, tree
from chainrule.arrays.tuned import IN_PASS
from strategies import Floating, all_dtypes, dtypes, generators, layouts, normal, sides
from untyped import untyped

CE = softmax_cross_entropy


def loss_and_gradient(logits: Array, targets: Targets, dloss: Array | float = 1.0) -> tuple[Array, Array]:
    loss, cache = CE.forward(logits, targets)
    return loss, CE.backward(cache, dloss)


def at_once(logits: Array, targets: Targets) -> tuple[Array, Array]:
    assert CE.rule is not None
    return CE.rule.at_once(IN_PASS, logits, untyped(targets), 1.0)


def probabilities(rng: np.random.Generator, n: int, k: int, dtype: Floating = np.float64) -> Array:
    t = rng.random((n, k)) + 0.01
    t /= t.sum(axis=1, keepdims=True)
    return t.astype(dtype)


@given(rng=generators, n=sides, k=sides)
def test_moderate_logits_agree_with_the_textbook(rng: np.random.Generator, n: int, k: int) -> None:
    z, t = normal(rng, n, k), probabilities(rng, n, k)
    loss, dz = loss_and_gradient(z, t)
    p = reference.softmax(z)
    # Sums of at most 36 terms of size 1 to 10.
    np.testing.assert_allclose(loss, -(t * np.log(p)).sum() / n, rtol=0, atol=1e-13)
    np.testing.assert_allclose(dz, (p - t) / n, rtol=0, atol=1e-14)
    np.testing.assert_allclose(CE.rows(z, t), -(t * np.log(p)).sum(axis=1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("margin", [0.0, 1.0, 5.0, 20.0, 30.0, 36.0, 50.0, 100.0, 400.0, 600.0])
@pytest.mark.parametrize("place", ["leads", "trails", "trails with all but one"])
@pytest.mark.parametrize("kind", ["label", "one-hot"])
def test_relative_accuracy_of_loss_and_gradient_at_every_margin(margin: float, place: str, kind: str) -> None:
    rng = np.random.default_rng(int(margin))
    for _ in range(20):
        z = normal(rng, 1, 10)
        label = int(rng.integers(10))
        others = np.delete(z[0], label)
        z[0, label] = others.max() + margin if place == "leads" else others.min() - margin
        if place == "trails with all but one":
            z[0, (label + 1) % 10] += 2 * margin
        one_hot = np.eye(10)[[label]]
        loss, dz = loss_and_gradient(z, np.array([label]) if kind == "label" else one_hot)
        expected, gradient = reference.cross_entropy_50_digits(z[0].tolist(), one_hot[0])
        assert float(loss) == pytest.approx(expected, rel=1e-14, abs=0)
        np.testing.assert_allclose(dz[0], gradient, rtol=1e-14, atol=0)


def test_soft_targets_agree_with_50_digits() -> None:
    rng = np.random.default_rng(0)
    for scale in (1, 10, 100):
        z, t = scale * normal(rng, 1, 6), probabilities(rng, 1, 6)
        loss, dz = loss_and_gradient(z, t)
        expected, gradient = reference.cross_entropy_50_digits(z[0].tolist(), t[0])
        assert float(loss) == pytest.approx(expected, rel=1e-14)
        # p - t cancels where they are close; the error is relative to t, which is at most 1.
        np.testing.assert_allclose(dz[0], gradient, rtol=0, atol=1e-15)


@given(rng=generators, n=sides, k=sides)
def test_rows_may_stand_on_several_axes(rng: np.random.Generator, n: int, k: int) -> None:
    z, t = normal(rng, 2 * n, k), probabilities(rng, 2 * n, k)
    loss, dz = loss_and_gradient(z, t)
    other_loss, other_dz = loss_and_gradient(z.reshape(2, n, k), t.reshape(2, n, k))
    np.testing.assert_array_equal(other_dz, dz.reshape(2, n, k))
    np.testing.assert_allclose(other_loss, loss, rtol=1e-14)  # a mean of at most 12 terms, perhaps in another order
    np.testing.assert_array_equal(CE.rows(z.reshape(2, n, k), t.reshape(2, n, k)), CE.rows(z, t).reshape(2, n))


@given(rng=generators, n=sides, k=sides, dtype=dtypes)
def test_labels_equal_one_hot_rows_bit_for_bit(rng: np.random.Generator, n: int, k: int, dtype: Floating) -> None:
    z, labels = 10 * normal(rng, n, k, dtype=dtype), rng.integers(0, k, n)
    for one_hot in (np.eye(k)[labels], np.eye(k, dtype=np.float32)[labels], np.eye(k, dtype=int)[labels]):
        assert tree.equal(loss_and_gradient(z, labels), loss_and_gradient(z, one_hot))


@given(rng=generators, n=sides, k=sides, dtype=dtypes)
def test_gradient_rows_sum_to_zero_and_loss_is_not_negative(
    rng: np.random.Generator, n: int, k: int, dtype: Floating
) -> None:
    z, labels = 10 * normal(rng, n, k, dtype=dtype), rng.integers(0, k, n)
    loss, dz = loss_and_gradient(z, labels)
    # Each row is a sum of up to 6 roundings of numbers of at most 1 / n.
    np.testing.assert_allclose(dz.sum(axis=1), 0, rtol=0, atol=4 * float(np.finfo(dtype).eps))
    assert loss >= 0
    assert loss.dtype == dz.dtype == dtype
    assert loss.shape == ()


@given(rng=generators, n=sides, k=sides)
def test_a_constant_added_to_a_row_changes_nothing(rng: np.random.Generator, n: int, k: int) -> None:
    z, labels = rng.integers(-80, 80, (n, k)) / 8, rng.integers(0, k, n)
    shift = rng.integers(-8000, 8000, (n, 1)) / 8  # multiples of 1/8 add without rounding
    assert tree.equal(loss_and_gradient(z, labels), loss_and_gradient(z + shift, labels))


@given(rng=generators, n=sides, k=sides)
def test_rows_and_classes_can_be_permuted(rng: np.random.Generator, n: int, k: int) -> None:
    z, labels = normal(rng, n, k), rng.integers(0, k, n)
    loss, dz = loss_and_gradient(z, labels)
    rows, classes = rng.permutation(n), rng.permutation(k)
    np.testing.assert_allclose(loss_and_gradient(z[rows], labels[rows])[1], dz[rows], rtol=0, atol=1e-15)
    other_loss, other_dz = loss_and_gradient(z[:, classes], np.argsort(classes)[labels])
    np.testing.assert_allclose(other_loss, loss, rtol=1e-14)  # a sum of at most 6 terms in another order
    np.testing.assert_allclose(other_dz, dz[:, classes], rtol=0, atol=1e-15)


@given(rng=generators, n=sides, k=sides, dloss=st.floats(-8, 8))
def test_backward_is_linear_in_dloss(rng: np.random.Generator, n: int, k: int, dloss: float) -> None:
    z, labels = normal(rng, n, k), rng.integers(0, k, n)
    _, dz = loss_and_gradient(z, labels)
    np.testing.assert_allclose(loss_and_gradient(z, labels, dloss)[1], dloss * dz, rtol=1e-15, atol=1e-300)
    assert not loss_and_gradient(z, labels, 0.0)[1].any()
    assert tree.equal(loss_and_gradient(z, labels, np.array(dloss))[1], loss_and_gradient(z, labels, dloss)[1])


@given(rng=generators, n=sides, k=sides)
def test_loss_is_convex_in_the_logits(rng: np.random.Generator, n: int, k: int) -> None:
    a, b, labels = normal(rng, n, k), normal(rng, n, k), rng.integers(0, k, n)
    middle = CE.forward((a + b) / 2, labels)[0]
    assert middle <= (CE.forward(a, labels)[0] + CE.forward(b, labels)[0]) / 2 + 1e-15  # rounding, for k = 1


def test_known_values() -> None:
    assert float(CE.forward(np.zeros((3, 10)), np.array([0, 5, 9]))[0]) == pytest.approx(np.log(10), rel=1e-15)
    loss, dz = loss_and_gradient(np.log(np.array([[1.0, 2.0, 5.0]])), np.array([2]))
    assert float(loss) == pytest.approx(-np.log(5 / 8), rel=1e-15)
    np.testing.assert_allclose(dz, [[1 / 8, 2 / 8, -3 / 8]], rtol=1e-15)
    loss, dz = loss_and_gradient(np.array([[3.0]]), np.array([0]))
    assert loss == 0
    assert dz == 0


@given(rng=generators, n=sides, k=sides)
def test_a_doubled_batch_has_the_same_loss(rng: np.random.Generator, n: int, k: int) -> None:
    z, labels = normal(rng, n, k), rng.integers(0, k, n)
    doubled = CE.forward(np.concatenate([z, z]), np.concatenate([labels, labels]))[0]
    np.testing.assert_allclose(doubled, CE.forward(z, labels)[0], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_extreme_logits_are_finite_and_silent(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    z = np.array([[top, -top / 4, 0], [-top / 4, top / 4, 0], [top, top, top], [top / 8, -top / 8, 0]], dtype)
    with np.errstate(all="raise"):
        losses = CE.rows(z, np.array([0, 1, 2, 0]))
        loss, dz = loss_and_gradient(z, np.array([0, 1, 2, 0]))
    np.testing.assert_allclose(losses, [0, 0, np.log(dtype(3)), 0], rtol=float(np.finfo(dtype).eps))
    assert np.isfinite(dz).all()
    assert loss.dtype == losses.dtype == dz.dtype == dtype


@pytest.mark.parametrize(
    ("row", "label", "loss", "gradient"),
    [
        ([-np.inf, 0.0], 1, 0, [0, 0]),
        ([-np.inf, 0.0], 0, np.inf, [-1, 1]),
        ([np.inf, 0.0], 0, np.nan, [np.nan, np.nan]),
        ([-np.inf, -np.inf], 0, np.nan, [np.nan, np.nan]),
        ([np.nan, 0.0], 1, np.nan, [np.nan, np.nan]),
    ],
)
def test_infinity_and_nan_as_in_torch_without_a_warning(
    row: list[float], label: int, loss: float, gradient: list[float]
) -> None:
    z, labels = np.array([row, [0.0, 0.0]]), np.array([label, 0])
    for targets in (labels, np.eye(2)[labels]):
        with np.errstate(all="raise"):
            losses, dz = CE.rows(z, targets), loss_and_gradient(z, targets)[1]
        np.testing.assert_array_equal(losses[0], loss)
        np.testing.assert_array_equal(2 * dz[0], gradient)
        np.testing.assert_allclose(losses[1], np.log(2), rtol=1e-15)
        np.testing.assert_allclose(2 * dz[1], [-0.5, 0.5], rtol=1e-15)


@given(rng=generators, n=sides, k=sides, dtype=all_dtypes)
def test_every_memory_layout_and_label_dtype_gives_the_same(
    rng: np.random.Generator, n: int, k: int, dtype: Floating
) -> None:
    z, labels = normal(rng, n, k, dtype=dtype), rng.integers(0, k, n)
    loss, dz = loss_and_gradient(z, labels)
    eps = float(np.finfo(dtype).eps)
    for name, laid_out in layouts(z).items():
        other_loss, other_dz = loss_and_gradient(laid_out, labels)
        # A sum of at most 6 exponentials, and of 6 losses of size 1 to 10, in another order.
        np.testing.assert_allclose(other_loss, loss, rtol=0, atol=64 * eps, err_msg=name)
        np.testing.assert_allclose(other_dz, dz, rtol=0, atol=4 * eps, err_msg=name)
    kinds: list[type[np.integer[Any]]] = [np.int8, np.uint8, np.int32, np.uint64]
    for kind in kinds:
        assert tree.equal(loss_and_gradient(z, labels.astype(kind)), (loss, dz))


def test_arguments_are_left_alone_and_nothing_returned_shares_their_memory() -> None:
    rng = np.random.default_rng(0)
    z, labels, t = normal(rng, 4, 3), rng.integers(0, 3, 4), probabilities(rng, 4, 3)
    for targets in (labels, t):
        before = z.copy(), targets.copy()
        loss, cache = CE.forward(z, targets)
        dz = CE.backward(cache, 1.0)
        assert tree.equal(before, (z, targets))
        assert not any(np.shares_memory(dz, other) for other in (z, targets, *tree.leaves(cache)))
        z[:], targets[:] = 0, 0
        assert tree.equal(dz, CE.backward(cache, 1.0))
        z, targets[:] = before
        assert not loss.flags.writeable


@pytest.mark.parametrize("dloss", [np.float64(2.0), np.float32(2.0), np.array(2.0), np.array(2.0, np.float32), 2])
def test_no_scalar_promotes_float32(dloss: Any) -> None:
    _, dz = loss_and_gradient(np.ones((2, 3), np.float32), np.array([0, 1]), dloss)
    assert dz.dtype == np.float32
    np.testing.assert_allclose(dz[0], [-2 / 3, 1 / 3, 1 / 3], rtol=1e-6)


Z = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("logits", "targets", "error", "message"),
    [
        (Z, np.array([0, 7]), ValueError, "labels must be in [0, 3), got 7 at row 1"),
        (Z, np.array([-1, 0]), ValueError, "labels must be in [0, 3), got -1 at row 0"),
        (Z, np.array([0, 3], np.uint8), ValueError, "labels must be in [0, 3), got 3 at row 1"),
        (Z, np.array([0.0, 1.0]), TypeError, "labels must be integers, got float64"),
        (Z, np.array([True, False]), TypeError, "labels must be integers, got bool"),
        (Z, [0, 1], TypeError, "targets must be an array, got list"),
        (Z, memoryview(b"01"), TypeError, "targets must be an array, got memoryview"),  # which has a shape and no dtype
        (Z, np.array([0]), ValueError, "2 rows of logits (2, 3), but 1 labels"),
        (Z, np.array([[0], [1]]), ValueError, "labels of shape (2,) or probabilities of shape (2, 3), got (2, 1)"),
        (Z, np.array(1), ValueError, "labels of shape (2,) or probabilities of shape (2, 3), got ()"),
        (Z, np.ones((2, 4)) / 4, ValueError, "probabilities of shape (2, 3), got (2, 4)"),
        (Z, np.array([[0.7, 0, 0], [1, 0, 0]]), ValueError, "target row 0 sums to 0.7, expected 1"),
        (Z, np.array([[1, 0, 0], [1, 1, 0]]), ValueError, "target row 1 sums to 2, expected 1"),
        (Z, np.zeros((2, 3)), ValueError, "target row 0 sums to 0, expected 1"),
        (Z, np.array([[1, 0, 0], [1.5, -0.5, 0]]), ValueError, "must be >= 0, got -0.5 in row 1, class 1"),
        (Z, np.full((2, 3), np.nan), ValueError, "target row 0 sums to nan, expected 1"),
        (Z[:0], np.zeros(0, int), ValueError, "the mean over an empty batch is undefined, logits have shape (0, 3)"),
        (Z[:, :0], np.zeros(2, int), ValueError, "logits have no classes, their shape is (2, 0)"),
        (
            Z[0],
            np.array([0]),
            ValueError,
            "logits must have rows of classes (..., k), got shape (3,): add an axis, as logits[None]",
        ),
        (
            np.array(0.0),
            np.array(0),
            ValueError,
            "logits must have rows of classes (..., k), got shape (): add an axis, as logits[None, None]",
        ),
        (Z[None], np.array([0]), ValueError, "labels of shape (1, 2) or probabilities of shape (1, 2, 3), got (1,)"),
    ],
)
def test_bad_input(logits: Any, targets: Any, error: type[Exception], message: str) -> None:
    for function in (CE.forward, CE.rows, at_once):
        with pytest.raises(error, match="softmax_cross_entropy: .*" + re.escape(message)):
            function(logits, targets)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (Z.astype(int), "logits is int64, not floating-point"),
        (Z.tolist(), "logits must be an array of floats, got list"),
        (np.ma.masked_array(Z), "logits must be a plain array, got MaskedArray"),
    ],
)
def test_logits_that_are_no_array_of_floats(logits: Any, message: str) -> None:
    for function in (CE.forward, CE.rows):
        with pytest.raises(TypeError, match="softmax_cross_entropy: " + message):
            function(logits, np.array([0, 1]))


@pytest.mark.parametrize(
    ("dtype", "inside", "outside"),
    [
        (np.float64, 0.9e-6, 1.1e-6),
        (np.float32, 7 * 2.0**-23, 9 * 2.0**-23),  # 0.83e-6 and 1.07e-6, which float32 can hold
        (np.float16, 2.0**-10, 2.0**-9),  # one and two units of rounding at 1
    ],
)
def test_rows_may_miss_1_by_a_millionth_or_by_their_rounding(dtype: Floating, inside: float, outside: float) -> None:
    z = np.zeros((1, 2), dtype)
    for sign in (1, -1):
        CE.forward(z, np.array([[0.5 + sign * inside, 0.5]], dtype))
        with pytest.raises(ValueError, match="target row 0 sums to"):
            CE.forward(z, np.array([[0.5 + sign * outside, 0.5]], dtype))


def test_rows_of_many_classes_are_summed_in_float64() -> None:
    # Added one by one in float32, as columns are, these probabilities miss 1 by more than a millionth.
    t = np.full((2, 50_000), 1 / 50_000, np.float32, order="F")
    assert np.abs(t.sum(axis=1) - 1).min() > 1e-5
    CE.forward(np.zeros(t.shape, np.float32), t)


def test_bad_dloss_and_cache() -> None:
    _, cache = CE.forward(Z, np.array([0, 1]))
    for wrong in (np.ones(2), "1", None, np.ones((1,)), True):
        with pytest.raises(TypeError, match="backward: dloss must be a number or a 0-d array, got"):
            CE.backward(cache, untyped(wrong))
    with pytest.raises(TypeError, match=r"^softmax_cross_entropy backward: dloss must be a number or a 0-d array"):
        untyped(CE.backward)(cache)
    with pytest.raises(TypeError, match="backward: cache must be Slopes, got a tuple of 0"):
        CE.backward(untyped(()), 1.0)
    _, other_cache = affine.forward(Affine(np.ones((1, 1)), np.ones(1)), np.ones((1, 1)))
    with pytest.raises(TypeError, match="backward: cache must be Slopes, got AffineCache"):
        CE.backward(untyped(other_cache), 1.0)
    _, of_another_loss = mean_squared_error.forward(Z, Z)
    with pytest.raises(TypeError, match="backward: cache must be one of its own, got Slopes of mean_squared_error"):
        CE.backward(of_another_loss, 1.0)
    with pytest.raises(ValueError, match="softmax_cross_entropy backward: dloss is beyond the numbers"):
        CE.backward(cache, 10**400)


def test_targets_and_dloss_that_are_no_real_numbers() -> None:
    for kind in (bool, complex):
        with pytest.raises(TypeError, match=f"target probabilities must be real numbers, got {np.dtype(kind)}"):
            CE.forward(Z, untyped(np.eye(3, dtype=kind)[:2]))
    _, cache = CE.forward(Z, np.array([0, 1]))
    with pytest.raises(TypeError, match="backward: dloss is complex128, not floating-point"):
        CE.backward(cache, untyped(np.array(1j)))


def test_masked_labels_are_refused() -> None:
    labels = np.ma.masked_array([0, 1], mask=[True, False])
    with pytest.raises(TypeError, match=r"targets must be a plain array, got MaskedArray: convert it with np\.asarray"):
        CE.forward(Z, untyped(labels))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_a_label_of_minus_one_never_wraps_around(size: int, order: str) -> None:
    labels = np.array([2, -1], f"{order}i{size}")
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\), got -1 at row 1"):
        CE.forward(np.zeros((2, 3)), labels)


def test_the_mean_of_many_large_losses_is_finite() -> None:
    logits = np.zeros((3000, 2), np.float32)
    logits[:, 1] = 1e36
    # Rounding of 3,000 terms in pairs, and of the share of each.
    np.testing.assert_allclose(CE.forward(logits, np.zeros(3000, int))[0], 1e36, rtol=1e-5)


def test_a_dloss_of_minus_zero_leaves_nothing_behind() -> None:
    _, cache = CE.forward(np.array([[800.0, 0.0], [0.0, 800.0]]), np.array([0, 0]))
    for i in range(300):  # more than are remembered
        CE.backward(cache, 1.0 + i)
    negative = CE.backward(cache, -0.0)
    for i in range(300):
        CE.backward(cache, 1.0 + i)
    positive = CE.backward(cache, 0.0)
    np.testing.assert_array_equal(np.signbit(negative), np.signbit(positive))
