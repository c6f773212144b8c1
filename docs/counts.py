"""The examples of documents and docstrings, which tests/test_documents.py runs, and their number, for a page to say.

`EXAMPLES` in a page becomes the number: blocks of code, prompts, and blocks that draw, each counted once.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pictures import examples
from sybil import Document
from sybil.parsers.abstract.doctest import DocTestStringParser

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PLACES = ("*.md", "docs/**/*.md")


def pages() -> Iterator[Path]:
    """Every English document with blocks: the Chinese ones have the same."""
    for path in (path for place in PLACES for path in sorted(ROOT.glob(place))):
        if not path.name.endswith(".zh.md") and "```" in path.read_text("utf-8"):
            yield path


def docstrings() -> Iterator[Document]:
    """Every docstring with examples, those of values too, as a document of its own."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text), lineno=line)) if ">>>" in text:
                    document = Document("\n" * (line - 1) + text, str(path))  # with the file's line numbers
                    for region in DocTestStringParser()(document.text, document.path):
                        document.add(region)
                    yield document
                case _:
                    pass


@cache
def count() -> int:
    """The number of examples."""
    documents = (*(examples(path.read_text("utf-8"), str(path)) for path in pages()), *docstrings())
    return sum(len([*document]) for document in documents)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Write the number into a page that asks for it: mkdocs calls this for every page."""
    return markdown.replace("EXAMPLES", f"{count():,}") if "EXAMPLES" in markdown else markdown
