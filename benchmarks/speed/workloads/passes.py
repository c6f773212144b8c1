"""The parts of the time of a step: what it can't do without, alone, and the rest.

It can't do without matrix products, exponentials, and for a convolution the copies of its windows. What its calls cost
is what a step of the same network costs whose arrays have next to nothing in them. The rest is passes over arrays: sums
with biases, means, derivatives, steps of the parameters, whose time is that of memory. All take turns with a product of
two large squares, which says how many operations a second the processor can do at most.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import asdict

from speed.harness import Loop, Plan, Row, Spread, calls, race
from speed.options import Options
from speed.page import duration, table
from speed.processes import ask, process
from speed.whole import Size
from speed.workloads.networks import LINES, ours

PARTS = ("products", "functions", "copies", "calls")

SQUARE = 1024
"""As many rows and columns have the factors of the largest product: larger ones are no faster."""


def measure(options: Options) -> Iterator[Row]:
    """A row for each network and size."""
    with process() as child:
        for name, line in LINES.items():
            for size in line.sizes[: 1 if options.quick else None]:
                yield ask(child, of_size, name, size, options.plan)


def of_size(name: str, size: Size, plan: Plan) -> Row:
    """The step, its parts and the large product take turns."""
    rng, line = np.random.default_rng(0), LINES[name]
    sizes = (size, line.least(size))
    step, least = (ours(line, each, line.params(rng, each), *line.batch(rng, each)) for each in sizes)
    work, (a, b) = line.work(rng, size), rng.standard_normal((2, SQUARE, SQUARE), np.float32)
    alone = {"products": work.multiply, "functions": work.evaluate, "copies": work.copies}
    loops: dict[str, Loop] = {"step": step, "calls": least, "large product": calls(lambda: a.dot(b))}
    loops |= {part: calls(f) for part, f in alone.items() if f is not None}
    took = race({name: loop.time for name, loop in loops.items()}, plan)
    walls = {name: [each.wall for each in blocks] for name, blocks in took.items()}
    row: Row = {
        "network": name,
        "size": " \N{MULTIPLICATION SIGN} ".join(map(str, size)),
        "operations": work.operations,
    }
    for part, wall in walls.items():
        row |= {part: asdict(Spread.of(wall)), f"{part}_to_step": asdict(Spread.of_ratios(wall, walls["step"]))}
    return row


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each network and size."""
    head = ["step", "size", "all of it", "products", "operations a second", "of the most"]
    head += ["exponentials", "copies of windows", "calls", "passes over arrays", "at the most"]
    lines: list[list[str]] = []
    for row in rows:
        step, rate = row["step"]["median"], row["operations"] / row["products"]["median"]
        most = 2 * SQUARE**3 / row["large product"]["median"]
        shares = {part: float(row[f"{part}_to_step"]["median"]) for part in PARTS if part in row}
        line = [row["network"], row["size"], duration(step), f"{shares['products']:.0%}", f"{rate / 1e9:.0f} billion"]
        line += [f"{rate / most:.0%}", *(f"{shares[part]:.0%}" if part in shares else "" for part in PARTS[1:])]
        lines.append([*line, f"{1 - sum(shares.values()):.0%}", f"{row['operations'] / most / step:.0%}"])
    return {"passes": table(head, lines)}
