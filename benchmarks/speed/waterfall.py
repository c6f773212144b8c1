"""Where the microseconds of one step go: every part alone, as a bare NumPy call and as a call of the library.

    python -m speed.waterfall SIZE ROUNDS

The parts take turns, a short block each, as contenders do. What a whole step takes beyond the sum of its kernels is
between them: Python itself, checks, records and fresh arrays. It may be less than nothing, where the library does
better than these kernels.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from speed.kernels import PRODUCTS, kernels
from speed.pieces import pieces, wholes
from speed.probe import fresh
from speed.problem import Problem
from speed.rounds import interleaved
from speed.size import Size
from speed.spread import Spread
from speed.threads import ONE, pin

BLOCK = 0.002
"""Seconds that each part is repeated in a round."""


def measure(size: Size, rounds: int) -> dict[str, Any]:
    """Seconds of every part, in a fresh process with one thread."""
    return fresh("waterfall", str(size), str(rounds))


def of_size(size: Size, rounds: int) -> dict[str, Any]:
    """Medians: of the kernels, of the library's calls with the kernels that they stand for, and of whole steps."""
    problem = Problem.draw(size)
    bare, calls, steps = kernels(problem).parts, pieces(problem), wholes(problem)
    named = {
        **{("kernels", name): part for name, part in bare.items()},
        **{("calls", name): call.does for name, call in calls.items()},
        **{("steps", name): step for name, step in steps.items()},
    }
    medians = timed({f"{kind}/{name}": part for (kind, name), part in named.items()}, rounds)
    return {
        "size": str(size),
        "rounds": rounds,
        "kernels": [
            {"name": name, "seconds": medians[f"kernels/{name}"], "product": name in PRODUCTS} for name in bare
        ],
        "calls": [
            {"name": name, "seconds": medians[f"calls/{name}"], "kernels": call.kernels} for name, call in calls.items()
        ],
        "steps": {name: medians[f"steps/{name}"] for name in steps},
    }


def timed(parts: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each."""

    def block(part: Callable[[], object], count: int) -> float:
        part()
        began = time.perf_counter()
        for _ in range(count):
            part()
        return (time.perf_counter() - began) / count

    counts = {name: max(1, round(BLOCK / max(block(part, 10), 1e-7))) for name, part in parts.items()}
    blocks = {name: partial(block, part, counts[name]) for name, part in parts.items()}
    return {name: Spread.of(seconds).median for name, seconds in interleaved(blocks, rounds).items()}


if __name__ == "__main__":
    pin(ONE)
    print(json.dumps(of_size(Size.read(sys.argv[1]), int(sys.argv[2]))))
