"""Losses of more rows than float16 has numbers for."""

from typing import Any

import numpy as np
import pytest

from chainrule import (
    Weighted,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    tree,
    weighted,
)
from chainrule.arrays.types import Array

N = 70_000
"""More than 65,504, the largest number of float16."""

OUT = np.random.default_rng(0).standard_normal((N, 2)).astype(np.float16)
LABELS, ZEROS = np.arange(N) % 2, np.zeros_like(OUT)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (softmax_cross_entropy, LABELS),
        (mean_squared_error, ZEROS),
        (mean_absolute_error, ZEROS),
        (sigmoid_cross_entropy, ZEROS),
        (huber(), ZEROS),
        (weighted(softmax_cross_entropy), Weighted(LABELS, np.ones(N, np.float16))),
    ],
    ids=["softmax_cross_entropy", "squared", "absolute", "sigmoid_cross_entropy", "huber", "weighted"],
)
def test_the_derivative_of_a_mean_over_many_rows_in_float16_is_not_lost(loss: Any, targets: Any) -> None:
    def wide(leaf: Array) -> Array:
        return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf

    value, cache = loss.forward(OUT, targets)
    dout = loss.backward(cache, np.float16(1))
    right, right_cache = loss.forward(wide(OUT), tree.map(wide, targets))
    expected = loss.backward(right_cache, np.float64(1))
    assert value == pytest.approx(right, rel=2**-10)
    # 1 / n and the results are subnormal numbers of float16, rounded by up to 2^-25; slopes lose a share of 2^-10.
    largest = float(np.abs(expected).max())
    assert np.abs(dout - expected).max() <= 2**-25 * (1 + N * largest) + 2**-10 * largest
