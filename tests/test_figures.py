"""The figures that pages quote are those that were measured: the link beside a figure leads to a page that has it."""

import re
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[1]
QUOTING = ["README.md", "README.zh.md", "docs/index.md", "docs-zh/index.md", "docs/when-not.md", "docs-zh/when-not.md"]
FIGURE = re.compile(r"\*\*(\d[^*]*)\*\*")
LINK = re.compile(r"\]\((?:docs(?:-zh)?/)?((?:speed|memory|evidence|evidence-arrays)\.md)(#[\w-]+)?\)")
DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def section(page: str, anchor: str | None) -> str:
    """All that stands under a heading of an English page, with the headings below it; without an anchor, the page."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    if anchor is None:
        return text
    headings = [(m.start(), len(m[1]), m[2]) for m in re.finditer(r"^(#+) (.+)", text, re.MULTILINE)]
    start, level = next((at, level) for at, level, title in headings if slugify(title, "-") == anchor[1:])
    return text[start : next((at for at, other, _ in headings if at > start and other <= level), len(text))]


def quoted(text: str) -> list[tuple[str, str]]:
    """Each figure of a text, with all that the links of its paragraph, item or row lead to."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"\n\s*\n|\n(?=[-|])", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        sources = LINK.findall(part)
        for figure in FIGURE.findall(part):
            whole = "".join(section(page, None if DATE.match(figure) else anchor or None) for page, anchor in sources)
            found.append((figure.replace("/", " of "), whole))  # as Chinese writes 4 of 9
    return found


def stands(figure: str, source: str) -> bool:
    """Tell if a figure is in a text as a number of its own."""
    return re.search(rf"(?<![\w-])(?<!\d[.,]){re.escape(figure)}(?![\w-]|[.,]\d)", source) is not None


@pytest.mark.parametrize("page", QUOTING)
def test_the_figures_of_a_page_are_those_that_were_measured(page: str) -> None:
    figures = quoted((ROOT / page).read_text("utf-8"))
    assert len(figures) >= 5
    assert [figure for figure, source in figures if not stands(figure, source)] == []


def test_both_languages_quote_the_same_figures() -> None:
    for english, chinese in zip(QUOTING[::2], QUOTING[1::2], strict=True):
        both = [sorted(figure for figure, _ in quoted((ROOT / page).read_text("utf-8"))) for page in (english, chinese)]
        assert both[0] == both[1]


def test_a_figure_that_is_out_of_date_is_seen() -> None:
    assert stands("0.51", "| 0.51 |")
    assert not any(stands(figure, "| 0.51 |") for figure in ("0.5", "51", "0.511", "1"))
    text = "- It takes **0.123** of the time, as [was measured](speed.md#goals).\n\nAnd **7 µs**."
    assert [(figure, stands(figure, source)) for figure, source in quoted(text)] == [("0.123", False), ("7 µs", False)]
