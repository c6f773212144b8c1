import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import one_hot, smooth_labels, softmax_cross_entropy
from chainrule.arrays.targets import NUMBERED
from strategies import generators, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Array, Labels, one_hot


def accepted(labels: Labels) -> None:
    assert_type(one_hot(labels, 3), Array)
    assert_type(one_hot(labels, 3, np.float64), Array)


def refused(x: Array, labels: Labels) -> None:
    one_hot(x, 3)  # rejected: floats are no labels
    one_hot(labels)  # rejected: how many classes?
    one_hot([0, 1], 2)  # rejected: a list is no array
"""


@given(rng=generators, k=st.integers(1, 6), shape=st.sampled_from([(), (0,), (4,), (2, 3)]))
def test_a_row_has_a_one_at_its_label(rng: np.random.Generator, k: int, shape: tuple[int, ...]) -> None:
    labels = rng.integers(0, k, shape)
    rows = one_hot(labels, k, np.float64)
    np.testing.assert_array_equal(rows, np.eye(k)[labels])
    np.testing.assert_array_equal(rows, smooth_labels(labels, k, 0.0))


def test_a_loss_takes_rows_as_it_takes_labels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = normal(rng, 5, 3), rng.integers(0, 3, 5)
    a, _ = softmax_cross_entropy.forward(logits, labels)
    b, _ = softmax_cross_entropy.forward(logits, one_hot(labels, 3, np.float64))
    np.testing.assert_allclose(a, b, rtol=1e-15)


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, "float64"])
def test_dtypes(kind: Any, dtype: Any) -> None:
    rows = one_hot(np.array([1, 0], kind), 2, dtype)
    assert rows.dtype == dtype
    assert not rows.flags.writeable
    assert one_hot(np.array([1, 0], kind), 2).dtype == np.float32


def test_labels_of_another_library() -> None:
    strict: Any = import_module("array_api_strict")
    rows: Any = one_hot(strict.asarray([2, 0]), 3, strict.float64)
    assert rows.dtype == strict.float64
    assert np.asarray(rows).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_label_out_of_range_gives_a_row_of_nan_where_values_are_not_read() -> None:
    strict: Any = import_module("array_api_strict")
    rows: Any = one_hot(strict.asarray([3, 1, -1]), 3)
    np.testing.assert_array_equal(np.asarray(rows), [[np.nan] * 3, [0, 1, 0], [np.nan] * 3])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.array([0, 3, 1]), 3), ValueError, "labels must be in [0, 3), got 3 at row 1"),
        (
            (np.array([1, 3, 2]), 3),
            ValueError,
            f"labels must be in [0, 3), got 3 at row 1: number the classes from 0, e.g. with {NUMBERED}",
        ),
        ((np.array([[0], [-1]]), 3), ValueError, "labels must be in [0, 3), got -1 at row (1, 0)"),
        ((np.array([0]), 0), ValueError, "k must be >= 1, got 0"),
        ((np.array([0]), 2.0), TypeError, "k must be an integer, got float"),
        ((np.array([0.0]), 2), TypeError, "labels must be integers, got float64"),
        ((np.array(["a"]), 2), TypeError, "labels must be numbers, got <U1: number the classes"),
        (([0], 2), TypeError, "labels must be an array, got list: convert it with np.asarray"),
        ((np.array([0]), 2, int), TypeError, "dtype must be floating-point, got int64"),
    ],
)
def test_bad_input(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(f"one_hot: {message}")):
        untyped(one_hot)(*arguments)
