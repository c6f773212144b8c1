"""The parametric ReLU: slopes by channel or for all, what shares a slope, and its types."""

import re

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, PRelu, check_layer, leaky_relu, prelu
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Layer, PRelu, affine, prelu, sequential
from chainrule.layers.activations.prelu import PReluCache
from chainrule.layers.affine import AffineCache


def accepted(params: PRelu, x: Array, dout: Array) -> None:
    assert_type(prelu, Layer[PRelu, PReluCache])
    out, cache = prelu.forward(params, x)
    assert_type(prelu.backward(cache, dout), tuple[Array, PRelu])
    assert_type(prelu.grads(cache, dout).slope, Array)
    assert_type(PRelu.init(), PRelu)
    assert_type(PRelu.init(64, slope=0.1, dtype=np.float64), PRelu)
    assert_type(sequential(affine, prelu), Layer[tuple[Affine, PRelu], tuple[AffineCache, PReluCache]])
    print(out)


def refused(params: PRelu, x: Array) -> None:
    prelu(0.25)  # rejected: the slope is a parameter
    prelu.forward((), x)  # rejected: it has parameters
    PRelu(0.25)  # rejected: an array
    PRelu.init(64, 0.1)  # rejected: the slope is named
    params.slope = x  # rejected: a record is frozen
"""


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_one_slope_for_all_is_leaky_relu_and_its_gradient_is_the_sum_of_what_leaked(
    rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    x, dout = normal(rng, n, 3, dtype=dtype), normal(rng, n, 3, dtype=dtype)
    out, cache = prelu.forward(PRelu.init(slope=0.25, dtype=dtype), x)
    dx, grads = prelu.backward(cache, dout)
    theirs, their_cache = leaky_relu(0.25).forward((), x)
    np.testing.assert_array_equal(out, theirs)
    np.testing.assert_array_equal(dx, leaky_relu(0.25).backward(their_cache, dout)[0])
    assert grads.slope.shape == ()
    assert grads.slope.dtype == dtype
    terms = np.minimum(x, 0).astype(np.longdouble) * dout
    # A rounding of each product and of each sum, at most.
    bound = (x.size + 1) * float(np.finfo(dtype).eps) * float(np.abs(terms).sum())
    np.testing.assert_allclose(float(grads.slope), float(terms.sum()), rtol=0, atol=bound)


def test_channels_are_the_last_axis_whatever_the_rank() -> None:
    slope = np.array([0.5, 2.0, -1.0])
    for shape in ((3,), (4, 3), (2, 4, 3), (0, 3)):
        x = np.arange(float(np.prod(shape))).reshape(shape) - 5
        out, cache = prelu.forward(PRelu(slope), x)
        np.testing.assert_array_equal(out, np.where(x > 0, x, slope * x))
        dx, grads = prelu.backward(cache, np.ones(shape))
        np.testing.assert_array_equal(dx, np.where(x > 0, 1, slope) * np.ones(shape))
        np.testing.assert_array_equal(grads.slope, np.minimum(x, 0).reshape(-1, 3).sum(axis=0))


def test_one_slope_takes_any_shape() -> None:
    for shape in ((), (3,), (2, 0, 3), (2, 3, 4, 5)):
        out, cache = prelu.forward(PRelu.init(dtype=np.float64), np.full(shape, -2.0))
        dx, grads = prelu.backward(cache, np.ones(shape))
        np.testing.assert_array_equal(out, np.full(shape, -0.5))
        np.testing.assert_array_equal(dx, np.full(shape, 0.25))
        np.testing.assert_array_equal(grads.slope, -2.0 * np.prod(shape))


def test_special_values() -> None:
    x = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan])
    with np.errstate(all="raise"):
        out, cache = prelu.forward(PRelu.init(dtype=np.float64), x)
        dx, _ = prelu.backward(cache, np.ones(5))
    np.testing.assert_array_equal(out, [-np.inf, 0, 0, np.inf, np.nan])
    np.testing.assert_array_equal(dx, [0.25, 0.25, 0.25, 1, 0.25])  # torch's


def test_initial_slopes_are_a_quarter() -> None:
    np.testing.assert_array_equal(PRelu.init(3).slope, np.full(3, 0.25, np.float32))
    assert PRelu.init().slope.shape == ()
    assert PRelu.init(2, slope=0.0, dtype=np.float64).slope.dtype == np.float64


@pytest.mark.parametrize(("channels", "dtype"), [(None, np.float64), (3, np.float32)])
def test_the_checker_finds_it_right(channels: int | None, dtype: Floating) -> None:
    """In one of the dtypes each: a whole check tries the others by itself."""
    rng = np.random.default_rng(0)
    report = check_layer(prelu, PRelu.init(channels, dtype=dtype), normal(rng, 4, 3, dtype=dtype), rng=rng)
    assert report.ok, str(report)
    assert not report.undecided


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=re.escape("PRelu: slope must be (channels,) or (), got shape (3, 1)")):
        PRelu(np.ones((3, 1)))
    with pytest.raises(TypeError, match="PRelu: slope must be an array of floats, got float"):
        PRelu(untyped(0.25))
    with pytest.raises(TypeError, match="PRelu: slope is int64, not floating-point"):
        PRelu(untyped(np.ones(3, int)))
    with pytest.raises(ValueError, match=re.escape("prelu: x has 4 features (2, 4) but slope takes 3 (3,)")):
        prelu.forward(PRelu.init(3), np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match=re.escape("prelu: x must have an axis of features, got shape ()")):
        prelu.forward(PRelu.init(3), np.ones((), np.float32))
    with pytest.raises(TypeError, match=re.escape("prelu: x is float64 but the parameters are float32")):
        prelu.forward(PRelu.init(3), np.ones((2, 3)))
    with pytest.raises(TypeError, match="prelu: params must be PRelu, got Affine"):
        prelu.forward(untyped(Affine(np.ones((3, 3)), np.zeros(3))), np.ones((2, 3)))
    with pytest.raises(ValueError, match=re.escape("PRelu.init: channels must be >= 0, got -1")):
        PRelu.init(-1)
    with pytest.raises(TypeError, match=re.escape("PRelu.init: dtype must be floating-point, got int64")):
        PRelu.init(2, dtype=np.int64)
