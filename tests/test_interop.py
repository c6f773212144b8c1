"""Other libraries are imported by those who ask for them, and by nobody else."""

import subprocess
import sys
from importlib import import_module, reload
from importlib.util import find_spec
from typing import Any

import pytest

OTHERS = (
    "jax",
    "torch",
    "dask",
    "distributed",
    "cupy",
    "array_api_compat",
    "safetensors",
    "onnx",
    "onnxruntime",
    "sklearn",
)


def test_importing_and_using_the_package_imports_no_other_library() -> None:
    program = f"""
import sys
import numpy as np
import chainrule
import chainrule.__main__, chainrule.training.shards, chainrule.testing
from chainrule import two_layer
params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
two_layer.gradient(params, np.ones((5, 4), np.float32), np.zeros(5, int))
print(*({set(OTHERS)} & sys.modules.keys()))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == ""


@pytest.mark.parametrize("library", ["jax", "onnx", "torch"])
def test_without_the_library_its_module_says_what_to_install(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"chainrule.interop.{library}"
    loaded: Any = import_module(name) if find_spec(library) is not None else None
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{name} needs the package {library}: pip install 'chainrule\[{library}\]'"):
        reload(loaded) if loaded else import_module(name)


def test_without_scikit_learn_the_estimators_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "chainrule.interop.sklearn"
    loaded: Any = import_module(f"{name}._scikit_learn") if find_spec("sklearn") is not None else None
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        ImportError, match=rf"{name} needs the package scikit-learn: pip install 'chainrule\[sklearn\]'"
    ):
        reload(loaded) if loaded else import_module(name)
