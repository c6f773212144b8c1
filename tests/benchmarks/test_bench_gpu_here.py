"""The steps that are timed on GPUs, on the libraries that are installed: the folder's conftest.py asks for one."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import gpu
from steps import Size, contenders, difference, interleaved, times

TINY = Size(5, 4, 3, 6)
HERE = [library for library in ("jax", "torch") if find_spec(library) is not None]


@pytest.mark.parametrize("library", HERE)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_steps_are_right_and_are_timed(library: str, dtype: str) -> None:
    each = [one for one in contenders("cpu", dtype, gpu.STEEP, [library]) if one.name != "torch compiled"]
    assert any(one.name.startswith("ours") for one in each)
    for one in each:
        assert difference(one, TINY, dtype, gpu.STEEP) < gpu.ALLOWED[dtype], one.name
    prepared = {one.name: times(one, TINY, dtype, 2, 0.001) for one in each}
    assert all(seconds > 0 for one in interleaved(prepared, 2).values() for seconds in one)


def test_a_small_run_writes_the_name_of_its_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def leave_precision(*_: object) -> None: ...

    def without_compiling(*arguments: Any) -> list[Any]:
        return [one for one in contenders(*arguments) if one.name != "torch compiled"]

    monkeypatch.setattr(gpu, "SMALL", [TINY])
    monkeypatch.setattr(gpu, "contenders", without_compiling)
    monkeypatch.setattr(gpu, "set_precision", leave_precision)  # which other tests share
    for name in ("XLA_PYTHON_CLIENT_PREALLOCATE", "CUPY_TF32", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, os.environ.get(name, "cpu" if name == "JAX_PLATFORMS" else "0"))
    gpu.main(["--device", "cpu", "--small", "--rounds", "1", "--seconds", "0.001", "--out", str(tmp_path)])
    (path,) = tmp_path.iterdir()
    written = json.loads(path.read_text("utf-8"))
    assert path.name.startswith("steps-")
    assert "CPU" in written["device"]
    assert not written["gpu"]
    assert set(written["packages"]) == {"numpy", *HERE}
    assert "cupy" in written["absent"]
    assert {row["dtype"] for row in written["rows"] if "seconds" in row} == {"float32", "bfloat16"}
