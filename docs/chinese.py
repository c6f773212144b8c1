"""The reference in Chinese: the English pages, with the sentences of docs-zh/names.toml.

Docstrings are English, since they are what `help()` shows. The Chinese site has the list of all public names, the
layers at a glance, the sheet and the derivations; a name leads to its English page.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import coverage
import glance
import griffe
import names
import parts
import sheet
from derivations import PAGE
from languages import FOLDERS, language
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from modules import package

SENTENCES = FOLDERS["zh"] / "names.toml"
ROW = re.compile(r"^\| \[`[^`]*`\]\[chainrule\.([\w.]+)\]", re.MULTILINE)
TITLE = re.compile(r"^## (\w+)$", re.MULTILINE)
DERIVATIONS = {
    "**Axis by axis.**": "**逐个轴。**",
    "**Derivation.**": "**推导。**",
    "**From and to torch.**": "**与 torch 互换。**",
    "**In other libraries.**": "**在其他库里。**",
    "**Memory and time.**": "**内存与时间。**",
    "**Numerics.**": "**数值。**",
    "**To remember:**": "**记住：**",
    "**Why gradients vanish, and why not here.**": "**梯度为什么会消失，这里为什么不会。**",
    "[Signature, source and examples]": "[签名、源代码和例子]",
}
"""The words that derivations share."""


@cache
def sentences() -> dict[str, dict[str, str]]:
    """The sentences of docs-zh/names.toml: of folders, and of each public name."""
    return tomllib.loads(SENTENCES.read_text("utf-8"))


def in_chinese(page: str, root: griffe.Module) -> str:
    """A page of tables of names, with the Chinese meaning in place of each first sentence of a docstring."""
    for english, chinese in _meanings(page, root):
        page = page.replace(english, chinese)
    return parts.translated(page).strip() + "\n"


def _meanings(page: str, root: griffe.Module) -> Iterator[tuple[str, str]]:
    public = {name.meaning.path: name.short for name in names.names(root)}
    for path in {str(row[1]) for row in ROW.finditer(page)}:
        place = f"[chainrule.{path}] | "
        said = _said("names", public.get(f"chainrule.{path}", path))
        yield f"{place}{names.sentence(_object(root, path))} |", f"{place}{said} |"
    for folder in root.modules.values():
        if folder.is_init_module and folder.docstring:
            yield f"\n\n{names.sentence(folder)}\n\n", f"\n\n{_said('folders', folder.name)}\n\n"


def _object(root: griffe.Module, path: str) -> griffe.Object:
    found = root[path]
    return found.final_target if isinstance(found, griffe.Alias) else found


def derivations_in_chinese(page: str, root: griffe.Module) -> str:
    """The page of derivations, under each title what is derived there, in Chinese; the prose is the docstring's."""
    derived: dict[str, list[str]] = defaultdict(list)
    for name in names.names(root):
        derived[name.meaning.module.name].append(f"- `{name.short}`：{_said('names', name.short)}")
    page = TITLE.sub(lambda title: "\n\n".join([title[0], "\n".join(derived[title[1]])]), page)
    for english, chinese in DERIVATIONS.items():
        page = page.replace(english, chinese)
    return page


def _said(table: str, key: str) -> str:
    if key not in sentences()[table]:
        raise PluginError(f"docs-zh/{SENTENCES.name}: [{table}] has nothing for {key!r}")
    return sentences()[table][key]


def on_files(files: Any, config: Any) -> None:
    """Add the pages to the Chinese site: mkdocs calls this once it has found the others."""
    if language(config) == "zh":
        root = package()
        pages = {
            names.PAGE: names.table_of_names,
            glance.PAGE: glance.table_of_layers,
            sheet.PAGE: sheet.sheet,
            coverage.PAGE: coverage.coverage,
        }
        for page, english in ((page, made(root)) for page, made in pages.items()):
            files.append(File.generated(config, page, content=in_chinese(english, root)))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Write under the titles of the Chinese page of derivations."""
    if language(config) == "en" or page.file.src_uri != PAGE:
        return markdown
    return derivations_in_chinese(markdown, package())
