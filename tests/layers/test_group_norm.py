"""Group normalisation: each group of each example by itself, in any layout, of every size, and types."""

import math
import re

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, GroupNorm, LayerNorm, group_norm, layer_norm
from reference import normalised_50_digits
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Array, GroupNorm, Layer, LayerNorm, Unit, group_norm, relu, sequential
from chainrule.layers.normalisation.group_norm import GroupNormCache
from chainrule.rules.elementwise_layers import Saved

def accepted(params: GroupNorm, x: Array, dout: Array) -> None:
    assert_type(group_norm(8), Layer[GroupNorm, GroupNormCache])
    assert_type(group_norm(groups=8, eps=1e-6).backward(group_norm(8).forward(params, x)[1], dout)[1], GroupNorm)
    assert_type(GroupNorm.init(64, dtype=np.float64).bias, Array)
    assert_type(sequential(group_norm(2), relu), Layer[tuple[GroupNorm, Unit], tuple[GroupNormCache, Saved]])

def refused(params: GroupNorm, other: LayerNorm, x: Array) -> None:
    group_norm()  # rejected: the number of groups is missing
    group_norm(2.0)  # rejected: a number of groups is whole
    group_norm(2).forward(other, x)  # rejected: the parameters of layer_norm
    GroupNorm(x)  # rejected: the bias is missing
    params.scale = x  # rejected: a record is frozen
"""


def back(x: Array, dout: Array, groups: int, eps: float = 1e-5) -> tuple[Array, Array]:
    """Output and dx with a scale of ones and a bias of zeros."""
    layer = group_norm(groups, eps)
    out, cache = layer.forward(GroupNorm.init(x.shape[-1], dtype=x.dtype), x)
    return out, layer.backward(cache, dout)[0]


@pytest.mark.parametrize(("size", "shift"), [(1, 0), (1e4, 0), (1e-4, 1), (1e-300, 0), (1e300, 0)])
def test_output_and_gradients_are_those_of_the_definition(size: float, shift: float) -> None:
    rng = np.random.default_rng(0)
    x, dout, (scale, bias) = size * normal(rng, 2, 3, 4) + shift, normal(rng, 2, 3, 4), normal(rng, 2, 4)
    layer = group_norm(2)
    with np.errstate(all="raise"):
        out, cache = layer.forward(GroupNorm(scale, bias), x)
        dx, grads = layer.backward(cache, dout)
    h, expected_dx = np.empty_like(x), np.empty_like(x)
    for i in range(2):
        for group in (slice(0, 2), slice(2, 4)):
            row, g = x[i, :, group].ravel(), (scale * dout)[i, :, group].ravel()
            of_row, dx_of_row, _ = normalised_50_digits(row, g, 1e-5)
            h[i, :, group], expected_dx[i, :, group] = of_row.reshape(3, 2), dx_of_row.reshape(3, 2)
    # h loses what x loses in its difference to the mean; all terms of out and dx / r are below 8 here.
    lost = 4 * 2**-53 * 8 * max(1.0, shift / size)
    np.testing.assert_allclose(out, scale * h + bias, rtol=1e-14, atol=lost)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-14, atol=lost * float(np.abs(expected_dx).max()))
    np.testing.assert_allclose(grads.scale, (h * dout).sum(axis=(0, 1)), rtol=1e-13, atol=6 * lost)
    np.testing.assert_allclose(grads.bias, dout.sum(axis=(0, 1)), rtol=1e-13, atol=1e-15)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_groups_have_mean_zero_and_variance_one(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = 5 + 3 * normal(rng, n, 2, 3, 4, dtype=dtype)
    out, dx = back(x, x, 2)
    assert out.dtype == dx.dtype == dtype
    few = 16 * float(np.finfo(dtype).eps)
    for group in (out[..., :2], out[..., 2:]):
        np.testing.assert_allclose(group.astype(np.longdouble).mean(axis=(1, 2, 3)), 0, atol=few)
        np.testing.assert_allclose(group.astype(np.longdouble).var(axis=(1, 2, 3)), 1, atol=few + 1e-4)


def test_one_group_is_layer_norm_of_all_of_an_example() -> None:
    rng = np.random.default_rng(0)
    x, dout = normal(rng, 3, 2, 5), normal(rng, 3, 2, 5)
    out, dx = back(x, dout, 1)
    norm = layer_norm()
    expected, cache = norm.forward(LayerNorm.init(10, dtype=np.float64), x.reshape(3, 10))
    np.testing.assert_allclose(out.reshape(3, 10), expected, rtol=1e-13, atol=1e-15)
    expected_dx, _ = norm.backward(cache, dout.reshape(3, 10))
    np.testing.assert_allclose(dx.reshape(3, 10), expected_dx, rtol=1e-13, atol=1e-15)


def test_a_group_for_each_channel_of_one_position_gives_the_bias() -> None:
    layer, params = group_norm(3), GroupNorm(np.ones(3), np.array([1.0, 2.0, 3.0]))
    out, cache = layer.forward(params, np.array([[4.0, 0.1, -7e300]]))
    np.testing.assert_array_equal(out, [[1, 2, 3]])
    np.testing.assert_array_equal(layer.backward(cache, np.ones((1, 3)))[0], 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", ["zero", "least", "tenth", "most"])
def test_a_group_of_one_value_gives_the_bias(value: str, dtype: Floating) -> None:
    limits = np.finfo(dtype)
    x = np.full((2, 3, 4), {"zero": 0, "least": limits.tiny, "tenth": 0.1, "most": limits.max}[value], dtype)
    with np.errstate(all="raise"):
        out, dx = back(x, np.ones_like(x), 2)
    np.testing.assert_allclose(out, 0, atol=float(limits.tiny))
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_huge_group_takes_no_digits_from_a_small_one_and_is_silent(dtype: Floating) -> None:
    limits = np.finfo(dtype)
    pattern = np.array([[1.0, -1.0], [0.5, -0.5]])
    x = np.concatenate([float(limits.max) * pattern, 64 * float(limits.smallest_normal) * pattern], axis=1)
    with np.errstate(all="raise"):
        out, dx = back(x.astype(dtype)[None], np.ones((1, 2, 4), dtype), 2)
    few = 8 * float(limits.eps)
    np.testing.assert_allclose(out[0, :, :2], pattern / pattern.std(), rtol=few)
    alone, _ = back(x[:, 2:].astype(dtype)[None], np.ones((1, 2, 2), dtype), 1)
    np.testing.assert_array_equal(out[0, :, 2:], alone[0])
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_infinity_and_nan_stay_in_their_group(bad: float) -> None:
    x = normal(np.random.default_rng(0), 2, 3, 4)
    x[0, 1, 0] = bad
    with np.errstate(all="raise"):
        out, dx = back(x, np.ones_like(x), 2)
    for found in (out, dx):
        touched = np.isnan(found)
        assert touched[0, :, :2].all()
        assert not touched[0, :, 2:].any()
        assert not touched[1].any()


def test_examples_are_each_alone() -> None:
    x = normal(np.random.default_rng(0), 5, 3, 4)
    together, _ = back(x, x, 2)
    for i in range(5):
        np.testing.assert_array_equal(together[i], back(x[i : i + 1], x[i : i + 1], 2)[0][0])
    assert not group_norm(2).couples_rows
    assert group_norm(2).event_axes is None
    assert repr(group_norm(2)) == "Layer(group_norm(groups=2, eps=1e-05))"


@pytest.mark.parametrize(
    ("groups", "channels", "shape", "message"),
    [
        (4, 6, (2, 6), "group_norm: 6 channels do not divide into 4 groups"),
        (4, 6, (2, 5, 6), "group_norm: 6 channels do not divide into 4 groups"),
        (8, 6, (2, 6), "group_norm: 6 channels do not divide into 8 groups"),
        (2, 6, (2, 4), "group_norm: x has 4 features (2, 4) but scale takes 6 (6,)"),
        (2, 6, (6,), "group_norm: x must have an axis of examples and one of channels, got shape (6,)"),
        (2, 6, (3, 0, 6), "group_norm: the mean over no positions is undefined, x has shape (3, 0, 6)"),
    ],
)
def test_what_does_not_fit_is_refused(groups: int, channels: int, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match="group_norm") as raised:
        group_norm(groups).forward(GroupNorm.init(channels, dtype=np.float64), np.ones(shape))
    assert str(raised.value) == message


def test_bad_options() -> None:
    for groups in (0, -2):
        with pytest.raises(ValueError, match=re.escape(f"group_norm: groups must be >= 1, got {groups}")):
            group_norm(groups)
    with pytest.raises(TypeError, match=re.escape("group_norm: groups must be an integer, got float")):
        group_norm(untyped(2.0))
    with pytest.raises(ValueError, match=re.escape("group_norm: eps must be a finite number > 0, got -1.0")):
        group_norm(2, eps=-1)
    with pytest.raises(ValueError, match=re.escape("GroupNorm: scale is (3,), so bias must be (3,), got (2,)")):
        GroupNorm(np.ones(3), np.zeros(2))
    with pytest.raises(ValueError, match="GroupNorm") as raised:
        GroupNorm.init(0)
    assert str(raised.value) == "GroupNorm: scale must be 1-D (features,) with at least 1 of each, got shape (0,)"
    assert GroupNorm.init(1).scale.shape == (1,)
    with pytest.raises(TypeError, match=r"^GroupNorm\.init: features must be an integer, got float$"):
        GroupNorm.init(untyped(2.5))


def test_at_first_groups_are_normalised_and_no_more() -> None:
    params = GroupNorm.init(3)
    np.testing.assert_array_equal(params.scale, np.ones(3, np.float32), strict=True)
    np.testing.assert_array_equal(params.bias, np.zeros(3, np.float32), strict=True)


def test_an_empty_batch_has_no_rows_and_gradients_of_zero() -> None:
    layer = group_norm(2)
    out, cache = layer.forward(GroupNorm.init(4, dtype=np.float64), np.ones((0, 3, 4)))
    dx, grads = layer.backward(cache, out)
    assert out.shape == dx.shape == (0, 3, 4)
    assert math.fsum([*grads.scale, *grads.bias]) == 0
