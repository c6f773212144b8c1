"""Two tables that are read from the package: all public names, and all layers with their formulas.

A name that the package exports is in the first; if it is a layer, a combinator, a loss or an optimizer, or makes one,
it is in the second too. Descriptions are first sentences of docstrings, formulas those with which modules begin.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe
from attrs import frozen
from derivations import BLOCK, ENTRY_BY_ENTRY, FOLDERS, SHAPE, translate, typeset
from languages import language
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from modules import below, modules, package, room, rooms

NAMES = "reference/index.md"
GLANCE = "reference/glance.md"
SENTENCE = re.compile(r".*?[.!?](?= +[A-Z`\"(]|$)")
STARS: dict[griffe.ParameterKind | None, str] = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}
ARGUMENT = {"layers": "parameters", "combinators": "parameters", "losses": "targets"}
"""The meaning of the first argument of `Layer[P, C]` and of `Loss[T, C]`. An optimizer takes all parameters."""


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
        yield name
        if isinstance(name.meaning, griffe.Module):
            yield from (_name(member, folder) for member in name.meaning.members.values() if _is_shown(member))
    for module in below(folder):
        yield from _exported(module)


def _is_shown(member: griffe.Object | griffe.Alias) -> bool:
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


def table_of_layers(root: griffe.Module) -> str:
    """The page with all layers, combinators, losses and optimizers."""
    parts = ["# All layers at a glance", "Each name leads to the derivation of its formula."]
    for folder in FOLDERS:
        things = [n.meaning for n in names(root) if n.meaning.path.split(".")[1] == folder and _is_made(n.meaning)]
        if things:
            head = ("name", "meaning", "formula", ARGUMENT.get(folder, ""))
            rows = ((link(_call(t), t), sentence(t), _formula(t), _argument(t)) for t in things)
            width = 4 if head[-1] else 3
            parts += [f"## {room(things[0])}", table(head[:width], *(row[:width] for row in rows))]
    return "\n\n".join(parts) + "\n"


def _contract(thing: griffe.Object) -> Any:
    """The annotation that says which layer, loss or optimizer a value is or a function makes."""
    if isinstance(thing, griffe.Attribute):
        return thing.annotation
    if isinstance(thing, griffe.Function):
        return (thing.overloads or [thing])[-1].returns
    return None


def _is_made(thing: griffe.Object) -> bool:
    """Whether it is a layer, a loss or an optimizer, or a function that makes one: it is or gives a record of ours."""
    made_by_a_call = isinstance(thing, griffe.Attribute) and thing.annotation is None
    return made_by_a_call or isinstance(_named(thing, _contract(thing)), griffe.Class)


def _named(thing: griffe.Object, annotation: Any) -> griffe.Object | None:
    """The part of the package that an annotation of a thing begins with, if its page shows it."""
    _, _, path = getattr(annotation, "canonical_path", "").partition("chainrule.")
    found = thing.package[path] if path else None
    found = found.final_target if isinstance(found, griffe.Alias) else found
    return found if found and _is_shown(found) else None


def _argument(thing: griffe.Object) -> str:
    """The first argument of `Layer[P, C]` or `Loss[T, C]`."""
    contract = _contract(thing)
    if isinstance(contract, griffe.ExprSubscript):
        first: Any = contract.slice
        first = first.elements[0] if isinstance(first, griffe.ExprTuple) else first
    elif isinstance(thing, griffe.Attribute) and isinstance(thing.value, griffe.ExprCall):
        first = next((a for a in thing.value.arguments if _named(thing, a)), "()")  # the record, of rules.layer
    else:
        return ""
    record = _named(thing, first)
    if str(first) == "Unit":
        return "`()`"
    return link(record.name, record) if record else f"`{first}`"


def _call(thing: griffe.Object) -> str:
    """`relu`, or `leaky_relu(slope=0.01)`."""
    if not isinstance(thing, griffe.Function):
        return thing.name
    return f"{thing.name}({', '.join(map(_parameter, thing.parameters))})"


def _parameter(parameter: griffe.Parameter) -> str:
    if parameter.kind in STARS:
        return STARS[parameter.kind] + parameter.name
    return parameter.name if parameter.default is None else f"{parameter.name}={parameter.default}"


def _formula(thing: griffe.Object) -> str:
    """The formulas with which the docstring of its module begins, without shapes and remarks."""
    said = thing.module.docstring.value if thing.module.docstring else ""
    block = BLOCK.search(said)
    if block is None:
        return ""
    lines = [[c for c in re.split(r"\s{2,}", line.strip()) if not SHAPE.fullmatch(c)] for line in block[0].splitlines()]
    beside = "\n".join("    ".join(cells) for cells in lines)
    below = re.sub(r" {4}(?=(?:(?! {4}).)*(?:=|<-))", "\n", beside)  # narrower, if each part is a formula
    by_entry = ENTRY_BY_ENTRY in said
    tex = translate(below, entry_by_entry=by_entry) or translate(beside, entry_by_entry=by_entry)
    return f"${tex}$" if tex else ""


def on_files(files: Any, config: Any) -> None:
    """Add the two pages to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        root = package()
        files.append(File.generated(config, NAMES, content=table_of_names(root)))
        files.append(File.generated(config, GLANCE, content=table_of_layers(root)))
