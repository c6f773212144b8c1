"""The pages of the reference: one for each module of the package, in rooms, as its folders are.

A new module has its page, its address and its place in the navigation without a line anywhere else: the module
`chainrule.layers.affine` is on the page `reference/layers/affine/`.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from languages import language
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

SOURCE = Path(__file__).parents[1] / "src"
SECTION = "Reference"
ROOMS = {
    "The contract": ("layer", "encoder", "loss", "optimizer"),
    "Layers": ("layers",),
    "Combinators": ("combinators",),
    "Losses": ("losses",),
    "Optimizers": ("optimizers", "schedules"),
    "Initializers": ("initializers",),
    "Rules": ("rules",),
    "Training": ("training", "two_layer"),
    "Checking": ("checking", "testing"),
    "Laws": ("laws",),
    "Inspecting": ("inspecting",),
    "Interop": ("interop",),
    "Datasets": ("datasets",),
    "Arrays and trees": ("arrays", "tree", "naming"),
}
"""Titles in their order, with the folders and files at the top of the package. Another folder is a room of its own."""
PROGRAM = "demo"
"""A folder that is run, and not imported."""
OVERLOADS = 4
"""The most signatures of one function that its page shows: `sequential` has one for each number of layers."""


def package(source: Path = SOURCE) -> griffe.Module:
    """Read the package, without importing it; again only once a file has changed."""
    return _read(source, tuple((path, path.stat().st_mtime_ns) for path in sorted(source.rglob("*.py"))))


@cache
def _read(source: Path, files: tuple[tuple[Path, int], ...]) -> griffe.Module:
    read = griffe.load("chainrule", search_paths=[source], allow_inspection=False)
    if not isinstance(read, griffe.Module):
        raise PluginError(f"{source}: chainrule is no package there")
    return read


def below(folder: griffe.Module) -> list[griffe.Module]:
    """The public files of a folder, and then its folders."""
    found = [m for m in folder.modules.values() if not (m.is_alias or m.name.startswith("_") or m.name == PROGRAM)]
    return sorted(found, key=lambda m: (m.is_init_module, m.name))


def modules(place: griffe.Module) -> Iterator[griffe.Module]:
    """The public modules of a folder and of those in it, or a module itself: each has a page."""
    if not place.is_init_module:
        yield place
        return
    for part in below(place):
        yield from modules(part)


def room(thing: griffe.Object) -> str:
    """The title of the room that a part of the package is in."""
    top = thing.path.split(".")[1]
    return next((title for title, names in ROOMS.items() if top in names), title_of(top))


def rooms(root: griffe.Module) -> dict[str, list[griffe.Module]]:
    """The folders and files at the top of the package, by the titles of the rooms in which there is something."""
    found: dict[str, list[griffe.Module]] = {title: [] for title in ROOMS}
    for place in below(root):
        found.setdefault(room(place), []).append(place)
    return {title: places for title, places in found.items() if any(any(modules(p)) for p in places)}


def title_of(name: str) -> str:
    """A name as a title: `loss_laws` becomes `Loss laws`."""
    return name.replace("_", " ").capitalize()


def page(module: griffe.Module) -> str:
    """The file that the page of a module would have in docs/."""
    return f"reference/{module.path.partition('.')[2].replace('.', '/')}.md"


def text(module: griffe.Module) -> str:
    """The page of a module: everything on it is read from the source."""
    many = any(len(overloads) > OVERLOADS for overloads in module.overloads.values())
    return f"::: {module.path}\n" + ("    options:\n      show_overloads: false\n" if many else "")


def navigation(root: griffe.Module) -> list[Any]:
    """The rooms with their pages, in the form of mkdocs; a folder in a room is a section."""
    return [{title: [entry for place in places for entry in _entries(place)]} for title, places in rooms(root).items()]


def _entries(place: griffe.Module) -> list[Any]:
    if not place.is_init_module:
        return [{place.name: page(place)}]
    return [
        {title_of(part.name): _entries(part)} if part.is_init_module else {part.name: page(part)}
        for part in below(place)
        if any(modules(part))
    ]


def on_config(config: Any) -> None:
    """Add the rooms to the navigation: mkdocs calls this once it has read its settings."""
    reference = next(entry[SECTION] for entry in config.nav if SECTION in entry)
    reference.extend(navigation(package()))


def on_files(files: Any, config: Any) -> None:
    """Add the pages to the English site, to which the Chinese one leads."""
    if language(config) == "en":
        for module in modules(package()):
            files.append(File.generated(config, page(module), content=text(module)))
