"""The public names are a list that is stored, and so nothing of it changes unseen."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from modules import package

import chainrule
import public_api

ROOT = Path(__file__).parents[1]
GUIDES = [
    ROOT / "README.md",
    *ROOT.glob("docs/how-to/*.md"),
    *ROOT.glob("docs/tutorial/*.md"),
    ROOT / "docs/checking.md",
]
ANYWHERE = [module for module in public_api.MODULES if ".interop" not in module]


def test_the_package_has_the_names_and_signatures_that_are_stored() -> None:
    stored, found = public_api.STORED.read_text("utf-8").splitlines(), public_api.listed().splitlines()
    gone, new = sorted(set(stored) - set(found)), sorted(set(found) - set(stored))
    assert (gone, new) == ([], []), "docs/stability.md says what a change takes; `make api` then writes the list"
    assert found == stored


@pytest.mark.parametrize("module", ANYWHERE)
def test_every_name_of_the_list_is_there(module: str) -> None:
    read = package()
    names = public_api.public(read[module.partition(".")[2]] if "." in module else read)
    assert names
    assert [name for name in names if not hasattr(import_module(module), name)] == []


def test_all_that_the_package_exports_is_listed() -> None:
    assert public_api.public(package()) == sorted(chainrule.__all__)


def test_guides_import_what_is_public_and_nothing_else() -> None:
    public = {*public_api.TYPES}
    for module in public_api.MODULES:
        read = package()[module.partition(".")[2]] if "." in module else package()
        public |= {f"{module}.{name}" for name in public_api.public(read)} | {module}
    for page in GUIDES:
        for module, names in re.findall(r"from (chainrule[\w.]*) import ([\w, ]+)", page.read_text("utf-8")):
            used = {f"{module}.{name.split(' as ')[0].strip()}" for name in names.split(",")}
            assert used <= public, page


def test_the_page_on_stability_names_what_the_list_holds() -> None:
    page = (ROOT / "docs" / "stability.md").read_text("utf-8")
    section = page.partition("## What is public")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(chainrule[\w.]*)`", section)) == {*public_api.MODULES, *public_api.TYPES}
