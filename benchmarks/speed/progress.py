"""A line that says what is being done, on a terminal rewritten in place."""

import sys
import time

STARTED = time.monotonic()


def say(*texts: str) -> None:
    """Say what comes next."""
    seconds = time.monotonic() - STARTED
    line = f"{seconds // 60:.0f}:{seconds % 60:02.0f}  {', '.join(texts)}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def done() -> None:
    """Clear the line."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
