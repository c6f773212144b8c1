"""The chapters of the tutorial as notebooks, of the same source as the pages.

    python docs/notebooks.py                run every chapter in a kernel of its own, and write notebooks/
    python docs/notebooks.py 1-affine       one of them

A block of code is a cell. A block with prompts is a cell for each answer, so that each is shown; the answers are those
of the kernel. A block that draws is a cell whose picture is its answer. The site takes what stands in notebooks/ when
it is built, with a link on the chapter's page.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from doctest import DocTestParser
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parents[1]
MADE = ROOT / "notebooks"
CHAPTERS = {"en": ROOT / "docs" / "tutorial", "zh": ROOT / "docs-zh" / "tutorial"}
FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
BOX = re.compile(r'^(!!!|\?\?\?) \w+ "([^"]+)"\n((?:(?: {4}[^\n]*)?\n)+)', re.MULTILINE)
INDENT = re.compile(r"^ {4}", re.MULTILINE)
LINK = re.compile(r"\[((?:[^\[\]`]|`[^`]*`)+)\](?:\((?!\w+:)([^()\s]*)\)|\[chainrule[\w.]*\])")
INLINE = "%matplotlib inline"
DOWNLOAD = {"en": "Download this page as a notebook", "zh": "把这一页下载为 notebook"}

Cell: TypeAlias = dict[str, Any]


def chapters(language: str) -> list[Path]:
    """The pages of the tutorial that are chapters, which begin with a number, in order."""
    return sorted(CHAPTERS[language].glob("[0-9]*.md"), key=lambda path: int(path.name.split("-")[0]))


def notebook(page: str) -> dict[str, Any]:
    """Make a notebook, not yet run, of the text of a page."""
    cells = [*_cells(page)]
    if any("matplotlib" in cell["source"] for cell in cells if cell["cell_type"] == "code"):
        cells.insert(1, _code(INLINE))
    for i, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{i} {cell['source']}".encode()).hexdigest()[:12]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cells(page: str) -> Iterator[Cell]:
    end = 0
    for block in FENCE.finditer(page):
        yield from _words(page[end : block.start()])
        end = block.end()
        kind, caption, source = block.groups()
        if kind not in {"python", "picture"}:
            yield from _words(block[0])
        elif ">>> " in source:
            yield from _answered(source)
        else:
            yield _code(source)
        if caption:
            yield from _words(f"*{caption}*")
    yield from _words(page[end:])


def _answered(prompts: str) -> Iterator[Cell]:
    """A cell for each example that answers, with the lines before it that answer nothing."""
    source = ""
    for example in DocTestParser().get_examples(prompts):
        source += example.source
        if example.exc_msg is not None:
            yield _code(source, tags=["raises-exception"])
        elif example.want:
            yield _code(source)
        else:
            continue
        source = ""
    if source:
        yield _code(source)


def _code(source: str, **metadata: list[str]) -> Cell:
    return {
        "cell_type": "code",
        "source": source.rstrip("\n"),
        "metadata": metadata,
        "outputs": [],
        "execution_count": None,
    }


def _words(text: str) -> Iterator[Cell]:
    """A cell of text: boxes become quotations or stay folded, and links lead to other chapters or are plain words."""
    text = BOX.sub(_boxed, text)
    text = LINK.sub(lambda link: _to_chapter(link[1], link[2] or ""), text).strip()
    if text:
        yield {"cell_type": "markdown", "source": text, "metadata": {}}


def _boxed(box: re.Match[str]) -> str:
    mark, title, words = box.groups()
    if mark == "???":
        return f"<details>\n<summary>{title}</summary>\n\n{INDENT.sub('', words).strip()}\n\n</details>\n\n"
    return f"> **{title}**\n>\n{INDENT.sub('> ', words)}"


def _to_chapter(words: str, target: str) -> str:
    chapter = re.fullmatch(r"(\d+-[\w-]+)\.md(?:#[\w-]+)?", target)
    return f"[{words}]({chapter[1]}.ipynb)" if chapter else words


def executed(unrun: dict[str, Any]) -> Any:
    """Run a notebook from top to bottom in a new kernel, and hold it against the format's schema.

    A cell that raises is an error, unless the page says that it does.
    """
    nbformat: Any = import_module("nbformat")  # with nbclient, the extra `notebooks`: the site is built without them
    nbclient: Any = import_module("nbclient")
    whole = nbformat.from_dict(unrun)
    nbclient.NotebookClient(whole, timeout=600, record_timing=False).execute()
    for answer in (answer for cell in whole["cells"] for answer in cell.get("outputs", ())):
        if answer["output_type"] == "error":  # without the folders of the machine that ran it
            answer["traceback"] = [f"{answer['ename']}: {answer['evalue']}"]
    nbformat.validate(whole)
    return whole


def on_files(files: Any, config: Any) -> None:
    """Take the notebooks that were made into the site."""
    file: Any = import_module("mkdocs.structure.files").File  # mkdocs is not there where notebooks are run
    language = str(config.theme["language"])
    for page in chapters(language):
        made = _made(language, page.stem)
        if made.is_file():
            files.append(file.generated(config, f"tutorial/{made.name}", abs_src_path=str(made)))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put the link under the title of a chapter."""
    address = re.sub(r"\.md$", ".ipynb", page.file.src_uri)
    if not (page.file.src_uri.startswith("tutorial/") and files.get_file_from_path(address)):
        return markdown
    link = f"[{DOWNLOAD[str(config.theme['language'])]}]({address.removeprefix('tutorial/')}){{ download }}"
    title, rest = markdown.split("\n", 1)
    return f"{title}\n\n{link}\n{rest}"


def _made(language: str, chapter: str) -> Path:
    return MADE / ("" if language == "en" else language) / f"{chapter}.ipynb"


def main() -> None:
    """Write the notebooks of the chapters that are named, or of all."""
    for language in CHAPTERS:
        for page in chapters(language):
            if page.stem in sys.argv[1:] or len(sys.argv) == 1:
                path = _made(language, page.stem)
                path.parent.mkdir(parents=True, exist_ok=True)
                whole = executed(notebook(page.read_text("utf-8")))
                path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
                sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
