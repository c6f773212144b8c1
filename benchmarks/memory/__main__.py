"""`python -m memory` is what `make memory` runs: it writes docs/memory.md."""

from pathlib import Path

from memory import caches, peaks
from speed.page import filled

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def main() -> None:
    """Write the page."""
    parts = {"caches": caches.part(), "peaks": peaks.part()}
    PAGE.write_text(filled(PAGE.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    main()
