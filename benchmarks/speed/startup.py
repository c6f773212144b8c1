"""From starting Python to the first step done, and what an import takes; each in fresh processes."""

import time
from typing import Any

from speed.probe import fresh
from speed.size import Size
from speed.spread import Spread
from speed.team import FailureError


def measure(names: tuple[str, ...], size: Size, repeats: int) -> list[dict[str, Any]]:
    """Seconds until the first step is done; the first process of each, whose files are cold, does not count."""
    rows: list[dict[str, Any]] = []
    for name in names:
        row: dict[str, Any] = {"contender": name, "size": str(size)}
        try:
            seconds = [_first_step(name, size) for _ in range(repeats + 1)][1:]
            row |= {"median": Spread.of(seconds).median, "least": min(seconds), "repeats": repeats}
        except FailureError as failure:
            row["failure"] = str(failure)
        rows.append(row)
    return rows


def imports(repeats: int) -> dict[str, Any]:
    """Seconds that `import chainrule` takes where NumPy has been imported, and those of NumPy."""
    answers = [fresh("imports") for _ in range(repeats + 1)][1:]
    medians = {name: Spread.of([answer[name] for answer in answers]).median for name in ("numpy", "chainrule")}
    return medians | {"repeats": repeats}


def _first_step(name: str, size: Size) -> float:
    began = time.monotonic()  # the same clock in all processes
    return float(fresh("first_step", name, str(size))["done"]) - began
