"""Demands on every layer that takes each number alone, from the catalogue."""

from typing import Any

import numpy as np
import pytest

from catalogue import LAYERS
from chainrule import read_only, tree
from chainrule.arrays.tuned import BLOCK_ENTRIES, IN_PASS, MANY, TUNED
from pointwise import value_and_slope
from strategies import Floating, normal

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, identity
from chainrule.layers.identity import IdentityCache


def accepted(x: Array, dout: Array) -> None:
    assert_type(identity, Layer[Unit, IdentityCache])
    assert_type(identity.backward(identity.forward((), x)[1], dout), tuple[Array, Unit])


def refused(params: Affine, x: Array) -> None:
    identity(x)  # rejected: a layer is a pair of functions
    identity.forward(params, x)  # rejected: it has no parameters
"""

POINTWISE = {
    each.name: each.layer
    for each in LAYERS
    if each.layer.elementwise and not each.layer.parts and each.name.isidentifier()
}

each_layer = pytest.mark.parametrize("layer", POINTWISE.values(), ids=POINTWISE)

OVERFLOWS = {"selu"}
"""The layers that multiply the largest numbers by more than 1: infinity is then the nearest number."""


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@each_layer
def test_extremes_are_finite_and_silent(layer: Any, dtype: Floating) -> None:
    limits = np.finfo(dtype)
    sizes = [limits.max, limits.max / 8, np.sqrt(limits.max), 1e4, limits.tiny, limits.smallest_subnormal, dtype(0)]
    x = np.array([sign * size for size in sizes for sign in (-1, 1)], dtype)
    with np.errstate(all="raise"):
        out, slope = value_and_slope(layer, x)
    assert np.isfinite(out[2 if layer.name in OVERFLOWS else 0 :]).all()
    assert np.isfinite(slope).all()
    assert out.dtype == slope.dtype == dtype


@each_layer
def test_nan_passes(layer: Any) -> None:
    with np.errstate(all="raise"):
        assert np.isnan(layer.forward((), np.full(9, np.nan))[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
@each_layer
def test_every_dtype_has_the_numbers_of_float64(layer: Any, dtype: Floating) -> None:
    x = np.linspace(-12, 12, 997).astype(np.float32)
    out, slope = value_and_slope(layer, x.astype(dtype))
    exact, exact_slope = value_and_slope(layer, x.astype(np.float64))
    # A rounding of an exponent, up to 128 here, is a relative error as many times as large; terms of a slope cancel.
    few = 128 * max(float(np.finfo(dtype).eps), float(np.finfo(np.float64).eps))
    np.testing.assert_allclose(out, exact, rtol=few, atol=float(12 * np.finfo(np.float32).smallest_normal))
    np.testing.assert_allclose(slope, exact_slope, rtol=few, atol=few / 16)


@each_layer
def test_float16_is_the_result_of_float32_rounded_once(layer: Any) -> None:
    x = np.linspace(-20, 20, 997).astype(np.float16)
    out, cache = layer.forward((), x)
    wide, _ = layer.forward((), x.astype(np.float32))
    np.testing.assert_array_equal(out, wide.astype(np.float16))
    assert {leaf.dtype for leaf in tree.leaves(cache)} <= {np.dtype(np.float16)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layer", [POINTWISE[name] for name in POINTWISE if name != "identity"], ids=str)
def test_large_arrays_give_what_their_numbers_give_at_once(layer: Any, dtype: Floating) -> None:
    x = 8 * normal(np.random.default_rng(0), MANY + 7, dtype=dtype)
    x[:6] = np.array([0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max])
    at_once = TUNED.quietly(layer.rule.source, TUNED, read_only(TUNED.widened(x).copy()))
    out, cache = layer.forward((), x)
    of_pass, kept = layer.rule.forward(IN_PASS, (), x.copy())
    for found, wide in zip((out, cache.value, of_pass, kept.value), at_once * 2, strict=True):
        expected = TUNED.quietly(TUNED.astype, wide, x)
        np.testing.assert_array_equal(found, expected)
        number = ~np.isnan(expected)  # the sign of a nan means nothing
        np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("layer", [POINTWISE[name] for name in POINTWISE if name != "identity"], ids=str)
def test_the_rows_of_a_large_dx_are_those_of_few(layer: Any) -> None:
    rng = np.random.default_rng(0)
    x, dout = (8 * normal(rng, 3, BLOCK_ENTRIES // 2, dtype=np.float32) for _ in range(2))
    dx, _ = layer.backward(layer.forward((), x)[1], dout)
    for i in range(3):
        np.testing.assert_array_equal(dx[i], layer.backward(layer.forward((), x[i])[1], dout[i])[0])


@each_layer
def test_any_shape_and_no_elements(layer: Any) -> None:
    for shape in ((), (4,), (0, 3), (3, 0), (2, 3, 4, 5)):
        out, slope = value_and_slope(layer, np.full(shape, -0.5, np.float32))
        assert out.shape == slope.shape == shape
        assert out.dtype == slope.dtype == np.float32
