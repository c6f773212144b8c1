"""Interleaving, medians, ratios, sizes, and numbers as text."""

from functools import partial

import pytest

from speed.memory import needed
from speed.options import read
from speed.quantity import digits, duration, megabytes, ratio
from speed.rounds import interleaved
from speed.size import BOOK, LARGE, SIZES, Size
from speed.spread import Spread


def test_every_block_runs_once_a_round_in_orders_that_differ() -> None:
    ran: list[str] = []

    def block(name: str) -> float:
        ran.append(name)
        return float(len(ran))

    names = "abcdef"
    seconds = interleaved({name: partial(block, name) for name in names}, 20)
    rounds = [ran[i : i + len(names)] for i in range(0, len(ran), len(names))]
    assert len(rounds) == 20
    assert all(sorted(each) == list(names) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 15
    for name in names:  # what is collected is what the block said in that round
        assert [ran[int(second) - 1] for second in seconds[name]] == [name] * 20
        assert [int(second - 1) // len(names) for second in seconds[name]] == list(range(20))


def test_a_ratio_is_of_neighbours_in_time() -> None:
    # The machine is ten times slower in the third round: medians of times would say 2, but each round says 3.
    ours, limit = [3.0, 3.0, 30.0, 6.0, 6.0], [1.0, 1.0, 10.0, 2.0, 2.0]
    assert Spread.of_ratios(ours, limit) == Spread(3.0, 3.0, 3.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(median=3.0, low=2.0, high=4.0)
    with pytest.raises(ValueError, match="zip"):
        Spread.of_ratios([1.0], [1.0, 2.0])


def test_sizes_are_read_as_they_are_written() -> None:
    assert [Size.read(str(size)) for size in SIZES] == [*SIZES]
    assert str(BOOK) == "784-50-10/100"
    assert BOOK.parameters == 39_760
    for wrong in ("784-50-10", "784-50/100", "a-b-c/d", ""):
        with pytest.raises(ValueError, match="784-50-10/100"):
            Size.read(wrong)


def test_what_must_be_held_is_parameters_gradients_and_caches() -> None:
    assert needed(Size(2, 3, 4, 5)) == 4 * (2 * (2 * 3 + 3 + 3 * 4 + 4) + 5 * 2 + 5 * 3 + 5 * 4)
    assert needed(LARGE) == 114_548_544


def test_numbers_have_three_digits() -> None:
    written = [digits(value) for value in (0, 0.00123, 0.5, 1.234, 9.996, 12.34, 99.96, 123.4, 1234.5)]
    assert written == ["0", "0.0012", "0.50", "1.23", "10.0", "12.3", "100", "123", "1,234"]
    assert [duration(s) for s in (2.5, 0.9996, 0.0123, 4.2e-6)] == ["2.50 s", "1.00 s", "12.3 ms", "4.20 µs"]
    assert [ratio(value) for value in (1.2345, 12.345, 123.45)] == ["1.23", "12.3", "123"]
    assert megabytes(162_300_000) == "162 MB"


def test_only_a_run_that_leaves_nothing_out_is_for_the_page() -> None:
    assert read([]).everything
    assert read(["--rounds", "2"]).everything
    for arguments in ("--quick", "--sizes 5-4-3/2", "--only JAX", "--threads one", "--parts memory"):
        assert not read(arguments.split()).everything
    assert read(["--only", "JAX"]).names == ("the limit", "chainrule", "JAX")
