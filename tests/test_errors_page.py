"""The page of errors: every row of its tables is run, and says what the page says."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")
ROW = re.compile(r"^\| `(.+)` \| `(\w+)` \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE)


def setting() -> dict[str, Any]:
    """The names that the page's code block defines."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102  # the page's own code
    return names


def test_every_line_of_the_tables_is_a_row() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    headings = [line for line in lines if line in {"| call | raises | message |", "|---|---|---|"}]
    assert len(lines) == len(ROWS) + len(headings)
    assert len(ROWS) > 50


@pytest.mark.parametrize(("call", "kind", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_row(call: str, kind: str, message: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is compared below
        eval(call, setting())  # noqa: S307  # the page's own code
    notes = getattr(caught.value, "__notes__", [])
    assert (type(caught.value).__name__, " · ".join([str(caught.value), *notes])) == (kind, message)


def test_the_chinese_page_has_the_same_rows() -> None:
    assert ROW.findall((ROOT / "docs-zh" / "errors.md").read_text("utf-8")) == ROWS
