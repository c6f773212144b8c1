"""Peak memory of a step, in a fresh process for each contender.

The system's figure holds the interpreter and the libraries too. Beside it, for ours, is what Python's own account of
arrays says, which NumPy keeps: the most that was held during a step, parameters and batch included.
"""

import re
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from speed.contender import OURS, ROSTER
from speed.contenders.ours import on
from speed.harness import Loop, Row
from speed.options import Options
from speed.page import failures, heading, megabytes, table
from speed.problem import BOOK, LARGE, Problem, Size, constant
from speed.processes import FailureError, ask, process

PROCESS = Path("/proc/self")


def measure(options: Options) -> Iterator[Row]:
    """The peak of each contender, and our arrays."""
    size, ours = BOOK if options.quick else LARGE, 0
    for name in sorted(options.names, key=OURS.__ne__):  # ours first, to which the others are compared
        row: Row = {"contender": name, "size": str(size)}
        with process() as child, process() as another:
            try:
                row |= ask(child, of_process, name, size)
                if name == OURS:
                    ours, peak = row["ever"], ask(another, of_arrays, size)
                    row |= {"arrays": peak, "needed": needed(size), "times_needed": peak / needed(size)}
                row["ours_to_it"] = ours / row["ever"]
            except FailureError as failure:
                row["failure"] = str(failure)
        yield row


def needed(size: Size) -> int:
    """Bytes of the parameters, the gradients and what the caches must hold, in float32.

    The caches must hold the input, the hidden layer's output and one array of the size of the logits.
    """
    return 4 * (2 * size.parameters + size.batch * (size.n_in + size.n_hidden + size.n_out))


def of_process(name: str, size: Size) -> dict[str, int]:
    """Bytes: the process before any step, its peak during three, and its peak since it started."""
    contender = ROSTER[name].make(Problem.draw(size))
    return of_steps(Loop(contender.steps(), contender.ready))


def of_steps(step: Loop) -> dict[str, int]:
    """The same of steps that have not begun."""
    before, started = _status("VmRSS"), _status("VmHWM")
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # from here on, the peak is that of what follows
    for _ in range(3):
        step(1)
    during = _status("VmHWM")
    return {"before": before, "during": during, "ever": max(started, during)}


def of_arrays(size: Size) -> int:
    """Bytes in arrays: the most during a step of ours, after two."""
    Loop(steps(size))(1)  # what is imported for it is no array
    tracemalloc.start()
    step = Loop(steps(size))
    step(2)
    tracemalloc.reset_peak()
    step(1)
    return tracemalloc.get_traced_memory()[1]


def steps(size: Size) -> Iterator[Any]:
    """Steps of ours, of whose start nothing is held but the batch."""
    problem = Problem.draw(size)
    step, held = on(problem.start, problem.rate)
    x, labels = constant(problem.x), problem.labels
    del problem
    while True:
        held, loss = step(held, x, labels)
        yield loss


def _status(name: str) -> int:
    (kilobytes,) = re.findall(rf"{name}:\s*(\d+)", (PROCESS / "status").read_text("ascii"))
    return int(kilobytes) * 1024


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The peak of each process, the least first, and ours array by array."""
    lines = [
        [row["contender"], *(megabytes(row[key]) for key in ("before", "during", "ever"))]
        for row in sorted((row for row in rows if "during" in row), key=lambda row: int(row["during"]))
    ]
    head = [f"process at {heading(rows[0]['size'])}", "before a step", "peak of a step", "peak since its start"]
    arrays = [
        f"In arrays, a step of ours holds {megabytes(row['arrays'])} at its peak; parameters, gradients and what the "
        f"caches must hold are {megabytes(row['needed'])}: {row['times_needed']:.2f} times as much."
        for row in rows
        if "arrays" in row
    ]
    return {"memory": "\n\n".join([table(head, lines), *failures(rows), *arrays])}
