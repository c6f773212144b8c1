import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, affine, relu, sequential, tree
from pointwise import Terms
from strategies import Floating, all_dtypes, generators, layouts, normal, sides
from untyped import untyped

TINY = 5e-324


def exact(x: Any) -> Terms:
    """By definition."""
    return [max(x, 0)], [x > 0]


EXACT = {"relu": exact}


def slope_at(x: float, dtype: Floating = np.float64) -> float:
    out, cache = relu.forward((), np.array([[x]], dtype))
    return float(relu.backward(cache, np.ones_like(out))[0][0, 0])


@pytest.mark.parametrize(
    ("x", "out", "slope"),
    [
        (-1.0, 0.0, 0),
        (-0.0, 0.0, 0),
        (0.0, 0.0, 0),
        (TINY, TINY, 1),
        (-TINY, 0.0, 0),
        (1.0, 1.0, 1),
        (np.inf, np.inf, 1),
        (-np.inf, 0.0, 0),
        (np.nan, np.nan, 1),
    ],
)
def test_values_and_slopes_at_special_points(x: float, out: float, slope: float) -> None:
    got = relu.forward((), np.array([[x]]))[0]
    np.testing.assert_array_equal(got, [[out]])
    assert not np.signbit(got).any()
    assert slope_at(x) == slope


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_output_is_never_minus_zero_at_any_length(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = np.where(rng.random((n, 9)) < 0.5, dtype(-0.0), normal(rng, n, 9, dtype=dtype))
    for name, laid_out in layouts(x).items():
        out, _ = relu.forward((), laid_out)
        np.testing.assert_array_equal(out, np.where(x > 0, x, 0), err_msg=name)
        assert not np.signbit(out).any(), name


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_gradient_passes_where_input_is_positive(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x, dout = normal(rng, n, 9, dtype=dtype), normal(rng, n, 9, dtype=dtype)
    for name, laid_out in layouts(dout).items():
        dx, grads = relu.backward(relu.forward((), x)[1], laid_out)
        np.testing.assert_array_equal(dx, np.where(x > 0, dout, 0), err_msg=name)
        assert not np.signbit(dx[x <= 0]).any()
        assert dx.dtype == dtype
        assert grads == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_closed_gate_lets_nothing_through(dtype: Floating) -> None:
    x = np.array([[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]], dtype)
    dout = np.array([[np.inf, -np.inf, np.nan] * 2], dtype)
    dx, _ = relu.backward(relu.forward((), x)[1], dout)
    np.testing.assert_array_equal(dx, np.array([[0, 0, 0, np.inf, -np.inf, np.nan]]))


@given(rng=generators, k=sides)
def test_positive_homogeneity_is_bitwise_for_powers_of_two(rng: np.random.Generator, k: int) -> None:
    network = sequential(affine, relu, affine)
    first = Affine(normal(rng, 4, 5), normal(rng, 5))
    second, x = Affine(normal(rng, 5, 3), normal(rng, 3)), normal(rng, 6, 4)
    scaled = Affine(2.0**k * first.W, 2.0**k * first.b), (), Affine(2.0**-k * second.W, second.b)
    assert tree.equal(network.forward((first, (), second), x)[0], network.forward(scaled, x)[0])


def test_any_shape_and_no_elements() -> None:
    for shape in ((0, 3), (3, 0), (4,), (), (2, 3, 4, 5)):
        out, cache = relu.forward((), np.full(shape, -2.0, np.float32))
        dx, _ = relu.backward(cache, np.ones(shape, np.float32))
        assert out.shape == dx.shape == shape
        assert out.dtype == dx.dtype == np.float32


def test_output_is_the_cache_and_read_only() -> None:
    out, cache = relu.forward((), np.ones((2, 3)))
    assert cache.value is out
    assert not out.flags.writeable


def test_bad_input() -> None:
    x = np.ones((2, 3))
    with pytest.raises(TypeError, match=re.escape("relu: it has no parameters: params must be (), got a tuple of 1")):
        relu.forward(untyped((1,)), x)
    with pytest.raises(TypeError, match=re.escape("params must be (), got f64[2, 3]")):
        relu.forward(untyped(x), x)  # swapped or doubled arguments
    with pytest.raises(TypeError, match="relu: x must be an array of floats, got list"):
        relu.forward((), untyped([1.0]))
    with pytest.raises(TypeError, match="relu: x is int64"):
        relu.forward((), untyped(np.ones((2, 3), int)))
    _, cache = relu.forward((), x)
    with pytest.raises(ValueError, match=re.escape("relu backward: dout has shape (3,), expected (2, 3)")):
        relu.backward(cache, np.ones(3))
    with pytest.raises(TypeError, match="relu backward: dout is float32, expected float64"):
        relu.backward(cache, np.ones((2, 3), np.float32))
    with pytest.raises(TypeError, match="relu backward: cache must be Saved, got AffineCache of affine"):
        relu.backward(untyped(affine.forward(Affine(x.T, np.ones(2)), x)[1]), x)
