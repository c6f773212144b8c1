"""All that onnxruntime computes of a network that was exported."""

from importlib import import_module
from typing import Any

import numpy as np

from chainrule import Array, prediction
from chainrule.interop.onnx import export
from networks import size_of

checker: Any = import_module("onnx.checker")  # a part of its types is unknown
runtime: Any = import_module("onnxruntime")  # it has no types

CLOSE = 1e-5
"""The accuracy that is asked for in float32. `make evidence` measures what there is."""


def run(model: Any, x: Any) -> Array:
    """All that onnxruntime gives."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    out: Array = session.run(None, {"x": x})[0]
    return out


def difference(model: Any, network: Any, params: Any, x: Any) -> float:
    """The largest difference to `prediction`, set to the size of its numbers."""
    ours, theirs = prediction(network)(params, x), run(model, x)
    assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype)
    assert np.isfinite(theirs).all()
    return float(np.abs(theirs - ours).max(initial=0)) / size_of(ours)


def exported(network: Any, params: Any, x: Any) -> Any:
    """A model that onnx finds sound."""
    model = export(network, params, x)
    checker.check_model(model, full_check=True)
    return model


def largest_difference(network: Any, params: Any, x: Any) -> float:
    """Between the model and `prediction`, for the batch at hand and, where rows stand alone, for another."""
    model = exported(network, params, x)
    batches = [x, other_rows(x, 7)] if first_axis(model.graph.input[0]) == "batch" else [x]
    return max(difference(model, network, params, each) for each in batches)


def agrees(network: Any, params: Any, x: Any) -> None:
    """Assert that the model gives what we give."""
    assert largest_difference(network, params, x) <= CLOSE


def first_axis(end: Any) -> str | int:
    """The first axis of an input or an output: a name if it may have any length."""
    axis = end.type.tensor_type.shape.dim[0]
    found: str | int = axis.dim_param or axis.dim_value
    return found


def other_rows(x: Any, n: int) -> Any:
    """As many rows as wanted, of those of x."""
    return np.concatenate([x] * (1 + n // len(x)))[:n]


def bits(*shape: int, seed: int = 1) -> Array:
    """A batch of normal numbers in float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
