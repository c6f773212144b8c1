"""Numbers are short, right to the digits that are shown, and line up."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.inspecting.drawing.numbers import MINUS, cells

ORDINARY = st.floats(-1e9, 1e9, allow_subnormal=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1.0, -2.0]], ["1", "-2"]),
        ([[0.5, 12.25]], ["0.5", "12.2"]),  # half to even, as Python rounds
        ([[0.1234, -1.0]], ["0.12", "-1.00"]),
        ([0.30000000000000004], ["0.3"]),
        ([1000.5, 0.001], ["1000", "0"]),
        ([0.012345, 0.0], ["0.0123", "0.0000"]),
        ([-0.0, 0.0], ["0", "0"]),
        ([-0.001, 1.25], ["0.00", "1.25"]),
        ([123456.0, 0.0], ["1.2e5", "0"]),
        ([0.00012, -1e-12], ["1.2e-4", "-1.0e-12"]),
        ([np.nan, np.inf, -np.inf, 1.5], ["nan", "inf", "-inf", "1.5"]),
    ],
)
def test_examples(values: Any, expected: list[str]) -> None:
    assert [text.replace(MINUS, "-") for row in cells(np.array(values)) for text in row] == expected


def test_rows_stay_rows_and_a_number_is_a_row_of_its_own() -> None:
    assert cells(np.array([[1, 2], [3, 4]])) == [["1", "2"], ["3", "4"]]
    assert cells(np.array([1, -2])) == [["1", f"{MINUS}2"]]
    assert cells(np.array(7)) == [["7"]]
    assert cells(np.array([True, False])) == [["True", "False"]]


@given(st.lists(ORDINARY, min_size=1, max_size=6))
def test_what_is_shown_is_right_to_half_a_hundredth_of_the_largest(numbers: list[float]) -> None:
    largest = max(map(abs, numbers))
    for number, text in zip(numbers, cells(np.array(numbers))[0], strict=True):
        shown = float(text.replace(MINUS, "-"))
        assert len(text) <= 9
        assert math.isclose(shown, number, abs_tol=max(0.0501 * largest, 1e-12))
