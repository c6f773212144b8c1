"""What the library set out to reach, beside what was measured."""

from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import frozen

from speed.quantity import digits
from speed.roster import ENTRIES, JAX, JAX_READ, OURS, TORCH
from speed.size import BOOK, LARGE, PREDICTED, SMALL, WIDE, WIDER, Size
from speed.table import table
from speed.threads import ALL, ONE

Results: TypeAlias = dict[str, Any]

TIE = 1.03
"""Within 3% nobody is slower."""


@frozen
class Goal:
    """A figure and its bound."""

    what: str
    figure: Callable[[Results], float]
    bound: float
    unit: str = ""
    at_least: bool = False

    def line(self, results: Results) -> list[str]:
        """What it is, the goal, the figure, and whether it was met."""
        goal = f"{'at least' if self.at_least else 'at most'} {digits(self.bound)}{self.unit}"
        try:
            value = self.figure(results)
        except LookupError:
            return [self.what, goal, "not measured", ""]
        met = value >= self.bound if self.at_least else value <= self.bound
        return [self.what, goal, f"{digits(value)}{self.unit}", "met" if met else "**missed**"]


def written(results: Results) -> str:
    """All goals as a table."""
    return table(["what", "goal", "measured", ""], [goal.line(results) for goal in GOALS], text=1)


def row(results: Results, size: Size, name: str, threads: str = ONE, what: str = "steps") -> dict[str, Any]:
    """What was measured of a contender at a size.

    Raises
    ------
    LookupError
        If nothing was.
    """
    for each in results["rows"]:
        if (each["what"], each["size"], each["threads"], each["contender"]) == (what, str(size), threads, name):
            found: dict[str, Any] = each
            return found
    raise LookupError(f"{name} was not measured at {size}")


def to_limit(size: Size, threads: str = ONE) -> Callable[[Results], float]:
    """Our step over the bare products."""
    return lambda results: float(row(results, size, OURS, threads)["to_limit"]["median"])


def to(name: str, size: Size) -> Callable[[Results], float]:
    """Our step over that of one other."""
    return lambda results: float(row(results, size, name)["ours_to_it"]["median"])


def to_best_peer(size: Size, *but: str) -> Callable[[Results], float]:
    """Our step over that of the fastest other library: the largest of the ratios."""

    def largest(results: Results) -> float:
        ratios: list[float] = []
        for entry in ENTRIES.values():
            if entry.peer and entry.name not in but:
                found = row(results, size, entry.name)
                if "ours_to_it" in found:
                    ratios.append(found["ours_to_it"]["median"])
        if not ratios:
            raise LookupError("no peer was measured")
        return max(ratios)

    return largest


def predicted(results: Results) -> float:
    """Microseconds of a prediction of one row."""
    return float(row(results, PREDICTED[0], OURS, what="predictions")["seconds"]["median"]) * 1e6


def arrays(results: Results) -> float:
    """The most that was in arrays over what had to be."""
    found = results["memory"]["arrays"]
    return float(found["peak"] / found["needed"])


def process(results: Results) -> float:
    """Our process over torch's, at the peak of each."""
    peaks = {each["contender"]: each["ever"] for each in results["memory"]["rows"] if "ever" in each}
    return float(peaks[OURS] / peaks[TORCH])


def first_step(results: Results) -> float:
    """Seconds from starting Python."""
    return {each["contender"]: float(each["median"]) for each in results["startup"] if "median" in each}[OURS]


def importing(results: Results) -> float:
    """Milliseconds over NumPy."""
    return float(results["imports"]["chainrule"]) * 1e3


def trained(results: Results) -> float:
    """Seconds of one core."""
    return float(results["training"]["seconds"])


def checked(batch: int) -> Callable[[Results], float]:
    """The original's loop over the slower of our two methods."""

    def times(results: Results) -> float:
        found = _numerical(results, batch)
        return float(found["original"] / max(found["central"], found["complex"]))

    return times


def complex_error(results: Results) -> float:
    """The largest error of the complex step, in units of 1e-12."""
    return max(float(each["complex error"]) for each in results["numerical"]) / 1e-12


def _numerical(results: Results, batch: int) -> dict[str, Any]:
    rows: dict[int, dict[str, Any]] = {each["batch"]: each for each in results["numerical"]}
    return rows[batch]


GOALS = (
    Goal(f"{SMALL}: times the limit", to_limit(SMALL), 4.6),
    Goal(f"{SMALL}: share of the fastest peer's time (3% is a tie)", to_best_peer(SMALL), TIE),
    Goal(f"{SMALL}: share of JAX's time, each loss read", to(JAX_READ, SMALL), 0.55),
    Goal(f"{BOOK}: times the limit", to_limit(BOOK), 1.22),
    Goal(f"{BOOK}: times the limit, all threads", to_limit(BOOK, ALL), 1.55),
    Goal(f"{BOOK}: share of the fastest peer's time", to_best_peer(BOOK), 0.87),
    Goal(f"{BOOK}: share of torch's time", to(TORCH, BOOK), 0.52),
    Goal(f"{WIDE}: times the limit", to_limit(WIDE), 1.06),
    Goal(f"{WIDE}: share of the fastest peer's time (3% is a tie)", to_best_peer(WIDE), TIE),
    Goal(f"{WIDER}: times the limit", to_limit(WIDER), 1.05),
    Goal(f"{WIDER}: share of the fastest peer's time (3% is a tie)", to_best_peer(WIDER), TIE),
    Goal(f"{LARGE}: times the limit", to_limit(LARGE), 1.05),
    Goal(f"{LARGE}: share of JAX's time", to(JAX, LARGE), 1.05),
    Goal(f"{LARGE}: share of the fastest other peer's time", to_best_peer(LARGE, JAX, JAX_READ), 1.0),
    Goal("MNIST, 10,000 steps of batch 100", trained, 3.0, " s"),
    Goal(f"prediction, {PREDICTED[0]}", predicted, 10.0, " µs"),
    Goal(f"{LARGE}: peak of arrays, times what must be held", arrays, 1.1),
    Goal(f"{LARGE}: peak of the process, share of torch's", process, 0.4),
    Goal("first step after starting Python", first_step, 0.2, " s"),
    Goal("`import chainrule` over `import numpy`", importing, 60.0, " ms"),
    Goal("numerical gradient, batch 3: times faster than the original", checked(3), 50.0, at_least=True),
    Goal("numerical gradient, batch 100: times faster than the original", checked(100), 12.0, at_least=True),
    Goal("complex step: largest relative error, in 1e-12", complex_error, 1.0),
)
"""Ratios of times are with one thread where nothing else is said; the limit is the bare matrix products."""
