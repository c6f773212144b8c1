import pickle
import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Statistics,
    affine,
    batch_norm,
    check_layer,
    check_network,
    inference,
    mean_squared_error,
    sequential,
    statistics,
    tree,
)
from reference import normalised_50_digits
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, BatchNorm, Layer, LayerNorm, Statistics, batch_norm
from chainrule.layers.normalisation.batch_norm import BatchNormCache, StandardisedCache


def accepted(params: BatchNorm, statistics: Statistics, x: Array, dout: Array) -> None:
    assert_type(batch_norm(), Layer[BatchNorm, BatchNormCache])
    assert_type(batch_norm(eps=1e-3), Layer[BatchNorm, BatchNormCache])
    assert_type(batch_norm(statistics), Layer[BatchNorm, StandardisedCache])
    cache = batch_norm().forward(params, x)[1]
    assert_type(cache.var, Array)
    assert_type(batch_norm().backward(cache, dout), tuple[Array, BatchNorm])
    assert_type(Statistics(mean=x, var=x), Statistics)


def refused(params: BatchNorm, other: LayerNorm, statistics: Statistics, x: Array, dout: Array) -> None:
    batch_norm(1e-5)  # rejected: statistics come first
    batch_norm(params)  # rejected: parameters are no statistics
    batch_norm((x, x))  # rejected: nor is a tuple
    batch_norm().forward(other, x)  # rejected: the parameters of layer_norm
    batch_norm().backward(batch_norm(statistics).forward(params, x)[1], dout)  # rejected: the cache of another form
    batch_norm().forward(params, x, True)  # rejected: there is no flag for training
    Statistics(x)  # rejected: the variance is missing
"""


def back(x: Array, dout: Array, eps: float = 1e-5) -> tuple[Array, Array]:
    """Output and dx with a scale of ones and a bias of zeros."""
    layer = batch_norm(eps=eps)
    out, cache = layer.forward(BatchNorm.init(x.shape[-1], dtype=x.dtype), x)
    return out, layer.backward(cache, dout)[0]


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_each_feature_has_mean_zero_and_variance_one_over_all_other_axes(
    rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    x = 5 + 3 * normal(rng, n, 2, 8, 3, dtype=dtype)
    out, _ = back(x, x)
    assert out.dtype == dtype
    few = 32 * float(np.finfo(dtype).eps)
    exact = out.astype(np.longdouble)
    np.testing.assert_allclose(exact.mean(axis=(0, 1, 2)), 0, atol=few)
    np.testing.assert_allclose(exact.var(axis=(0, 1, 2)), 1, atol=few + 1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_columns_of_one_value_of_any_size_give_the_bias(dtype: Floating) -> None:
    most = np.finfo(dtype).max
    x = np.array([[0, 0.1, most, -most]] * 6, dtype)
    dout = np.array([[6] * 4] + [[0] * 4] * 5, dtype)
    with np.errstate(all="raise"):
        out, dx = back(x, dout)
    assert not out.any()
    np.testing.assert_allclose(dx, (dout - 1) / np.sqrt(1e-5), rtol=2 * float(np.finfo(dtype).eps) + 1e-15)


@pytest.mark.parametrize(
    "row",
    [
        [1.0, -2.0, 3.0, 0.5],
        [1e4, -1e4, 3.0, 0.0],
        [1.0, 1.0 + 1e-7, 1.0 - 3e-7, 1.0],
        [0.1, 0.1, 0.1, 0.1],
        [2e-3, -1e-3, 3e-3, 0.0],
        [1e-300, -1e-300, 3e-300, 0.0],
        [1e300, -1e300, 1e-300, 2e299],
    ],
)
def test_output_and_gradients_are_those_of_the_definition(row: list[float]) -> None:
    x, dout, scale, bias = np.array(row), np.array([0.5, -1.0, 2.0, 1.5]), np.array([-0.5]), np.array([2.0])
    layer = batch_norm()
    with np.errstate(all="raise"):
        out, cache = layer.forward(BatchNorm(scale, bias), x[None].T)
        dx, grads = layer.backward(cache, dout[None].T)
    h, expected_dx, largest = normalised_50_digits(x, scale * dout, 1e-5)
    # x less its mean is rounded by a unit of the largest of x, which r multiplies; h is 2 at most.
    r = 1 / np.hypot(1e300 * (x / 1e300).std(), np.sqrt(1e-5))
    lost = 4 * 2**-53 * max(1.0, float(np.abs(x * r).max()))
    np.testing.assert_allclose(out.ravel(), scale * h + bias, rtol=1e-14, atol=3 * 4 * lost)
    np.testing.assert_allclose(dx.ravel(), expected_dx, rtol=1e-14, atol=4 * lost * largest)
    products = h * dout
    np.testing.assert_allclose(grads.scale, [products.sum()], rtol=1e-14, atol=4 * 2 * lost)


def test_a_column_near_a_constant_keeps_its_digits() -> None:
    small = np.array([[1.0], [-2.0], [3.0], [0.0]])
    near = back(1e8 + small, small, eps=1e-12)
    np.testing.assert_allclose(near, back(small, small, eps=1e-12), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_numbers_are_normalised_without_a_warning(dtype: Floating) -> None:
    most = float(np.finfo(dtype).max)
    pattern = np.array([1.0, -1.0, 0.5, 1.0, -0.25])
    with np.errstate(all="raise"):
        out, dx = back((most * pattern).astype(dtype)[:, None], np.ones((5, 1), dtype))
    np.testing.assert_allclose(out[:, 0], (pattern - 0.25) / pattern.std(), rtol=4 * float(np.finfo(dtype).eps))
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_large_feature_takes_no_digits_from_a_small_one(dtype: Floating) -> None:
    limits = np.finfo(dtype)
    large = float(limits.max) * np.array([[1.0], [-1.0], [0.5], [1.0], [-0.25]])
    small = float(limits.smallest_normal) * np.array([[4.0], [-2.5], [1.5], [3.0], [-7.0]])
    dout = normal(np.random.default_rng(0), 5, 2, dtype=dtype)
    out, dx = back(np.hstack([large, small]).astype(dtype), dout, eps=1e-12)
    alone, dx_alone = back(small.astype(dtype), dout[:, 1:], eps=1e-12)
    # The order of sums; the smallest numbers have no relative precision.
    rounding = 4 * float(limits.eps)
    np.testing.assert_allclose(out[:, 1:], alone, rtol=rounding, atol=float(limits.smallest_normal))
    np.testing.assert_allclose(dx[:, 1:], dx_alone, rtol=rounding)


@pytest.mark.parametrize("top", [20_000, 40_000])
def test_statistics_of_numbers_near_the_largest_of_float16_are_those_of_the_batch(top: int) -> None:
    """There the squares of deviations are small enough, though a sum of the numbers is not."""
    x = np.array([[0, 1], [64, 2], [128, 4], [64, 1]]) + np.array([top, 0])
    _, cache = batch_norm().forward(BatchNorm.init(2, dtype=np.float16), x.astype(np.float16))
    np.testing.assert_allclose(cache.mean, x.mean(axis=0), rtol=2e-3)
    np.testing.assert_allclose(cache.var, x.var(axis=0), rtol=2e-3)


def test_positions_are_rows_of_the_batch() -> None:
    rng = np.random.default_rng(0)
    x, dout = normal(rng, 2, 3, 4), normal(rng, 2, 3, 4)
    out, dx = back(x, dout)
    flat, flat_dx = back(x.reshape(6, 4), dout.reshape(6, 4))
    assert tree.equal((out.reshape(6, 4), dx.reshape(6, 4)), (flat, flat_dx))


def test_a_batch_of_one_row_gives_the_bias_and_no_gradient() -> None:
    params = BatchNorm(np.array([2.0, 3.0]), np.array([-1.0, 7.0]))
    out, cache = batch_norm().forward(params, np.array([[5.0, -6.0]]))
    dx, grads = batch_norm().backward(cache, np.ones((1, 2)))
    assert tree.equal((out, dx, grads.scale), (np.array([[-1.0, 7.0]]), np.zeros((1, 2)), np.zeros(2)))


def test_rows_are_coupled_unless_statistics_are_given() -> None:
    given = Statistics(np.zeros(2), np.ones(2))
    assert batch_norm().couples_rows
    assert not batch_norm(given).couples_rows


def test_with_the_batchs_own_statistics_the_output_is_the_same() -> None:
    rng = np.random.default_rng(0)
    x, params = normal(rng, 7, 3), BatchNorm(normal(rng, 3), normal(rng, 3))
    in_use = batch_norm(Statistics(x.mean(axis=0), x.var(axis=0)))
    out, cache = in_use.forward(params, x)
    np.testing.assert_allclose(out, batch_norm().forward(params, x)[0], rtol=1e-13)
    dx, _ = in_use.backward(cache, np.ones((7, 3)))
    np.testing.assert_allclose(dx, np.tile(params.scale / np.sqrt(x.var(axis=0) + 1e-5), (7, 1)), rtol=1e-15)


def test_statistics_are_taken_in_the_dtype_of_x() -> None:
    in_use, params = batch_norm(Statistics(np.zeros(2), np.ones(2))), BatchNorm.init(2)
    x = np.ones((3, 2), np.float32)
    assert in_use.forward(params, x)[0].dtype == np.float32
    assert check_layer(in_use, params, x, rng=np.random.default_rng(0)).ok


def test_a_layer_with_statistics_pickles_and_shows_them() -> None:
    in_use = batch_norm(Statistics(np.zeros(2), np.ones(2)), eps=0.1)
    assert repr(in_use) == "Layer(batch_norm(statistics=Statistics(mean=f64[2], var=f64[2]), eps=0.1))"
    x, params = np.array([[1.0, 2.0]]), BatchNorm.init(2, dtype=np.float64)
    assert tree.equal(pickle.loads(pickle.dumps(in_use)).forward(params, x), in_use.forward(params, x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bias_before_it_whose_gradient_is_0_but_for_rounding_passes_the_checks(dtype: Floating) -> None:
    """That of a layer in one of the dtypes, and that of a network in the other: both try other dtypes by themselves."""
    rng = np.random.default_rng(0)
    network = sequential(affine, batch_norm())
    params = (Affine.init(rng, 3, 4, dtype=dtype), BatchNorm.init(4, dtype=dtype))
    x, targets = normal(rng, 6, 3, dtype=dtype), normal(rng, 6, 4, dtype=dtype)
    report = (
        check_layer(network, params, x, rng=rng)
        if dtype is np.float32
        else check_network(network, mean_squared_error, params, x, targets, rng=rng)
    )
    assert report.failures == ()


@pytest.mark.parametrize(("statistics", "each"), [(None, 7), (Statistics(np.zeros(3), np.ones(3)), 4)])
def test_its_other_traits(statistics: Any, each: int) -> None:
    layer = untyped(batch_norm)(statistics)
    assert (layer.event_axes, layer.elementwise) == (1, False)
    assert layer.operations is not None
    assert layer.operations(BatchNorm.init(3), (4, 3), (4, 3)) == (each * 12, each * 12)


@pytest.mark.parametrize("statistics", [None, Statistics(np.zeros(1), np.ones(1))])
def test_infinity_gives_nan_or_infinity_without_a_warning(statistics: Any) -> None:
    layer = untyped(batch_norm)(statistics)
    with np.errstate(all="raise"):
        out, cache = layer.forward(BatchNorm(np.zeros(1), np.ones(1)), np.array([[np.inf], [1.0]]))
        dx, _ = layer.backward(cache, np.array([[np.inf], [1.0]]))
    assert np.isnan(out[0, 0])  # 0 times infinity
    assert np.isnan(dx[0, 0])


def test_in_float16_statistics_may_be_beyond_it_and_differences_too() -> None:
    rng = np.random.default_rng(0)
    x = (300 * rng.standard_normal((32, 3))).astype(np.float16)
    seen = statistics(batch_norm(), BatchNorm.init(3, dtype=np.float16), [x[:16], x[16:]])
    assert isinstance(seen, Statistics)
    var = np.mean([x[:16].astype(float).var(axis=0, ddof=1), x[16:].astype(float).var(axis=0, ddof=1)], axis=0)
    assert (var > np.finfo(np.float16).max).any()
    np.testing.assert_allclose(seen.var, var, rtol=1e-5)
    far = batch_norm(Statistics(np.array([3e4]), np.array([6e4])))
    out, _ = far.forward(BatchNorm.init(1, dtype=np.float16), np.array([[-4e4]], np.float16))
    np.testing.assert_allclose(out, [[(-4e4 - 3e4) / np.sqrt(6e4 + 1e-5)]], rtol=2e-3)  # three digits of float16


def test_statistics_of_one_feature_and_of_variance_0_are_some() -> None:
    assert Statistics(np.zeros(1), np.zeros(1)).var.tolist() == [0]
    with pytest.raises(ValueError, match="Statistics") as raised:
        Statistics(np.zeros(0), np.zeros(0))
    assert str(raised.value) == "Statistics: mean must be 1-D (features,) with at least 1 of each, got shape (0,)"


def test_statistics_of_another_library_are_refused_with_both() -> None:
    strict: Any = import_module("array_api_strict")
    params = BatchNorm(strict.asarray([1.0, 1.0]), strict.asarray([0.0, 0.0]))
    with pytest.raises(TypeError) as raised:
        batch_norm(Statistics(np.zeros(2), np.ones(2))).forward(params, strict.ones((3, 2)))
    assert str(raised.value) == (
        "batch_norm: x is an array of array_api_strict but the statistics are of numpy: convert one of them"
    )


def test_in_use_it_has_the_same_eps() -> None:
    params = BatchNorm.init(2, dtype=np.float64)
    in_use = inference(batch_norm(eps=0.25), params, statistics=Statistics(np.zeros(2), np.zeros(2)))
    np.testing.assert_array_equal(in_use.forward(params, np.array([[1.0, 2.0]]))[0], [[2.0, 4.0]])


def test_bad_input() -> None:
    params = BatchNorm.init(3, dtype=np.float64)
    with pytest.raises(ValueError, match=re.escape("batch_norm: eps must be a finite number > 0, got -1.0")):
        batch_norm(eps=-1)
    with pytest.raises(TypeError, match="batch_norm: statistics must be a Statistics or None, got a tuple of 2"):
        batch_norm(untyped((np.zeros(2), np.ones(2))))
    with pytest.raises(ValueError, match=re.escape("the mean over an empty batch is undefined, x has shape (0, 3)")):
        batch_norm().forward(params, np.ones((0, 3)))
    with pytest.raises(ValueError, match=re.escape("batch_norm: x has 2 features (5, 2) but scale takes 3")):
        batch_norm().forward(params, np.ones((5, 2)))
    with pytest.raises(ValueError, match=re.escape("batch_norm: scale has 3 features but the statistics have 2")):
        batch_norm(Statistics(np.zeros(2), np.ones(2))).forward(params, np.ones((5, 3)))
    with pytest.raises(ValueError, match=re.escape("BatchNorm: scale is (3,), so bias must be (3,), got (2,)")):
        BatchNorm(np.ones(3), np.zeros(2))
    with pytest.raises(ValueError, match=re.escape("Statistics: mean is (3,), so var must be (3,), got (2,)")):
        Statistics(np.ones(3), np.zeros(2))
    with pytest.raises(ValueError, match=re.escape("the mean over an empty batch is undefined, x has shape (5, 0, 3)")):
        batch_norm().forward(params, np.ones((5, 0, 3)))
    with pytest.raises(ValueError, match="BatchNorm") as raised:
        BatchNorm.init(0)
    assert str(raised.value) == "BatchNorm: scale must be 1-D (features,) with at least 1 of each, got shape (0,)"
    with pytest.raises(TypeError, match=re.escape("BatchNorm.init: features must be an integer, got float")):
        BatchNorm.init(untyped(2.5))
    for layer in (batch_norm(), batch_norm(Statistics(np.zeros(3), np.ones(3)))):
        with pytest.raises(ValueError, match="features") as raised:
            layer.forward(params, np.ones((5, 2)))
        assert str(raised.value) == "batch_norm: x has 2 features (5, 2) but scale takes 3 (3,)"
    bad: list[Any] = [-0.5, np.inf, np.nan]
    for value in bad:
        for good in (0.0, 0.5, 1.0):
            with pytest.raises(ValueError, match="Statistics") as raised:
                Statistics(np.zeros(2), np.array([good, value]))
            assert str(raised.value) == f"Statistics: var must be finite and >= 0, got {value} for feature 1"
    for value in (np.inf, np.nan):
        with pytest.raises(ValueError, match=rf"^Statistics: mean must be finite, got {value} for feature 1$"):
            Statistics(np.array([0.0, value]), np.ones(2))
