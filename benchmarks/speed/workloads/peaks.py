"""Peak memory of a training step of whole networks, ours beside torch's, in a fresh process for each.

It is the system's figure: what is resident. Interpreter and libraries are a part of it, so the rise during the steps
stands beside it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from speed.contender import OURS, TORCH
from speed.harness import Row
from speed.options import Options
from speed.page import failures, megabytes, ratio, table
from speed.processes import FailureError, ask, process
from speed.whole import Size
from speed.workloads.memory import of_steps
from speed.workloads.networks import CONTENDERS, LINES


def measure(options: Options) -> Iterator[Row]:
    """A row for each network, size and contender."""
    for name, line in LINES.items():
        for size in line.sizes[: 1 if options.quick else None]:
            yield from compare(name, size)


def compare(name: str, size: Size) -> Iterator[Row]:
    """The peak of ours, of which the rise is that during the steps, and then the same of torch."""
    ours: dict[str, int] = {}
    for contender in (OURS, TORCH):
        row: Row = {"network": name, "size": " \N{MULTIPLICATION SIGN} ".join(map(str, size)), "contender": contender}
        with process() as child:
            try:
                found = ask(child, of_network, name, size, contender)
            except FailureError as failure:
                yield row | {"failure": str(failure)}
                continue
        found["rise"] = found["during"] - found["before"]
        ours = ours or found
        yield row | found | {f"ours_to_{figure}": ours[figure] / found[figure] for figure in ("during", "rise")}


def of_network(name: str, size: Size, contender: str) -> dict[str, int]:
    """Bytes: the process before any step, its peak during three, and its peak since it started."""
    rng, line = np.random.default_rng(0), LINES[name]
    return of_steps(CONTENDERS[contender](line, size, line.params(rng, size), *line.batch(rng, size)))


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each process."""
    head = ["process that trains", "x", "by", "before a step", "peak of a step", "ours, of it", "rise", "ours, of it"]
    lines: list[list[str]] = []
    for row in (row for row in rows if "during" in row):
        line = [row["network"], row["size"], row["contender"], megabytes(row["before"])]
        for figure in ("during", "rise"):
            line += [megabytes(row[figure]), ratio(row[f"ours_to_{figure}"])]
        lines.append(line)
    return {"peaks": "\n\n".join([table(head, lines, text=3), *dict.fromkeys(failures(rows))])}
