"""The glossary is the same from both sides, and the Chinese pages use its words."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)


def table(folder: str) -> list[tuple[str, str, str]]:
    """The rows of a glossary, without the heads of its tables."""
    rows = ROW.findall((ROOT / folder / "glossary.md").read_text("utf-8"))
    return [row for row in rows if row[0] not in {"English", "中文", "---"}]


def test_the_glossaries_have_the_same_terms_in_the_same_order() -> None:
    assert [(chinese, english) for english, chinese, _ in table("docs")] == [row[:2] for row in table("docs-zh")]


def test_no_term_is_there_twice_and_each_has_a_meaning() -> None:
    terms = [english for english, _, _ in table("docs")]
    assert len(terms) == len(set(terms)) > 100
    assert all(meaning for folder in ("docs", "docs-zh") for _, _, meaning in table(folder))
