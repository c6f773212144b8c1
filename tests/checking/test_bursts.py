from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.checking.bursts import UNIT, Line, SlopeBounds, noise_of, slopes

Real = NDArray[Any]
ONE = np.ones((1, 1))


def along(f: Callable[[Any], Any], x: float, size: float = 0.0) -> Line:
    """The values of a function at x, moved by a share of its size."""
    return lambda step: np.atleast_1d(np.asarray(f(np.float64(x + step * (size or abs(x))))))


def at(
    f: Callable[[Any], Any], x: float, size: float = 0.0, first: float = 2.0**-8, noise: float = UNIT
) -> SlopeBounds:
    with np.errstate(all="ignore"):
        return slopes(along(f, x, size), ONE, first, noise)


def with_its_noise(f: Callable[[Any], Any], x: float) -> SlopeBounds:
    """As laws do it: near 1, x itself is rounded to less than log(1 - x) needs."""
    with np.errstate(all="ignore"):
        return at(f, x, noise=max(UNIT, noise_of(along(f, x), ONE[0])))


NORMAL = np.random.default_rng(0).standard_normal(200)
SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Real, float]] = {
    # The worst error over the points, with a margin of ten.
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, NORMAL, 1e-11),
    "exp(8x)": (lambda x: np.exp(8 * x), lambda x: 8 * np.exp(8 * x), NORMAL, 1e-11),
    "x^5": (lambda x: x**5, lambda x: 5 * x**4, NORMAL, 1e-11),
    "log of 1e-8 to 1": (np.log, lambda x: 1 / x, np.geomspace(1e-8, 0.99, 200), 1e-9),
    "sqrt of 1e-12 to 1": (np.sqrt, lambda x: 0.5 / np.sqrt(x), np.geomspace(1e-12, 1, 200), 1e-11),
    "tanh(1e5 x) below 1": (
        lambda x: np.tanh(1e5 * (x - 1)),
        lambda x: 1e5 * (1 - np.tanh(1e5 * (x - 1)) ** 2),
        1 + NORMAL * 1e-5,
        1e-8,
    ),
    "arcsin near its ends": (
        np.arcsin,
        lambda x: 1 / np.sqrt((1 - x) * (1 + x)),
        1 - np.geomspace(1e-6, 0.5, 200),
        1e-7,
    ),
    "x^2 + 1e6": (lambda x: x**2 + 1e6, lambda x: 2 * x, 1 + np.abs(NORMAL), 1e-6),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_a_smooth_function_has_its_derivative_and_the_estimate_is_a_safe_bound(name: str) -> None:
    f, derivative, points, worst = SMOOTH[name]
    for x in points.tolist():
        found, right = with_its_noise(f, x), float(derivative(x)) * abs(x)
        assert found.low == found.high
        off = abs(float(found.low[0]) - right)
        assert off <= found.error[0] + 8 * UNIT * abs(right), (x, off, found.error)
        assert off <= worst * abs(right), (x, off / abs(right))


KINKS: list[tuple[Callable[[Any], Any], float, float]] = [
    (np.abs, -1, 1),
    (lambda x: max(x, 0), 0, 1),
    (lambda x: max(x, 3 * x), 1, 3),
]


@pytest.mark.parametrize(("f", "low", "high"), KINKS)
def test_at_a_kink_the_derivative_is_the_interval_between_those_of_its_sides(
    f: Callable[[Any], Any], low: float, high: float
) -> None:
    found = at(f, 0.0, size=1.0)
    np.testing.assert_allclose([found.low[0], found.high[0]], [low, high], rtol=0, atol=1e-12)
    got = np.array([low, (low + high) / 2, high, high + 0.5])
    np.testing.assert_allclose(found.miss(got), [0, 0, 0, 0.5], atol=1e-12)


def test_beside_a_kink_there_is_one_derivative() -> None:
    for x in (1e-3, -1e-3, 1.0):
        found = at(np.abs, x)
        np.testing.assert_allclose([found.low[0], found.high[0]], np.sign(x) * abs(x), rtol=1e-12)


@pytest.mark.parametrize("gap", [1e-4, 1e-5, 1e-6])
def test_a_kink_within_larger_steps_alone_is_none(gap: float) -> None:
    left = at(lambda x: max(x, 0), -gap, size=1.0)
    right = at(lambda x: max(x, 0), gap, size=1.0)
    assert left.low == left.high == 0
    assert right.low == right.high
    np.testing.assert_allclose(right.low, 1, rtol=1e-12)


def test_several_sums_share_the_values() -> None:
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    found = slopes(lambda h: np.array([np.sin(1 + h), np.exp(h)]), weights, 2.0**-8)
    np.testing.assert_allclose(found.low, weights @ [np.cos(1), 1], rtol=0, atol=1e-12)


def test_where_no_value_is_finite_the_error_is_infinite() -> None:
    assert at(lambda x: np.nan * x, 1.0).error == [np.inf]
    assert at(np.sqrt, 0.0, size=1.0).error == [np.inf]


@pytest.mark.parametrize(("dtype", "noise", "worst"), [(np.float32, 3e-8, 1e-5), (np.float16, 2e-4, 5e-2)])
def test_of_a_function_in_another_dtype_the_derivative_is_found_with_larger_steps(
    dtype: Any, noise: float, worst: float
) -> None:
    def narrow(x: Any) -> Any:
        return np.tanh(dtype(x)).astype(np.float64)

    for x in (0.3, 0.7, 1.1, -0.5):
        found = at(narrow, x, first=2.0**-2, noise=noise)
        right = (1 - np.tanh(x) ** 2) * abs(x)
        assert abs(found.low[0] - right) <= min(float(found.error[0]), worst * right)


def inside(dtype: Any, f: Callable[[Any], Any] = np.tanh) -> Callable[[Any], Any]:
    return lambda x: f(x.astype(dtype)).astype(np.float64)


X = np.random.default_rng(1).standard_normal(60)
WEIGHTS = np.random.default_rng(2).standard_normal(60)
MATRIX = np.random.default_rng(3).standard_normal((60, 60))


def noise(f: Callable[[Any], Any]) -> float:
    return noise_of(lambda step: f(X * (1 + step)), WEIGHTS)


ORDINARY: list[Callable[[Any], Any]] = [
    np.tanh,
    np.exp,
    np.square,
    lambda x: MATRIX @ x,
    lambda x: np.sin(3 * x) + x**3,
]


@pytest.mark.parametrize("f", ORDINARY)
def test_noise_tells_the_precision_in_which_a_function_computes(f: Callable[[Any], Any]) -> None:
    assert 1e-17 < noise(f) < 2e-15
    assert 3e-9 < noise(inside(np.float32, f)) < 3e-7
    assert 2e-5 < noise(inside(np.float16, f)) < 2e-3


def test_an_ill_conditioned_function_is_noisier_and_not_taken_for_float32() -> None:
    assert 1e-15 < noise(lambda x: np.sin(1e4 * x)) < 1e-9


STEPS: list[Callable[[Any], Any]] = [np.zeros_like, np.sign, np.floor, lambda x: np.rint(3 * x)]


@pytest.mark.parametrize("f", STEPS)
def test_steps_and_constants_have_no_noise(f: Callable[[Any], Any]) -> None:
    assert noise(f) < 1e-12
