"""Rotary positions: a product of complex numbers, distances alone matter, bad input, and types."""

import re

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from chainrule import Array, check_layer, rotary
from reference import mpmath
from strategies import Floating, generators, normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, rotary, sequential
from chainrule.layers.affine import AffineCache
from chainrule.layers.rotary import RotaryCache

def accepted(x: Array, dout: Array) -> None:
    assert_type(rotary(), Layer[Unit, RotaryCache])
    assert_type(rotary(base=500.0).forward((), x)[0], Array)
    assert_type(rotary(10_000).backward(rotary().forward((), x)[1], dout)[1], Unit)
    assert_type(sequential(affine, rotary()), Layer[tuple[Affine, Unit], tuple[AffineCache, RotaryCache]])

def refused(params: Affine, x: Array) -> None:
    rotary("10000")  # rejected: the base is a number
    rotary().forward(params, x)  # rejected: it has no parameters
    rotary.forward((), x)  # rejected: a function of options, and no layer
"""


def as_complex(x: Array) -> NDArray[np.complexfloating]:
    """Pairs (i, i + d/2) as complex numbers."""
    half = x.shape[-1] // 2
    return x[..., :half] + 1j * x[..., half:]


def turned(x: Array, base: float, way: int = 1) -> Array:
    """Each pair, a complex number, times one of absolute value 1, which mpmath gives to 50 digits."""
    t, d = x.shape[-2:]
    with mpmath.workdps(50):
        factors = [
            [
                complex(mpmath.expjpi(way * p * mpmath.mpf(base) ** (mpmath.mpf(-2 * i) / d) / mpmath.pi))
                for i in range(d // 2)
            ]
            for p in range(t)
        ]
    z = as_complex(x) * np.array(factors).reshape(t, d // 2)
    return np.concatenate([z.real, z.imag], axis=-1)


@pytest.mark.parametrize("shape", [(5, 4), (1, 2), (2, 3, 6), (2, 2, 3, 8), (0, 3, 2), (3, 0, 2), (2, 3, 0)])
@pytest.mark.parametrize("base", [10_000.0, 100.0, 1.0])
def test_pairs_are_complex_numbers_that_turn(shape: tuple[int, ...], base: float) -> None:
    rng = np.random.default_rng(0)
    x, dout = normal(rng, *shape), normal(rng, *shape)
    out, cache = rotary(base).forward((), x)
    dx, grads = rotary(base).backward(cache, dout)
    # Roundings of angles, sines, products and a sum of numbers below 4: some units each.
    np.testing.assert_allclose(out, turned(x, base), rtol=0, atol=1e-14)
    np.testing.assert_allclose(dx, turned(dout, base, -1), rtol=0, atol=1e-14)
    assert grads == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_far_places_keep_the_digits_of_their_dtype(dtype: Floating) -> None:
    x = np.ones((20_000, 2), dtype)
    out, _ = rotary().forward((), x)
    assert out.dtype == dtype
    p = np.arange(20_000.0)
    expected = np.stack([np.cos(p) - np.sin(p), np.cos(p) + np.sin(p)], axis=1)
    np.testing.assert_allclose(out.astype(np.float64), expected, rtol=0, atol=2 * float(np.finfo(dtype).eps))


def test_long_double_keeps_its_own_digits() -> None:
    t, d = 1000, 6
    out, _ = rotary().forward((), np.tile(np.array([1, 1, 1, 0, 0, 0], np.longdouble), (t, 1)))
    with mpmath.workdps(50):
        angles = [(t - 1) * mpmath.mpf(10_000) ** (mpmath.mpf(-2 * i) / d) for i in range(d // 2)]
        exact = [np.longdouble(mpmath.nstr(turn(w), 40)) for turn in (mpmath.cos, mpmath.sin) for w in angles]
    # A sine is off by the rounding of its angle, here below 1024, and of the power that it is a product with.
    assert np.abs(out[-1] - exact).max() <= 2048 * np.finfo(np.longdouble).eps


@given(rng=generators)
def test_inner_products_know_distances_alone_and_lengths_stay(rng: np.random.Generator) -> None:
    q, k = normal(rng, 6), normal(rng, 6)
    rows = [rotary().forward((), np.tile(each, (9, 1)))[0] for each in (q, k)]
    scores = rows[0] @ rows[1].T
    for distance in range(-8, 9):
        along = np.diagonal(scores, distance)
        np.testing.assert_allclose(along, along[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(rows[0], axis=1), np.linalg.norm(q), rtol=1e-14)


def test_turning_back_undoes_turning() -> None:
    x = normal(np.random.default_rng(0), 3, 7, 8)
    out, cache = rotary().forward((), x)
    np.testing.assert_allclose(rotary().backward(cache, out)[0], x, rtol=0, atol=1e-15 * 8)
    np.testing.assert_array_equal(out[:, 0], x[:, 0])  # the first place is not turned


def test_an_infinity_stays_in_its_pair() -> None:
    x = np.ones((1, 2, 6))
    x[0, 1, 1], x[0, 1, 5] = np.inf, np.nan
    x[0, 1, 4] = np.inf
    with np.errstate(all="raise"):
        out, _ = rotary().forward((), x)
    assert np.isfinite(out[0, 1, [0, 3]]).all()
    assert np.isfinite(out[0, 0]).all()
    assert np.isnan(out[0, 1, 1])  # inf - inf, without a warning
    assert out[0, 1, 4] == np.inf
    assert np.isnan(out[0, 1, [2, 5]]).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 5), "rotary: features turn in pairs, but x has 5 (2, 3, 5)"),
        ((4,), "rotary: x must have an axis of positions and one of features, got shape (4,)"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rotary().forward((), np.ones(shape))


def test_bad_options() -> None:
    for base in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"^rotary: base must be a finite number > 0, got "):
            rotary(base)
    with pytest.raises(TypeError, match=r"^rotary: base must be a number, got str$"):
        rotary(untyped("10000"))


def test_one_sequence_alone_is_no_batch_of_rows() -> None:
    rng = np.random.default_rng(0)
    report = check_layer(rotary(), (), normal(rng, 3, 4), rng=rng)
    assert report.ok, str(report)
    assert not report.undecided
    assert rotary().event_axes == 2
    assert not rotary().couples_rows
    assert repr(rotary(500)) == "Layer(rotary(base=500.0))"
