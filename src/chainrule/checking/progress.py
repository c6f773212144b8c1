"""The progress of a check that takes some seconds: a bar in a terminal, and nothing elsewhere.

It needs rich (`pip install 'chainrule[progress]'`); without it there is none. It is written to standard error, and is
gone when the check ends.
"""
# ruff: noqa: PLC0415  # rich is imported by the first check that is slow, and need not be there

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress

AFTER = 3.0
"""After how many seconds the bar appears."""

Begun: TypeAlias = Callable[[str], None]


@contextmanager
def progress(total: int) -> Generator[Begun, None, None]:
    """A block that gives a function to call with the name of each law as it begins."""
    started, done = time.monotonic(), -1
    bar: Progress | None = None

    def begun(law: str) -> None:
        nonlocal bar, done
        done += 1
        if bar is None and time.monotonic() - started >= AFTER and _in_terminal():
            bar = _bar(total)
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, law=law, refresh=True)

    try:
        yield begun
    finally:
        if bar is not None:
            bar.stop()


def _in_terminal() -> bool:
    """Tell whether somebody watches: a notebook and a file are no terminal, and pytest has a report of its own."""
    return sys.stderr is not None and sys.stderr.isatty() and "PYTEST_CURRENT_TEST" not in os.environ


def _bar(total: int) -> "Progress | None":
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = (TextColumn("check"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[law]}"))
    # Laws look at threads and at the process: nothing is redirected, and no thread redraws the bar.
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("check", total=total, law="")
    bar.start()
    return bar
