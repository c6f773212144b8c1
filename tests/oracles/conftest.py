"""Other libraries as oracles: these tests are there where the libraries are (`pip install 'chainrule[oracles]'`)."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX makes float32 of float64 otherwise

collect_ignore = [
    f"test_oracle_{name}.py"
    for name, needs in {
        "differences": ("torch", "jax"),
        "torch": ("torch",),
        "jax": ("jax",),
        "autograd": ("autograd",),
        "networks": ("torch",),
        "pools": ("torch",),
        "onnx": ("onnx",),
    }.items()
    if any(find_spec(need) is None for need in needs)
]

if find_spec("torch") is not None:
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
