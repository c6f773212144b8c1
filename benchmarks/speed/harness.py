"""The harness: what is compared takes turns, a short block each, and a ratio is of neighbours in time.

A loop is an iterator that does something once for each of its items. It is timed in this process or in another.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, repeat, starmap
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from attrs import frozen

R = TypeVar("R")

Row: TypeAlias = dict[str, Any]
"""The figures of one contender in one case, by name."""


class Took(NamedTuple):
    """Seconds by the clock on the wall, and of the processor."""

    wall: float
    cpu: float


Timer: TypeAlias = Callable[[int], Took]
"""Does something so many times, and says how long it took."""


@frozen
class Plan:
    """The time that measuring may take."""

    rounds: int
    block: float
    """Seconds that a block takes, at least."""
    before: float = 0.005
    """Seconds of each block that are not timed, in which caches and threads wake up; none where once takes longer."""
    longest: float = float("inf")
    """Seconds that all rounds take, at most: where once takes long, rounds are fewer, but 5."""
    alike: bool = False
    """True if all do it the same number of times in a block: where little differs, nothing else should."""
    rest: float = 0.0
    """Seconds between blocks: threads of the last contender may go on waiting for work that long."""


@frozen
class Spread:
    """The middle of some measurements, and the half of them around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The median and the quartiles."""
        low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        return cls(median, low, high)

    @classmethod
    def of_ratios(cls, over: Sequence[float], under: Sequence[float]) -> "Spread":
        """That of the ratios, round by round: not the ratio of two medians, which need not be of one round."""
        return cls.of([a / b for a, b in zip(over, under, strict=True)])


def timed(function: Callable[..., R], *arguments: Any) -> tuple[Took, R]:
    """The time that a call takes, and what it gives."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return Took(time.perf_counter() - wall, time.process_time() - cpu), result


class Loop:
    """A loop that is under way."""

    def __init__(
        self, items: Iterator[Any], ready: Callable[[Any], object] = id, read: Callable[[Any], Any] = lambda item: item
    ) -> None:
        self.items, self.ready, self.read = items, ready, read

    def __call__(self, count: int) -> Any:
        """Go on so many times, and `read` the last item."""
        return self.read(self._last(count))

    def time(self, count: int) -> Took:
        """Go on so many times, and say how long it took, without reading."""
        return timed(self._last, count)[0]

    def _last(self, count: int) -> Any:
        """The last item: `ready` waits for one that is made in the background."""
        (last,) = deque(islice(self.items, count), maxlen=1)
        self.ready(last)
        return last


def calls(function: Callable[..., object], *arguments: Any, **last: Callable[[Any], Any]) -> Loop:
    """A function, called again and again."""
    return Loop(starmap(function, repeat(arguments)), **last)


def race(timers: Mapping[str, Timer], plan: Plan) -> dict[str, list[Took]]:
    """Let each do a block in every round, in an order that is drawn anew: the times of doing it once, round by round.

    What disturbs the machine for a while then disturbs all.
    """
    if not timers:
        return {}
    counts = {name: _counts(timed, plan) for name, timed in timers.items()}
    if plan.alike:
        counts = dict.fromkeys(timers, max(counts.values()))

    def block(name: str) -> Took:
        before, count = counts[name]
        time.sleep(plan.rest)
        if before:
            timers[name](before)
        wall, cpu = timers[name](count)
        return Took(wall / count, cpu / count)

    first = {name: block(name).wall * counts[name][1] for name in timers}
    rounds = int(min(plan.rounds, max(5, plan.longest / sum(first.values()))))
    order, names = random.Random(0), list(timers)  # noqa: S311  # no secret
    took: dict[str, list[Took]] = {name: [] for name in names}
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            took[name].append(block(name))
    return took


def _counts(timed: Timer, plan: Plan) -> tuple[int, int]:
    """The numbers of untimed and of timed calls in a block: doubled until they take half of one."""
    count = 1
    timed(count)  # the first time takes longer
    while (wall := timed(count).wall) < plan.block / 2:
        count *= 2
    return round(plan.before * count / wall), max(1, round(plan.block * count / wall))
