"""A page in Chinese leaves nothing of the English one out. (tests/test_documents.py compares the code.)"""

import re
from pathlib import Path

import coverage
import glance
import names
import parts
import pytest
import sheet
from languages import MADE, untranslated
from mkdocs.utils.yaml import yaml_load  # pyright: ignore[reportUnknownVariableType] (mkdocs: IO of anything)

ROOT = Path(__file__).parents[1]
CHINESE = ROOT / "docs-zh"
TRANSLATED = sorted(
    path.relative_to(CHINESE) for path in CHINESE.rglob("*.md") if path.name != "index.md" or path.parent != CHINESE
)
ENGLISH = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"^\$\$\n.*?^\$\$$", re.MULTILINE | re.DOTALL)
ROOTS_FILE = re.compile(r'^--8<-- "([^":]+):1:2,5:"$', re.MULTILINE)


def both(page: Path) -> tuple[str, str]:
    """A page in both languages, as the site shows it: with what programs have written into it."""
    english, chinese = read(ENGLISH / page), read(CHINESE / page)
    return english, parts.filled(chinese, english)


def read(page: Path) -> str:
    """A page, with what it takes from a file of the root: all but lines 3 and 4, the switch between the languages."""

    def taken(match: re.Match[str]) -> str:
        lines = (ROOT / match[1]).read_text("utf-8").splitlines()
        return "\n".join(lines[:2] + lines[4:])

    return ROOTS_FILE.sub(taken, page.read_text("utf-8"))


@pytest.mark.parametrize("page", TRANSLATED, ids=Path.as_posix)
def test_formulas_are_the_same(page: Path) -> None:
    english, chinese = both(page)
    assert FORMULA.findall(chinese) == FORMULA.findall(english)


@pytest.mark.parametrize("page", TRANSLATED, ids=Path.as_posix)
def test_nothing_is_left_out(page: Path) -> None:
    english, chinese = (FENCE.sub("", text) for text in both(page))
    for part in (r"^#+ ", r"^\|", r"^[-*] ", r"^\d\. ", r"^(?:!!!|\?{3}) \w+", r"\]\([^)]+\)"):
        found = [re.findall(part, text, re.MULTILINE) for text in (english, chinese)]
        assert found[0] == found[1], part


@pytest.mark.parametrize("page", TRANSLATED, ids=Path.as_posix)
def test_each_paragraph_has_its_own(page: Path) -> None:
    english, chinese = (re.split(r"\n\s*\n", FENCE.sub("code", text).strip()) for text in both(page))
    assert len(chinese) == len(english)


ALL = sorted(path.relative_to(ENGLISH) for path in ENGLISH.rglob("*.md"))


@pytest.mark.parametrize("page", ALL, ids=Path.as_posix)
def test_a_page_is_there_in_chinese(page: Path) -> None:
    assert (CHINESE / page).is_file()


def test_what_a_page_takes_from_the_root_is_compared() -> None:
    english, chinese = both(Path("CONTRIBUTING.md"))
    assert english.startswith("# Contributing\n\n```sh\nmake test")
    assert chinese.startswith("# 参与贡献\n\n```sh\nmake test")


def test_the_chinese_site_lists_every_page_that_is_in_english_alone() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    nav = yaml_load(settings[settings.index("\nnav:\n") :])["nav"]  # the last part: others have tags of their own
    listed = [page for _, page in untranslated(nav)]
    english = {path.relative_to(ENGLISH).as_posix() for path in ENGLISH.rglob("*.md")}
    chinese = {path.relative_to(CHINESE).as_posix() for path in CHINESE.rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert {*MADE} == {names.PAGE, glance.PAGE, sheet.PAGE, coverage.PAGE}
    assert set(listed) == english - chinese
    assert "tutorial/1-affine.md" not in listed


def test_a_page_that_is_in_english_alone_is_listed_with_its_section() -> None:
    nav = [{"How-to": ["how-to/nowhere.md", "tutorial/1-affine.md"]}, {"Alone": "alone.md"}]
    assert [*untranslated(nav)] == [("How-to", "how-to/nowhere.md"), ("", "alone.md")]
