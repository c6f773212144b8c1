"""A page in Chinese leaves nothing of the English one out. (tests/test_documents.py compares the code.)"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHINESE = ROOT / "docs-zh"
TRANSLATED = sorted(
    path.relative_to(CHINESE) for path in CHINESE.rglob("*.md") if path.name != "index.md" or path.parent != CHINESE
)
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"^\$\$\n.*?^\$\$$", re.MULTILINE | re.DOTALL)


def both(page: Path) -> tuple[str, str]:
    return (ROOT / "docs" / page).read_text("utf-8"), (CHINESE / page).read_text("utf-8")


@pytest.mark.parametrize("page", TRANSLATED, ids=Path.as_posix)
def test_formulas_are_the_same(page: Path) -> None:
    english, chinese = both(page)
    assert FORMULA.findall(chinese) == FORMULA.findall(english)


@pytest.mark.parametrize("page", TRANSLATED, ids=Path.as_posix)
def test_nothing_is_left_out(page: Path) -> None:
    english, chinese = (FENCE.sub("", text) for text in both(page))
    for part in (r"^#+ ", r"^\|", r"^- ", r"^\d\. ", r"\]\([^)]+\)"):
        found = [re.findall(part, text, re.MULTILINE) for text in (english, chinese)]
        assert found[0] == found[1], part
