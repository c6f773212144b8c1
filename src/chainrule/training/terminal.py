"""A bar in a terminal, on standard error, of something that takes a while.

It needs rich (`pip install 'chainrule[progress]'`); without it there is none.
"""
# ruff: noqa: PLC0415  # rich is imported where a bar is shown, and need not be there

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def in_terminal() -> bool:
    """Tell whether somebody watches: a notebook and a file are no terminal, and pytest has a report of its own."""
    return sys.stderr is not None and sys.stderr.isatty() and "PYTEST_CURRENT_TEST" not in os.environ


class Bar:
    """A bar: how much is done, and a text beside it. Nothing redraws it but `show`."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.task_ids[0]

    def show(self, done: int, text: str) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, text=text, refresh=True)

    def stop(self) -> None:
        """Give the terminal back."""
        self._progress.stop()


def bar(title: str, total: int, *, stays: bool = False) -> Bar | None:
    """A bar with so much to do, in a terminal where rich is installed; None elsewhere.

    `stays` tells whether the bar is there when it has stopped.
    """
    if not in_terminal():
        return None
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column
    except ImportError:
        return None
    whole = Column(no_wrap=True)  # where the terminal is narrow, the text goes on below, and all else stays
    columns = (
        TextColumn(title),
        BarColumn(bar_width=10),
        MofNCompleteColumn(table_column=whole),
        TextColumn("{task.fields[text]}", table_column=Column()),
        TimeElapsedColumn(table_column=whole),
    )
    # A law looks at threads and at the process: nothing is redirected, and no thread redraws the bar.
    progress = Progress(
        *columns,
        console=Console(file=sys.stderr),
        transient=not stays,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress.add_task(title, total=total, text="")
    progress.start()
    return Bar(progress)
