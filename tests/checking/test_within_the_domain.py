"""Numbers within what those of x say about the domain: between 0 and 1, or of one sign."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Layer, laws, own
from checking.planted import RNG

Map: TypeAlias = Callable[[Array], Array]
Back: TypeAlias = tuple[Array, Any]

SHARES = RNG(0).uniform(0.05, 0.95, (6, 5))
SEEDS = range(4)


def elementwise(f: Map, slope: Map) -> Layer[Any, Any]:
    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return f(x), own(x)

    def backward(x: Array, d: Array) -> Back:
        return d * slope(x), ()

    return Layer(forward, backward)


def clipped(x: Array) -> Array:
    return np.clip(x, 0, 1)


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
