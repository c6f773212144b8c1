"""The command that sets our checks beside others: what it measures, in little."""

from collections.abc import Callable

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")

import checkers
from checking.power import LAYERS
from speed.page import present


def test_the_quick_run_gives_the_tables() -> None:
    assert "affine 64" in checkers.part(quick=True, only="times")


def test_a_missing_gradient_is_found_in_a_kernel_of_numpy_and_a_right_one_accepted() -> None:
    assert checkers.row_of_fault("NumPy", "None")[2].startswith("found, ")
    assert checkers.row_of_fault("NumPy", "")[2].startswith("accepted, ")


def test_what_is_found_is_counted_among_what_a_check_was_given() -> None:
    rows = [["torch", "none", "accepted, 1 s"], ["torch", "None", "found, 1 s"], ["JAX", "None", "missed, 1 s"]]
    assert checkers.found([[*row, *[""] * 4] for row in rows], "check_against") == "`check_against` 1 of 2"


def test_the_smallest_error_is_searched_by_powers_of_ten() -> None:
    assert checkers.smallest(lambda error, seed: error < 3e-7, seeds=2) == "1e-06"
    assert checkers.smallest(lambda error, seed: error < (3e-7, 3e-3)[seed], seeds=2) == "1e-02"
    assert checkers.smallest(lambda error, seed: True, seeds=1) == "none"
    assert checkers.smallest(lambda error, seed: seed == 1, seeds=2) == "none"


@pytest.mark.parametrize("accepts", checkers.POWERS.values(), ids=checkers.POWERS)
def test_an_error_of_a_third_is_found_and_none_is_not(accepts: Callable[..., bool]) -> None:
    assert accepts(LAYERS[0], (4, 6), True, 0.0, 0)
    assert not accepts(LAYERS[0], (4, 6), True, 1 / 3, 0)


def test_the_page_has_a_place_for_them() -> None:
    assert "checkers" in present(checkers.PAGE.read_text("utf-8"))
