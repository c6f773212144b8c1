"""The layout: which file may import which, and what no file may do. Sources are read, not run."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import chainrule

SOURCE = Path(__file__).parent.parent / "src" / "chainrule"

# A file imports only from its own room and from rooms of rows above. A new layer, loss, combinator, optimizer or law
# needs no entry: files are named only where they hold rooms together.
ROOMS = (
    "arrays  parts  rules/in_torch",  # what an array is, and how layers stand to each other
    "naming  rules/rule  rules/inference  rules/onnx_graph",
    "layer  loss  optimizer  tree  schedules",  # the contracts
    "encoder",
    "rules  initializers",
    "layers  losses  combinators  optimizers",
    "training  datasets  interop",
    "checking  interop/sklearn",
    "laws  two_layer",
    "checking/check  checking/against  inspecting",
    "checking/each_law  testing",
    "checking/command",
    "__init__",  # the public names
    "demo",
    "__main__",
)

# Where the type of a thing is known and cannot be said otherwise.
CASTS = {
    "laws/of_losses/_as_layer": "that a function returns a pair is checked, of which types is not",
    "laws/trials/trial": "that a function returns a pair is checked, of which types is not",
    "arrays/libraries": "libraries do not declare what __array_namespace__ returns",
    "arrays/records": "attrs declares a field as the value that it will hold",
}

FILES = {path.relative_to(SOURCE).with_suffix("").as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {file: ast.parse(path.read_text(encoding="utf-8")) for file, path in FILES.items()}


def room(file: str) -> str:
    """The entry of the table that a file belongs to: its own, or that of its folder."""
    entries = {entry for row in ROOMS for entry in row.split()}
    parts = file.split("/")
    for end in range(len(parts), 0, -1):
        if "/".join(parts[:end]) in entries:
            return "/".join(parts[:end])
    raise AssertionError(f"{file} must stand in a room of ROOMS")


def rank(file: str) -> int:
    """The row of the table that a file's room stands in."""
    (row,) = (i for i, row in enumerate(ROOMS) if room(file) in row.split())
    return row


def imports(file: str) -> Iterator[str]:
    """The files of the package that a file imports, wherever in it."""
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (file_of(module) for module in modules if module.split(".")[0] == "chainrule")


def file_of(module: str) -> str:
    """The file of a module, or of the module that a name comes from."""
    path = module.split(".")[1:]
    for end in range(len(path), -1, -1):
        for file in ("/".join(path[:end]), "/".join([*path[:end], "__init__"])):
            if file in FILES:
                return file
    raise AssertionError(module)


def dotted(node: ast.AST) -> str:
    """A name or a chain of names, such as `np.random.rand`, as it is written."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def names(tree: ast.AST) -> set[str]:
    """The names in a piece of code, and the chains of names."""
    return {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}


def test_a_file_imports_from_its_own_room_and_from_rooms_above() -> None:
    edges = [(file, other) for file in FILES for other in imports(file) if room(file) != room(other)]
    assert [f"{file} imports {other}" for file, other in edges if rank(other) >= rank(file)] == []


def test_no_files_import_each_other_in_a_circle() -> None:
    order = TopologicalSorter({file: {*imports(file)} - {file} for file in FILES}).static_order()  # or a CycleError
    assert {*order} == {*FILES}


def test_imports_are_absolute() -> None:
    nodes = [(file, node) for file, tree in TREES.items() for node in ast.walk(tree)]
    assert [file for file, node in nodes if isinstance(node, ast.ImportFrom) and node.level > 0] == []


def test_no_module_is_named_for_nothing_in_particular() -> None:
    vague = {"base", "common", "core", "helper", "helpers", "misc", "util", "utils"}
    assert [file for file in FILES if vague & set(file.split("/"))] == []


WATCHED = {"laws/trials/process", "laws/trials/settings"}
"""They see whether a call leaves the global generators as they were, and put them back."""

GENERATORS = {"np.random.Generator", "np.random.SFC64", "np.random.default_rng"}


def test_random_numbers_come_from_generators_only() -> None:
    prefixes = ("np.random.", "numpy.random.", "random.")
    used = {(file, name) for file, tree in TREES.items() for name in names(tree) if name.startswith(prefixes)}
    assert sorted((file, n) for file, n in used if n not in GENERATORS and file not in WATCHED) == []


def test_layers_losses_and_combinators_call_no_array_library_by_name() -> None:
    contracts = [file for file in FILES if file.split("/")[0] in {"layers", "losses", "combinators"}]
    functions = [(file, part) for file in contracts for part in TREES[file].body if isinstance(part, ast.FunctionDef)]
    assert functions
    assert [f"{file}: {part.name}" for file, part in functions if {"np", "numpy"} & names(part)] == []


def test_types_are_overruled_only_where_a_reason_is_given() -> None:
    assert {file for file, tree in TREES.items() if {"cast", "typing.cast"} & names(tree)} == CASTS.keys()
    texts = {file: path.read_text(encoding="utf-8") for file, path in FILES.items()}
    assert [file for file, text in texts.items() if "type: ignore" in text or "pyright:" in text] == []


def test_the_package_holds_where_its_names_are_imported_from_as_type_checkers_read_it() -> None:
    (read,) = (part for part in TREES["__init__"].body if ast.unparse(part).startswith("if TYPE_CHECKING"))
    imported = {
        alias.name: f"{node.module}.{alias.name}".removeprefix("chainrule.")
        for node in ast.walk(read)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes: dict[str, str] = vars(chainrule)["_HOMES"]
    assert list(homes) == sorted(["rules", *imported]) == chainrule.__all__
    assert {name: home if home == name else f"{home}.{name}" for name, home in homes.items()} == {
        "rules": "rules",
        **imported,
    }


def test_package_files_hold_public_names_and_no_code() -> None:
    for file, tree in TREES.items():
        if file.endswith("/__init__"):
            code = tree.body[1:] if ast.get_docstring(tree) else tree.body
            imported = [alias.name for part in code if isinstance(part, ast.ImportFrom) for alias in part.names]
            rest = [ast.unparse(part) for part in code if not isinstance(part, ast.ImportFrom)]
            assert rest == ([f"__all__ = {sorted(imported)}"] if imported else []), file
