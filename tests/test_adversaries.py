"""Layers, losses, optimizers, networks and kernels by others: wrong ones are found, no right one is called wrong."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from adversaries.judging import KNOWN, LISTS, Listed, judged, listed, process_kept

EVERY = 1 if os.environ.get("CHAINRULE_ADVERSARIES") == "all" else 25
"""One in 25 of each list, for the time that all of them take: `make adversaries` runs them all."""
OF_NETWORKS = 1 if EVERY == 1 else 70


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    with process_kept():
        yield


@pytest.mark.usefixtures("without_lines_to_paste")
@pytest.mark.parametrize("case", listed(EVERY, OF_NETWORKS), ids=lambda case: f"{case.group}: {case.adversary.name}")
def test_wrong_ones_are_found_and_right_ones_are_not_called_wrong(case: Listed) -> None:
    report = judged(case.adversary)
    assert bool(report.failures) == (case.wrong and case.adversary.name not in KNOWN), str(report)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("smooth: sigmoid by tanh of the half", 7),  # values that stand still between two rounded numbers
        ("value: rms norm of of all sizes", 6),  # an eps of 1e-6, which float16 rounds by a hundredth
        ("huber at its bound", 16),  # the slopes of a thousand rows that are next to a bend
    ],
)
def test_right_ones_that_were_called_wrong_for_one_draw_are_not(name: str, seed: int) -> None:
    (case,) = (each for each in listed() if each.adversary.name == name)
    assert not judged(case.adversary, seed).failures


def test_each_name_stands_once_in_its_list() -> None:
    for some in LISTS.values():
        assert Counter(each.name for each in some).most_common(1)[0][1] == 1


def test_known_exceptions_are_in_the_lists() -> None:
    assert set(KNOWN) <= {each.name for some in LISTS.values() for each in some}
