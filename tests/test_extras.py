"""The extras that messages and documents say to install are there, and are called by the wheel's name."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module, reload
from pathlib import Path
from typing import Any

import pytest

from chainrule.arrays.extras import pip_install

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
SOURCES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.glob("src/**/*.py"))}
PAGES = [page for place in ("README*.md", "docs/**/*.md", "docs-zh/**/*.md") for page in sorted(ROOT.glob(place))]
OF_USERS = [*PAGES, *SOURCES, *ROOT.glob("examples/*.py")]
CHECKOUT = {"dev", "demo", "testing"}
"""All that is installed in the folder of the repository: for the checks, the demo, and the tutorial."""
SAYS_HOW = {
    ROOT / page for page in ("README.md", "README.zh.md", "docs/tutorial/index.md", "docs-zh/tutorial/index.md")
}
"""The pages that say how any extra is installed from there, while no registry has the package."""


def hinted(tree: ast.Module) -> list[str]:
    """The extras that the messages of a file name."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "pip_install"]


def docstrings(tree: ast.Module) -> set[ast.AST]:
    """The texts that stand alone: no message, but words for readers."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def test_the_command_names_the_extra_of_the_wheel() -> None:
    assert pip_install("jax") == "pip install 'chainrule[jax]'"


def test_messages_name_extras_that_there_are() -> None:
    named = {extra for tree in SOURCES.values() for extra in hinted(tree)}
    assert {"jax", "torch", "onnx", "sklearn", "files", "scipy", "portable", "testing", "demo"} <= named
    assert named <= EXTRAS.keys()


def test_no_message_has_a_command_of_its_own() -> None:
    for path, tree in SOURCES.items():
        prose = docstrings(tree)
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in prose]
        own = [node.value for node in texts if "pip install" in str(node.value)]
        assert own == (["pip install 'chainrule["] if path.parts[-2:] == ("arrays", "extras.py") else []), path


def test_documents_name_extras_that_there_are_and_what_brings_them() -> None:
    for path in OF_USERS:
        text = re.sub(r"\s+", " ", path.read_text("utf-8"))
        for place, extras in re.findall(r"pip install (?:-e )?'?(chainrule|\.)\[(\w[\w,]*)\]", text):
            assert set(extras.split(",")) <= EXTRAS.keys(), path
            of_checkout = set(extras.split(",")) <= CHECKOUT or path in SAYS_HOW
            assert place == "chainrule" or of_checkout, f"{path}: 'chainrule[{extras}]'"


def test_without_hypothesis_the_strategies_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: Any = import_module("chainrule.testing")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    message = r"chainrule\.testing needs the package hypothesis: pip install 'chainrule\[testing\]'"
    with pytest.raises(ImportError, match=message):
        reload(loaded)


def test_without_hypothesis_all_else_is_there() -> None:
    program = "import sys; sys.modules['hypothesis'] = None; import chainrule; chainrule.each_law"
    subprocess.run([sys.executable, "-c", program], check=True)
