"""All layers at a glance: combinators, losses and optimizers too, each with its formula, its derivatives and its names.

A public name in one of their folders is here if it is a record, as `relu` is a `Layer`, or a function that gives one.
Its formula is that with which the docstring of its module begins, its derivatives are read off at the end of the
derivation, and its names in other libraries stand in a table there.
"""

import re
from collections.abc import Iterable
from typing import Any

import griffe
from derivations import FOLDERS
from languages import language
from mkdocs.structure.files import File
from modules import package, title_of
from names import is_shown, link, names, sentence, table
from results import derivative, formula, in_others

PAGE = "reference/glance.md"
STARS: dict[griffe.ParameterKind | None, str] = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}
NUMBERED = re.compile(r"((?:\w+\[)?[PC]0\]?), .*(?=\])")
ARGUMENT = {"layers": "parameters", "combinators": "parameters", "losses": "targets"}
"""The meaning of the first argument of `Layer[P, C]` and of `Loss[T, C]`. An optimizer takes all parameters."""
FAMILIES = {
    "layers": "Layers",
    "activations": "Activations",
    "convolution": "Convolutions",
    "normalisation": "Norms",
    "pooling": "Pools",
    "recurrent": "Recurrent layers",
    "combinators": "Combinators",
    "losses": "Losses",
    "optimizers": "Optimizers",
}
"""The titles of the folders whose things are a family, in their order. Another folder has its name."""
ABOUT = """\
Each name leads to its page: the derivation of its formula, its picture and an example. `dout` is what comes back, the
derivative with respect to `out`. The names of JAX are those of JAX itself, of Flax's `nnx` and of optax."""


def made(root: griffe.Module) -> dict[str, list[griffe.Object]]:
    """All layers, combinators, losses and optimizers, by the titles of their families."""
    found: dict[str, list[griffe.Object]] = {title: [] for title in FAMILIES.values()}
    for thing in (name.meaning for name in names(root)):
        if thing.path.split(".")[1] in FOLDERS and _is_made(thing):
            folder = thing.module.path.split(".")[-2]
            found.setdefault(FAMILIES.get(folder, title_of(folder)), []).append(thing)
    return {title: things for title, things in found.items() if things}


def table_of_layers(root: griffe.Module) -> str:
    """The page with all layers, combinators, losses and optimizers: in each family the mathematics, then the names."""
    parts = ["# All layers at a glance", ABOUT]
    for title, things in made(root).items():
        parts += [f"## {title}", _table(_mathematics(t) for t in things), _table(_names(t) for t in things)]
    return "\n\n".join(parts) + "\n"


def _table(cells: Iterable[dict[str, str]]) -> str:
    """A table without the columns in which there is nothing."""
    rows = [*cells]
    head = [name for name in rows[0] if any(row[name] for row in rows)]
    return table(tuple(head), *(tuple(row[name] for name in head) for row in rows))


def _mathematics(thing: griffe.Object) -> dict[str, str]:
    return {
        "name": link(_call(thing), thing),
        "meaning": sentence(thing),
        "formula": formula(thing),
        "derivative": derivative(thing),
    }


def _names(thing: griffe.Object) -> dict[str, str]:
    folder = thing.path.split(".")[1]
    return {
        "name": link(thing.name, thing),
        ARGUMENT.get(folder, ""): _argument(thing, 0),
        "cache": _argument(thing, 1) if folder in ("layers", "combinators") else "",
        **{f"in {library}": name for library, name in in_others(thing).items()},
    }


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


def _argument(thing: griffe.Object, place: int) -> str:
    """An argument of `Layer[P, C]` or `Loss[T, C]`, with the fields of a cache."""
    contract = _contract(thing)
    if isinstance(contract, griffe.ExprSubscript):
        said: Any = contract.slice
        said = said.elements[place] if isinstance(said, griffe.ExprTuple) else said
    elif isinstance(thing, griffe.Attribute) and isinstance(thing.value, griffe.ExprCall) and not place:
        positional = (a for a in thing.value.arguments if not isinstance(a, griffe.ExprKeyword))
        named = (a for a in positional if isinstance(_named(thing, a), griffe.Class))
        said = next(named, "()")  # the record that rules.layer is given
    else:
        return ""
    record = _named(thing, said)
    if str(said) == "Unit":
        return "`()`"
    if record and place:
        return link(", ".join(_fields(record)) or record.name, record)
    return link(record.name, record) if record else f"`{_shortened(str(said))}`"


def _shortened(types: str) -> str:
    """One type for each of many layers, of which the first says it: `tuple[P0, P1, P2]` becomes `tuple[P0, ...]`."""
    return NUMBERED.sub(r"\1, ...", types)


def _fields(record: griffe.Object) -> list[str]:
    return [
        name for name, member in record.members.items() if isinstance(member, griffe.Attribute) and member.annotation
    ]


def _call(thing: griffe.Object) -> str:
    """`relu`, or `leaky_relu(slope=0.01)`."""
    if not isinstance(thing, griffe.Function):
        return thing.name
    return f"{thing.name}({', '.join(map(_parameter, thing.parameters))})"


def _parameter(parameter: griffe.Parameter) -> str:
    if parameter.kind in STARS:
        return STARS[parameter.kind] + parameter.name
    return parameter.name if parameter.default is None else f"{parameter.name}={parameter.default}"


def on_files(files: Any, config: Any) -> None:
    """Add the page to the English site: mkdocs calls this once it has found the others."""
    if language(config) == "en":
        files.append(File.generated(config, PAGE, content=table_of_layers(package())))
