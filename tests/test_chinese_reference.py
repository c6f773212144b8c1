"""The Chinese reference has the names and the formulas of the English one, each with a sentence in Chinese."""

import re
import tomllib

import coverage
import pytest
import sheet
from chinese import derivations_in_chinese, in_chinese, sentences
from derivations import derivations
from glance import table_of_layers
from mkdocs.exceptions import PluginError
from modules import package
from names import table_of_names
from parts import WORDS, cells
from parts import in_chinese as said_in_chinese

HAN = re.compile(r"[\u4e00-\u9fff]")
BOLD = re.compile(r"^\*\*[A-Z][^*]*[.:]\*\*", re.MULTILINE)
KEPT = {*tomllib.loads(WORDS.read_text("utf-8"))["as_they_are"]}
ROOT = package()
NAMES, LAYERS = table_of_names(ROOT), table_of_layers(ROOT)
PAGES = {"names": table_of_names, "layers": table_of_layers, "sheet": sheet.sheet, "coverage": coverage.coverage}


def rows(page: str) -> list[tuple[str, list[str]]]:
    """The names in the first cells of tables, and the cells beside them: a name may be in several tables."""
    found = re.findall(r"^\| \[`([^`]*)`\]\S* \| (.*) \|$", page, re.MULTILINE)
    return [(name, beside.split(" | ")) for name, beside in found]


def test_every_name_of_the_reference_has_a_sentence_and_no_sentence_is_of_a_name_that_is_gone() -> None:
    assert sentences()["names"].keys() == dict(rows(NAMES)).keys()


def test_a_sentence_is_chinese_and_ends_as_one() -> None:
    said = sentences()["names"] | sentences()["folders"]
    assert [name for name, sentence in said.items() if not (HAN.search(sentence) and sentence.endswith("。"))] == []


@pytest.mark.parametrize("english", [NAMES, LAYERS], ids=["names", "layers"])
def test_a_page_is_the_english_one_with_chinese_meanings(english: str) -> None:
    chinese = in_chinese(english, ROOT)
    changed = {
        (before, after)
        for (name, was), (same_name, now) in zip(rows(english), rows(chinese), strict=True)
        for before, after in zip([name, *was], [same_name, *now], strict=True)
        if after != (said_in_chinese(before) or before)
    }
    assert {after for _, after in changed} <= {*sentences()["names"].values()}
    described = {name.partition("(")[0] for name, cells in rows(chinese) if HAN.search(cells[0])}
    assert described == {name.partition("(")[0] for name, _ in rows(english)}
    assert "| 对最后一个轴算 `x @ W + b`；参数是一个 `Affine`。 |" in chinese


@pytest.mark.parametrize("page", PAGES)
def test_titles_sentences_and_heads_of_a_page_are_in_chinese(page: str) -> None:
    lines = [
        line
        for line in in_chinese(PAGES[page](ROOT), ROOT).splitlines()
        if line and not line.startswith(("| [", "| ---"))
    ]
    assert [line for line in lines if not HAN.search(line)] == []
    heads = {cell for line in lines if line.startswith("|") for cell in cells(line)}
    assert sorted(head for head in heads - KEPT if not HAN.search(head)) == []


def test_each_derivation_says_in_chinese_of_what_it_is() -> None:
    page = "\n\n".join(f"## {module.rpartition('.')[2]}\n\n{text}" for module, text in derivations())
    chinese = derivations_in_chinese(page, ROOT)
    assert "## affine\n\n- `Affine`：`affine` 的参数，以及它们的梯度。\n- `affine`：对最后一个轴" in chinese
    assert re.findall(r"^## .*\n\n(?!- `)", chinese, re.MULTILINE) == []
    assert len(BOLD.findall(page)) > 100
    assert BOLD.findall(chinese) == []


def test_a_name_without_a_sentence_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sentences()["names"], "affine")
    with pytest.raises(PluginError, match=r"docs-zh/names\.toml: \[names\] has nothing for 'affine'"):
        in_chinese(NAMES, ROOT)
