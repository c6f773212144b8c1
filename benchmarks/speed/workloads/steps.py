"""Training steps and predictions of everybody who agrees with the reference, each in a process of its own.

In a process of its own no library's idle threads, allocator or settings are in another's way.

Only those who compute what the others do are timed. After ten steps, the loss that a contender reports for the tenth
and the loss at its parameters must be those of the reference in float64. In float32, 1e-5 of a loss is about a hundred
units of rounding; the worst that was seen is 1e-7 for losses and 6e-7 for logits. A single step moves the loss by 4e-4
of it or more, so that one too few or too many is noticed.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from statistics import median

from attrs import asdict, evolve

from speed import picture
from speed.contender import LIMIT, OURS, ROSTER
from speed.contenders.original import Original
from speed.harness import Loop, Plan, Row, Spread, race
from speed.options import Options
from speed.page import duration, failures, heading, ratio, table
from speed.problem import Problem, Size
from speed.processes import FailureError, ask, held, process, timer
from speed.threads import ALL, ONE

STEPS = 10

PREDICTED = tuple(Size(784, 50, 10, batch) for batch in (1, 100, 1000))

REST = 0.03
"""Seconds between blocks where threads are several: those of the last contender go on waiting for work that long."""


class DisagreementError(Exception):
    """A contender that computes something else."""


def measure(options: Options) -> Iterator[Row]:
    """Steps at all sizes, with one thread and with all; and predictions with one."""
    for threads in options.threads:
        for row in contest(options.sizes, options.names, threads, options.plan, train=True):
            yield {"what": "steps"} | row
    names = [name for name in options.names if ROSTER[name].predicts]
    for row in contest(PREDICTED, names, ONE, options.plan, train=False):
        yield {"what": "predictions"} | row


def right(size: Size) -> list[float]:
    """The losses before each step, and after the last."""
    return [float(loss) for _, loss in islice(Original(Problem.draw(size)).steps(), STEPS + 1)]


def begin(name: str, size: Size, losses: Sequence[float]) -> float:
    """Begin training that should have these losses, or predictions if there are none: the difference from what is so.

    Raises
    ------
    DisagreementError
        If that is more than rounding.
    """
    held.clear()  # what it held is freed first
    contender = ROSTER[name].make(Problem.draw(size))
    held[""] = loop = Loop(contender.steps() if losses else contender.predictions(), contender.ready)
    difference = contender.learned(loop(STEPS), losses) if losses else contender.predicted(loop(1))
    if not difference <= contender.tolerance:
        raise DisagreementError(f"differs by {difference:.1e} of the reference, more than {contender.tolerance:.0e}")
    return difference


def contest(sizes: Iterable[Size], names: Iterable[str], threads: str, plan: Plan, *, train: bool) -> Iterator[Row]:
    """A row for each contender and size: times, and ratios to the limit and to us; or why there are none."""
    with ExitStack() as stack:
        children = {name: stack.enter_context(process(threads)) for name in names}
        for size in sizes:
            losses = right(size) if train else []
            rows: dict[str, Row] = {}
            for name, child in children.items():
                rows[name] = {"size": str(size), "threads": threads, "contender": name, "dtype": ROSTER[name].dtype}
                try:
                    rows[name]["difference"] = ask(child, begin, name, size, losses)
                except FailureError as failure:
                    rows[name]["failure"] = str(failure)
            timers = {name: timer(child, "") for name, child in children.items() if "difference" in rows[name]}
            took = race(timers, plan if threads == ONE else evolve(plan, rest=REST))
            walls = {name: [each.wall for each in blocks] for name, blocks in took.items()}
            for name, wall in walls.items():
                rows[name] |= {
                    "rounds": len(wall),
                    "busy": median(each.cpu / each.wall for each in took[name]),
                    "seconds": asdict(Spread.of(wall)),
                    "to_limit": asdict(Spread.of_ratios(wall, walls[LIMIT])),
                    "ours_to_it": asdict(Spread.of_ratios(walls[OURS], wall)),
                }
            yield from rows.values()


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A table for each size."""
    return {
        "one-thread": _tables(row for row in rows if (row["what"], row["threads"]) == ("steps", ONE)),
        "all-threads": _tables(row for row in rows if (row["what"], row["threads"]) == ("steps", ALL)),
        "predictions": _tables(row for row in rows if row["what"] == "predictions"),
    }


def _tables(rows: Iterable[Row]) -> str:
    """A table for each size, the fastest first; then who was not measured, and why."""
    chosen = list(rows)
    texts: list[str] = []
    for size in dict.fromkeys(row["size"] for row in chosen):
        here = [row for row in chosen if row["size"] == size]
        lines = [
            [
                row["contender"],
                duration(row["seconds"]["median"]),
                f"{duration(row['seconds']['low'])} – {duration(row['seconds']['high'])}",
                ratio(row["to_limit"]["median"]),
                ratio(row["ours_to_it"]["median"]),
            ]
            for row in sorted(
                (row for row in here if "seconds" in row), key=lambda row: float(row["seconds"]["median"])
            )
        ]
        head = ["contender", "time", "middle half of the rounds", "× the limit", "ours takes, of it"]
        texts += [f"**{heading(size)}**", table(head, lines), *failures(here)]
    return "\n\n".join(texts)


def pictures(rows: Sequence[Row]) -> dict[str, str]:
    """The picture, as an SVG file."""
    return {"steps.svg": picture.steps([row for row in rows if row["what"] == "steps"])}
