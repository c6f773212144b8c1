"""The steps that are timed on GPUs, here on a CPU: what is there is measured, what is not is named; and their page."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gpt_engines
import numpy as np
import pytest

import arrays_page
import gpu
from speed.contender import Entry
from speed.problem import Problem, Size

TINY = Size(5, 4, 3, 6)

ROW = {"size": "5-4-3/6", "dtype": "float32", "contender": "ours"}
MEASURED = ROW | {"difference": 1e-7, "seconds": 0.002, "fastest": 0.001, "teraflops": 0.5}


def result(**changes: Any) -> dict[str, Any]:
    return {
        "device": "Some Card 80GB",
        "gpu": True,
        "date": "2026-01-01",
        "packages": {"numpy": "2.4", "jax": "0.10"},
        "absent": {"ours, CuPy arrays": "not installed"},
        "tf32": False,
        "rounds": 5,
        "rows": [MEASURED, ROW | {"error": "RuntimeError: no | memory"}],
    } | changes


def test_numbers_that_bfloat16_holds_are_near() -> None:
    drawn = np.random.default_rng(0).standard_normal(1000, np.float32)
    np.testing.assert_allclose(gpu.coarse(drawn), drawn, rtol=2**-7)
    np.testing.assert_array_equal(gpu.coarse(gpu.coarse(drawn)), gpu.coarse(drawn))
    assert not (gpu.coarse(drawn).view(np.uint32) & 0xFFFF).any()


def test_a_step_is_compared_with_float64() -> None:
    ours, limit = Entry("ours:Ours", ""), Entry("original:Original", "")
    problem = Problem.draw(TINY)
    assert gpu.difference(limit, problem) == 0
    assert gpu.difference(ours, problem) < 1e-5


def test_a_wrong_step_is_seen_also_if_it_is_nan() -> None:
    rows = [ROW | {"difference": value} for value in (1e-6, 1e-3, float("nan"))]
    assert gpu.wrong(result(rows=rows)) == rows[1:]
    assert gpu.wrong(result(rows=rows, tf32=True)) == rows[2:]


def test_who_cannot_take_part_is_named_and_the_others_are_measured() -> None:
    absent = gpu.absent("cpu")
    assert absent["ours, CuPy arrays"] == "ModuleNotFoundError: No module named 'cupy'"
    assert set(gpu.absent("gpu")) == set(gpu.CONTENDERS)
    here = {"jax": "native JAX", "torch": "torch eager"}
    names = [name for library, name in here.items() if find_spec(library) is not None]
    assert not set(names) & set(absent)
    for dtype in ("float32", "bfloat16"):
        rows = gpu.measure(Problem.draw(TINY, dtype=dtype), [*names, "ours, CuPy arrays"], 2, 0.002)
        assert [row["contender"] for row in rows if "seconds" in row] == names
        assert rows[-1]["error"] == "ModuleNotFoundError: No module named 'cupy'"
        assert gpu.wrong(result(rows=rows)) == []
        assert len(arrays_page.steps_table(rows).splitlines()) == len(rows) + 2


def test_the_gpt_of_the_examples_is_measured_on_the_engines_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = {name: gpt_engines.ENGINES[name] for name in ("numpy", "cupy")}
    monkeypatch.setattr(gpt_engines, "ENGINES", engines)
    first, second, absent = gpu.measure_gpt("cpu", [(4, 3, 8, 2), (2, 3, 8, 2)], steps=2)
    assert (first["size"], second["size"]) == ("GPT 4-3-8-2", "GPT 2-3-8-2")
    assert first["difference"] == 0
    flops = first["teraflops"] * first["seconds"] / (second["teraflops"] * second["seconds"])
    assert flops == pytest.approx(2)  # twice the rows
    assert absent["error"] == "ModuleNotFoundError: No module named 'cupy'"
    assert len(arrays_page.steps_table([first, second, absent]).splitlines()) == 5


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/other-arrays.md"])
def test_pages_say_that_no_gpu_was_tried_as_long_as_it_is_so(page: str) -> None:
    tried = any(json.loads(path.read_text("utf-8"))["gpu"] for path in arrays_page.EVIDENCE.glob("steps-*.json"))
    assert ("No GPU has been tried so far" in (arrays_page.DOCS.parent / page).read_text("utf-8")) != tried


def test_the_page_is_what_its_figures_make(tmp_path: Path) -> None:
    """A CPU's steps are not on it, and a card's are."""
    (tmp_path / "evidence").mkdir()
    for path in (*arrays_page.EVIDENCE.glob("*.json"), arrays_page.DOCS / "evidence-arrays.md"):
        (tmp_path / path.relative_to(arrays_page.DOCS)).write_text(path.read_text("utf-8"), "utf-8")
    gpu.save(result(gpu=False, device="x86 CPU, 1 core"), tmp_path / "evidence")
    page = arrays_page.write_page(tmp_path).read_text("utf-8")
    assert page == (arrays_page.DOCS / "evidence-arrays.md").read_text("utf-8")
    for tf32 in (False, True):
        assert gpu.save(result(tf32=tf32), tmp_path / "evidence").exists()
    page = arrays_page.write_page(tmp_path).read_text("utf-8")
    assert "**No GPU has been measured yet.**" not in page
    assert "### Some Card 80GB\n" in page
    assert "### Some Card 80GB, TF32\n" in page
    assert "Not measured: ours, CuPy arrays (not installed)." in page
    line = next(line for line in page.splitlines() if "| 5-4-3/6" in line)
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["5-4-3/6", "float32", "ours", "2", "0.5", "1.0e-07"]
    assert "RuntimeError: no \\| memory |" in page


def test_differences_and_the_goal_of_a_compiled_step_are_on_the_page() -> None:
    rows = [
        {"library": library, "use": use, "dtype": dtype, "cases": 3, "largest": largest}
        for library, dtype, largest in [("a", "float32", 1.25e-7), ("a", "float64", 0.0), ("b", "float64", 2e-16)]
        for use in ("relu", "sgd")
    ]
    steps = [{"size": "5-4-3/6", "ours": 1e-3, "native": 1e-3, "ratio": ratio} for ratio in (1.0, 1.05)]
    measured: dict[str, Any] = {
        "differences": rows,
        "compiled": steps,
        "rounds": 3,
        "date": "",
        "python": "",
        "packages": {},
    }
    parts = arrays_page.parts(measured | {"lines": {"one": 5}}, [])
    single, double = (
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines()]
        for part in parts["differences"].split("### In float32\n\n")[1].split("\n\n### In float64\n\n")
    )
    assert single[0] == ["", "a"]
    assert single[2] == ["relu", "1.2e-07"]
    assert double[3:] == [["sgd", "0", "2.0e-16"], ["**all**", "**0**", "**2.0e-16**"]]
    assert "at most 1.02; the largest is 1.050: **missed**." in parts["compiled"]
    parts = arrays_page.parts(measured | {"lines": {}, "compiled": steps[:1]}, [])
    assert "1.000: reached." in parts["compiled"]
