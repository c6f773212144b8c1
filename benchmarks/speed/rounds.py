"""The interleaved timer: in every round each contender does a short block, in an order that is drawn anew.

What disturbs the machine for a while then disturbs all, and a ratio within a round is of neighbours in time.
"""

import random
from collections.abc import Callable, Mapping
from typing import TypeAlias

Block: TypeAlias = Callable[[], float]
"""Does some work, and gives the seconds that a piece of it took."""


def interleaved(blocks: Mapping[str, Block], rounds: int, seed: int = 0) -> dict[str, list[float]]:
    """Run every block once a round, and collect the seconds of each, round by round."""
    order = random.Random(seed)  # noqa: S311  # no secret
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(rounds):
        names = list(blocks)
        order.shuffle(names)
        for name in names:
            seconds[name].append(blocks[name]())
    return seconds
