"""Operators of ONNX on images, which have the channels before the positions."""

from chainrule.rules import OnnxGraph


def channels_first(graph: OnnxGraph, x: str) -> str:
    """(n, ..., c) to (n, c, ...)."""
    axes = len(graph.shape(x))
    return graph.node("Transpose", x, perm=(0, axes - 1, *range(1, axes - 1)))


def channels_last(graph: OnnxGraph, x: str) -> str:
    """(n, c, ...) to (n, ..., c)."""
    axes = len(graph.shape(x))
    return graph.node("Transpose", x, perm=(0, *range(2, axes), 1))
