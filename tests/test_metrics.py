import math
import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import accuracy

Z = np.array([[0.1, 0.9, 0.0], [0.8, 0.2, 0.1], [0.0, 0.1, 0.2], [0.5, 0.5, 0.0]])


def test_known_values_for_labels_and_rows() -> None:
    for labels, expected in (
        (np.array([1, 0, 2, 0]), 1.0),
        (np.array([1, 0, 2, 1]), 0.75),
        (np.array([0, 1, 0, 2]), 0.0),
    ):
        assert accuracy(Z, labels) == expected
        assert accuracy(Z, np.eye(3)[labels]) == expected
        assert accuracy(Z.astype(np.float16), labels.astype(np.uint8)) == expected
    assert type(accuracy(Z, np.array([1, 0, 2, 0]))) is float


def test_rows_may_stand_on_several_axes() -> None:
    labels = np.array([[1, 0], [2, 1]])
    assert accuracy(Z.reshape(2, 2, 3), labels) == accuracy(Z.reshape(2, 2, 3), np.eye(3)[labels]) == 0.75


def test_it_counts_exactly_in_every_dtype() -> None:
    z = np.zeros((3000, 2), np.float16)
    labels = np.r_[np.ones(1, int), np.zeros(2999, int)]
    assert accuracy(z, labels) == 2999 / 3000


def test_a_label_out_of_range_gives_nan_where_values_are_not_read() -> None:
    strict: Any = import_module("array_api_strict")
    z = strict.asarray(Z)
    assert accuracy(z, strict.asarray([1, 0, 2, 1])) == 0.75
    for label in (3, -1):
        assert math.isnan(accuracy(z, strict.asarray([1, 0, 2, label])))
        assert math.isnan(accuracy(strict.reshape(z, (2, 2, 3)), strict.asarray([[1, 0], [2, label]])))


def test_infinite_logits_are_ordered() -> None:
    assert accuracy(np.array([[-np.inf, 0.0], [np.inf, 0.0]]), np.array([1, 0])) == 1


@pytest.mark.parametrize(
    ("logits", "targets", "error", "message"),
    [
        (np.full((2, 2), np.nan), np.array([0, 0]), ValueError, "4 of the logits f64[2, 2] are nan"),
        (Z, np.array([0]), ValueError, "4 rows of logits (4, 3), but 1 labels"),
        (Z, np.array([0, 1, 2, 3]), ValueError, "labels must be in [0, 3), got 3 at row 3"),
        (Z, np.ones((4, 2)) / 2, ValueError, "labels of shape (4,) or probabilities of shape (4, 3), got (4, 2)"),
        (Z[:0], np.array([], int), ValueError, "the mean over an empty batch is undefined"),
        (Z, np.array([0.0, 1, 2, 0]), TypeError, "labels must be integers, got float64"),
        (Z.tolist(), np.array([0]), TypeError, "logits must be an array of floats, got list"),
    ],
)
def test_bad_input(logits: Any, targets: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match="^accuracy: .*" + re.escape(message)):
        accuracy(logits, targets)
