"""Convolutions and their transposes: sums over windows, each other's backward, every option, and types."""

import math
import pickle
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    Array,
    Convolution,
    affine,
    check_layer,
    convolution,
    convolution_transpose,
    initializers,
    tree,
)
from chainrule.layers.convolution.options import windows_of
from strategies import Floating, fewer, generators, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import (
    Affine, Array, Convolution, Layer, Unit, convolution, convolution_transpose, relu, sequential,
)
from chainrule.layers.convolution.convolution import ConvolutionCache
from chainrule.rules.elementwise_layers import Saved

def accepted(params: Convolution, x: Array, dout: Array, rng: np.random.Generator) -> None:
    assert_type(convolution(2, "valid", (1, 2), groups=4), Layer[Convolution, ConvolutionCache])
    assert_type(convolution_transpose((2, 1), ((0, 1), (1, 1))), Layer[Convolution, ConvolutionCache])
    out, cache = convolution(padding=1).forward(params, x)
    assert_type(out, Array)
    assert_type(convolution(padding=1).backward(cache, dout), tuple[Array, Convolution])
    assert_type(cache.x, Array)
    assert_type(Convolution.init(rng, 3, 8, (3, 3, 3), std=0.1, dtype=np.float64).W, Array)
    network = sequential(convolution(), relu, convolution_transpose(2))
    assert_type(
        network,
        Layer[tuple[Convolution, Unit, Convolution], tuple[ConvolutionCache, Saved, ConvolutionCache]],
    )

def refused(params: Convolution, other: Affine, x: Array, rng: np.random.Generator) -> None:
    convolution(1.5)  # rejected: a stride is whole
    convolution(padding="full")  # rejected: no such padding
    convolution(padding=((1, 2, 3), 1))  # rejected: an axis has two ends
    convolution().forward(other, x)  # rejected: the parameters of affine
    convolution_transpose(groups=2)  # rejected: the transpose has no groups
    Convolution.init(rng, 3, 8)  # rejected: the size of the windows is missing
    Convolution(x)  # rejected: the bias is missing
    params.W = x  # rejected: a record is frozen
"""


OF = ", of examples, of space and of channels"


def numbered(*shape: int) -> Array:
    """1, 2, 3, ... in a shape."""
    return np.arange(1.0, math.prod(shape) + 1).reshape(shape)


def summed(x: Array, W: Array, b: Array, stride: int, before: int, dilation: int, outputs: int) -> Array:
    """The definition on one axis, exactly: each output's products are summed and rounded once."""
    out = np.empty((x.shape[0], outputs, W.shape[2]))
    for i, p, j in np.ndindex(*out.shape):
        terms = [float(b[j])]
        for k, c in np.ndindex(*W.shape[:2]):
            q = p * stride - before + k * dilation
            if 0 <= q < x.shape[1]:
                terms.append(float(x[i, q, c] * W[k, c, j]))
        out[i, p, j] = math.fsum(terms)
    return out


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-150, 1e150])
@pytest.mark.parametrize(
    ("stride", "dilation", "before", "after"), [(1, 1, 1, 1), (2, 1, 0, 2), (1, 2, 3, 0), (3, 2, 2, 2)]
)
def test_output_is_the_sum_of_the_definition(scale: float, stride: int, dilation: int, before: int, after: int) -> None:
    rng = np.random.default_rng(0)
    x, W, b = scale * normal(rng, 2, 7, 3), normal(rng, 3, 3, 2), scale * normal(rng, 2)
    layer = convolution(stride, ((before, after),), dilation)
    out, _ = layer.forward(Convolution(W, b), x)
    outputs = (7 + before + after - 2 * dilation - 1) // stride + 1
    # A sum of ten terms, whose sizes add up to less than 40 scale.
    np.testing.assert_allclose(
        out, summed(x, W, b, stride, before, dilation, outputs), rtol=1e-14, atol=4 * 2**-53 * 40 * scale
    )


def test_values_by_hand() -> None:
    params = Convolution(np.array([[[1.0]], [[10.0]], [[100.0]]]), np.array([0.5]))
    x = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    for padding, expected in {
        "same": [210.5, 321.5, 432.5, 43.5],
        "valid": [321.5, 432.5],
        1: [210.5, 321.5, 432.5, 43.5],
        ((2, 0),): [100.5, 210.5, 321.5, 432.5],
        (1,): [210.5, 321.5, 432.5, 43.5],
    }.items():
        out, cache = convolution(padding=untyped(padding)).forward(params, x)
        np.testing.assert_array_equal(out.ravel(), expected)
        dout = np.zeros_like(out)
        dout[0, 1] = 1.0
        dx, grads = convolution(padding=untyped(padding)).backward(cache, dout)
        assert grads.b == 1.0
        np.testing.assert_array_equal(grads.W.ravel() @ [1.0, 10.0, 100.0] + 0.5, expected[1])
        assert (dx * x).sum() + 0.5 == expected[1]  # linear in x and in W
    np.testing.assert_array_equal(
        convolution(stride=2).forward(params, x)[0].ravel(), [321.5, 43.5]
    )  # the odd one after
    np.testing.assert_array_equal(
        convolution(padding="valid", dilation=(1,)).forward(params, x)[0].ravel(), [321.5, 432.5]
    )
    spread = convolution_transpose(2, "valid").forward(params, x[:, :2])[0]
    np.testing.assert_array_equal(spread.ravel(), [1.5, 10.5, 102.5, 20.5, 200.5])
    np.testing.assert_array_equal(
        convolution_transpose(2).forward(params, x[:, :2])[0].ravel(), [1.5, 10.5, 102.5, 20.5]
    )
    np.testing.assert_array_equal(
        convolution_transpose(4).forward(params, x[:, :2])[0].ravel(), [1.5, 10.5, 100.5, 0.5, 2.5, 20.5, 200.5, 0.5]
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_each_is_the_others_backward(axes: int, padding: Any, stride: int) -> None:
    rng = np.random.default_rng(axes)
    x_shape = (2, *(2 * stride + (0 if padding == "same" else 3 - 2 * (padding == 1)),) * axes, 3)
    W, zero = normal(rng, *(3,) * axes, 3, 4), np.zeros
    out, cache = convolution(stride, padding).forward(Convolution(W, zero(4)), normal(rng, *x_shape))
    dout = normal(rng, *out.shape)
    dx, grads = convolution(stride, padding).backward(cache, dout)
    back = convolution_transpose(stride, padding)
    exchanged = Convolution(W.swapaxes(-1, -2), zero(3))
    spread, spread_cache = back.forward(exchanged, dout)
    of_x, of_exchanged = back.backward(spread_cache, cache.x)
    for one, other in ((spread, dx), (of_x, out), (of_exchanged.W.swapaxes(-1, -2), grads.W)):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-12)  # sums of up to 108 products in another order


def test_a_window_of_one_position_is_affine() -> None:
    rng = np.random.default_rng(0)
    W, b, x, dout = normal(rng, 3, 2), normal(rng, 2), normal(rng, 4, 5, 3), normal(rng, 4, 5, 2)
    for layer in (convolution(), convolution(padding="valid"), convolution_transpose()):
        out, cache = layer.forward(Convolution(W[None], b), x)
        dx, grads = layer.backward(cache, dout)
        expected, of_affine = affine.forward(Affine(W, b), x)
        expected_dx, expected_grads = affine.backward(of_affine, dout)
        np.testing.assert_allclose(out, expected, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(dx, expected_dx, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(grads.W[0], expected_grads.W, rtol=1e-13, atol=1e-14)


def test_groups_are_convolutions_side_by_side() -> None:
    rng = np.random.default_rng(0)
    W, b, x = normal(rng, 3, 3, 2, 6), normal(rng, 6), normal(rng, 4, 5, 5, 6)
    out, cache = convolution(2, groups=3).forward(Convolution(W, b), x)
    dout = normal(rng, *out.shape)
    dx, grads = convolution(2, groups=3).backward(cache, dout)
    for group in range(3):
        own = slice(2 * group, 2 * group + 2)
        alone, its_cache = convolution(2).forward(Convolution(W[..., own], b[own]), x[..., own])
        its_dx, its_grads = convolution(2).backward(its_cache, dout[..., own])
        np.testing.assert_allclose(out[..., own], alone, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(dx[..., own], its_dx, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(grads.W[..., own], its_grads.W, rtol=1e-12, atol=1e-13)


def test_positions_that_no_window_sees_have_no_derivative() -> None:
    x = numbered(1, 8, 1)
    out, cache = convolution(3, "valid").forward(Convolution(np.ones((2, 1, 1)), np.zeros(1)), x)
    dx, _ = convolution(3, "valid").backward(cache, np.ones_like(out))
    np.testing.assert_array_equal(dx.ravel(), [1, 1, 0, 1, 1, 0, 1, 1])
    out, cache = convolution(1, ((0, 3),)).forward(Convolution(np.ones((2, 1, 1)), np.zeros(1)), x[:, :1])
    np.testing.assert_array_equal(out.ravel(), [1, 0, 0])  # windows beyond the end


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("layer", [convolution(2), convolution(groups=2), convolution_transpose(2)], ids=repr)
def test_dtypes_stay_and_16_bits_are_summed_in_32(dtype: Floating, layer: Any) -> None:
    rng = np.random.default_rng(0)
    inputs = 2 if layer.name.endswith("groups=2)") else 4
    params, x = Convolution(normal(rng, 3, inputs, 4), normal(rng, 4)), normal(rng, 3, 6, 4)
    cast = tree.map(lambda a: a.astype(dtype), params)
    out, cache = layer.forward(cast, x.astype(dtype))
    dout = normal(rng, *out.shape, dtype=dtype)
    results = [out, *tree.leaves(layer.backward(cache, dout)), *tree.leaves(layer.grads(cache, dout))]
    assert {each.dtype for each in (*results, *tree.leaves(cache))} == {np.dtype(dtype)}
    wide = tree.map(lambda a: a.astype(np.float64), cast)
    exact, exact_cache = layer.forward(wide, x.astype(dtype).astype(np.float64))
    exact_dx, exact_grads = layer.backward(exact_cache, dout.astype(np.float64))
    # What is summed in 32 bits is rounded once to 16; others are sums of up to 18 products.
    relative, absolute = (2**-11, 1e-5) if dtype is np.float16 else (0, 64 * max(float(np.finfo(dtype).eps), 2**-52))
    for ours, expected in zip(results[:3], (exact, exact_dx, exact_grads.W), strict=True):
        np.testing.assert_allclose(ours.astype(np.float64), expected, rtol=relative, atol=absolute)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("layer", [convolution(), convolution(2), convolution_transpose(2)], ids=repr)
def test_infinity_and_nan_go_where_their_windows_go_without_a_warning(bad: float, layer: Any) -> None:
    params, x = Convolution(np.full((3, 1, 1), 2.0), np.zeros(1)), np.ones((2, 8, 1))
    clean, _ = layer.forward(params, x)
    x[0, 4] = bad
    with np.errstate(all="raise"):
        out, cache = layer.forward(params, x)
        dout = np.ones_like(out)
        dout[1, 2] = bad
        dx, grads = layer.backward(cache, dout)
    hit = ~np.isfinite(out)
    assert 0 < hit[0].sum() <= 3
    assert not hit[1].any()
    np.testing.assert_array_equal(out[~hit], clean[~hit])
    assert 0 < (~np.isfinite(dx[1])).sum() <= 3
    assert np.isfinite(dx[0]).all()
    assert not np.isfinite(grads.W).all()


@given(rng=generators, axes=st.integers(1, 3), padding=st.sampled_from(["same", "valid", 0, 1, 2, "pairs"]))
def test_shapes_are_those_of_the_formula(rng: np.random.Generator, axes: int, padding: Any) -> None:
    q, k, s, d = (tuple(int(v) for v in rng.integers(1, most, axes)) for most in (9, 4, 4, 3))
    pairs = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (axes, 2)))
    given_padding = pairs if padding == "pairs" else padding
    if isinstance(given_padding, int):
        pairs = ((given_padding, given_padding),) * axes
    if padding == "valid":
        pairs = ((0, 0),) * axes
    x, W = (2, *q, 3), (*k, 3, 4)
    reach = [(n - 1) * e + 1 for n, e in zip(k, d, strict=True)]
    if padding == "same":
        forward, back = [-(-n // t) for n, t in zip(q, s, strict=True)], [n * t for n, t in zip(q, s, strict=True)]
    else:
        zeros = [a + b for a, b in pairs]
        forward = [(n + z - r) // t + 1 for n, z, r, t in zip(q, zeros, reach, s, strict=True)]
        back = [(n - 1) * t + r - z for n, z, r, t in zip(q, zeros, reach, s, strict=True)]
    for owner, expected in (("convolution", forward), ("convolution_transpose", back)):
        if min(expected) < 1:
            with pytest.raises(ValueError, match="leave nothing"):
                windows_of(owner, x, W, s, given_padding, d)
            continue
        at = windows_of(owner, x, W, s, given_padding, d)
        assert (at.inner if owner == "convolution" else at.outer) == tuple(expected)
        assert (at.outer if owner == "convolution" else at.inner) == q


@pytest.mark.parametrize(
    ("layer", "W", "x", "message"),
    [
        (
            convolution(),
            (3, 3, 2, 4),
            (5, 6, 2),
            f"convolution: x must have 4 axes{OF}, for W (3, 3, 2, 4), got shape (5, 6, 2)",
        ),
        (
            convolution_transpose(),
            (3, 2, 4),
            (2,),
            f"convolution_transpose: x must have 3 axes{OF}, for W (3, 2, 4), got shape (2,)",
        ),
        (convolution(), (3, 2, 4), (5, 6, 3), "convolution: x has 3 channels (5, 6, 3) but W takes 2 (3, 2, 4)"),
        (
            convolution(groups=2),
            (3, 2, 4),
            (5, 6, 2),
            "convolution: x has 2 channels (5, 6, 2) but W takes 4 in 2 groups (3, 2, 4)",
        ),
        (
            convolution_transpose(),
            (3, 2, 4),
            (5, 6, 4),
            "convolution_transpose: x has 4 channels (5, 6, 4) but W takes 2 (3, 2, 4)",
        ),
        (
            convolution(groups=2),
            (3, 2, 5),
            (5, 6, 4),
            "convolution: 5 outputs of W (3, 2, 5) do not divide into 2 groups",
        ),
        (
            convolution((2, 1)),
            (3, 2, 4),
            (5, 6, 2),
            "convolution: stride must be for 1 spatial axis, as W (3, 2, 4) has, got (2, 1)",
        ),
        (
            convolution(dilation=(1,)),
            (3, 3, 2, 4),
            (5, 6, 6, 2),
            "convolution: dilation must be for 2 spatial axes, as W (3, 3, 2, 4) has, got (1,)",
        ),
        (
            convolution_transpose(padding=((1, 1),)),
            (3, 3, 2, 4),
            (5, 6, 6, 2),
            "convolution_transpose: padding must be for 2 spatial axes, as W (3, 3, 2, 4) has, got ((1, 1),)",
        ),
        (
            convolution(padding="valid", dilation=2),
            (3, 2, 4),
            (5, 4, 2),
            "convolution: windows of W (3, 2, 4) with dilation 2 and padding 'valid' leave nothing of x (5, 4, 2)",
        ),
        (
            convolution(),
            (3, 2, 4),
            (5, 0, 2),
            "convolution: windows of W (3, 2, 4) with dilation 1 and padding 'same' leave nothing of x (5, 0, 2)",
        ),
        (
            convolution_transpose(padding=2),
            (3, 2, 4),
            (5, 2, 2),
            "convolution_transpose: windows of W (3, 2, 4) with stride 1 and padding 2 leave nothing of x (5, 2, 2)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer: Any, W: tuple[int, ...], x: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match="convolution") as raised:
        layer.forward(Convolution(np.ones(W), np.ones(W[-1])), np.ones(x))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stride": 0}, ValueError, "stride must be >= 1, got 0"),
        ({"stride": (1, -1)}, ValueError, "stride must be >= 1, got -1"),
        ({"stride": np.array([1, 2])}, TypeError, "stride must be an integer or a tuple of them, got ndarray"),
        ({"stride": 1.5}, TypeError, "stride must be an integer or a tuple of them, got float"),
        ({"stride": [1, 2]}, TypeError, "stride must be an integer or a tuple of them, got list"),
        ({"padding": -1}, ValueError, "padding must be >= 0, got -1"),
        ({"padding": ((0, -2),)}, ValueError, "padding must be >= 0, got -2"),
        ({"padding": (1, -2)}, ValueError, "padding must be >= 0, got -2"),
        (
            {"padding": ((1, 2, 3),)},
            ValueError,
            "padding of an axis must be one integer or two, before and after, got (1, 2, 3)",
        ),
        ({"padding": ((1, 2.5),)}, TypeError, "padding must be an integer, got float"),
        ({"padding": "full"}, ValueError, "padding must be 'same', 'valid', an integer or a tuple of them, got 'full'"),
        ({"padding": None}, TypeError, "padding must be 'same', 'valid', an integer or a tuple of them, got NoneType"),
        ({"padding": [1]}, TypeError, "padding must be 'same', 'valid', an integer or a tuple of them, got list"),
        ({"stride": ()}, ValueError, "there must be 1 to 3 spatial axes, got stride=()"),
        ({"padding": (1, 1, 1, 1)}, ValueError, "there must be 1 to 3 spatial axes, got padding=(1, 1, 1, 1)"),
        (
            {"stride": (1, 2), "padding": (1, (0, 1), 1)},
            ValueError,
            "options must be for one number of axes, got stride=(1, 2), padding=(1, (0, 1), 1)",
        ),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    for layer in (convolution, convolution_transpose):
        with pytest.raises(error, match=rf"^{re.escape(f'{layer.__name__}: {message}')}$"):
            untyped(layer)(**options)


def test_bad_options_of_a_convolution_alone() -> None:
    with pytest.raises(ValueError, match=r"^convolution: dilation must be >= 1, got 0$"):
        convolution(dilation=0)
    with pytest.raises(ValueError, match=r"^convolution: options must be .* got stride=\(1, 2\), dilation=\(1,\)$"):
        convolution(stride=(1, 2), dilation=(1,))
    with pytest.raises(ValueError, match=r"^convolution: groups must be >= 1, got 0$"):
        convolution(groups=0)
    with pytest.raises(TypeError, match=r"^convolution: groups must be an integer, got tuple$"):
        convolution(groups=untyped((1, 1)))


@pytest.mark.parametrize(
    ("W", "b", "message"),
    [
        (
            (3, 4),
            4,
            "Convolution: W must have 3 to 5 axes, (*size, inputs, outputs), got shape (3, 4)",
        ),
        (
            (1,) * 6,
            1,
            "Convolution: W must have 3 to 5 axes, (*size, inputs, outputs), got shape (1, 1, 1, 1, 1, 1)",
        ),
        (
            (0, 2, 4),
            4,
            "Convolution: W must be 3-D (size, inputs, outputs) with at least 1 of each, got shape (0, 2, 4)",
        ),
        ((3, 3, 3, 2, 4), 2, "Convolution: W is (3, 3, 3, 2, 4), so b must be (4,), got (2,)"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(W: tuple[int, ...], b: int, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        Convolution(np.ones(W), np.ones(b))


def test_other_parameters_and_caches_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^convolution: params must be Convolution, got Affine$"):
        untyped(convolution().forward)(Affine(np.ones((3, 2)), np.ones(2)), np.ones((4, 3)))
    with pytest.raises(TypeError, match=r"^Convolution: W must be an array of floats, got list"):
        Convolution(untyped([[[1.0]]]), np.ones(1))
    with pytest.raises(TypeError, match=r"float64.*float32|float32.*float64"):
        convolution().forward(Convolution(np.ones((1, 1, 1)), np.ones(1)), np.ones((1, 1, 1), np.float32))
    params, x = Convolution(np.ones((1, 1, 1)), np.ones(1)), np.ones((1, 1, 1))
    with pytest.raises(TypeError, match=r"of convolution$"):
        convolution_transpose().backward(convolution().forward(params, x)[1], x)


def test_weights_are_drawn_with_the_fans_of_a_window() -> None:
    asked: list[tuple[Any, ...]] = []

    def noted(rng: Any, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any) -> Array:
        asked.append((shape, fan_in, fan_out))
        return initializers.zeros(rng, shape, fan_in, fan_out, dtype)

    rng = np.random.default_rng(0)
    assert repr(Convolution.init(rng, 4, 6, 5, weights=noted)) == "Convolution(W=f32[5, 5, 4, 6], b=f32[6])"
    Convolution.init(rng, 4, 6, (3,), groups=2, weights=noted)
    Convolution.init(rng, 4, 6, (1, 2, 3), weights=noted)
    assert asked == [((5, 5, 4, 6), 100, 150), ((3, 2, 6), 6, 9), ((1, 2, 3, 4, 6), 24, 36)]
    params = Convolution.init(np.random.default_rng(0), 32, 64, 3, dtype=np.float64)
    assert float(params.W.std()) == pytest.approx((9 * 32) ** -0.5, rel=0.02)
    np.testing.assert_array_equal(params.b, np.zeros(64), strict=True)
    drawn = Convolution.init(np.random.default_rng(0), 32, 64, 3, weights=initializers.he_normal)
    assert float(drawn.W.std()) == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.02)
    assert float(Convolution.init(np.random.default_rng(0), 32, 64, 3, std=0.5).W.std()) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 2, 3), ValueError, "n_in must be >= 1, got 0"),
        ((2, 0, 3), ValueError, "n_out must be >= 1, got 0"),
        ((2, 2, 0), ValueError, "size must be >= 1, got 0"),
        ((2, 2, (3, 2.5)), TypeError, "size must be an integer, got float"),
        ((2, 2, [3, 3]), TypeError, "size must be an integer or a tuple of them, got list"),
        ((2, 2, ()), ValueError, "there must be 1 to 3 spatial axes, got size=()"),
        ((2, 2, (1, 1, 1, 1)), ValueError, "there must be 1 to 3 spatial axes, got size=(1, 1, 1, 1)"),
        ((2.0, 2, 3), TypeError, "n_in must be an integer, got float"),
    ],
)
def test_bad_sizes(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"^{re.escape(f'Convolution.init: {message}')}$"):
        untyped(Convolution.init)(np.random.default_rng(0), *arguments)


def test_bad_arguments_of_init() -> None:
    rng = np.random.default_rng(0)
    for n_in, n_out, named in ((3, 4, "n_in, 3"), (4, 3, "n_out, 3")):
        with pytest.raises(ValueError, match=rf"^Convolution\.init: {named}, does not divide into 2 groups$"):
            Convolution.init(rng, n_in, n_out, 3, groups=2)
    with pytest.raises(ValueError, match=r"^Convolution\.init: groups must be >= 1, got 0$"):
        Convolution.init(rng, 2, 2, 3, groups=0)
    with pytest.raises(TypeError, match=r"^Convolution\.init: give std or weights, not both$"):
        Convolution.init(rng, 2, 2, 3, std=1.0, weights=initializers.zeros)


def test_an_empty_batch_has_an_empty_result_and_gradients_of_zero() -> None:
    params = Convolution(np.ones((3, 3, 2, 4)), np.ones(4))
    for layer, shape in ((convolution(2), (0, 3, 3, 4)), (convolution_transpose(2), (0, 10, 10, 4))):
        out, cache = layer.forward(params, np.ones((0, 5, 5, 2)))
        dx, grads = layer.backward(cache, out)
        assert (out.shape, dx.shape) == (shape, (0, 5, 5, 2))
        assert not grads.W.any()
        assert not grads.b.any()


@pytest.mark.parametrize(
    "layer", [convolution((2, 1), ((1, 0), (0, 0)), (1, 2), 2), convolution_transpose(3, 1)], ids=repr
)
def test_it_prints_and_comes_back_from_a_pickle(layer: Any) -> None:
    again = pickle.loads(pickle.dumps(layer))
    assert repr(again) == repr(layer)
    assert not layer.couples_rows
    assert layer.event_axes is None
    assert "**Derivation.**" in layer.__doc__


def test_repr() -> None:
    assert repr(convolution()) == "Layer(convolution(stride=1, padding='same', dilation=1, groups=1))"
    assert repr(convolution_transpose((2, 1), ((0, 1), (1, 0)))) == (
        "Layer(convolution_transpose(stride=(2, 1), padding=((0, 1), (1, 0))))"
    )


def test_operations_are_two_for_each_weight_and_window() -> None:
    params = Convolution(np.ones((3, 3, 2, 4)), np.ones(4))
    ours: Any = convolution(groups=2).operations
    assert ours(params, (5, 6, 6, 4), (5, 6, 6, 4)) == (2 * 18 * 5 * 36 * 4, 4 * 18 * 5 * 36 * 4)
    back: Any = convolution_transpose(2).operations
    assert back(params, (5, 6, 6, 2), (5, 12, 12, 4)) == (2 * 72 * 5 * 36, 4 * 72 * 5 * 36)


@pytest.mark.parametrize(
    ("layer", "size", "groups", "positions", "dtype"),
    [
        (convolution(), (3, 3), 1, (4, 3), np.float64),
        (convolution(2, "valid"), (3,), 1, (7,), np.float32),
        (convolution(1, ((1, 0), (0, 1), (1, 1)), (1, 1, 2)), (2, 1, 2), 1, (2, 2, 3), np.float16),
        (convolution(2, 1, 2, 2), (2, 2), 2, (4, 3), np.float64),
        (convolution(groups=4), (3,), 4, (5,), np.float32),
        (convolution_transpose(), (3, 2), 1, (2, 3), np.float16),
        (convolution_transpose((3, 2), "valid"), (2, 3), 1, (2, 2), np.float64),
    ],
    ids=lambda each: repr(each) if hasattr(each, "forward") else None,
)
def test_the_checker_calls_it_right(
    layer: Any, size: tuple[int, ...], groups: int, positions: tuple[int, ...], dtype: Floating
) -> None:
    """In one of the dtypes each: a whole check tries the others by itself."""
    rng = np.random.default_rng(0)
    params = Convolution.init(rng, 4, 4, size, groups=groups, weights=initializers.normal, dtype=dtype)
    report = check_layer(layer, params, normal(rng, 3, *positions, 4, dtype=dtype), rng=rng)
    assert report.ok, report
    assert not report.undecided


@fewer
@given(rng=generators)
def test_any_layout_of_x_and_weights_gives_the_same_values(rng: np.random.Generator) -> None:
    W, b, x = normal(rng, 3, 2, 2, 4), normal(rng, 4), normal(rng, 3, 5, 4, 2)
    for layer, kernel in product((convolution(), convolution(2), convolution_transpose(2)), (W, np.asfortranarray(W))):
        out, cache = layer.forward(Convolution(W, b), x)
        dx, grads = layer.backward(cache, out)
        for other in (np.asfortranarray(x), x[::-1].copy()[::-1], np.repeat(x, 2, axis=1)[:, ::2]):
            again, its_cache = layer.forward(Convolution(kernel, b), other)
            np.testing.assert_allclose(again, out, rtol=1e-13, atol=1e-13)
            dx_again, grads_again = layer.backward(its_cache, np.asfortranarray(out))
            np.testing.assert_allclose(dx_again, dx, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(grads_again.W, grads.W, rtol=1e-12, atol=1e-12)
