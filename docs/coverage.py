"""Every public name with its page, its picture, its example and its Chinese counterpart, as a page of the site.

`python docs/coverage.py` prints the table. A test asks that nothing be missing in it.
"""

import re
import sys
import tomllib
from functools import cache
from typing import Any

import griffe
from attrs import frozen
from curves import curve
from languages import FOLDERS, language
from mkdocs.structure.files import File
from modules import package, room, rooms
from modules import page as page_of
from names import Name, link, names, table
from passes import examples_of, picture

PAGE = "reference/coverage.md"
SENTENCES = FOLDERS["zh"] / "names.toml"
PROMPT = re.compile(r"^ *>>> ", re.MULTILINE)
DRAWN = ("layers", "combinators", "losses")
"""The folders whose things are drawn: a pass goes through them."""
CURVED = ("schedules", "initializers")
"""Those whose functions have a curve."""
ABOUT = (
    "Each name leads to its place in the reference. Layers, combinators and losses have the picture of a pass, and "
    "optimizers, schedules and initializers a curve. Every example runs as a test. The last column is the sentence of "
    "the Chinese reference."
)


@frozen
class Entry:
    """A public name, and what the documentation has of it."""

    name: Name
    page: str
    example: bool
    chinese: str

    @property
    def picture(self) -> bool:
        """Tell if there is a picture of it, which is drawn for that."""
        return _is_pictured(self.name.meaning)

    @property
    def is_drawn(self) -> bool:
        """Tell if there is something to draw: a pass through what is derived, or the curve of a function."""
        thing = self.name.meaning
        place = _module(thing).path.split(".")[1]
        derived = place in DRAWN and _derives(_module(thing))
        made = isinstance(thing, griffe.Function) and (
            thing.path == f"{thing.module.path}.{thing.module.name}" if place == "optimizers" else place in CURVED
        )
        return derived or made


def entries(root: griffe.Module) -> list[Entry]:
    """All public names."""
    said = chinese()
    return [
        Entry(
            name,
            page_of(_module(name.meaning)),
            _has_example(name.meaning),
            said.get(name.short, ""),
        )
        for name in names(root)
    ]


@cache
def chinese() -> dict[str, str]:
    """The sentences of the Chinese reference, by the names as they stand after `chainrule.`."""
    said: dict[str, str] = tomllib.loads(SENTENCES.read_text("utf-8"))["names"]
    return said


def coverage(root: griffe.Module) -> str:
    """The page."""
    found = entries(root)
    parts = ["# Every public name", ABOUT]
    for title in rooms(root):
        rows = [_row(entry) for entry in found if room(entry.name.meaning) == title]
        if rows:
            parts += [f"## {title}", table(("name", "page", "picture", "example", "Chinese"), *rows)]
    return "\n\n".join(parts) + "\n"


def _row(entry: Entry) -> tuple[str, ...]:
    module = _module(entry.name.meaning)
    return (
        link(entry.name.short, entry.name.meaning),
        link(module.path.partition(".")[2], module),
        "yes" if entry.picture else "",
        "yes" if entry.example else "",
        entry.chinese,
    )


def _module(thing: griffe.Object) -> griffe.Module:
    return thing if isinstance(thing, griffe.Module) else thing.module


def _derives(module: griffe.Module) -> bool:
    return bool(module.docstring and "**Derivation.**" in module.docstring.value)


def _is_pictured(thing: griffe.Object) -> bool:
    if isinstance(thing, griffe.Function) and thing.docstring and curve(thing.path, thing.docstring.value):
        return True
    module = _module(thing)
    return module.path.split(".")[1] in DRAWN and _derives(module) and _picture_of(examples_of(module)) is not None


@cache
def _picture_of(examples: str) -> str | None:
    return picture(examples)


def _has_example(thing: griffe.Object) -> bool:
    """Tell if an example is in its own docstring, in that of a part of it, or in its module's, where that names it."""
    parts = thing.members.values() if isinstance(thing, griffe.Class | griffe.Module) else ()
    own = (thing, *(part for part in parts if not part.is_alias))
    if any(part.docstring and PROMPT.search(part.docstring.value) for part in own):
        return True
    around = thing.module.docstring
    return bool(around and re.search(rf"^ *>>> .*\b{thing.name}\b", around.value, re.MULTILINE))


def on_files(files: Any, config: Any) -> None:
    """Add the page to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        files.append(File.generated(config, PAGE, content=coverage(package())))


if __name__ == "__main__":
    sys.stdout.write(coverage(package()))
