"""Prose is British English throughout, and derivatives are with respect to something: in pages and in docstrings."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if not path.name.endswith(".zh.md")]
MODULES = sorted((ROOT / "src").rglob("*.py"))

CODE = re.compile(
    r"^( *)```.*?^\1```$"  # a block
    r"|^ *(?:>>>|\.\.\.) .*$"  # a prompt
    r"|``?[^`]+``?"
    r"|\]\([^)]*\)|\]\[[^\]]*\]|https?://\S+"  # where a link leads
    r"|\$\$.*?\$\$|\$[^$\n]+\$",
    re.MULTILINE | re.DOTALL,
)
CITED = re.compile(r"\([^()]*\b(?:19|20)\d\d\b[^()]*\)")
"""A paper, whose title has the spelling that its authors gave it."""

BOTH = set(
    "biased focused focuses focusing license licensed meter meters optimizer optimizers practice practices program "
    "programs routing stories story writable".split()
)
"""Words that are British too: optimizer is the field's term, and others have one spelling or two meanings."""

DERIVATIVE = re.compile(r"\b(?:derivative|gradient|slope)s? by (?:`?\w`?\b|(?:one|some|each|every|all)\b(?! burst))")


def american_words() -> dict[str, str]:
    """American spellings, and the British ones: codespell's list, read from right to left."""
    lines = (files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt").read_text("utf-8").splitlines()
    pairs = [line.split("->") for line in lines]
    british = {word for word, _ in pairs}
    return {us: word for word, several in pairs for us in several.split(", ") if us not in british | BOTH}


AMERICAN = american_words()


def prose(text: str) -> str:
    """A text without code, formulas and citations."""
    return CITED.sub(" ", CODE.sub(" ", text))


def found(text: str) -> list[str]:
    """The words that should be written otherwise."""
    words = prose(text)
    american = [word for word in re.findall(r"[A-Za-z]+", words) if word.lower() in AMERICAN]
    derived = [match[0] for match in DERIVATIVE.finditer(words)]
    return [*(f"{word}: {AMERICAN[word.lower()]}" for word in american), *(f"{by}: with respect to" for by in derived)]


def docstrings(module: Path) -> Iterator[str]:
    """The docstrings of a module, those of values too."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
            case _:
                pass


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_is_in_british_english(page: Path) -> None:
    assert found(page.read_text("utf-8")) == []


def test_docstrings_are_in_british_english() -> None:
    wrong = {module.name: [each for text in docstrings(module) for each in found(text)] for module in MODULES}
    assert {name: each for name, each in wrong.items() if each} == {}


def test_american_words_and_derivatives_by_something_are_seen() -> None:
    assert found("The behavior of `color`, and its center.\n") == ["behavior: behaviour", "center: centre"]
    assert found("A norm (Ba, Layer normalization, 2016).\n\n```python\ncolor = 1\n```\n") == []
    assert found("The derivative by x, but derivatives by the complex step.") == ["derivative by x: with respect to"]
    assert len(AMERICAN) > 400
