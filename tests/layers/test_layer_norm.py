import re

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, Array, LayerNorm, layer_norm
from reference import normalised_50_digits
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Layer, LayerNorm, Unit, layer_norm, relu, sequential
from chainrule.layers.normalisation.layer_norm import LayerNormCache
from chainrule.rules.elementwise_layers import Saved


def accepted(params: LayerNorm, x: Array, dout: Array) -> None:
    assert_type(layer_norm(), Layer[LayerNorm, LayerNormCache])
    assert_type(layer_norm(eps=1e-6), Layer[LayerNorm, LayerNormCache])
    out, cache = layer_norm().forward(params, x)
    assert_type(out, Array)
    assert_type(layer_norm().backward(cache, dout), tuple[Array, LayerNorm])
    assert_type(layer_norm().grads(cache, dout).scale, Array)
    assert_type(LayerNorm.init(64, dtype=np.float64), LayerNorm)
    network = sequential(layer_norm(), relu)
    assert_type(network, Layer[tuple[LayerNorm, Unit], tuple[LayerNormCache, Saved]])


def refused(params: LayerNorm, affine: Affine, x: Array) -> None:
    layer_norm.forward(params, x)  # rejected: it is called first
    layer_norm("1e-5")  # rejected: eps is a number
    layer_norm().forward(affine, x)  # rejected: the parameters of affine
    layer_norm().forward((), x)  # rejected: it has parameters
    LayerNorm(x)  # rejected: the bias is missing
    LayerNorm.init(64, np.float64)  # rejected: the dtype is named
    LayerNorm.init((64,))  # rejected: one number of features
    params.scale = x  # rejected: a record is frozen
    params.gamma.sum()  # rejected: it is named scale
"""


def back(x: Array, dout: Array, eps: float = 1e-5) -> tuple[Array, Array]:
    """Output and dx with a scale of ones and a bias of zeros."""
    layer = layer_norm(eps)
    out, cache = layer.forward(LayerNorm.init(x.shape[-1], dtype=x.dtype), x)
    return out, layer.backward(cache, dout)[0]


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_rows_have_mean_zero_and_variance_one(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = 5 + 3 * normal(rng, n, 2, 7, dtype=dtype)
    out, _ = back(x, x)
    assert out.dtype == dtype
    few = 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=few)
    np.testing.assert_allclose(out.astype(np.longdouble).var(axis=-1), 1, atol=few + 1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("value", ["zero", "least", "tenth", "most"])
def test_a_row_of_one_value_gives_the_bias_and_a_gradient_of_the_largest_slope(value: str, dtype: Floating) -> None:
    tiny, most = np.finfo(dtype).tiny, np.finfo(dtype).max
    x = np.full((2, 6), {"zero": 0, "least": tiny, "tenth": 0.1, "most": most}[value], dtype)
    dout = np.array([[0, 0, 0, 0, 0, 6]] * 2, dtype)
    layer, params = layer_norm(), LayerNorm(np.ones(6, dtype), np.arange(6, dtype=dtype))
    with np.errstate(all="raise"):
        out, cache = layer.forward(params, x)
        dx, _ = layer.backward(cache, dout)
    np.testing.assert_allclose(
        out, np.tile(np.arange(6.0), (2, 1)), rtol=0, atol=float(tiny)
    )  # what a sum of the smallest loses
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
    x, dout, scale, bias = (
        np.array(row),
        np.array([0.5, -1.0, 2.0, 1.5]),
        np.array([1.0, -0.5, 2.0, 3.0]),
        np.array([0.0, 1.0, -2.0, 0.5]),
    )
    layer = layer_norm()
    with np.errstate(all="raise"):
        out, cache = layer.forward(LayerNorm(scale, bias), x[None])
        dx, grads = layer.backward(cache, dout[None])
    h, expected_dx, largest = normalised_50_digits(x, scale * dout, 1e-5)
    # x less its mean is rounded by a unit of the largest of x, which r multiplies; h is 2 at most.
    r = 1 / np.hypot(1e300 * (x / 1e300).std(), np.sqrt(1e-5))
    lost = 4 * 2**-53 * max(1.0, float(np.abs(x * r).max()))
    np.testing.assert_allclose(out.ravel(), scale * h + bias, rtol=1e-14, atol=3 * 4 * lost)
    np.testing.assert_allclose(dx.ravel(), expected_dx, rtol=1e-14, atol=4 * lost * largest)
    products = h * dout
    np.testing.assert_allclose(grads.scale, products, rtol=1e-14, atol=4 * 2 * lost)


def test_a_row_near_a_constant_keeps_its_digits() -> None:
    """Rows for which the mean of squares less the square of the mean has no digit left."""
    small = np.array([[1.0, -2.0, 3.0, 0.0]])
    near = back(1e8 + small, small, eps=1e-12)
    exact = back(small, small, eps=1e-12)
    np.testing.assert_allclose(near, exact, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_numbers_are_normalised_without_a_warning(dtype: Floating) -> None:
    most = float(np.finfo(dtype).max)
    pattern = np.array([1.0, -1.0, 0.5, 1.0, -0.25])
    with np.errstate(all="raise"):
        out, dx = back((most * pattern).astype(dtype)[None], np.ones((1, 5), dtype))
    np.testing.assert_allclose(out[0], (pattern - 0.25) / pattern.std(), rtol=4 * float(np.finfo(dtype).eps))
    assert np.isfinite(dx).all()


def test_the_smallest_numbers_give_the_slope_at_zero() -> None:
    # Four numbers, whose mean is exact: a third of 1e-300 is rounded, and with what precision depends on the processor.
    x, dout = np.array([[1e-300, -1e-300, 0.0, 0.0]]), np.array([[1.0, 0.0, -1.0, 0.0]])
    with np.errstate(all="raise"):
        out, dx = back(x, dout)
    np.testing.assert_allclose(out, x / np.sqrt(1e-5), rtol=1e-15)
    np.testing.assert_allclose(dx, dout / np.sqrt(1e-5), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_large_row_takes_no_digits_from_a_small_one(dtype: Floating) -> None:
    limits = np.finfo(dtype)
    large = float(limits.max) * np.array([[1.0, -1.0, 0.5, 1.0, -0.25]])
    small = float(limits.smallest_normal) * np.array([[4.0, -2.5, 1.5, 3.0, -7.0]])
    dout = normal(np.random.default_rng(0), 1, 3, 5, dtype=dtype)
    out, dx = back(np.stack([large, small, large], axis=1).astype(dtype), dout, eps=1e-12)
    alone, dx_alone = back(small.astype(dtype), dout[:, 1], eps=1e-12)
    # The order of sums; the smallest numbers have no relative precision.
    rounding = 4 * float(limits.eps)
    np.testing.assert_allclose(out[:, 1], alone, rtol=rounding, atol=float(limits.smallest_normal))
    np.testing.assert_allclose(dx[:, 1], dx_alone, rtol=rounding)


def test_a_row_worked_by_hand() -> None:
    params = LayerNorm(np.array([2.0, 4.0]), np.array([10.0, -10.0]))
    layer = layer_norm(eps=3.0)  # with a variance of 1 the deviation is 2
    out, cache = layer.forward(params, np.array([[1.0, 3.0]]))
    np.testing.assert_array_equal(out, [[9.0, -8.0]])
    dx, grads = layer.backward(cache, np.array([[1.0, 2.0]]))
    # h is -1/2 and 1/2 and g is 2 and 8, so that mean(g) is 5 and mean(h * g) is 3/2.
    np.testing.assert_array_equal(dx, [[(2 - 5 + 0.75) / 2, (8 - 5 - 0.75) / 2]])
    np.testing.assert_array_equal(grads.scale, [-0.5, 1.0])
    np.testing.assert_array_equal(grads.bias, [1.0, 2.0])


def test_one_feature_is_its_own_mean() -> None:
    out, dx = back(np.array([[3.0], [-5.0]]), np.array([[1.0], [2.0]]))
    assert not out.any()
    assert not dx.any()


def test_nan_and_infinity_stay_in_their_rows() -> None:
    out, dx = back(np.array([[np.nan, 1.0], [np.inf, 1.0], [1.0, 3.0]]), np.ones((3, 2)))
    assert np.isnan(out[:2]).all()
    assert np.isnan(dx[:2]).all()
    np.testing.assert_allclose(out[2], [-1, 1], atol=1e-5)


def test_its_traits() -> None:
    layer = layer_norm()
    assert (layer.event_axes, layer.elementwise, layer.couples_rows) == (1, False, False)
    assert layer.operations is not None
    assert layer.operations(LayerNorm.init(3), (4, 3), (4, 3)) == (7 * 12, 11 * 12)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=re.escape("layer_norm: eps must be a finite number > 0, got 0.0")):
        layer_norm(0)
    with pytest.raises(TypeError, match="layer_norm: eps must be a number, got str"):
        layer_norm(untyped("small"))
    with pytest.raises(ValueError, match=re.escape("LayerNorm: scale is (3,), so bias must be (3,), got (2,)")):
        LayerNorm(np.ones(3), np.zeros(2))
    message = "LayerNorm: scale must be 1-D (features,) with at least 1 of each, got shape (3, 1)"
    with pytest.raises(ValueError, match=re.escape(message)):
        LayerNorm(np.ones((3, 1)), np.zeros((3, 1)))
    with pytest.raises(TypeError, match=re.escape("LayerNorm: scale is f64[3] but bias is f32[3]: they must have one")):
        LayerNorm(np.ones(3), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=re.escape("layer_norm: x has 4 features (2, 4) but scale takes 3")):
        layer_norm().forward(LayerNorm.init(3), np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match=re.escape("layer_norm: x must have an axis of features, got shape ()")):
        layer_norm().forward(LayerNorm.init(3), np.ones((), np.float32))
    with pytest.raises(TypeError, match=re.escape("layer_norm: x is float64 but the parameters are float32")):
        layer_norm().forward(LayerNorm.init(3), np.ones((2, 3)))
    with pytest.raises(TypeError, match="layer_norm: params must be LayerNorm, got Affine"):
        layer_norm().forward(untyped(Affine(np.ones((3, 3)), np.zeros(3))), np.ones((2, 3)))
    with pytest.raises(
        ValueError, match=re.escape("LayerNorm: scale must be 1-D (features,) with at least 1 of each, got shape (0,)")
    ):
        LayerNorm.init(0)
    with pytest.raises(TypeError, match=re.escape("LayerNorm.init: features must be an integer, got float")):
        LayerNorm.init(untyped(2.5))
    with pytest.raises(TypeError, match=re.escape("LayerNorm.init: dtype must be floating-point, got int64")):
        LayerNorm.init(2, dtype=np.int64)
