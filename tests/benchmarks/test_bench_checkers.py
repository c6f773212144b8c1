"""The command that sets our checks beside others: what it measures, in little."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")

import checkers
from speed.page import present


def test_the_quick_run_gives_the_tables() -> None:
    assert "affine 64" in checkers.part(quick=True, only="times")


def test_a_missing_gradient_is_found_in_a_kernel_of_numpy() -> None:
    library, fault, ours, *_ = checkers.rows_of_faults("NumPy", "None")
    assert (library, fault) == ("NumPy", "None")
    assert ours.startswith("found")


def test_the_smallest_error_is_searched_by_powers_of_ten() -> None:
    assert checkers.smallest(lambda error, seed: error < 3e-7, seeds=2) == "1e-06"
    assert checkers.smallest(lambda error, seed: True, seeds=1) == "none"


def test_the_page_has_a_place_for_them() -> None:
    assert "checkers" in present(checkers.PAGE.read_text("utf-8"))
