"""Fresh processes that measure: functions are submitted to them, and what these begin they hold."""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from speed.harness import Loop, Timer, Took
from speed.threads import ONE, settle

P = ParamSpec("P")
T = TypeVar("T")

held: dict[str, Loop] = {}
"""The loops that this process has begun."""


class FailureError(Exception):
    """The error message of a process, in place of an answer."""


def process(threads: str = ONE, tree: Path | None = None) -> ProcessPoolExecutor:
    """A process, which starts with the first question to it and ends with the block."""
    return ProcessPoolExecutor(1, get_context("spawn"), settle, (threads, tree))


def ask(child: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in another process.

    Raises
    ------
    FailureError
        If it raises anything, or the process ends.
    """
    try:
        return child.submit(function, *args, **kwargs).result()
    except Exception as error:
        raise FailureError(f"{type(error).__name__}: {error}".partition("\n")[0]) from error


def timer(child: Executor, name: str) -> Timer:
    """The timer of a loop that another process holds."""
    return lambda count: ask(child, _time, name, count)


def _time(name: str, count: int) -> Took:
    return held[name].time(count)
