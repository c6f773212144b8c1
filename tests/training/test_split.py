"""Splits of a data set, and one-hot rows."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Weighted, split, tree
from strategies import generators
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Array, Labels, Weighted, split


def accepted(rng: np.random.Generator, x: Array, labels: Labels, weighted: Weighted[Labels]) -> None:
    assert_type(split(rng, 0.5, x), tuple[tuple[Array], tuple[Array]])
    assert_type(split(rng, 0.5, x, labels), tuple[tuple[Array, Labels], tuple[Array, Labels]])
    (_x, _w), (_held_x, held_w) = split(rng, 0.5, x, weighted)
    assert_type(held_w, Weighted[Labels])


def refused(rng: np.random.Generator, x: Array, labels: Labels) -> None:
    split(0, 0.5, x, labels)  # rejected: a seed is no Generator
    split(rng, x, labels)  # rejected: the share is missing
    a, b = split(rng, 0.5, x, labels)[0]
    split(rng, 0.5, a, b)[0][2]  # rejected: as many arrays as were given
"""


@given(rng=generators, n=st.integers(2, 40), share=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_each_row_is_in_one_part_and_rows_keep_their_order(rng: np.random.Generator, n: int, share: float) -> None:
    x, labels = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    parts = split(rng, share, x, labels)
    assert sorted([*parts[0][1].tolist(), *parts[1][1].tolist()]) == list(range(n))
    for part_x, part_labels in parts:
        np.testing.assert_array_equal(part_x, x[part_labels])
        assert list(part_labels) == sorted(part_labels)
        assert not part_x.flags.writeable
        assert not np.shares_memory(part_x, x)
        assert len(part_x) >= 1
    assert abs(len(parts[0][0]) - share * n) <= 1  # no more than a row from what was asked for


def test_the_choice_comes_from_the_generator_alone() -> None:
    def chosen(seed: int) -> list[int]:
        (rows,), _ = split(np.random.default_rng(seed), 0.5, np.arange(50))
        return rows.tolist()

    assert chosen(0) == chosen(0) != chosen(1)


def test_records_and_tuples_are_split_array_by_array() -> None:
    weighted = Weighted(np.arange(4), np.arange(4.0))
    (a,), (b,) = split(np.random.default_rng(0), 0.5, (weighted, np.eye(4)))
    both = tree.map(lambda x, y: np.concatenate([x, y]), a, b)
    order = np.argsort(both[0].weights)
    assert tree.equal(tree.map(lambda leaf: leaf[order], both), (weighted, np.eye(4)))


RNG, X = np.random.default_rng(0), np.ones((4, 2))


class Frame:
    """A table or a column, as pandas has it."""

    dtype = np.dtype(float)

    def __init__(self, *shape: int) -> None:
        self.shape = shape


Frame.__module__ = "pandas.core.frame"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 0.5, X), TypeError, "rng must be a numpy.random.Generator, got int"),
        ((RNG, 0.5), TypeError, "it needs one array at least, got none"),
        ((RNG, X, X), TypeError, "share must be a number, got f64[4, 2]"),
        ((RNG, 0.0, X), ValueError, "share must be a finite number in (0, 1), got 0.0"),
        ((RNG, 1, X), ValueError, "share must be a finite number in (0, 1), got 1.0"),
        ((RNG, 0.5, X, X[:3]), ValueError, "array 1 has 4 rows, but array 2 has 3"),
        ((RNG, 0.5, [1, 2]), TypeError, "array 1 must be a NumPy array, got list"),
        (
            (RNG, 0.5, Frame(4, 2)),
            TypeError,
            "array 1 must be a NumPy array, got Frame: convert it with .to_numpy(np.float32)",
        ),
        ((RNG, 0.5, X, Frame(4)), TypeError, "array 2 must be a NumPy array, got Frame: convert it with .to_numpy()"),
        ((RNG, 0.5, X[:1]), ValueError, "two parts need two rows at least, got 1"),
        ((RNG, 0.5, ()), ValueError, "array 1 must have rows, got a tuple of 0"),
    ],
)
def test_bad_input(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(f"split: {message}")):
        untyped(split)(*arguments)
