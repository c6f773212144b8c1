"""The progress of a check that takes some seconds: a bar in a terminal, which is gone when the check ends."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from chainrule.training.terminal import Bar, bar

AFTER = 3.0
"""After how many seconds the bar appears."""

Begun: TypeAlias = Callable[[str], None]


@contextmanager
def progress(total: int) -> Generator[Begun, None, None]:
    """A block that gives a function to call with the name of each law as it begins."""
    started, done = time.monotonic(), -1
    shown: Bar | None = None

    def begun(law: str) -> None:
        nonlocal shown, done
        done += 1
        if shown is None and time.monotonic() - started >= AFTER:
            shown = bar("check", total)
        if shown is not None:
            shown.show(done, law)

    try:
        yield begun
    finally:
        if shown is not None:
            shown.stop()
