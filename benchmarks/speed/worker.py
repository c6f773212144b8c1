"""A contender in a process of its own, which does as it is asked, a line of JSON at a time.

In a process of its own no library's idle threads, allocator or settings are in another's way.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TextIO

from speed.agreement import learned, predicted
from speed.contender import Contender
from speed.problem import Problem
from speed.reference import Reference
from speed.roster import ENTRIES, Entry
from speed.size import Size
from speed.threads import pin

Asked = dict[str, Any]


class Worker:
    """The contender of this process, and the problem that it is at."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.held: tuple[Problem, Contender] | None = None

    def learn(self, asked: Asked) -> Asked:
        """Start a problem, and take ten steps that must agree with the reference."""
        problem, contender = self.start(asked["size"])
        return {"difference": learned(contender, problem, Reference(**asked["reference"]), self.entry.dtype)}

    def predict(self, asked: Asked) -> Asked:
        """Start a problem, and predict once, which must agree."""
        problem, contender = self.start(asked["size"])
        return {"difference": predicted(contender, problem, self.entry.dtype)}

    def time(self, asked: Asked) -> Asked:
        """Do some steps or predictions untimed, for the caches, and then some more: seconds for all of these."""
        if self.held is None:
            raise RuntimeError("nothing was started")
        contender = self.held[1]
        do: Callable[[int], None] = contender.predictions if asked["what"] == "predictions" else contender.steps
        if asked["before"]:
            do(asked["before"])
        cpu, wall = time.process_time(), time.perf_counter()
        do(asked["count"])
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    def start(self, size: str) -> tuple[Problem, Contender]:
        """Make the contender anew."""
        self.held = None  # what it held is freed first
        problem = Problem.draw(Size.read(size))
        self.held = problem, self.entry.make(problem)
        return self.held


@contextmanager
def replies() -> Generator[TextIO]:
    """Standard output for replies alone: what libraries print goes where errors go."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        yield out


def main() -> None:
    """Answer until there are no more questions."""
    pin(sys.argv[2])  # before the contender's library is loaded: threads inherit it
    worker = Worker(ENTRIES[sys.argv[1]])
    with replies() as out:
        for line in sys.stdin:
            asked: Asked = json.loads(line)
            try:
                reply: Asked = getattr(worker, asked["do"])(asked)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
                worker.held = None
                reply = {"error": f"{type(error).__name__}: {error}".partition("\n")[0]}
            print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
