"""A page of prose with generated parts, each between two comments: only these are written. Numbers, and tables of them.

<!-- begin: steps -->
...
<!-- end: steps -->
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PART = re.compile(r"(<!-- begin: ([\w-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with a part in every place.

    Raises
    ------
    KeyError
        If the page has a place for a part that there is not.
    """
    return PART.sub(lambda match: f"{match[1]}\n{parts[match[2]].strip()}\n\n{match[3]}", page)


def present(page: str) -> dict[str, str]:
    """The parts that a page has now, by name: another command may write them."""
    return {match[2]: match[0].removeprefix(match[1]).removesuffix(match[3]) for match in PART.finditer(page)}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text: int = 1) -> str:
    """A Markdown table whose columns are padded; the first `text` of them to the left, numbers to the right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [min(max(3, *map(len, column)), 80) for column in zip(*cells, strict=True)]
    sides = "<" * text + ">" * (len(widths) - text)
    rule = [f"{'-' * (width + 1)}{'-' if side == '<' else ':'}" for side, width in zip(sides, widths, strict=True)]
    lines = [[f" {cell:{side}{width}} " for cell, side, width in zip(row, sides, widths, strict=True)] for row in cells]
    return "\n".join(f"|{'|'.join(line)}|" for line in [lines[0], rule, *lines[1:]])


def digits(value: float) -> str:
    """Three digits that count, and no exponent."""
    if abs(value) < 0.1:
        return f"{value:.2g}"
    places = next((places for places in (2, 1) if abs(value) < 10 ** (3 - places) - 0.5 * 10**-places), 0)
    return f"{value:,.{places}f}"


def duration(seconds: float) -> str:
    """Three digits, in the unit that suits."""
    unit, scale = next(
        ((unit, scale) for unit, scale in (("s", 1), ("ms", 1e-3)) if seconds >= scale * 0.9995), ("µs", 1e-6)
    )
    return f"{digits(seconds / scale)} {unit}"


def ratio(value: float) -> str:
    """Two decimals below 10, fewer above."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def megabytes(size: float) -> str:
    """Millions of bytes."""
    return f"{digits(size / 1e6)} MB"


def heading(size: str) -> str:
    """A size in words."""
    network, _, batch = size.partition("/")
    return f"{network}, batch {int(batch):,}"


def failures(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The reasons why some contenders have no figure."""
    return [f"{row['contender']} was not measured: {row['failure']}." for row in rows if "failure" in row]
