"""The goals of goals.toml beside what was measured."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speed.harness import Row
from speed.page import digits, table

GOALS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def written(results: Mapping[str, Sequence[Row]]) -> str:
    """The goals of whole steps, and of what is around them, as a table."""
    return table(["what", "goal", "measured", ""], [line(goal, results) for goal in GOALS["goal"]])


def of_torch(kind: str, name: str, size: str) -> float | None:
    """The share of torch's time that a layer, a loss or an optimizer of ours may take, if there is a goal."""
    goal: float | dict[str, float] | None = GOALS["of-torch"][kind].get(name)
    return goal.get(size) if isinstance(goal, dict) else goal


def line(goal: Row, results: Mapping[str, Sequence[Row]]) -> list[str]:
    """A row of the table: the subject, the goal, the figure, and whether the goal was met."""
    least, unit = "at_least" in goal, goal.get("unit", "")
    bound = goal["at_least" if least else "at_most"]
    aim = f"at {'least' if least else 'most'} {digits(bound)}{unit}"
    workload, figure, *median = goal["figure"].split(".")
    where: dict[str, list[Any]] = goal.get("where", {})
    rows = [row for row in results.get(workload, ()) if all(row.get(key) in wanted for key, wanted in where.items())]
    figures = [row[figure] for row in rows if figure in row]
    values = [float(each[median[0]] if median else each) * goal.get("scale", 1) for each in figures]
    if not values:
        return [goal["what"], aim, "not measured", ""]
    worst = min(values) if least else max(values)
    met = worst >= bound if least else worst <= bound
    return [goal["what"], aim, f"{digits(worst)}{unit}", "met" if met else "**missed**"]
