"""Root mean square normalisation: rows of length sqrt(d), of every size, and types."""

import re

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, LayerNorm, RmsNorm, layer_norm, rms_norm
from reference import normalised_50_digits
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Array, Layer, LayerNorm, RmsNorm, Unit, relu, rms_norm, sequential
from chainrule.layers.normalisation.rms_norm import RmsNormCache
from chainrule.rules.elementwise_layers import Saved

def accepted(params: RmsNorm, x: Array, dout: Array) -> None:
    assert_type(rms_norm(), Layer[RmsNorm, RmsNormCache])
    assert_type(rms_norm(eps=1e-5).backward(rms_norm().forward(params, x)[1], dout), tuple[Array, RmsNorm])
    assert_type(RmsNorm.init(64, dtype=np.float64).scale, Array)
    assert_type(sequential(rms_norm(), relu), Layer[tuple[RmsNorm, Unit], tuple[RmsNormCache, Saved]])

def refused(params: RmsNorm, other: LayerNorm, x: Array) -> None:
    rms_norm.forward(params, x)  # rejected: it is called first
    rms_norm("1e-5")  # rejected: eps is a number
    rms_norm().forward(other, x)  # rejected: the parameters of layer_norm
    RmsNorm(x, x)  # rejected: it has no bias
    RmsNorm.init(64, np.float64)  # rejected: the dtype is named
    params.bias.sum()  # rejected: it has no bias
"""

ROWS = {
    "some": [1.0, -2.0, 3.0, 0.5],
    "one value": [0.1, 0.1, 0.1, 0.1],
    "near a constant": [1e8, 1e8 + 1, 1e8 - 2, 1e8],
    "large": [1e4, -1e4, 3.0, 0.0],
    "of the size of eps": [1e-3, -2e-3, 3e-3, 0.0],
    "small": [1e-300, -1e-300, 3e-300, 0.0],
    "huge": [1e300, -1e300, 1e-300, 2e299],
    "zeros": [0.0, 0.0, 0.0, 0.0],
}


def back(x: Array, dout: Array, scale: Array, eps: float = 1e-6) -> tuple[Array, Array, Array]:
    """Output, dx and dscale."""
    layer = rms_norm(eps)
    out, cache = layer.forward(RmsNorm(scale), x)
    dx, grads = layer.backward(cache, dout)
    return out, dx, grads.scale


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_output_and_gradients_are_those_of_the_definition(row: list[float]) -> None:
    x, dout, scale = np.array(row), np.array([0.5, -1.0, 2.0, 1.5]), np.array([1.0, -0.5, 2.0, 3.0])
    with np.errstate(all="raise"):
        out, dx, dscale = back(x[None], dout[None], scale)
    h, expected_dx, largest = normalised_50_digits(x, scale * dout, 1e-6, centred=False)
    np.testing.assert_allclose(out[0], scale * h, rtol=1e-14, atol=0)
    np.testing.assert_allclose(dscale, h * dout, rtol=1e-14, atol=0)
    np.testing.assert_allclose(dx[0], expected_dx, rtol=1e-14, atol=4 * 2**-53 * largest)


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_rows_have_a_mean_square_of_one(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = 5 + 3 * normal(rng, n, 2, 7, dtype=dtype)
    out, dx, _ = back(x, x, np.ones(7, dtype))
    assert out.dtype == dx.dtype == dtype
    few = 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose((out.astype(np.longdouble) ** 2).mean(axis=-1), 1, atol=few + 1e-6)


def test_of_rows_with_mean_0_it_is_layer_norm() -> None:
    x, dout = np.array([[1.0, -2.0, 3.0, -2.0]]), np.array([[1.0, -1.0, 0.5, -0.5]])
    out, dx, _ = back(x, dout, np.ones(4))
    expected, cache = layer_norm(1e-6).forward(LayerNorm.init(4, dtype=np.float64), x)
    np.testing.assert_allclose(out, expected, rtol=1e-15)
    # Less the mean of dx, which is 0 for this dout but for what a mean of numbers up to 1 is rounded to.
    np.testing.assert_allclose(dx, layer_norm(1e-6).backward(cache, dout)[0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_numbers_are_normalised_without_a_warning(dtype: Floating) -> None:
    most = float(np.finfo(dtype).max)
    pattern = np.array([1.0, -1.0, 0.5, 1.0, -0.25])
    with np.errstate(all="raise"):
        out, dx, _ = back((most * pattern).astype(dtype)[None], np.ones((1, 5), dtype), np.ones(5, dtype))
    length = np.sqrt((pattern**2).mean())
    np.testing.assert_allclose(out[0], pattern / length, rtol=4 * float(np.finfo(dtype).eps))
    assert np.isfinite(dx).all()


def test_a_row_is_normalised_alone_wherever_it_stands() -> None:
    largest = float(np.finfo(np.float64).max)
    rows = np.array([*list(ROWS.values())[1:], [largest, -largest, 1.0, 0.0]])
    batch = rows.reshape(2, 4, 4)  # the axis between the first and the last is of other rows, large beside small
    with np.errstate(all="raise"):
        out, dx, _ = back(batch, np.ones_like(batch), np.ones(4))
        alone = [back(row, np.ones(4), np.ones(4)) for row in rows]
    for i, (out_alone, dx_alone, _) in enumerate(alone):
        np.testing.assert_allclose(out.reshape(8, 4)[i], out_alone, rtol=1e-15)
        np.testing.assert_allclose(dx.reshape(8, 4)[i], dx_alone, rtol=0, atol=2**-51 * np.abs(dx_alone).max())


def test_a_row_of_one_number_is_its_sign() -> None:
    out, dx, _ = back(np.array([[-3.0], [5.0]]), np.ones((2, 1)), np.ones(1), eps=1e-30)
    np.testing.assert_array_equal(out, [[-1], [1]])
    np.testing.assert_allclose(dx, 0, atol=1e-16)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_infinity_and_nan_stay_in_their_row(bad: float) -> None:
    with np.errstate(all="raise"):
        out, dx, _ = back(np.array([[bad, 1.0], [3.0, -3.0]]), np.ones((2, 2)), np.ones(2), eps=1e-30)
    assert np.isnan(out[0, 0])
    np.testing.assert_array_equal(out[1], [1, -1])
    assert np.isnan(dx[0]).all()
    np.testing.assert_array_equal(np.isnan(dx[1]), [False, False])


def test_its_traits() -> None:
    assert rms_norm().event_axes == 1
    assert (repr(rms_norm()), repr(rms_norm(0.5))) == ("Layer(rms_norm(eps=1e-06))", "Layer(rms_norm(eps=0.5))")


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=re.escape("rms_norm: eps must be a finite number > 0, got 0.0")):
        rms_norm(eps=0)
    with pytest.raises(TypeError, match=re.escape("rms_norm: eps must be a number, got str")):
        rms_norm(untyped("1e-6"))
    with pytest.raises(ValueError, match=re.escape("rms_norm: x has 2 features (5, 2) but scale takes 3 (3,)")):
        rms_norm().forward(RmsNorm.init(3, dtype=np.float64), np.ones((5, 2)))
    with pytest.raises(TypeError, match="float32"):
        rms_norm().forward(RmsNorm.init(3), np.ones((5, 3)))
    with pytest.raises(ValueError, match="RmsNorm") as raised:
        RmsNorm.init(0)
    assert str(raised.value) == "RmsNorm: scale must be 1-D (features,) with at least 1 of each, got shape (0,)"
    with pytest.raises(TypeError, match=r"^RmsNorm\.init: features must be an integer, got float$"):
        RmsNorm.init(untyped(2.5))


def test_at_first_rows_are_normalised_and_no_more() -> None:
    params = RmsNorm.init(3)
    np.testing.assert_array_equal(params.scale, np.ones(3, np.float32), strict=True)
