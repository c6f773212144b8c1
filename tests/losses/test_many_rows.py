"""Losses of many rows: more than float16 has numbers for, and so many that they are gone through in blocks."""

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


@pytest.mark.parametrize("loss", [mean_squared_error, mean_absolute_error, sigmoid_cross_entropy, huber()], ids=repr)
def test_rows_of_several_blocks_give_what_each_gives_alone(loss: Any) -> None:
    rng = np.random.default_rng(1)
    out, targets = rng.standard_normal((300, 2, 500)).astype(np.float32), rng.random((300, 2, 500), np.float32)
    dout = loss.backward(loss.forward(out, targets)[1], 1.0)
    rows = loss.rows(out, targets)
    for some in (slice(7), slice(130, 140), slice(290, None)):
        few = loss.backward(loss.forward(out[some], targets[some])[1], len(out[some]) / 300)
        # Two units of rounding for the two divisions by the number of rows; BLAS sums 500 numbers in another order.
        np.testing.assert_allclose(dout[some], few, rtol=2 * 2.0**-23)
        np.testing.assert_allclose(rows[some], loss.rows(out[some], targets[some]), rtol=500**0.5 * 2.0**-24)
