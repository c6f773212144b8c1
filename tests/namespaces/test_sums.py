"""Sums of rows by labels: those of the textbook, however labels are distributed, and in few steps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.arrays.portable import Portable
from chainrule.arrays.sums import runs, sums_by_label
from chainrule.arrays.tuned import SMALL, TUNED
from strategies import Floating, all_dtypes, generators, normal


@given(rng=generators, n=st.integers(0, 60), k=st.integers(1, 40), dtype=all_dtypes)
def test_sums_are_those_of_the_textbook(rng: np.random.Generator, n: int, k: int, dtype: Floating) -> None:
    labels = np.minimum(rng.integers(0, k, n), rng.integers(0, k, n))  # the smaller ones are more frequent
    rows = rng.integers(-8, 9, (n, 3)).astype(dtype)  # whose sums are exact
    expected = np.zeros((k, 3), dtype)
    np.add.at(expected, labels, rows)
    np.testing.assert_array_equal(sums_by_label(labels, rows, k), expected, strict=True)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, ">i4"])
@pytest.mark.parametrize("most", [0, 1, 60, 126])
def test_long_runs_and_labels_of_every_kind(most: int, kind: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, most + 1, (3, 700)).astype(kind)
    values = rng.integers(-8, 9, (3, 700, 4)).astype(np.float64)
    assert values.size > SMALL
    expected = np.zeros((127, 4))
    np.add.at(expected, labels.astype(int), values)
    np.testing.assert_array_equal(TUNED.add_rows(labels, values, 127), expected, strict=True)


def test_runs_are_the_places_of_each_label_and_longest_first() -> None:
    labels = np.array([7, 2, 7, 5, 2, 7])
    order, starts, lengths, present = runs(labels)
    assert present.tolist()[0] == 7
    assert lengths.tolist() == [3, 2, 1]
    for start, length, label in zip(starts, lengths, present, strict=True):
        np.testing.assert_array_equal(np.sort(order[start : start + length]), np.flatnonzero(labels == label))


@pytest.mark.parametrize("n", [10, SMALL])
def test_sixteen_bits_are_summed_in_more(n: int) -> None:
    labels, values = np.zeros(n, int), np.ones((n, 2), np.float16)
    values[0] = 4096  # to which nothing less than 4 can be added in 16 bits
    for words in (TUNED, Portable(np)):
        found = words.add_rows(labels, values, 1)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, np.float16(4095 + n))


def test_the_order_of_a_sum_costs_few_digits() -> None:
    labels, values = np.zeros(10_000, int), normal(np.random.default_rng(0), 10_000, 2)
    # Pairs of sums of n numbers: at worst n units, in fact about their square root.
    np.testing.assert_allclose(sums_by_label(labels, values, 1)[0], values.sum(axis=0), rtol=0, atol=1e4 * 2.0**-53 * 4)
