"""No public name is without a page, an example, and a picture where a pass goes through it."""

import ast
import re

import coverage
import pytest
from modules import SOURCE, modules, package, page

ROOT = SOURCE.parent
PAGES = {page(module) for module in modules(package())}
ENTRIES = {entry.name.short: entry for entry in coverage.entries(package())}
OPENING = re.compile(r"(What|Where|Who|Whose|How|Whether)\b")


@pytest.mark.parametrize("name", ENTRIES)
def test_a_public_name_has_a_page_an_example_and_a_picture_of_what_a_pass_goes_through(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.page in PAGES
    assert entry.example
    assert entry.picture or not entry.is_drawn


@pytest.mark.parametrize("name", ENTRIES)
def test_a_public_name_has_a_sentence_in_chinese(name: str) -> None:
    assert re.search(r"[\u4e00-\u9fff]", ENTRIES[name].chinese)


def test_the_page_has_a_row_for_each_name() -> None:
    shown = re.findall(r"^\| \[`([^`]*)`\]", coverage.coverage(package()), re.MULTILINE)
    assert sorted(shown) == sorted(ENTRIES)


@pytest.mark.parametrize("folder", ["src", "docs", "examples", "benchmarks", "tests"])
def test_docstrings_say_what_a_thing_is_and_open_with_no_question(folder: str) -> None:
    assert [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value.value.splitlines()[0]}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and OPENING.match(node.value.value)
    ] == []
