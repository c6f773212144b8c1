"""Pools in ONNX."""

from typing import Any

from chainrule.arrays.spatial import Each, Margins
from chainrule.layers.channels_first import channels_first, channels_last
from chainrule.layers.pooling.windows import windows
from chainrule.rules import OnnxGraph, Unit


def max_pool(graph: OnnxGraph, params: Unit, x: str, **options: Any) -> str:
    """`MaxPool`, between transposes."""
    return _between(graph, "MaxPool", x, **options)


def mean_pool(graph: OnnxGraph, params: Unit, x: str, **options: Any) -> str:
    """`AveragePool`, between transposes; the padding counts."""
    return _between(graph, "AveragePool", x, **options, count_include_pad=1)


def _between(
    graph: OnnxGraph, operator: str, x: str, *, size: Each, stride: Each, padding: Margins, **attributes: int
) -> str:
    sizes, strides, before, after = zip(*windows(len(graph.shape(x)) - 2, size, stride, padding), strict=True)
    pads = (*before, *after)
    first = channels_first(graph, x)
    return channels_last(
        graph, graph.node(operator, first, kernel_shape=sizes, strides=strides, pads=pads, **attributes)
    )


def global_pool(operator: str, graph: OnnxGraph, params: Unit, x: str) -> str:
    """A reduction of all axes but the first and the last."""
    positions = range(1, len(graph.shape(x)) - 1)
    return graph.node(operator, x, (*positions,), keepdims=0) if positions else x
