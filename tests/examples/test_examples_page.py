"""The page of the example programs has each of them, in both languages, and the last lines have the form of theirs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["docs", "docs-zh"])
def test_each_file_of_the_folder_is_on_the_page(folder: str) -> None:
    page = (ROOT / folder / "examples.md").read_text("utf-8")
    assert {path.name for path in ROOT.glob("examples/*.py")} == set(re.findall(r"examples/(\w+\.py)", page))


@pytest.mark.parametrize("folder", ["docs", "docs-zh"])
def test_each_program_that_make_runs_has_its_last_line(folder: str) -> None:
    page = (ROOT / folder / "examples.md").read_text("utf-8")
    (programs,) = re.findall(r"^EXAMPLES := (.*)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    last = {
        "adder": r"accuracy [01]\.\d{4} of 10000 unseen sums",
        "mnist_convnet": r"accuracy [01]\.\d{4} of (?:10000|359) unseen digits",
        "mnist_recurrent": r"accuracy [01]\.\d{4} of (?:10000|359) unseen digits",
        "diabetes": r"error [\d.]+ beside [\d.]+ of a line and [\d.]+ of scikit-learn's network, on 30 splits",
        "smile": r"on the face [01]\.\d{4} of 4000 points that were noise",
    }
    assert [*last] == programs.split()
    rows = re.findall(r"^\| `(\w+)\.py` \|[^|]*\|[^|]*\| ([^|]*) \|", page, re.MULTILINE)
    assert {name for name, _ in rows} == {*last}
    assert [line for name, line in rows if not re.fullmatch(last[name], line)] == []
    of_text = re.findall(r"^\| `adder\.py --text` \|[^|]*\|[^|]*\| ([^|]*) \|", page, re.MULTILINE)
    assert [bool(re.fullmatch(r"loss \d\.\d{4} of \d+ unseen characters", line)) for line in of_text] == [True]
