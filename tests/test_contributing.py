"""CONTRIBUTING says what a new layer takes: these files, and no others, name `tanh`, which was added as it says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYER = "tanh"


def said() -> list[str]:
    """The files that the list of edits begins its entries with."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a layer")[2].partition("\n## ")[0]
    return [path.replace("NAME", LAYER) for path in re.findall(r"^\d\. `([^`]+)`", section, re.MULTILINE)]


def named(tree: ast.AST) -> Iterator[str]:
    """The names of layers in code: what is imported, read from `chainrule`, or written out as text."""
    options = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "approximate"]
    for node in ast.walk(tree):
        if node in options:  # of ONNX's Gelu
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chainrule"):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "chainrule":
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_list_of_edits_is_the_list_of_files_that_name_the_layer() -> None:
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/modules.py")]
    # What the checker is tried on are examples: functions of NumPy, torch and JAX that have names of layers, or wrong
    # copies, and some layers of ours among them. They are no list of ours, and a new layer adds nothing to them.
    others = (ROOT / "tests" / "adversaries", ROOT / "tests" / "checking")
    files = [path for path in files if not set(others) & set(path.parents)]
    found = [path for path in files if LAYER in named(ast.parse(path.read_text("utf-8"))) and path != Path(__file__)]
    listed = [path for path in said() if path.endswith(".py")]
    assert sorted(path.relative_to(ROOT).as_posix() for path in found) == sorted(listed)


def test_every_file_of_the_list_speaks_of_the_layer() -> None:
    assert len(said()) == 8
    assert [path for path in said() if LAYER not in (ROOT / path).read_text("utf-8")] == []


def test_tables_of_settings_do_not_name_layers() -> None:
    for name in ("pyproject.toml", "mkdocs.yml", "mkdocs.zh.yml", "Makefile"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(rf"\b{LAYER}\b", text), name


def test_every_folder_and_file_at_the_top_has_its_place_in_the_list() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where things stand")[2].partition("\n## ")[0]
    package = ROOT / "src" / "chainrule"
    folders = [path.parent.name for path in package.glob("[!_]*/__init__.py")]
    of_laws = [path.parent.name for path in package.glob("laws/*/__init__.py")]
    files = [path.name for path in (*package.glob("[!_]*.py"), *package.glob("laws/[!_]*.py"))]
    listed = set(re.findall(r"`(\w+)/`", section)) - {"src", "tests"}
    assert listed == {*folders, *of_laws}
    assert {*re.findall(r"`(\w+\.py)`", section)} == {*files}
