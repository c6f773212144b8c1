from collections.abc import Callable
from functools import partial
from math import erf, exp, pi, sqrt
from typing import Any

import numpy as np
import pytest

from chainrule import initializers
from chainrule.initializers import Initializer, normal, truncated_normal, uniform, zeros
from untyped import untyped

TYPED = """
from functools import partial
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Embedding, initializers, two_layer
from chainrule.initializers import Initializer, he_normal, normal, orthogonal, truncated_normal, uniform


def accepted(rng: np.random.Generator) -> None:
    assert_type(normal(rng, (3, 2), 3, 2, np.float64, std=0.1), Array)
    assert_type(Affine.init(rng, 3, 2, weights=he_normal), Affine)
    assert_type(Embedding.init(rng, 10, 2, weights=partial(truncated_normal, std=0.02)), Embedding)
    two_layer.init(rng, 3, 2, 2, weights=orthogonal)
    each: list[Initializer] = [normal, partial(uniform, limit=0.1), initializers.zeros]
    Affine.init(rng, 3, 2, weights=each[0])
    Affine.init(rng, 3, 2, weights=lambda rng, shape, fan_in, fan_out, dtype: np.ones(shape, dtype))


def in_its_own_order(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.standard_normal(shape)


def refused(rng: np.random.Generator) -> None:
    Affine.init(rng, 3, 2, weights="he_normal")  # rejected: an initializer is a function
    Affine.init(rng, 3, 2, weights=in_its_own_order)  # rejected: it takes other arguments
    Affine.init(rng, 3, 2, he_normal)  # rejected: options are named
    normal(rng, 3, 3, 2, np.float64)  # rejected: a shape is a tuple
    normal(rng, (3, 2), 3, 2)  # rejected: the dtype is missing
"""

N = 10**6

ALL: dict[str, Initializer] = {
    name: getattr(initializers, name) for name in initializers.__all__ if name != "Initializer"
}

each = pytest.mark.parametrize("name", ALL)


def density(w: float) -> float:
    return exp(-w * w / 2) / sqrt(2 * pi)


def below(w: float) -> float:
    """The share of the standard normal distribution between -w and w."""
    return erf(w / sqrt(2))


# By parts, from w phi(w) = -phi'(w): each moment from the one before.
SECOND = 1 - 4 * density(2) / below(2)
FOURTH = 3 * SECOND - 16 * density(2) / below(2)

MOMENTS: dict[str, tuple[Initializer, float, float]] = {
    "normal": (normal, 1.0, 3.0),
    "normal of 0.5": (partial(normal, std=0.5), 0.25, 3 / 16),
    "truncated_normal": (truncated_normal, SECOND, FOURTH),
    "truncated_normal of 0.5": (partial(truncated_normal, std=0.5), SECOND / 4, FOURTH / 16),
    "uniform": (uniform, 1 / 3, 1 / 5),
    "uniform of 0.5": (partial(uniform, limit=0.5), 1 / 12, 1 / 80),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_mean_variance_and_fourth_moment_are_those_of_the_distribution(name: str) -> None:
    draw, variance, fourth = MOMENTS[name]
    w = draw(np.random.default_rng(0), (1000, N // 1000), 1, 1, np.float64)
    # A mean of n numbers is off by more than five times sqrt(their variance / n) once in two million cases.
    off = 5 / sqrt(N)
    assert abs(w.mean()) < off * sqrt(variance)
    assert abs((w**2).mean() - variance) < off * sqrt(fourth - variance**2)
    eighth = float((w**8).mean())
    assert abs((w**4).mean() - fourth) < off * sqrt(eighth - fourth**2)


def test_what_is_truncated_lies_within_two_deviations_and_as_dense_as_it_was_inside() -> None:
    w = np.abs(truncated_normal(np.random.default_rng(0), (N,), 1, 1, np.float64))
    assert w.max() <= 2
    for bound in (0.5, 1.0, 1.5):
        share = below(bound) / below(2)
        assert (w < bound).mean() == pytest.approx(share, abs=5 * sqrt(share * (1 - share) / N))
    assert pytest.approx(0.774, abs=5e-4) == SECOND  # as the page says
    assert pytest.approx(0.880, abs=5e-4) == sqrt(SECOND)


def test_uniform_numbers_fill_the_interval() -> None:
    w = uniform(np.random.default_rng(0), (N,), 1, 1, np.float64, limit=0.5)
    assert -0.5 <= w.min() < -0.4999
    assert 0.4999 < w.max() <= 0.5


def test_zeros_are_zeros_and_draw_nothing() -> None:
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    np.testing.assert_array_equal(zeros(rng, (2, 3), 2, 3, np.float32), np.zeros((2, 3)))
    assert rng.random() == untouched.random()


@each
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (3, 3, 2, 4), (0, 3), (3, 0)])
def test_weights_have_the_shape_and_dtype_that_were_asked_for_and_are_constant(
    name: str, dtype: Any, shape: tuple[int, ...]
) -> None:
    w = ALL[name](np.random.default_rng(0), shape, 5, 3, dtype)
    assert (w.shape, w.dtype) == (shape, dtype)
    assert not w.flags.writeable
    base = w.base
    assert base is None or not base.flags.writeable
    again = ALL[name](np.random.default_rng(0), shape, 5, 3, dtype)
    np.testing.assert_array_equal(w, again)


@each
def test_float32_is_float64_rounded(name: str) -> None:
    wide, narrow = (ALL[name](np.random.default_rng(0), (5, 3), 5, 3, dtype) for dtype in (np.float64, np.float32))
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


@each
def test_bad_arguments_are_said_in_full(name: str) -> None:
    draw: Any = ALL[name]
    rng = np.random.default_rng(0)
    for arguments, error, message in (
        ((0, (3, 2), 3, 2, np.float32), TypeError, "rng must be a numpy.random.Generator, got int"),
        ((rng, 3, 3, 2, np.float32), TypeError, "shape must be a tuple, got int"),
        ((rng, (3, -2), 3, 2, np.float32), ValueError, "shape[1] must be >= 0, got -2"),
        ((rng, (3.5, 2), 3, 2, np.float32), TypeError, "shape[0] must be an integer, got float"),
        ((rng, (3, 2), 3, 2, np.int64), TypeError, "dtype must be floating-point, got int64"),
    ):
        with pytest.raises(error) as caught:
            draw(*arguments)
        assert str(caught.value) == f"{name}: {message}"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(normal, std=-1), ValueError, "normal: std must be a finite number >= 0, got -1.0"),
        (partial(normal, std=untyped("1")), TypeError, "normal: std must be a number, got str"),
        (
            partial(truncated_normal, std=np.inf),
            ValueError,
            "truncated_normal: std must be a finite number >= 0, got inf",
        ),
        (partial(uniform, limit=-1), ValueError, "uniform: limit must be a finite number >= 0, got -1.0"),
    ],
)
def test_bad_options(call: Callable[..., object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call(np.random.default_rng(0), (3, 2), 3, 2, np.float32)
    assert str(caught.value) == message
