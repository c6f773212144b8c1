"""The harness: who takes turns, what is counted, and numbers as text."""

from functools import partial
from itertools import count

import pytest

from speed.contender import COMPILED, ROSTER
from speed.harness import Loop, Plan, Spread, Took, calls, race
from speed.options import read
from speed.page import digits, duration, filled, megabytes, ratio, table
from speed.problem import BOOK, SIZES, Size


def test_everybody_has_a_block_in_every_round_in_orders_that_differ() -> None:
    ran: list[str] = []

    def timed(name: str, many: int) -> Took:
        ran.append(name)
        return Took(many * once[name], many * once[name] / 2)

    once = {name: float(place) for place, name in enumerate("abcdef", 1)}
    timers = {name: partial(timed, name) for name in once}
    took = race(timers, Plan(rounds=20, block=0.1))
    assert took == {name: [Took(seconds, seconds / 2)] * 20 for name, seconds in once.items()}
    rounds = [ran[at : at + 6] for at in range(len(ran) - 120, len(ran), 6)]
    assert all(sorted(each) == list(once) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 15


def test_a_block_is_as_long_as_planned_and_is_preceded_by_what_is_not_timed() -> None:
    blocks: dict[str, list[int]] = {"slow": [], "fast": []}

    def timed(name: str, many: int) -> Took:
        blocks[name].append(many)
        seconds = many * (0.004 if name == "slow" else 0.001)
        return Took(seconds, seconds)

    timers = {name: partial(timed, name) for name in blocks}
    race(timers, Plan(rounds=3, block=0.1, before=0.02))
    assert [many[-2:] for many in blocks.values()] == [[5, 25], [20, 100]]
    race(timers, Plan(rounds=3, block=0.1, before=0.02, alike=True))
    assert [many[-2:] for many in blocks.values()] == [[20, 100], [20, 100]]
    for many in blocks.values():
        many.clear()
    race(timers, Plan(rounds=1000, block=0.1, before=0.0, longest=1.0))
    assert [many[-6:] for many in blocks.values()] == [[25] * 6, [100] * 6]  # the first, and 5 rounds


def test_a_loop_gives_its_last_item_when_it_is_there() -> None:
    waited: list[int] = []
    loop = Loop(count(1), waited.append)
    assert (loop(3), loop(2)) == (3, 5)
    assert loop.time(4).wall > 0
    assert waited == [3, 5, 9]
    made: list[int] = []
    calls(made.append, 7)(3)
    assert made == [7, 7, 7]


def test_what_is_timed_is_made_and_not_read() -> None:
    done: list[str] = []

    def read(item: int) -> int:
        done.append("read")
        return -item

    loop = Loop(iter(range(9)), ready=lambda _: done.append("ready"), read=read)
    assert loop.time(3).wall > 0
    assert done == ["ready"]
    assert loop(4) == -6
    assert done == ["ready", "ready", "read"]


def test_a_ratio_is_of_neighbours_in_time() -> None:
    # The machine is ten times slower in the third round: medians of times would say 2, but each round says 3.
    ours, limit = [3.0, 3.0, 30.0, 6.0, 6.0], [1.0, 1.0, 10.0, 2.0, 2.0]
    assert Spread.of_ratios(ours, limit) == Spread(3.0, 3.0, 3.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(median=3.0, low=2.0, high=4.0)


def test_sizes_are_read_as_they_are_written() -> None:
    assert [Size.read(str(size)) for size in SIZES] == [*SIZES]
    assert (str(BOOK), BOOK.parameters) == ("784-50-10/100", 39_760)
    for wrong in ("784-50-10", "784-50/100", "a-b-c/d", ""):
        with pytest.raises(ValueError, match="784-50-10/100"):
            Size.read(wrong)


def test_only_a_run_that_leaves_nothing_out_is_for_the_page() -> None:
    assert read(["--rounds", "2"]).everything
    assert read(["--elsewhere"]).everything
    assert not read(["--elsewhere", "--parts", "passes"]).everything
    for arguments in ("--quick", "--sizes 5-4-3/2", "--only JAX", "--threads one", "--parts memory", "--against ."):
        assert not read(arguments.split()).everything
    assert read(["--only", "JAX"]).names == ("the limit", "chainrule", "JAX")


def test_a_rough_look_leaves_out_what_compiles_for_half_a_minute_unless_it_is_asked_for() -> None:
    assert set(ROSTER) - set(read(["--quick"]).names) == {COMPILED}
    assert COMPILED in read(["--quick", "--only", COMPILED]).names
    assert COMPILED in read([]).names


def test_numbers_have_three_digits() -> None:
    written = [digits(value) for value in (0, 0.00123, 0.5, 1.234, 9.996, 12.34, 99.96, 123.4, 1234.5)]
    assert written == ["0", "0.0012", "0.50", "1.23", "10.0", "12.3", "100", "123", "1,234"]
    assert [duration(s) for s in (2.5, 0.9996, 0.0123, 4.2e-6)] == ["2.50 s", "1.00 s", "12.3 ms", "4.20 µs"]
    assert [ratio(value) for value in (1.2345, 12.345, 123.45)] == ["1.23", "12.3", "123"]
    assert megabytes(162_300_000) == "162 MB"


def test_a_table_is_aligned_and_is_markdown() -> None:
    assert table(["name", "µs"], [["a", "1.0"], ["b|c", "12.0"]]) == (
        "| name |   µs |\n|------|-----:|\n| a    |  1.0 |\n| b\\|c | 12.0 |"
    )


def test_parts_are_filled_and_prose_stays() -> None:
    page = "# A\n\n<!-- begin: one -->\nold\n<!-- end: one -->\n\nprose\n\n<!-- begin: two -->\n<!-- end: two -->\n"
    once = filled(page, {"one": "1", "two": "2", "not there": "3"})
    one, two = (f"<!-- begin: {name} -->\n\n{text}\n\n<!-- end: {name} -->" for name, text in (("one", 1), ("two", 2)))
    assert once == f"# A\n\n{one}\n\nprose\n\n{two}\n"
    assert filled(once, {"one": "1", "two": "2"}) == once
    with pytest.raises(KeyError, match="two"):
        filled(page, {"one": "1"})
