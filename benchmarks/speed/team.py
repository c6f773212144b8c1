"""The contenders' processes, and questions to them."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from speed.roster import Entry
from speed.threads import environment

BENCHMARKS = Path(__file__).resolve().parents[1]


def command(module: str, *arguments: str) -> list[str]:
    """How a module of this package is run in a fresh process."""
    return [sys.executable, "-m", f"speed.{module}", *arguments]


class FailureError(Exception):
    """What a contender said in place of an answer."""


class Member:
    """One contender's process."""

    def __init__(self, entry: Entry, threads: str) -> None:
        self.name = entry.name
        self.process = subprocess.Popen(  # noqa: S603  # our own modules
            command("worker", entry.name, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(threads),
            cwd=BENCHMARKS,
            text=True,
        )

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("no pipes")
        try:
            self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise FailureError("its process ended") from None
        line = self.process.stdout.readline()
        if not line:
            raise FailureError(f"its process ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FailureError(answer["error"])
        return answer


class Team:
    """All contenders with the same number of threads; their processes end with the block."""

    def __init__(self, entries: Iterable[Entry], threads: str) -> None:
        self.threads = threads
        self.members = [Member(entry, threads) for entry in entries]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for member in self.members:
            member.process.kill()
            member.process.communicate()
