"""Where the time of a GPT's step goes: the products and the exponentials that it needs, alone, and the rest.

The rest is passes over arrays: sums with biases, means, derivatives, steps of the parameters, and what calls cost. All
three take turns. The products are those of NumPy, on fresh arrays of the same shapes and strides.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import asdict

from speed.harness import Loop, Plan, Row, Spread, calls, race
from speed.networks.gpt import BLOCKS, TOKENS
from speed.options import Options
from speed.page import duration, table
from speed.problem import Floats
from speed.processes import ask, process
from speed.whole import Size
from speed.workloads.networks import LINES, ours

ROWS = 64
"""Rows of causal attention that go together at these lengths."""


def maps(rng: np.random.Generator, size: Size) -> list[tuple[Floats, Floats]]:
    """The factors of the products of all affine maps in a step, forward and back."""
    n, t, d, _ = size
    shapes = [(d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)] * BLOCKS + [(d, TOKENS)]
    pairs: list[tuple[Floats, Floats]] = []
    for a, b in shapes:
        x, W, dout = (rng.standard_normal(shape, np.float32) for shape in ((n * t, a), (a, b), (n * t, b)))
        pairs += [(x, W), (dout, W.T), (x.T, dout)]
    return pairs


def heads(rng: np.random.Generator, size: Size) -> list[tuple[Floats, Floats]]:
    """The factors of the products in the heads."""
    n, t, d, h = size
    pairs: list[tuple[Floats, Floats]] = []
    for start in range(0, t, ROWS):
        seen = min(start + ROWS, t)
        q, k, v = rng.standard_normal((3, n, t, h, d // h), np.float32).swapaxes(-2, -3)
        q, k, v = q[..., start:seen, :], k[..., :seen, :], v[..., :seen, :]
        p = rng.standard_normal((n, h, seen - start, seen), np.float32)
        pairs += [(q, k.mT), (p, v), (q, v.mT), (p, k), (p.mT, q), (p.mT, q)]
    return pairs * BLOCKS


def exponents(rng: np.random.Generator, size: Size) -> list[Floats]:
    """Of the softmaxes of attention, of gelu and of the loss: as many numbers as have an exponential."""
    n, t, d, h = size
    attended = sum(min(ROWS, t - start) * min(start + ROWS, t) for start in range(0, t, ROWS))
    counts = [n * h * attended, n * t * 4 * d] * BLOCKS + [n * t * TOKENS]
    return [rng.standard_normal(count, np.float32) for count in counts]


def operations(pairs: Sequence[tuple[Floats, Floats]]) -> int:
    """Two for each factor of a product's entry."""
    return sum(2 * a.size * b.shape[-1] for a, b in pairs)


def measure(options: Options) -> Iterator[Row]:
    """A row for each size."""
    with process() as child:
        for size in LINES["GPT"].sizes[: 1 if options.quick else None]:
            yield ask(child, of_size, size, options.plan)


def of_size(size: Size, plan: Plan) -> Row:
    """The step, its products and its exponentials take turns."""
    rng, line = np.random.default_rng(0), LINES["GPT"]
    step = ours(line, size, line.params(rng, size), *line.batch(rng, size))
    flat, stacked, numbers = maps(rng, size), heads(rng, size), exponents(rng, size)

    def products() -> None:
        for a, b in flat:
            a.dot(b)
        for a, b in stacked:
            np.matmul(a, b)

    def exponentials() -> None:
        for each in numbers:
            np.exp(each)

    loops: dict[str, Loop] = {"step": step, "products": calls(products), "exponentials": calls(exponentials)}
    took = race({name: loop.time for name, loop in loops.items()}, plan)
    walls = {name: [each.wall for each in blocks] for name, blocks in took.items()}
    row: Row = {"size": " \N{MULTIPLICATION SIGN} ".join(map(str, size)), "operations": operations([*flat, *stacked])}
    for name, wall in walls.items():
        row |= {name: asdict(Spread.of(wall)), f"{name}_to_step": asdict(Spread.of_ratios(wall, walls["step"]))}
    return row


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each size."""
    head = [
        "step of a GPT",
        "all of it",
        "products",
        "of it",
        "operations a second",
        "exponentials",
        "of it",
        "the rest",
    ]
    lines: list[list[str]] = []
    for row in rows:
        shares = [float(row[f"{name}_to_step"]["median"]) for name in ("products", "exponentials")]
        line = [row["size"], duration(row["step"]["median"]), duration(row["products"]["median"]), f"{shares[0]:.0%}"]
        line += [f"{row['operations'] / row['products']['median'] / 1e9:.0f} billion"]
        line += [duration(row["exponentials"]["median"]), f"{shares[1]:.0%}", f"{1 - sum(shares):.0%}"]
        lines.append(line)
    return {"passes": table(head, lines)}
