"""The table of all public names, read from the package, room by room.

A name is public if `chainrule` or a folder of it exports it in its `__all__`, or if it stands in a module that is
exported whole, as `chainrule.tree` is. The meaning of a name is the first sentence of its docstring.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe
from attrs import frozen
from derivations import typeset
from languages import language
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from modules import below, modules, package, room, rooms

PAGE = "reference/index.md"
SENTENCE = re.compile(r".*?[.!?](?= +[A-Z`\"(]|$)")


@frozen
class Name:
    """A public name, as it stands after `chainrule.`, and its meaning."""

    short: str
    meaning: griffe.Object


def names(root: griffe.Module) -> list[Name]:
    """All public names, module by module, in the order of the source."""
    found: dict[str, Name] = {}
    places = {module.path: i for i, module in enumerate(modules(root))}
    for name in _exported(root):
        if name.meaning.module.path not in places:
            raise PluginError(f"chainrule.{name.short} is public, but its module {name.meaning.module.path} is not")
        found.setdefault(name.meaning.path, name)
    return sorted(found.values(), key=lambda name: (places[name.meaning.module.path], name.meaning.lineno or 0))


def _exported(folder: griffe.Module) -> Iterator[Name]:
    """The names that a folder exports, those of exported modules, and those that folders and modules in it export."""
    for export in folder.exports or ():
        name = _name(folder[str(export)], folder)
        if name.meaning.is_init_module:
            continue  # a folder, whose own names come below
        yield name
        if isinstance(name.meaning, griffe.Module):
            yield from (_name(member, folder) for member in name.meaning.members.values() if is_shown(member))
    for module in below(folder):
        yield from _exported(module)


def is_shown(member: griffe.Object | griffe.Alias) -> bool:
    """Tell the parts of a module that its page shows."""
    return not (member.is_alias or member.name.startswith("_")) and bool(member.docstring)


def _name(exported: griffe.Object | griffe.Alias, folder: griffe.Module) -> Name:
    meaning = exported.final_target if isinstance(exported, griffe.Alias) else exported
    path = f"{folder.path}.{exported.name}" if isinstance(exported, griffe.Alias) else exported.path
    return Name(path.partition(".")[2], meaning)


def sentence(thing: griffe.Object) -> str:
    """The first sentence of a docstring, for a cell of a table."""
    if thing.docstring is None:
        raise PluginError(f"{thing.path} is public and has no docstring")
    paragraph = " ".join(thing.docstring.value.split("\n\n")[0].split())
    first = SENTENCE.match(paragraph)
    return _cell(typeset(first[0] if first else paragraph))


def _cell(text: str) -> str:
    """A text whose bars part no columns: those in code do not."""
    return re.sub(r"(`[^`]*`)|\|", lambda bar: bar[1] or r"\|", text)


def link(text: str, thing: griffe.Object) -> str:
    """A name that leads to its place in the reference."""
    return f"[`{text}`][{thing.path}]"


def table(*rows: tuple[str, ...]) -> str:
    """A table, of which the first row is the head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *body))


def table_of_names(root: griffe.Module) -> str:
    """The page that lists every public name, room by room, and the modules beside them."""
    exported = names(root)
    parts = ["# Reference", "`affine` is imported from `chainrule`, `datasets.digits` from `chainrule.datasets`."]
    for title, places in rooms(root).items():
        parts += [f"## {title}", *(sentence(p) for p in places if p.is_init_module and p.docstring)]
        of_room = [name for name in exported if room(name.meaning) == title]
        named = {name.meaning.module.path for name in of_room}
        others = [_name(m, root) for place in places for m in modules(place) if m.path not in named]
        if of_room:
            parts.append(table(("name", "meaning"), *map(_meaning, of_room)))
            if others:
                parts.append(f"Other modules: {', '.join(link(m.short, m.meaning) for m in others)}.")
        else:
            parts.append(table(("module", "meaning"), *map(_meaning, others)))
    return "\n\n".join(parts) + "\n"


def _meaning(name: Name) -> tuple[str, str]:
    return link(name.short, name.meaning), sentence(name.meaning)


def on_files(files: Any, config: Any) -> None:
    """Add the page to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        files.append(File.generated(config, PAGE, content=table_of_names(package())))
