"""The steps that are timed on GPUs, here on a CPU: what is there is measured, what is not is named."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import arrays_page
import gpu
import steps
from steps import Size, absent, difference

TINY = Size(5, 4, 3, 6)

ROW = {"size": "5-4-3, 6", "dtype": "float32", "contender": "ours"}
MEASURED = ROW | {"difference": 1e-7, "seconds": 0.002, "fastest": 0.001, "teraflops": 0.5}


def result(**changes: Any) -> dict[str, Any]:
    return {
        "device": "Some Card 80GB",
        "gpu": True,
        "date": "2026-01-01",
        "packages": {"numpy": "2.4", "jax": "0.10"},
        "absent": {"cupy": "not installed"},
        "tf32": False,
        "rounds": 5,
        "rows": [MEASURED, ROW | {"error": "RuntimeError: no | memory"}],
    } | changes


def test_a_wrong_step_is_seen_also_if_it_is_nan() -> None:
    rows = [ROW | {"difference": value} for value in (1e-6, 0.2, float("nan"))]
    assert gpu.wrong(result(rows=rows)) == rows[1:]
    for dtype in ("float32", "bfloat16"):
        after, rate = steps.expected(TINY, dtype, 1.0, 6), 1.0
        for wrong in (after[0] * 2, after[0] * np.nan):

            def nothing(*_: object) -> None: ...

            def answer(wrong: Any = wrong, after: Any = after) -> Any:
                return [wrong, *after[1:]], 0.0

            one: Any = SimpleNamespace(load=nothing, steps=nothing, result=answer)
            assert not difference(one, TINY, dtype, rate) <= 0.1


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(library: str) -> object:
        return None if library == "torch" else library

    def no_driver() -> int:
        raise OSError("no driver\nand more words")

    def imported(library: str) -> Any:
        if library == "jax":
            raise ImportError("libcuda.so is missing")
        return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=no_driver)))

    monkeypatch.setattr(steps, "find_spec", installed)
    monkeypatch.setattr(steps, "import_module", imported)
    assert absent("torch", "gpu") == "not installed"
    assert absent("jax", "gpu") == "sees no GPU: ImportError: libcuda.so is missing"
    assert absent("cupy", "gpu") == "sees no GPU: OSError: no driver"
    assert absent("cupy", "cpu") == "has no arrays on a CPU"
    with pytest.raises(SystemExit, match="no library here can compute on a GPU"):
        gpu.main([])


def test_an_error_of_one_leaves_the_others_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class One:
        def __init__(self, name: str, error: str = "") -> None:
            self.name, self.error, self.turns = name, error, 0

        def load(self, params: Any, x: Any, labels: Any, dtype: str) -> None:
            if self.error == "compiler":
                raise RuntimeError("no compiler")

        def steps(self, count: int) -> float:
            self.turns += 1
            if self.error == "memory" and self.turns > 3:
                raise MemoryError("none left")
            return count * 0.5

        def result(self) -> Any:
            return steps.expected(TINY, "float32", gpu.STEEP, 6), 0.0

    def three(*_: object) -> list[Any]:
        return [One("a"), One("b", "compiler"), One("c", "memory")]

    monkeypatch.setattr(gpu, "contenders", three)
    options = gpu.parse(["--device", "cpu", "--rounds", "4", "--out", str(tmp_path)])
    rows = gpu.measure(TINY, "float32", [], options)
    assert [row.get("seconds") for row in rows] == [0.5, None, None]
    assert [row.get("error") for row in rows] == [None, "RuntimeError: no compiler", "MemoryError: none left"]
    assert len(arrays_page.table(rows)) == 5

    def none(*_: object) -> list[Any]:
        return []

    monkeypatch.setattr(gpu, "contenders", none)  # such as CuPy alone, in bfloat16
    assert gpu.measure(TINY, "bfloat16", [], options) == []


def test_the_page_says_that_no_gpu_was_measured_or_shows_the_card() -> None:
    command = "PYTHONPATH=src python benchmarks/gpu.py"
    none = "\n".join(arrays_page.gpus([]))
    assert "**No GPU has been measured yet.**" in none
    assert command in none
    some = "\n".join(arrays_page.gpus([result(), result(tf32=True)]))
    assert "No GPU has been measured" not in some
    assert command in some
    assert "### Some Card 80GB\n" in some
    assert "### Some Card 80GB, TF32\n" in some
    assert "Not measured: cupy (not installed)." in some
    assert "| 5-4-3, 6 | float32 | ours | 2 | 0.5 | 1.0e-07 |" in some
    assert "| 5-4-3, 6 | float32 | ours | | | RuntimeError: no / memory |" in some


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/other-arrays.md"])
def test_pages_say_that_no_gpu_was_tried_as_long_as_it_is_so(page: str) -> None:
    tried = any(json.loads(path.read_text("utf-8"))["gpu"] for path in arrays_page.EVIDENCE.glob("steps-*.json"))
    assert ("No GPU has been tried so far" in (arrays_page.DOCS.parent / page).read_text("utf-8")) != tried


def test_the_page_is_what_its_figures_make(tmp_path: Path) -> None:
    """Also when nobody has measured again since the words were changed; and a CPU's steps are not on it."""
    (tmp_path / "evidence").mkdir()
    for path in arrays_page.EVIDENCE.glob("*.json"):
        (tmp_path / "evidence" / path.name).write_text(path.read_text("utf-8"), "utf-8")
    gpu.save(result(gpu=False, device="x86 CPU, 1 core"), tmp_path / "evidence")
    page = arrays_page.write_page(tmp_path).read_text("utf-8")
    assert page == (arrays_page.DOCS / "evidence-arrays.md").read_text("utf-8")
    gpu.save(result(), tmp_path / "evidence")
    assert "### Some Card 80GB\n" in arrays_page.write_page(tmp_path).read_text("utf-8")


def test_differences_have_a_table_for_each_dtype() -> None:
    rows = [
        {"library": library, "use": use, "dtype": dtype, "cases": 3, "largest": largest}
        for library, dtype, largest in [("a", "float32", 1.25e-7), ("a", "float64", 0.0), ("b", "float64", 2e-16)]
        for use in ("relu", "sgd")
    ]
    page = "\n".join(arrays_page.differences({"differences": rows}))
    single, double = page.split("### In float32\n\n")[1].split("### In float64\n\n")
    assert single.splitlines()[0] == "| | a |"
    assert "| relu | 1.2e-07 |\n" in single
    assert double.splitlines()[0] == "| | a | b |"
    assert "| sgd | 0 | 2.0e-16 |\n" in double
    assert "| **all** | **0** | **2.0e-16** |\n" in double


def test_the_goal_of_a_compiled_step_is_on_the_page() -> None:
    rows = [{"size": "5-4-3, 6", "ours": 1e-3, "native": 1e-3, "ratio": ratio} for ratio in (1.0, 1.05)]
    page = "\n".join(arrays_page.compiled({"rounds": 3, "compiled": rows}))
    assert "at most 1.03; the largest is 1.050: **missed**." in page
    assert "1.000: reached." in "\n".join(arrays_page.compiled({"rounds": 3, "compiled": rows[:1]}))
