"""All that programs write into an English page stands on the Chinese one in Chinese, with the same figures."""

import re
import tomllib
from pathlib import Path

import parts
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page.relative_to(ROOT / "docs-zh")
    for page in ROOT.glob("docs-zh/**/*.md")
    if "<!-- begin: " in page.read_text("utf-8")
)
KEPT = set(tomllib.loads(parts.WORDS.read_text("utf-8"))["as_they_are"])

ENGLISH = """\
# Laws

<!-- begin: laws -->

92 subjects, 1,472 drawn cases in float32 and float64,
79,812 verdicts. Laws found broken: 0.

### How long a check takes

| subject           | laws |
|-------------------|-----:|
| batch_norm in use |   22 |
| a \\| b           |   22 |

<!-- end: laws -->
"""
CHINESE = "# 定律\n\n<!-- begin: laws -->\n<!-- end: laws -->\n"


def english(page: Path) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def said(page: Path) -> set[str]:
    """The sentences, the headings and the heads of tables that programs have written into an English page."""
    found: set[str] = set()
    for part in parts.PART.finditer(english(page)):
        for block in re.split(r"\n{2,}", part[3].strip()):
            lines = block.splitlines()
            found |= {*parts.cells(lines[0])} if lines[0].startswith("|") else {" ".join(lines).lstrip("# ")}
    return found


def test_a_part_is_in_chinese_with_the_figures_of_the_english_one() -> None:
    assert parts.filled(CHINESE, ENGLISH) == (
        "# 定律\n\n<!-- begin: laws -->\n\n"
        "92 个对象，float32 和 float64 下随机抽取 1,472 个例子，共 79,812 次判定。发现被违反的定律：0 条。\n\n"
        "### 检验要用多久 {#how-long-a-check-takes}\n\n"
        "| 对象 | 定律 |\n|-------------------|-----:|\n| batch_norm，使用时 | 22 |\n| a \\| b | 22 |\n\n"
        "<!-- end: laws -->\n"
    )


def test_a_mark_that_the_english_page_has_not_is_refused() -> None:
    with pytest.raises(KeyError, match="laws"):
        parts.filled(CHINESE, "# Laws\n")


def test_every_page_that_programs_write_has_its_marks_in_chinese() -> None:
    written = {
        path.relative_to(ROOT / "docs") for path in ROOT.glob("docs/**/*.md") if parts.names(path.read_text("utf-8"))
    }
    assert {*PAGES} == written


@pytest.mark.parametrize("page", PAGES, ids=Path.as_posix)
def test_the_marks_are_those_of_the_english_page(page: Path) -> None:
    chinese = (ROOT / "docs-zh" / page).read_text("utf-8")
    assert parts.names(chinese) == parts.names(english(page))
    assert [part[3] for part in parts.PART.finditer(chinese) if part[3]] == []  # no second copy


@pytest.mark.parametrize("page", PAGES, ids=Path.as_posix)
def test_every_sentence_and_head_is_in_chinese(page: Path) -> None:
    assert [text for text in sorted(said(page) - KEPT) if parts.in_chinese(text) is None] == []
