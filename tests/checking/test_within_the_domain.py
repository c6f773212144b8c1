"""Numbers within what those of x say about the domain: between 0 and 1, or of one sign."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, laws, own
from checking.planted import RNG, X

Map: TypeAlias = Callable[[Array], Array]
Back: TypeAlias = tuple[Array, Any]

SHARES, POSITIVE = RNG(0).uniform(0.05, 0.95, (6, 5)), np.abs(X) + 0.2
SEEDS = range(4)


def elementwise(f: Map, slope: Map) -> Layer[Any, Any]:
    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return f(x), own(x)

    def backward(x: Array, d: Array) -> Back:
        return d * slope(x), ()

    return Layer(forward, backward)


def clipped(x: Array) -> Array:
    return np.clip(x, 0, 1)


def product(params: Any, x: Array) -> tuple[Array, Array]:
    return x.prod(axis=-1, keepdims=True), own(x)


def product_back(x: Array, d: Array) -> Back:
    return d * x.prod(axis=-1, keepdims=True) / x, ()


def norm(params: Any, x: Array) -> tuple[Array, Any]:
    length: Array = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return length, (own(x), own(length))


def norm_back(cache: tuple[Array, Array], d: Array) -> Back:
    return d * cache[0] / cache[1], ()


def power(p: Array, x: Array) -> tuple[Array, Any]:
    out: Array = x**p
    return out, (own(x), own(p))


def power_back(cache: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    x, p = cache
    dx: Array = d * p * x ** (p - 1)
    return dx, (d * x**p * np.log(x)).sum(axis=0)


RIGHT: dict[str, tuple[Layer[Any, Any], Any, Array]] = {
    "clipped to shares": (elementwise(clipped, np.ones_like), (), SHARES),
    "a parabola": (elementwise(lambda x: np.abs(x * (1 - x)), lambda x: 1 - 2 * x), (), SHARES),
    "a square": (elementwise(np.square, lambda x: 2 * np.abs(x)), (), POSITIVE),
    "a square of what is negative": (elementwise(np.square, lambda x: -2 * np.abs(x)), (), -POSITIVE),
    "a product of rows": (Layer(product, product_back), (), POSITIVE),
    "a norm of rows": (Layer(norm, norm_back), (), POSITIVE),
    "a power": (Layer(power, power_back), np.array([1.5, 0.7, 2.2, 3.1, 0.4]), POSITIVE),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_within_it_is_right(name: str) -> None:
    layer, params, x = RIGHT[name]
    for seed in SEEDS:
        report = check_layer(layer, params, x, rng=RNG(seed))
        assert report.ok, str(report)


@pytest.mark.parametrize("x", [SHARES, np.where(SHARES < 0.3, 0, SHARES)], ids=["shares", "some are 0"])
def test_among_shares_no_column_has_larger_numbers(x: Array) -> None:
    for seed in SEEDS:
        found = laws.other_sizes(elementwise(clipped, np.ones_like), (), x, RNG(seed))
        assert all(each.ok for each in found), found


def small_of_many(x: Array) -> Array:
    """A slope of 1, but for small numbers in the last columns of 33."""
    slope = np.ones_like(x)
    if x.shape[-1] == 33:
        slope[..., 32:][(x[..., 32:] > 0) & (x[..., 32:] < 0.1 * x.max())] = 2
    return slope


def test_among_shares_there_are_columns_with_smaller_numbers() -> None:
    layer = elementwise(lambda x: 1.0 * x, small_of_many)
    words = "for x (6, 33), of which some numbers are a tenth as large: "
    notes = [each.note for each in laws.other_sizes(layer, (), 0.5 + 0.5 * SHARES, RNG(0)) if each.wrong]
    assert [note[: len(words)] for note in notes] == [words]
