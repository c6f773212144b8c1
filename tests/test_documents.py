"""Examples in documents and docstrings do what they show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from inspect import isclass, isfunction
from pathlib import Path

import pytest
from counts import count, docstrings, pages
from hypothesis import settings
from pictures import examples as with_examples
from sybil import Document
from sybil.example import SybilFailure

import chainrule

ROOT = Path(__file__).parents[1]
OPTIONAL = ["cupy", "dask", "distributed", "jax", "onnx", "onnxruntime", "optax", "sklearn", "torch"]
"""Other libraries: examples that import them are there where they are installed, as in continuous integration."""


def runs_here(text: str) -> bool:
    """Tell if every other library that a text imports is installed."""
    imported = re.findall(r"^ *(?:>>> )?(?:import|from) (?:chainrule\.interop\.)?(\w+)", text, re.MULTILINE)
    return all(find_spec(library) is not None for library in OPTIONAL if library in imported)


PAGES = [*pages()]
CHINESE = {
    **{path: ROOT / "docs" / path.relative_to(ROOT / "docs-zh") for path in ROOT.glob("docs-zh/**/*.md")},
    **{path: path.with_name(path.name.replace(".zh", "")) for path in ROOT.glob("*.zh.md")},
}
"""The Chinese pages, each with its English one, whose code it has."""
MARKDOWN = [path for path in PAGES if runs_here(path.read_text("utf-8"))]
DOCSTRINGS = [document for document in docstrings() if runs_here(document.text)]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def few_cases() -> Iterator[None]:
    """A page that shows `@given` shows it with five cases."""
    profile = os.environ.get("HYPOTHESIS_PROFILE", "ci")
    if profile == "ci":
        settings.load_profile("brief")
    yield
    settings.load_profile(profile)


def run(document: Document) -> None:
    """Run the examples of a document, one after another, in one namespace."""
    for example in document:
        example.evaluate()


@pytest.mark.usefixtures("few_cases")
@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_a_document_does_what_it_shows(path: Path) -> None:
    run(with_examples(path.read_text("utf-8"), str(path)))


@pytest.mark.usefixtures("few_cases")
@pytest.mark.parametrize("docstring", DOCSTRINGS, ids=lambda d: f"{name(Path(d.path))}:{next(iter(d)).line}")
def test_a_docstring_does_what_it_shows(docstring: Document) -> None:
    run(docstring)


def test_the_number_of_examples_is_that_of_those_that_are_run() -> None:
    of_pages = [len([*with_examples(path.read_text("utf-8"), str(path))]) for path in PAGES]
    of_docstrings = [len([*document]) for document in docstrings()]
    assert count() == sum(of_pages) + sum(of_docstrings) > 1000
    assert all(of_docstrings)


def test_a_wrong_output_is_seen() -> None:
    with pytest.raises(SybilFailure, match="Expected:\n    3\nGot:\n    2"):
        run(with_examples("```python\n>>> 1 + 1\n3\n```\n", "document"))


def test_mypy_says_what_the_readme_quotes(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    examples = [example.parsed for example in with_examples(readme, "README.md")]
    script = tmp_path / "readme.py"
    script.write_text("\n".join(getattr(example, "source", example) for example in examples), "utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", str(script)]
    said = subprocess.run(mypy, capture_output=True, check=False, cwd=ROOT, text=True).stdout
    assert re.findall(r"error: .*", said) == re.findall(r"^error: .*", readme, re.MULTILINE), said


def test_a_document_is_left_out_for_a_library_that_is_missing_and_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert runs_here("```python\nimport mistyped\n```")  # it is run, and fails

    def nothing(library: str) -> None:
        return None

    monkeypatch.setitem(globals(), "find_spec", nothing)
    assert not runs_here("```python\nimport jax.numpy as jnp\n```")
    assert not runs_here("    >>> from chainrule.interop.torch import autograd_function")
    assert runs_here("Words about jax, and how to import torch.")


@pytest.mark.parametrize("path", [*PAGES, *CHINESE], ids=name)
def test_no_block_escapes_by_its_name(path: Path) -> None:
    fences = re.findall(r"^ *(?:```|~~~)(.*)$", path.read_text("utf-8"), re.MULTILINE)
    names = {fence.split(" ")[0] for fence in fences[::2]}  # what follows picture is its caption
    assert names <= {"python", "picture", "sh", "text", "toml"}
    assert set(fences[1::2]) <= {""}


def code(path: Path) -> list[str]:
    """The blocks of a page, without the captions of pictures."""
    blocks = re.findall(r"^```(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(r"\Apicture.*", "picture", block) for block in blocks]


@pytest.mark.parametrize("path", CHINESE, ids=name)
def test_a_chinese_page_has_the_code_of_the_english_one(path: Path) -> None:
    assert code(path) == code(CHINESE[path])
    theirs, ours = ([*with_examples(each.read_text("utf-8"), "page")] for each in (path, CHINESE[path]))
    assert len(theirs) == len(ours)  # none stands outside of the blocks


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=name)
def test_links_between_files_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text("utf-8"))  # the build checks those of the site
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_front_page_begins_with_the_code_of_the_readme() -> None:
    lesson = [block for block in code(ROOT / "docs" / "index.md") if block.startswith("python")]
    assert lesson == [block for block in code(ROOT / "README.md") if block.startswith("python")][:2]


@pytest.mark.parametrize("public", chainrule.__all__)
def test_every_public_function_and_class_has_an_example(public: str) -> None:
    value = getattr(chainrule, public)
    if isfunction(value) or isclass(value):  # the rest are values and modules
        page = sys.modules[value.__module__].__doc__ or ""  # where the reference begins
        assert ">>> " in (value.__doc__ or "") + page


@pytest.mark.parametrize("public", [each for each in chainrule.__all__ if each.islower()])
def test_the_changelog_names_every_function_layer_and_module(public: str) -> None:
    assert re.search(rf"`(chainrule\.)?{public}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"))
