"""The table writer, the pictures, and the page: what is generated is what was measured."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from speed import goals, picture, sections
from speed.page import PART, filled
from speed.roster import JAX, LIMIT, OURS, ROSTER
from speed.size import SIZES
from speed.table import table
from speed.threads import ALL, ONE

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "speed.md").read_text("utf-8")
RESULTS: dict[str, Any] = json.loads((DOCS / "speed" / "results.json").read_text("utf-8"))


def test_a_table_is_aligned_and_is_markdown() -> None:
    assert table(["name", "µs"], [["a", "1.0"], ["b|c", "12.0"]]) == (
        "| name |   µs |\n|------|-----:|\n| a    |  1.0 |\n| b\\|c |  12.0 |".replace("|  12.0 |", "| 12.0 |")
    )
    with pytest.raises(ValueError, match="2 cells"):
        table(["a", "b"], [["1"]])


def test_parts_are_filled_and_prose_stays() -> None:
    page = "# A\n\n<!-- begin: one -->\nold\n<!-- end: one -->\n\nprose\n\n<!-- begin: two -->\n<!-- end: two -->\n"
    once = filled(page, {"one": "1", "two": "2"})
    one, two = (f"<!-- begin: {name} -->\n\n{text}\n\n<!-- end: {name} -->" for name, text in (("one", 1), ("two", 2)))
    assert once == f"# A\n\n{one}\n\nprose\n\n{two}\n"
    assert filled(once, {"one": "1", "two": "2"}) == once
    with pytest.raises(ValueError, match=r"\['one', 'two'\]"):
        filled(page, {"one": "1"})


def test_the_page_says_what_was_measured() -> None:
    assert filled(PAGE, sections.written(RESULTS)) == PAGE


def test_the_results_leave_nobody_out() -> None:
    rows = {(row["what"], row["size"], row["threads"], row["contender"]) for row in RESULTS["rows"]}
    threads = (ONE, ALL) if RESULTS["machine"]["cores"] > 1 else (ONE,)
    for entry in ROSTER:
        for size in SIZES:
            assert {("steps", str(size), each, entry.name) for each in threads} <= rows
    assert all(("seconds" in row) != ("failure" in row) for row in RESULTS["rows"])


def test_ours_agreed_and_so_did_the_limit() -> None:
    assert [row for row in RESULTS["rows"] if row["contender"] in {OURS, LIMIT} and "failure" in row] == []


def test_a_goal_is_met_or_missed_or_not_measured() -> None:
    goal = goals.Goal("time", lambda results: float(results["time"]), 2.0, " s")
    assert goal.line({"time": 1.999}) == ["time", "at most 2.00 s", "2.00 s", "met"]
    assert goal.line({"time": 2.5}) == ["time", "at most 2.00 s", "2.50 s", "**missed**"]
    assert goal.line({}) == ["time", "at most 2.00 s", "not measured", ""]
    faster = goals.Goal("times", lambda results: float(results["times"]), 50.0, at_least=True)
    assert [faster.line({"times": times})[3] for times in (49.0, 51.0)] == ["**missed**", "met"]


def test_the_best_peer_is_the_one_that_we_are_closest_to() -> None:
    figures: dict[str, dict[str, Any]] = {entry.name: {"ours_to_it": {"median": 0.5}} for entry in ROSTER}
    figures |= {"thinc": {"failure": "no"}, JAX: {"ours_to_it": {"median": 0.9}}}
    same = {"what": "steps", "size": str(SIZES[0]), "threads": ONE}
    rows = [same | {"contender": name} | figure for name, figure in figures.items()]
    assert goals.to_best_peer(SIZES[0])({"rows": rows}) == 0.9
    assert goals.to_best_peer(SIZES[0], JAX)({"rows": rows}) == 0.5
    with pytest.raises(LookupError, match="not measured"):
        goals.to_best_peer(SIZES[1])({"rows": rows})


def test_who_was_not_measured_is_said_with_the_reason() -> None:
    row = {"size": "5-4-3/2", "contender": "thinc", "failure": "ModuleNotFoundError: No module named 'thinc'"}
    assert "thinc was not measured: ModuleNotFoundError: No module named 'thinc'." in sections.one_size(
        [row], "5-4-3/2"
    )


@pytest.mark.parametrize("name", ["steps.svg", "waterfall.svg"])
def test_a_picture_says_nothing_of_the_machine_and_keeps_its_letters(name: str) -> None:
    text = (DOCS / "speed" / name).read_text("utf-8")
    root = ET.fromstring(text)  # noqa: S314  # our own file
    letters = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert OURS in letters if name == "steps.svg" else "dW1" in letters
    assert re.search(r"/(?:tmp|home|root|usr)/|<dc:date>", text) is None


def test_pictures_are_drawn_of_the_results() -> None:
    drawn = ET.fromstring(picture.steps(RESULTS["rows"]))  # noqa: S314  # our own file
    letters = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [letters.count(sections.heading(str(size))) for size in SIZES] == [1] * len(SIZES)
    assert picture.steps(RESULTS["rows"]) == picture.steps(RESULTS["rows"])
    assert picture.waterfall(RESULTS["waterfall"]) == picture.waterfall(RESULTS["waterfall"])


def test_every_part_of_the_page_has_a_place_once() -> None:
    names = [match[2] for match in PART.finditer(PAGE)]
    assert len(names) == len(set(names))


def test_figures_of_a_busy_machine_say_so() -> None:
    quiet, busy = ([{"threads": ONE, "busy": share}] * 3 for share in (0.99, 0.4))
    assert "busy" not in sections.quiet(quiet)
    assert "The machine was busy" in sections.quiet(busy)
    assert sections.quiet([]) == ""
