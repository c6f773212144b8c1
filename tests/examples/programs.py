"""The examples as somebody runs them, and their functions."""

import os
import re
import runpy
import subprocess
import sys
from contextlib import chdir, redirect_stderr
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from chainrule.datasets import Dataset

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(example: str, *options: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """An example after it has ended, in a folder."""
    script = EXAMPLES / f"{example}.py"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, text=True, timeout=120
    )


def figure(example: str, *options: str, folder: Path, line: str) -> float:
    """The figure in the last line of what an example says; in the place of it, `line` has (FIGURE)."""
    run = ran(example, *options, folder=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    said = run.stdout.splitlines()[-1]
    found = re.fullmatch(line.replace("(FIGURE)", r"(-?\d+\.\d+)"), said)
    assert found, said
    return float(found[1])


def ended(example: str, *options: str, folder: Path) -> tuple[object, str]:
    """The code that an example ends with and its errors, in this process: what it imports has been imported here."""
    script, said = EXAMPLES / f"{example}.py", StringIO()
    with chdir(folder), redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *options])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
    return end.value.code, said.getvalue()


def refusal(example: str, *options: str, folder: Path) -> str:
    """The sentence that an example refuses options with."""
    code, said = ended(example, *options, folder=folder)
    assert code == 2, said
    return said.splitlines()[-1]


def is_picture(path: Path) -> bool:
    """True if a file begins as a PNG of some size does."""
    return path.read_bytes().startswith(b"\x89PNG\r\n") and path.stat().st_size > 5000


def functions(example: str) -> Any:
    """The module of an example."""
    spec = spec_from_file_location(f"example_{example}", EXAMPLES / f"{example}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_mnist(folder: Path, data: Dataset, train: int, test: int) -> None:
    """Write so many images of a data set in the form of MNIST's files."""
    for name, part, n in (("train", data.train, train), ("t10k", data.test, test)):
        sizes = b"".join(size.to_bytes(4, "big") for size in (n, *data.image_shape))
        pixels = (part.x[:n] * 255).astype("u1").tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + sizes + pixels)
        labels = part.labels[:n].astype("u1").tobytes()
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + sizes[:4] + labels)
