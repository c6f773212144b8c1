"""The derivation sheet: the formula and the derivatives of everything, on a page of the site and on paper.

The page is read from the docstrings, as `glance` is. Where there is a Chromium, the site has it as a PDF too: the page
itself, as Chromium prints it by the rules for paper in `style.css`.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import griffe
from derivations import typeset
from glance import made
from languages import language
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from modules import package
from names import link, table
from results import derivative, formula, to_remember

PAGE = "reference/sheet.md"
PDF = "derivation-sheet.pdf"
"""The file beside the page."""
ABOUT = (
    "Every formula, and beside it its derivatives: `dout` is the derivative with respect to `out`, and `dx` with "
    r"respect to `x`. A dot in a circle is the product entry by entry, $\mathbf{1}$ a column of ones, and $J$ the "
    "Jacobian of a layer $f$. The page to which a name leads has the shapes, and the steps from the left to the right."
)
PRINTED = '<p class="printed"><a href="{pdf}">{words}</a></p>'
WORDS = {"en": "The sheet as a PDF, to print", "zh": "可以打印的推导表（PDF，英文）"}


def sheet(root: griffe.Module) -> str:
    """The page."""
    parts = ["# Derivation sheet", ABOUT]
    for title, things in made(root).items():
        rows = [
            (link(thing.name, thing), formula(thing), derivative(thing), typeset(to_remember(thing)))
            for thing in things
        ]
        if title == "Optimizers":
            parts += [
                f"## {title}",
                table(("name", "update", "to remember"), *((name, update, last) for name, update, _, last in rows)),
            ]
        else:
            parts += [f"## {title}", table(("name", "forward", "backward", "to remember"), *rows)]
    return "\n\n".join(parts) + "\n"


def chromium() -> str | None:
    """The browser that prints."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def printed(page: Path, pdf: Path) -> None:
    """Print a page of the built site."""
    with tempfile.TemporaryDirectory() as profile:
        options = (
            "--headless",
            "--disable-gpu",
            "--no-sandbox",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf}",
        )
        done = subprocess.run([str(chromium()), *options, page.as_uri()], capture_output=True, check=False, text=True)  # noqa: S603 (our own page)
    if not pdf.is_file():
        raise PluginError(f"{page}: Chromium has not printed it: {done.stderr[-500:]}")


def on_files(files: Any, config: Any) -> None:
    """Add the page to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        files.append(File.generated(config, PAGE, content=sheet(package())))


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Lead to the PDF, which is there once the site is built, from below the title."""
    if page.file.src_uri != PAGE or not chromium():
        return html
    pdf = PDF if language(config) == "en" else f"../../../{PAGE.removesuffix('.md')}/{PDF}"
    return re.sub(r"</h1>", lambda end: end[0] + PRINTED.format(pdf=pdf, words=WORDS[language(config)]), html, count=1)


def on_post_build(config: Any) -> None:
    """Print the page: mkdocs calls this once all files of the site are there."""
    if language(config) == "en" and chromium():
        folder = Path(config.site_dir, PAGE).with_suffix("")
        printed(folder / "index.html", folder / PDF)
