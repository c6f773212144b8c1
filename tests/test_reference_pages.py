"""The reference is read from the package: nothing is left out, and a new layer is in it without a line elsewhere."""

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import pytest
from glance import made, table_of_layers
from mkdocs.exceptions import PluginError
from modules import SOURCE, modules, navigation, package, page, text
from names import names, table_of_names
from results import derivative, in_others
from sheet import sheet

import chainrule
import chainrule.datasets

DOCS = Path(__file__).parents[1] / "docs"

CUBE = '''
"""The cube: every entry, three times a factor.

    out = x^3        x (..., d)

**To remember:** an example of a test.
"""

from chainrule.layer import Layer


class Cube:
    """The parameters of `cube`."""


def cube(factor: float = 1.0, *, power: int) -> Layer[Cube, tuple[()]]:
    """`x^3`, for |x| < 1. It is made by a function.

    Not the first sentence.
    """
'''


def entries(nav: list[Any], *sections: str) -> Iterator[tuple[str, ...]]:
    """The pages of a navigation, each after the titles that lead to it."""
    for entry in nav:
        ((title, below),) = entry.items()
        if isinstance(below, str):
            yield (*sections, title, below)
        else:
            yield from entries(below, *sections, title)


def rows(table: str) -> dict[str, list[str]]:
    """The cells beside each name of a page with tables."""
    return {
        name: cells.split(" | ") for name, cells in re.findall(r"^\| \[`([^`]*)`\]\S* \| (.*) \|$", table, re.MULTILINE)
    }


def columns(page: str) -> dict[str, dict[str, str]]:
    """The cells beside each name, by the heads of their columns: a name may be in several tables of a page."""
    found: dict[str, dict[str, str]] = {}
    head: list[str] = []
    for line in page.splitlines():
        cells = re.split(r" \| (?=(?:[^`]*`[^`]*`)*[^`]*$)", line.removeprefix("| ").removesuffix(" |"))  # not in code
        if line.startswith("| name |"):
            head = cells[1:]
        elif name := re.match(r"\[`(\w+)[^`]*`\]", cells[0]):
            found.setdefault(name[1], {}).update(zip(head, cells[1:], strict=True))
    return found


def grow(folder: Path, layer: str = CUBE, *, export: bool = True) -> griffe.Module:
    """The package with a layer more: a file, and its name in two lines of `__init__.py`."""
    copy = folder / "chainrule"
    shutil.copytree(SOURCE / "chainrule", copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    powers = copy / "layers" / "powers"
    powers.mkdir()
    (powers / "__init__.py").touch()
    (powers / "cube.py").write_text(layer, "utf-8")
    if export:
        init = (copy / "__init__.py").read_text("utf-8")
        init = init.replace("__all__ = [", 'from chainrule.layers.powers.cube import cube\n\n__all__ = [\n    "cube",')
        (copy / "__init__.py").write_text(init, "utf-8")
    return package(folder)


def test_every_module_has_a_page_at_the_address_of_its_name() -> None:
    every = [path.relative_to(SOURCE / "chainrule") for path in SOURCE.rglob("*.py")]
    public = [
        path for path in every if not any(part.startswith("_") for part in path.parts) and "demo" not in path.parts
    ]
    assert sorted(page(module) for module in modules(package())) == sorted(
        f"reference/{path.with_suffix('.md').as_posix()}" for path in public
    )


def test_every_page_is_in_the_navigation_once() -> None:
    shown = [found[-1] for found in entries(navigation(package()))]
    assert sorted(shown) == sorted(page(module) for module in modules(package()))


def test_every_public_name_is_listed() -> None:
    listed = rows(table_of_names(package()))
    folders = {name for name in chainrule.__all__ if hasattr(getattr(chainrule, name), "__path__")}
    exported = {*chainrule.__all__, *(f"datasets.{name}" for name in chainrule.datasets.__all__)}
    assert exported - folders <= listed.keys()
    assert "tree.map" in listed  # of a public module


def test_every_public_layer_and_loss_is_at_a_glance() -> None:
    values = [
        name for name in chainrule.__all__ if isinstance(getattr(chainrule, name), chainrule.Layer | chainrule.Loss)
    ]
    shown = columns(table_of_layers(package()))
    assert {*values, "leaky_relu", "sgd", "sequential"} <= shown.keys()
    assert shown["affine"] == {
        "meaning": "`x @ W + b` on the last axis; its parameters are an `Affine`.",
        "formula": r"$\begin{aligned} \mathrm{out} &= x \, W + b \end{aligned}$",
        "derivative": r"$\begin{aligned} \mathrm{d}x &= \mathrm{dout} \, W^{\top} \\"
        r" \mathrm{d}W &= x^{\top} \, \mathrm{dout} \\ \mathrm{d}b &= \mathbf{1}^\top \, \mathrm{dout} \end{aligned}$",
        "parameters": "[`Affine`][chainrule.layers.affine.Affine]",
        "cache": "[`x, W`][chainrule.layers.affine.AffineCache]",
        "in torch": "`torch.nn.Linear`",
        "in Keras": "`keras.layers.Dense`",
        "in JAX": "`flax.nnx.Linear`",
    }
    assert shown["relu"]["parameters"] == "`()`"
    assert shown["hard_tanh"]["formula"] == (  # of a family, its own formula
        r"$\begin{aligned} \mathrm{hard\_tanh}(x) &= \min(\max(x, - 1), 1) \end{aligned}$"
    )
    assert shown["sequential"]["parameters"] == "`tuple[P0, ...]`"  # one type for each of many layers


SHEET = columns(sheet(package()))
THINGS = {thing.name: thing for things in made(package()).values() for thing in things}


@pytest.mark.parametrize("name", THINGS)
def test_everything_is_on_the_sheet_with_its_formula_and_its_derivative_or_its_update(name: str) -> None:
    thing = THINGS[name]
    shown = SHEET[name]
    assert shown["to remember"]
    if ".optimizers." in thing.path:
        assert r"\leftarrow" in shown["update"]
    else:
        assert "=" in shown["forward"]
        assert re.search(r"\\mathrm\{d\}\w.*&=|\\mathrm\{(?:dout|gradient)\}.*&=", shown["backward"])


@pytest.mark.parametrize("name", THINGS)
def test_everything_says_what_other_libraries_call_it(name: str) -> None:
    said = in_others(THINGS[name])
    assert [*said] == ["torch", "Keras", "JAX"]
    for library, code in said.items():
        for path in re.findall(r"(?:torch|keras|jax|flax|optax)(?:\.\w+)+", code):
            assert is_there(path), f"{library} has no {path}"
        assert code == "none" or re.fullmatch(r"`.+`", code)


def is_there(path: str) -> bool:
    """Tell if a library has a name; of one that is not installed, nothing is known."""
    top, *names = path.split(".")
    if importlib.util.find_spec(top) is None:
        return True
    found: Any = importlib.import_module(top)
    for name in names:
        found = getattr(found, name, None) or _module(f"{found.__name__}.{name}")
    return found is not None


def _module(path: str) -> Any:
    return importlib.import_module(path) if importlib.util.find_spec(path) else None


def test_derivatives_are_the_last_lines_of_a_derivation_with_what_they_use() -> None:
    text = """Two units.

    two(x) = 2 x
    half(x) = x / 2

**Derivation.** With the slope k,

    d(out) = k dx        k = 2
    unused = 3
    dx_i = k dout_i

and of all

    dx = k dout

and of `half`

    dx = dout / 2

**Numerics.** None.

    dx = 0
"""
    found = griffe.visit("pair", Path("pair.py"), f'"""{text}"""\n\ntwo = 1\nhalf = 2\n')
    assert derivative(found["two"]) == (r"$\begin{aligned} k &= 2 \\ \mathrm{d}x &= k \, \mathrm{dout} \end{aligned}$")
    assert derivative(found["half"]) == r"$\begin{aligned} \mathrm{d}x &= \frac{\mathrm{dout}}{2} \end{aligned}$"


def test_a_new_layer_has_a_page_a_place_in_the_navigation_and_a_row_in_both_tables(tmp_path: Path) -> None:
    root = grow(tmp_path)
    cube = next(module for module in modules(root) if module.path == "chainrule.layers.powers.cube")
    assert text(cube) == "::: chainrule.layers.powers.cube\n"
    assert ("Layers", "Powers", "cube", "reference/layers/powers/cube.md") in [*entries(navigation(root))]
    assert rows(table_of_names(root))["cube"] == [r"`x^3`, for \|x\| < 1."]
    assert "[`cube(factor=1.0, power)`][chainrule.layers.powers.cube.cube]" in table_of_layers(root)
    assert columns(table_of_layers(root))["cube"] == {
        "meaning": r"`x^3`, for \|x\| < 1.",
        "formula": r"$\begin{aligned} \mathrm{out} &= x^{3} \end{aligned}$",
        "parameters": "[`Cube`][chainrule.layers.powers.cube.Cube]",
        "cache": "`tuple[()]`",
    }


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ('rules.layer("cube", Cube, forward)', "[`Cube`][chainrule.layers.powers.cube.Cube]"),
        ('rules.elementwise("cube", forward, slope)', "`()`"),
    ],
)
def test_a_layer_made_by_a_call_has_the_parameters_that_the_call_names(
    tmp_path: Path, call: str, parameters: str
) -> None:
    forward = 'def forward(x: float) -> float:\n    """Public, with a page, and no record."""\n\n\n'
    source = f'{CUBE[: CUBE.index("def cube")]}{forward}cube = {call}\n"""`x^3`."""\n'
    assert columns(table_of_layers(grow(tmp_path, source)))["cube"]["parameters"] == parameters


def test_a_layer_that_is_not_exported_has_a_page_and_no_row(tmp_path: Path) -> None:
    root = grow(tmp_path, export=False)
    assert "reference/layers/powers/cube.md" in [page(module) for module in modules(root)]
    assert "cube" not in [name.short for name in names(root)]
    assert "[`layers.powers.cube`][chainrule.layers.powers.cube]" in table_of_names(root)  # among the other modules


def test_names_of_a_folder_are_listed_once_if_the_folder_is_exported_too(tmp_path: Path) -> None:
    root = grow(tmp_path)
    init = tmp_path / "chainrule" / "__init__.py"
    init.write_text(init.read_text("utf-8").replace("__all__ = [", '__all__ = [\n    "datasets",'), "utf-8")
    assert table_of_names(package(tmp_path)) == table_of_names(root)


def test_a_public_name_without_a_docstring_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"chainrule\.layers\.powers\.cube\.cube is public and has no docstring"):
        table_of_names(grow(tmp_path, "cube = 3\n"))


def test_a_folder_that_nobody_has_named_is_a_room_of_its_own_at_the_end(tmp_path: Path) -> None:
    root = grow(tmp_path)
    folder = tmp_path / "chainrule" / "new_room"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "chair.py").write_text('"""A chair."""\n', "utf-8")
    root = package(tmp_path)
    assert [*entries(navigation(root))][-1] == ("New room", "chair", "reference/new_room/chair.md")
    assert rows(table_of_names(root))["new_room.chair"] == ["A chair."]


def test_names_in_one_line_have_types_of_their_own() -> None:
    read = griffe.load(
        "chainrule",
        search_paths=[SOURCE],
        allow_inspection=False,
        docstring_parser="numpy",
        extensions=griffe.load_extensions(str(DOCS / "griffe_attrs.py"), str(DOCS / "griffe_parameters.py")),
    )
    check = read["checking.check.check_layer"]
    (section,) = [each for each in check.docstring.parsed if isinstance(each, griffe.DocstringSectionParameters)]
    shown = {each.name: str(each.annotation) for each in section.value}
    assert (shown["layer"], shown["params"], shown["x"]) == ("Layer[P, C] | Encoder[P, C, X]", "P", "Array | X")
    assert {each.name: each.default for each in section.value}["effort"] == "'full'"
