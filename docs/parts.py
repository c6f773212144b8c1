"""The parts of a page that programs write, in Chinese: the English page's, in the words of docs-zh/parts.toml.

A Chinese page has the marks of the English one, with nothing between them:

    <!-- begin: laws -->
    <!-- end: laws -->

While the site is built, the English part is put there. Sentences, headings and cells of tables that the list of words
has are in Chinese, and all else is as it is: figures, names, and what a program printed.
"""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from typing import Any

from languages import FOLDERS, language
from markdown.extensions.toc import slugify

WORDS = FOLDERS["zh"] / "parts.toml"
PART = re.compile(r"(<!-- begin: ([\w-]+) -->\n)(.*?)(<!-- end: \2 -->)", re.DOTALL)
BAR = re.compile(r"(?<!\\)\|(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # not those in code
RULE = re.compile(r"\|[-:| ]+\|")


def names(page: str) -> list[str]:
    """The names of the parts of a page, in their order."""
    return [part[2] for part in PART.finditer(page)]


def filled(chinese: str, english: str) -> str:
    """The Chinese page with the parts of the English one."""
    parts = {part[2]: translated(part[3]) for part in PART.finditer(english)}
    return PART.sub(lambda mark: f"{mark[1]}{parts[mark[2]]}{mark[4]}", chinese)


def translated(part: str) -> str:
    """A part in Chinese, block by block."""
    blocks = (block.splitlines() for block in re.split(r"\n{2,}", part.strip()))
    done = ("\n".join(_table(lines)) if lines[0].startswith("|") else _text(" ".join(lines)) for lines in blocks)
    return "\n" + "\n\n".join(done) + "\n\n"


def in_chinese(text: str) -> str | None:
    """A sentence, a heading or a cell in Chinese, with the figures of the English one; None if the words lack it."""
    for pattern, chinese in _words():
        if found := pattern.fullmatch(text):
            return chinese.format(*found.groups())
    return None


def _text(paragraph: str) -> str:
    """A paragraph or a heading, which keeps its address; a paragraph of several sentences is looked up as a whole."""
    said = paragraph.lstrip("# ")
    address = f" {{#{slugify(said, '-')}}}" if paragraph.startswith("#") else ""
    return paragraph.removesuffix(said) + (in_chinese(said) or said) + address


def _table(lines: list[str]) -> list[str]:
    return [line if RULE.fullmatch(line) else _row(in_chinese(cell) or cell for cell in cells(line)) for line in lines]


def _row(row: Iterable[str]) -> str:
    return f"| {' | '.join(row)} |"


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in BAR.split(line)[1:-1]]


@cache
def _words() -> list[tuple[re.Pattern[str], str]]:
    """The words, each as a pattern with holes, `{}`, and as a Chinese sentence with the same holes."""
    words = tomllib.loads(WORDS.read_text("utf-8"))["words"]
    return [(re.compile(re.escape(english).replace(r"\{\}", "(.+?)")), chinese) for english, chinese in words.items()]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill a Chinese page: mkdocs calls this for every page."""
    if language(config) == "en" or not names(markdown):
        return markdown
    return filled(markdown, (FOLDERS["en"] / page.file.src_uri).read_text("utf-8"))
