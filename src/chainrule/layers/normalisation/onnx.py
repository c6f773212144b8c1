"""Normalisations in ONNX.

The variance of a runtime may be mean(x^2) - mean(x)^2, which loses its digits where the mean is large: onnxruntime's
own is off by 4e-4 for a mean of 10,000 in float32. So values are centred before it sees them.
"""

from chainrule.arrays.types import Array
from chainrule.rules import OnnxGraph


def centred(graph: OnnxGraph, x: str, axes: tuple[int, ...]) -> str:
    """`x - mean(x)`."""
    return graph.node("Sub", x, graph.node("ReduceMean", x, axes))


def root_mean_square(graph: OnnxGraph, x: str, axes: tuple[int, ...], eps: float) -> str:
    """`sqrt(mean(x^2) + eps)`."""
    return graph.node("Sqrt", graph.node("Add", graph.node("ReduceMean", graph.node("Mul", x, x), axes), eps))


def scaled(graph: OnnxGraph, h: str, scale: Array, bias: Array) -> str:
    """`scale * h + bias`."""
    return graph.node("Add", graph.node("Mul", h, scale), bias)
