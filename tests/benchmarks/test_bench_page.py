"""The page and its pictures: what is generated is what was measured."""

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from speed import goals, machine, main
from speed.contender import ROSTER
from speed.page import filled, heading
from speed.problem import SIZES

SECTIONS = ("Layers, losses and optimizers", "Whole networks")

TIE = 1.03
"""Within 3% nobody is slower."""

PAGE = main.PAGE.read_text("utf-8")
RESULTS: dict[str, Any] = json.loads(main.RESULTS.read_text("utf-8"))
ELSEWHERE: dict[str, Any] = json.loads(main.ELSEWHERE.read_text("utf-8"))


def test_the_page_and_its_pictures_are_what_was_measured() -> None:
    assert filled(PAGE, main.texts(RESULTS, ELSEWHERE)) == PAGE
    drawn = main.pictures(RESULTS)
    assert set(drawn) == {path.name for path in main.FOLDER.glob("*.svg")}
    assert drawn == main.pictures(RESULTS)


def test_rows_that_are_added_bear_their_date_and_are_of_the_same_machine() -> None:
    def row(layer: str, seconds: float, **date: str) -> dict[str, Any]:
        found = {"layer": layer, "size": "5", "contender": "chainrule", "seconds": {"median": seconds}}
        return found | date

    page = {"machine": RESULTS["machine"], "layers": [row("relu", 1), row("softmax", 2)], "steps": [3]}
    found = {"machine": RESULTS["machine"] | {"date": "2026-12-31"}, "layers": [row("gelu", 4), row("relu", 5)]}
    rows = [row("relu", 5, date="2026-12-31"), row("gelu", 4, date="2026-12-31"), row("softmax", 2)]
    assert main.added(page, found) == page | {"layers": rows}
    assert main.since("layers", rows) == ["Measured since, on 2026-12-31: `relu`, `gelu`."]
    part = {"machine": found["machine"], "steps": [{"size": 6}]}
    assert main.added(page, part) == page | {"steps": [{"size": 6, "date": "2026-12-31"}]}
    results = RESULTS | {"losses": [row | {"date": "2026-12-31"} for row in RESULTS["losses"]]}
    assert main.texts(results, ELSEWHERE)["losses"].endswith("\n\nMeasured since, on 2026-12-31: all of it.")
    with pytest.raises(SystemExit, match="not the machine of the page"):
        main.added(page, found | {"machine": RESULTS["machine"] | {"processor": "another"}})


def test_the_results_leave_nobody_out() -> None:
    rows = {(row["size"], row["threads"], row["contender"]): row for row in RESULTS["steps"] if row["what"] == "steps"}
    threads = ("one", "all") if RESULTS["machine"]["cores"] > 1 else ("one",)
    assert set(rows) == {(str(size), each, name) for size in SIZES for each in threads for name in ROSTER}
    assert all(("seconds" in row) != ("failure" in row) for row in rows.values())
    assert not [row for row in rows.values() if row["contender"] in {"chainrule", "the limit"} and "failure" in row]


def test_a_goal_is_met_or_missed_or_not_measured() -> None:
    goal = {"what": "time", "figure": "steps.seconds.median", "unit": " s", "where": {"who": ["a", "b"], "size": [1]}}
    rows = [{"who": who, "size": 1, "seconds": {"median": time}} for who, time in (("a", 1.5), ("b", 2.5), ("c", 9))]

    def line(bound: str, number: float, **found: Any) -> list[str]:
        return goals.line(goal | {bound: number}, found)

    assert line("at_most", 2.6, steps=rows) == ["time", "at most 2.60 s", "2.50 s", "met"]
    assert line("at_most", 2.0, steps=rows) == ["time", "at most 2.00 s", "2.50 s", "**missed**"]
    assert line("at_least", 2.0, steps=rows) == ["time", "at least 2.00 s", "1.50 s", "**missed**"]
    assert line("at_most", 2.0, steps=rows[2:]) == ["time", "at most 2.00 s", "not measured", ""]
    assert line("at_most", 2.0) == ["time", "at most 2.00 s", "not measured", ""]


def test_every_goal_is_measured() -> None:
    assert "not measured" not in goals.written(RESULTS)
    kinds = {"layer": "layers", "loss": "losses", "optimizer": "optimizers", "network": "networks"}
    for kind, workload in kinds.items():
        beside = {(row[kind], row["size"]) for row in RESULTS[workload] if row["contender"] == "torch"}
        aims: dict[str, float | dict[str, float]] = goals.GOALS["of-torch"][kind]
        assert aims.keys() <= {name for name, _ in beside}
        for name, aim in aims.items():
            if isinstance(aim, dict):
                assert {(name, size) for size in aim} <= beside


def test_whoever_misses_a_goal_beside_torch_or_is_slower_without_one_is_named_with_the_reason() -> None:
    prose = re.sub(r"<!-- begin: ([\w-]+) -->.*?<!-- end: \1 -->", "", PAGE, flags=re.DOTALL)
    layers, networks = (prose.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in SECTIONS)
    named = {name for head in re.findall(r"\*\*(.+?)\*\*", layers) for name in head.rstrip(".").split(", ")}
    kinds = {"layer": "layers", "loss": "losses", "optimizer": "optimizers", "network": "networks"}
    missed = {
        (kind, row[kind])
        for kind, workload in kinds.items()
        for row in RESULTS[workload]
        if row["contender"] == "torch"
        and "ours_to_it" in row
        and row["ours_to_it"]["median"] > (goals.of_torch(kind, row[kind], row["size"]) or TIE)
    }
    assert missed
    for kind, name in sorted(missed):
        if kind == "network":
            assert re.search(rf"\b{name} misses\b", networks), name
        else:
            assert named & {name, re.split(r",| \d| of | to | with ", name)[0]}, name


def test_a_goal_beside_torch_is_for_each_size_or_for_all() -> None:
    sizes = goals.GOALS["of-torch"]["layer"]["softmax"]
    assert {size: goals.of_torch("layer", "softmax", size) for size in sizes} == sizes
    assert goals.of_torch("layer", "gelu", "any") == goals.GOALS["of-torch"]["layer"]["gelu"]
    assert goals.of_torch("layer", "softmax", "any") is goals.of_torch("layer", "relu", "any") is None


@pytest.mark.parametrize("name", ["steps.svg", "waterfall.svg"])
def test_a_picture_says_nothing_of_the_machine_and_keeps_its_letters(name: str) -> None:
    text = (main.FOLDER / name).read_text("utf-8")
    letters = [element.text for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314  # ours
    assert "chainrule" in letters if name == "steps.svg" else "dW1" in letters
    assert heading("784-50-10/100") in " ".join(map(str, letters))
    assert re.search(r"/(?:tmp|home|root|usr)/|<dc:date>", text) is None


def test_figures_of_a_busy_machine_say_so() -> None:
    quiet, busy = ([{"threads": "one", "busy": share}] * 3 for share in (0.99, 0.4))
    assert "busy" not in machine.quiet(quiet)
    assert "The machine was busy" in machine.quiet(busy)
    assert machine.quiet([]) == ""
