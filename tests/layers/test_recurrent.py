"""The gated recurrent unit and the long short-term memory share much: time, axes, dtypes and special values."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given

from chainrule import Gru, Layer, Lstm, gru, lstm, tree
from strategies import Floating, generators, normal, sides

Recurrent: TypeAlias = Layer[Any, Any]


def drawn(layer: Recurrent, rng: np.random.Generator, d: int, h: int, dtype: Floating = np.float64) -> Any:
    if layer is lstm:
        return Lstm(*(normal(rng, *shape, dtype=dtype) for shape in ((d, 4 * h), (h, 4 * h), (4 * h,))))
    return Gru(*(normal(rng, *shape, dtype=dtype) for shape in ((d, 3 * h), (h, 3 * h), (3 * h,), (3 * h,))))


@pytest.mark.parametrize("layer", [gru, lstm])
@given(rng=generators, n=sides)
def test_the_future_has_no_influence(layer: Recurrent, rng: np.random.Generator, n: int) -> None:
    params, x = drawn(layer, rng, 2, 3), normal(rng, n, 5, 2)
    out, cache = layer.forward(params, x)
    changed = x.copy()
    changed[:, 3:] = np.nan
    np.testing.assert_array_equal(layer.forward(params, changed)[0][:, :3], out[:, :3])
    dout = normal(rng, n, 5, 3)
    dout[:, 3:] = 0
    assert not layer.backward(cache, dout)[0][:, 3:].any()


@pytest.mark.parametrize("layer", [gru, lstm])
@pytest.mark.parametrize("shape", [(4, 2), (1, 1, 2), (2, 3, 4, 2), (2, 0, 4, 2)])
def test_all_axes_before_the_steps_are_examples(layer: Recurrent, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    params, x, dout = drawn(layer, rng, 2, 3), normal(rng, *shape), normal(rng, *shape[:-1], 3)
    out, cache = layer.forward(params, x)
    dx, grads = layer.backward(cache, dout)
    assert out.shape == dout.shape
    assert dx.shape == x.shape
    flat_out, flat_cache = layer.forward(params, x.reshape(-1, *shape[-2:]))
    flat_dx, flat_grads = layer.backward(flat_cache, dout.reshape(-1, shape[-2], 3))
    np.testing.assert_array_equal(out.ravel(), flat_out.ravel())
    np.testing.assert_array_equal(dx.ravel(), flat_dx.ravel())
    assert tree.equal(grads, flat_grads)


@pytest.mark.parametrize("layer", [gru, lstm])
def test_float16_is_computed_in_float32(layer: Recurrent) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(layer, rng, 3, 4, np.float16), normal(rng, 2, 5, 3, dtype=np.float16)
    out, cache = layer.forward(params, x)
    wide = tree.map(lambda leaf: leaf.astype(np.float32), params)
    np.testing.assert_array_equal(out, layer.forward(wide, x.astype(np.float32))[0].astype(np.float16))
    assert {leaf.dtype for leaf in tree.leaves((cache, layer.backward(cache, out)))} == {np.dtype(np.float16)}


@pytest.mark.parametrize("layer", [gru, lstm])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_huge_inputs_are_silent_and_finite(layer: Recurrent, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(layer, rng, 2, 3, dtype), (1e4 * np.sign(normal(rng, 2, 5, 2))).astype(dtype)
    with np.errstate(all="raise"):
        out, cache = layer.forward(params, x)
        dx, grads = layer.backward(cache, np.ones_like(out))
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves((out, dx, grads)))
    assert (np.abs(out) <= 1).all()


@pytest.mark.parametrize("layer", [gru, lstm])
def test_nan_stays_in_its_example_and_begins_at_its_step(layer: Recurrent) -> None:
    rng = np.random.default_rng(0)
    params, x = drawn(layer, rng, 2, 3), normal(rng, 2, 4, 2)
    x[0, 2, 1] = np.nan
    with np.errstate(all="raise"):
        out, cache = layer.forward(params, x)
        dx, _ = layer.backward(cache, np.ones_like(out))
    assert np.isnan(out[0, 2:]).all()
    assert np.isfinite(out[0, :2]).all()
    assert np.isnan(dx[0]).all()
    assert np.isfinite(dx[1]).all()
