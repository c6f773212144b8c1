"""Other libraries: these tests are there where they are installed (`pip install 'chainrule[oracles,test]'`)."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX makes float32 of float64 otherwise

NEEDED = {
    "jax": ("test_interop_jax.py", "test_jax_as_layer.py", "test_lines_jax.py"),
    "sklearn": ("test_sklearn.py",),
    "torch": (
        "test_interop_torch.py",
        "test_torch_as_layer.py",
        "test_torch_compiled.py",
        "test_lines_torch.py",
        "test_state_dict.py",
    ),
}
collect_ignore = [file for name, files in NEEDED.items() if find_spec(name) is None for file in files]
if find_spec("onnx") is None or find_spec("onnxruntime") is None:
    collect_ignore += ["test_onnx.py", "test_onnx_traits.py"]

if find_spec("torch") is not None:
    torch: Any = import_module("torch")
    torch.set_num_threads(1)


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """All that JAX has compiled is dropped before a test of another name: some of these need half a gigabyte for it."""
    names = [getattr(each, "originalname", None) for each in (item, nextitem)]
    if "jax" in sys.modules and names[0] != names[1]:
        sys.modules["jax"].clear_caches()
