"""From starting Python to the first step done, and what an import takes; each in fresh processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from speed.contender import JAX, OURS, ROSTER, TORCH
from speed.harness import Loop, Row
from speed.options import Options
from speed.page import duration, failures, table
from speed.problem import BOOK, Problem

STEP = "from speed.workloads.starting import step; step({!r})"

IMPORTS = """
import time
begun = time.perf_counter()
import numpy
between = time.perf_counter()
import chainrule
imported = time.perf_counter()
from chainrule import *
print(between - begun, imported - between, time.perf_counter() - imported)
"""


def measure(options: Options) -> Iterator[Row]:
    """Medians; the first process of each, whose files are cold, does not count."""
    repeats = 1 if options.quick else 5
    for name in {OURS, JAX, TORCH} & set(options.names):
        row: Row = {"contender": name, "size": str(BOOK), "repeats": repeats}
        try:
            seconds = [_first_step(name) for _ in range(repeats + 1)][1:]
            row |= {"median": median(seconds), "least": min(seconds)}
        except subprocess.CalledProcessError as error:
            row["failure"] = error.stderr.strip().splitlines()[-1]
        yield row
    repeats *= 3
    each = zip(*[map(float, _python(IMPORTS).split()) for _ in range(repeats + 1)][1:], strict=True)
    for name, times in zip(("numpy", "chainrule", "all of its names"), each, strict=True):
        yield {"import": name, "repeats": repeats, "median": median(times)}


def step(name: str) -> None:
    """Take one step, and say when it was done."""
    contender = ROSTER[name].make(Problem.draw(BOOK))
    Loop(contender.steps(), contender.ready)(1)
    print(time.monotonic())  # the same clock in all processes


def _first_step(name: str) -> float:
    began = time.monotonic()
    return float(_python(STEP.format(name)).split()[-1]) - began


def _python(code: str) -> str:
    code = f"from speed.threads import settle; settle()\n{code}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603  # ours


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """Seconds to the first step, and the import."""
    lines = [[row["contender"], duration(row["median"]), duration(row["least"])] for row in rows if "least" in row]
    numpy, ours, *names = (row for row in rows if "import" in row)
    text = f"`import numpy` takes {duration(numpy['median'])}, `import chainrule` after it {duration(ours['median'])}"
    for row in names:
        text += f", and `from chainrule import *`, which asks for all of its names, {duration(row['median'])} more"
    text += f": medians of {ours['repeats']} fresh processes."
    steps = table(["from starting Python to the first step", "median", "least"], lines)
    return {"startup": "\n\n".join([steps, *failures(rows), text])}
