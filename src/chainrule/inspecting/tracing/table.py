"""Tables of text, plain and in HTML."""

from collections.abc import Sequence
from typing import TypeAlias

Row: TypeAlias = Sequence[str]

ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def plain_table(head: Row, rows: Sequence[Row], left: int) -> str:
    """Set a table in columns of text, a line for each row.

    The first `left` columns are words and stand left; the rest are numbers and stand right.

    Examples
    --------
    >>> from chainrule.inspecting.tracing.table import plain_table
    >>> print(plain_table(("layer", "bytes"), [("affine", "800"), ("relu", "1,200")], 1))
    layer   bytes
    affine    800
    relu    1,200
    """
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(head: Row, rows: Sequence[Row], left: int, caption: str) -> str:
    """Set a table in HTML, as `plain_table` does in text; text is escaped."""
    sides = ["left" if i < left else "right" for i in range(len(head))]
    titles = "".join(_cell("th", side, title) for side, title in zip(sides, head, strict=True))
    body = ""
    for row in rows:
        cells = "".join(_cell("td", side, cell) for side, cell in zip(sides, row, strict=True))
        body += f"<tr>{cells}</tr>"
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def escape(text: str) -> str:
    """Text as it must stand in HTML and XML; control characters, which XML cannot hold, become question marks."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text).translate(ENTITIES)


def _cell(kind: str, side: str, text: str) -> str:
    return f'<{kind} style="text-align:{side}">{escape(text)}</{kind}>'
