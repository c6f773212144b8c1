"""Every public name with its signature, in tests/public_api.txt: `make api` writes the list, a test compares it.

The sources are read, not imported, so that the list is the same on every Python and without the libraries of extras.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe
from modules import package

STORED = Path(__file__).with_suffix(".txt")

MODULES = (
    "chainrule",
    "chainrule.datasets",
    "chainrule.initializers",
    "chainrule.interop.jax",
    "chainrule.interop.onnx",
    "chainrule.interop.sklearn",
    "chainrule.interop.torch",
    "chainrule.laws",
    "chainrule.rules",
    "chainrule.schedules",
    "chainrule.testing",
    "chainrule.training.progress",
    "chainrule.training.shards",
    "chainrule.tree",
    "chainrule.two_layer",
)
"""Modules whose names are public: those of `__all__`, and without one, what the module documents."""

TYPES = {
    "chainrule.checking.each_law.CheckedLaw": "",
    "chainrule.optimizer.State": "count moments",
    "chainrule.rules.optimizers.ArrayOptimizer": "init step rate",
    "chainrule.rules.optimizers.Moments": "",
    "chainrule.rules.optimizers.Schedule": "",
    "chainrule.training.generator_state.GeneratorState": "of generator",
    "chainrule.training.train.Runs": "",
}
"""Types that annotations name, each by the one path that the guides import it from, and what is public of each."""


def main() -> None:
    """Write the list."""
    STORED.write_text(listed(), "utf-8")


def listed() -> str:
    """The list: a module, and below it a line for each name, and for what a class has."""
    root = package()
    sections = [[module, *_of_module(root[module.partition(".")[2]] if "." in module else root)] for module in MODULES]
    types = [line for path, members in TYPES.items() for line in _lines(root[path[10:]], path, members.split())]
    return "\n\n".join("\n".join(section) for section in [*sections, ["types", *types]]) + "\n"


def public(module: griffe.Object) -> list[str]:
    """The names of a module that are public, in the order of the alphabet."""
    if module.exports is not None:
        return sorted(str(name) for name in module.exports)
    own = (m for m in module.members.values() if not (m.is_alias or m.is_module or m.name.startswith("_")))
    return sorted(m.name for m in own if m.has_docstring or m.is_function or m.is_class)


def _of_module(module: griffe.Object) -> Iterator[str]:
    for name in public(module):
        yield from _lines(module[name], name)


def _lines(thing: griffe.Object | griffe.Alias, name: str, only: Sequence[str] | None = None) -> Iterator[str]:
    """A name as one sees it: its kind, and its signature or its type; of a class also what it has and inherits."""
    found = thing.final_target if isinstance(thing, griffe.Alias) else thing
    match found:
        case griffe.Function():
            for each in found.overloads or [found]:
                yield f"  {_called(each, name)}"
        case griffe.Class():
            bases = ", ".join(map(str, found.bases))
            yield f"  class {name}" + (f"({bases})" if bases else "")
            for member in (found.inherited_members | found.members).values():
                if member.name in only if only is not None else _shown(member):
                    yield from (f"  {line}" for line in _lines(member, member.name))
        case griffe.Attribute():
            value = f" = {found.value}" if found.parent is not None and found.parent.is_class and found.value else ""
            yield f"  {name}" + (f": {found.annotation}" if found.annotation else "") + value
        case _:
            yield f"  module {name}"


def _shown(member: griffe.Object | griffe.Alias) -> bool:
    """Tell if a member of a class is public, and more than an argument that `__init__` keeps."""
    found = member.final_target if isinstance(member, griffe.Alias) else member
    if isinstance(found, griffe.Attribute) and str(found.value) == found.name:
        return False
    return member.name in {"__call__", "__init__"} or not member.name.startswith("_")


def _called(function: griffe.Function, name: str) -> str:
    return " ".join(function.signature(return_type=True, name=name).split())


if __name__ == "__main__":
    main()
