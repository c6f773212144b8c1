from typing import Any

import numpy as np
import pytest

from chainrule.laws.trials.hints import hint
from chainrule.laws.trials.wording import where, where_beyond, where_off

ROWS, COLUMNS = 6, 5


def wrong(*index: Any, shape: tuple[int, ...] = (ROWS, COLUMNS)) -> Any:
    """A mask that is true at an index."""
    mask = np.zeros(shape, bool)
    mask[index] = True
    return mask


EVERY = slice(None)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (wrong(-1), "the last row is wrong, the others are right"),
        (wrong(0), "the first row is wrong, the others are right"),
        (wrong(2), "row 2 is wrong, the others are right"),
        (wrong(EVERY, -1), "the last column is wrong, the others are right"),
        (wrong(EVERY, slice(None, None, 2)), "every second column is wrong, the others are right"),
        (wrong(slice(1, None, 2)), "every second row is wrong, the others are right"),
        (wrong(slice(4, None)), "rows from 4 on are wrong, the others are right"),
        (wrong(slice(3)), "the first 3 rows are wrong, the others are right"),
        (wrong(slice(2, 4)), "rows 2 to 3 are wrong, the others are right"),
        (wrong([0, 3, 4]), "3 of 6 rows are wrong, the others are right"),
        (wrong([0, 1], [1, 2]), "2 of 30 entries are wrong, the others are right"),
        (wrong(EVERY, 1, shape=(3, 4, 5)), "place on axis 1 1 is wrong, the others are right"),
        (wrong(slice(2), shape=(5,)), "the first 2 entries are wrong, the others are right"),
        (wrong(slice(3, None), shape=(5,)), "entries from 3 on are wrong, the others are right"),
        (wrong(slice(0)), ""),
        (wrong(EVERY), ""),
    ],
)
def test_where_says_what_the_wrong_entries_have_in_common(mask: Any, words: str) -> None:
    assert where(mask) == words


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (wrong(-1), "the last row is off by more than is allowed"),
        (wrong(EVERY, slice(2, None)), "columns from 2 on are off by more than is allowed"),
        (wrong(3, shape=(5,)), "entry 3 is off by more than is allowed"),
        (wrong([0, 1], [1, 2]), "2 of 30 entries are off by more than is allowed"),
        (
            wrong([0, 1, 3, 5], [4, 3, 3, 4], shape=(6, 16)),
            "4 of 96 entries are off by more than is allowed, all of them in columns 3 to 4",
        ),
        (wrong([0, 5], [4, 3], shape=(6, 16)), "2 of 96 entries are off by more than is allowed"),
        (
            wrong([9, 9, 9], [1, 7, 4], shape=(20, 8)),
            "3 of 160 entries are off by more than is allowed, all of them in row 9",
        ),
        (
            wrong([0, 1, 3, 5], [1, 3, 15, 7], shape=(6, 16)),
            "4 of 96 entries are off by more than is allowed",
        ),
        (
            wrong(range(8), [1, 3, 15, 7, 9, 11, 1, 5], shape=(8, 16)),
            "8 of 128 entries are off by more than is allowed, all of them in every second column",
        ),
        (wrong(slice(0)), ""),
        (wrong(EVERY), ""),
    ],
)
def test_where_off_says_no_more_than_that_entries_are_too_far_off(mask: Any, words: str) -> None:
    assert where_off(mask) == words


RIGHT = np.random.default_rng(0).standard_normal((4, 4))


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (RIGHT.T, "it is the transpose"),
        (-RIGHT, "the sign is wrong"),
        (2 * RIGHT, "it is twice what it should be"),
        (RIGHT / 2, "it is half of what it should be"),
        (7 * RIGHT, "it is 7 times too large, the number of rows"),
        (RIGHT / 7, "it is 7 times too small, the number of rows"),
        (24 * RIGHT, "it is 24 times too large: a sum of 24 numbers for a mean, or a constant factor?"),
        (RIGHT / 24, "it is 24 times too small: a mean of 24 numbers for a sum, or a constant factor?"),
        (-24 * RIGHT, "it is -24 times what it should be: a constant factor"),
        (1.25 * RIGHT, "it is 1.25 times what it should be"),
        (0 * RIGHT, "it is 0"),
        (RIGHT * np.nan, "it is not finite"),
        (np.where(np.eye(4) > 0, 0, RIGHT), "4 of 16 entries are wrong"),
        (RIGHT + 1 + RIGHT**2, ""),
    ],
)
def test_hints_recognise_the_usual_mistakes(got: Any, words: str) -> None:
    said = hint(got, RIGHT, 7)
    assert said.startswith(words)
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (-1, "the sign is wrong"),
        (2, "it is twice what it should be"),
        (0.5, "it is half of what it should be"),
        (7, "it is 7 times too large, the number of rows"),
        (1 / 24, "it is 24 times too small: a mean of 24 numbers"),
        (1.25, "it is 1.25 times what it should be"),
    ],
)
@pytest.mark.parametrize("noise", [1e-4, 4e-3])
def test_hints_recognise_a_factor_beside_the_rounding_of_a_narrow_dtype(
    factor: float, words: str, noise: float
) -> None:
    rng = np.random.default_rng(1)
    right = rng.standard_normal((16, 8))
    got = factor * right * (1 + noise * rng.uniform(-1, 1, right.shape))
    allowed = np.full(right.shape, 4 * noise * np.abs(right).max())
    assert hint(got, right, 7, allowed=allowed).startswith(words)
    assert not hint(got, right, 7).startswith(words)


def test_what_is_allowed_makes_no_factor_of_other_mistakes() -> None:
    assert not hint(RIGHT + np.where(wrong(2, shape=(4, 4)), 0.1, 0.01), RIGHT, 7, allowed=np.full((4, 4), 0.2))


def test_hints_recognise_a_transpose_beside_rounding() -> None:
    got = RIGHT.T + 1e-4
    assert hint(got, RIGHT, 7, allowed=np.full((4, 4), 1e-3)) == "it is the transpose"
    dout = np.random.default_rng(2).standard_normal((3, 4))
    said = hint(dout @ RIGHT + 1e-4, dout @ RIGHT.T, 3, [RIGHT], np.full((3, 4), 1e-3))
    assert said == "it is a product with the weights where their transpose belongs"


def test_a_hint_takes_no_notice_of_what_is_not_known() -> None:
    known = RIGHT.copy()
    known[0, 0] = np.nan
    assert hint(-RIGHT, known, 7) == "the sign is wrong"


def test_a_factor_close_to_1_is_not_called_1() -> None:
    right = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))
    assert hint((1 + 1e-6) * right, right, ROWS) == "it is 1.000001 times what it should be: a constant factor"
    assert hint((1 + 2e-7) * right, right, ROWS) == "it is 1.0000002 times what it should be: a constant factor"
    assert hint((1 + 2e-6) * right, right, ROWS) == "it is 1.000002 times what it should be: a constant factor"


def test_digits_of_float32_are_said() -> None:
    right = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))
    words = "it agrees to float32, and not beyond: is there an epsilon, or a constant or a product in float32?"
    assert hint(right * float(np.float32(1 / 6)) * 6, right, ROWS) == words
    assert hint(right.astype(np.float32).astype(float), right, ROWS) == words
    assert hint(right * np.where(wrong(2), 1 + 1e-7, 1.0), right, ROWS) == "row 2 is wrong, the others are right"


@pytest.mark.parametrize("rows", [ROWS, ROWS + 1])
def test_rows_that_are_off_by_the_digits_of_float32_beside_exact_ones_are_named(rows: int) -> None:
    rng = np.random.default_rng(0)
    right = rng.standard_normal((rows, COLUMNS))
    got = right.copy()
    got[::2] *= 1 + 1e-7 * rng.uniform(1, 3, got[::2].shape)
    assert hint(got, right, ROWS) == "every second row is wrong, the others are right"
    noise = 1e-9 * right * rng.uniform(-1, 1, right.shape)
    assert hint(got + noise, right, ROWS, allowed=1e-8 * np.abs(right)) == hint(got, right, ROWS)


def test_what_a_numerical_derivative_may_be_off_by_counts_as_no_wrong_entry() -> None:
    rng = np.random.default_rng(0)
    right = rng.standard_normal((ROWS, COLUMNS))
    got = right + 1e-9 * rng.uniform(0.5, 1, right.shape)
    got[-1] += 1e-6
    assert hint(got, right, ROWS, allowed=np.full(right.shape, 1e-8)) == "the last row is wrong, the others are right"
    got[0, :3] += 5e-9  # which others may be or not
    assert not hint(got, right, ROWS, allowed=np.full(right.shape, 1e-8))
    few = np.where(np.arange(ROWS)[:, None] < 1, right, np.nan)
    few[0, 0] += 1
    assert not hint(got, few, ROWS)  # of most nothing is known


def test_entries_that_are_0_either_way_do_not_make_the_last_row_alone_wrong() -> None:
    right = np.zeros((ROWS, COLUMNS))
    right[-1] = np.arange(1.0, 1 + COLUMNS)
    assert "row" not in hint(right**2 + right, right, ROWS)


def test_others_are_called_right_only_where_they_are_far_from_what_is_allowed() -> None:
    ratios = np.full((ROWS, COLUMNS), 0.1)
    ratios[-1] = 2.0
    assert where_beyond(ratios) == "the last row is wrong, the others are right"
    ratios[0, 0] = 0.9
    assert where_beyond(ratios) == "the last row is off by more than is allowed"


@pytest.mark.parametrize("allowed", [0.0, 1e-9])
def test_what_is_no_more_than_rounding_is_called_so_and_no_multiple(allowed: float) -> None:
    right = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))
    noise = 1e-16 * np.random.default_rng(1).standard_normal(right.shape)
    assert hint(noise, right, ROWS, allowed=allowed) == "it is 0 but for rounding: do its terms cancel?"
    assert hint(-1e-9 * right, right, ROWS).startswith("it is -1e-09 times what it should be")


@pytest.mark.parametrize("seed", range(20))
def test_what_has_nothing_of_the_right_derivative_in_it_is_no_multiple(seed: int) -> None:
    got, right = 1e-3 * np.random.default_rng(seed).standard_normal((2, ROWS, COLUMNS))
    assert hint(got, 1e3 * right, ROWS, allowed=1e-2) == ""
