"""All layers at a glance: combinators, losses and optimizers too, each with its formula and its parameters.

A public name in one of their folders is here if it is a record, as `relu` is a `Layer`, or a function that gives one.
Its formula is that with which the docstring of its module begins.
"""

import re
from typing import Any

import griffe
from derivations import BLOCK, ENTRY_BY_ENTRY, FOLDERS, SHAPE, translate
from languages import language
from mkdocs.structure.files import File
from modules import package, room
from names import is_shown, link, names, sentence, table

PAGE = "reference/glance.md"
STARS: dict[griffe.ParameterKind | None, str] = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}
ARGUMENT = {"layers": "parameters", "combinators": "parameters", "losses": "targets"}
"""The meaning of the first argument of `Layer[P, C]` and of `Loss[T, C]`. An optimizer takes all parameters."""


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
        said: Any = thing.annotation
    elif isinstance(thing, griffe.Function):
        said = (thing.overloads or [thing])[-1].returns
    else:
        return None
    alias = _named(thing, said)
    return alias.value if isinstance(alias, griffe.Attribute) else said  # as `Elementwise` is one


def _is_made(thing: griffe.Object) -> bool:
    """Tell layers, losses, optimizers and the functions that make one: they are or give a record of the package."""
    made_by_a_call = isinstance(thing, griffe.Attribute) and thing.annotation is None
    return made_by_a_call or isinstance(_named(thing, _contract(thing)), griffe.Class)


def _named(thing: griffe.Object, annotation: Any) -> griffe.Object | None:
    """The part of the package that an annotation of a thing begins with, if its page shows it."""
    _, _, path = getattr(annotation, "canonical_path", "").partition("chainrule.")
    found = thing.package[path] if path else None
    found = found.final_target if isinstance(found, griffe.Alias) else found
    return found if found and is_shown(found) else None


def _argument(thing: griffe.Object) -> str:
    """The first argument of `Layer[P, C]` or `Loss[T, C]`."""
    contract = _contract(thing)
    if isinstance(contract, griffe.ExprSubscript):
        first: Any = contract.slice
        first = first.elements[0] if isinstance(first, griffe.ExprTuple) else first
    elif isinstance(thing, griffe.Attribute) and isinstance(thing.value, griffe.ExprCall):
        positional = (a for a in thing.value.arguments if not isinstance(a, griffe.ExprKeyword))
        named = (a for a in positional if isinstance(_named(thing, a), griffe.Class))
        first = next(named, "()")  # the record that rules.layer is given
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
    """The formulas with which the docstring of its module begins, without shapes and remarks; in a family its own."""
    said = thing.module.docstring.value if thing.module.docstring else ""
    block = BLOCK.search(said)
    if block is None:
        return ""
    shared = [line.strip() for line in block[0].splitlines()]
    own = [line for line in shared if line.startswith(f"{thing.name}(")]
    lines = [[c for c in re.split(r"\s{2,}", line) if not SHAPE.fullmatch(c)] for line in own or shared]
    beside = "\n".join("    ".join(cells) for cells in lines)
    below = re.sub(r" {4}(?=(?:(?! {4}).)*(?:=|<-))", "\n", beside)  # narrower, if each part is a formula
    by_entry = ENTRY_BY_ENTRY in said
    tex = translate(below, entry_by_entry=by_entry) or translate(beside, entry_by_entry=by_entry)
    return f"${tex}$" if tex else ""


def on_files(files: Any, config: Any) -> None:
    """Add the page to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        files.append(File.generated(config, PAGE, content=table_of_layers(package())))
