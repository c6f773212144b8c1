"""The examples train, each in a process of its own, and add few lines to the one on a single machine."""

import os
import subprocess
import sys
from difflib import ndiff
from pathlib import Path

import numpy as np

from chainrule import Array

EXAMPLES = Path(__file__).parents[2] / "examples"

TRAIN = """
import sys

import numpy as np

import {example}
from chainrule import tree

if __name__ == "__main__":
    {prepare}
    np.savez(sys.argv[1], *tree.leaves({call}))
"""


def trained(folder: Path, example: str, prepare: str = "", call: str = "") -> list[Array]:
    """The arrays of the parameters that an example ends with."""
    script, out = folder / f"run_{example}.py", folder / f"{example}.npz"
    script.write_text(TRAIN.format(example=example, prepare=prepare, call=call or f"{example}.train()"), "utf-8")
    paths = os.environ | {"PYTHONPATH": str(EXAMPLES), "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"}
    run = subprocess.run(
        [sys.executable, str(script), str(out)], env=paths, capture_output=True, check=False, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    with np.load(out) as arrays:
        return [arrays[name] for name in arrays.files]


def added(example: str) -> list[str]:
    """The lines of an example that the one on a single machine does not have."""
    one, many = ((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines() for name in ("single_machine", example))
    return [line for line in ndiff(one, many) if line.startswith("+ ")]


def assert_the_same_network(ours: list[Array], theirs: list[Array]) -> None:
    """Equal but for rounding.

    60 steps add gradients up in another order, and each may round the largest entry otherwise: 60 roundings if all went
    one way, where 2.5 have been measured.
    """
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0, atol=60 * float(np.finfo(np.float32).eps) * float(abs(b).max()))
