"""The trait `onnx` of layers that are made of layers: each part writes itself."""

from typing import Any

from chainrule.rules.combinators import placed
from chainrule.rules.onnx_graph import OnnxGraph


def in_turn(layers: tuple[Any, ...], graph: OnnxGraph, params: Any, x: str) -> str:
    """Layers one after another."""
    for i in range(len(layers)):
        x = _part(layers, i, graph, params, x, "layer")
    return x


def each_wire(layers: tuple[Any, ...], graph: OnnxGraph, params: Any, x: str) -> list[str]:
    """Layers that take one input: the wire of each one's output."""
    return [_part(layers, i, graph, params, x, "branch") for i in range(len(layers))]


def as_it_is(layer: Any, graph: OnnxGraph, params: Any, x: str) -> str:
    """One layer, whose parameters are those of the whole."""
    return graph.layer(layer, params, x)


def _part(layers: tuple[Any, ...], i: int, graph: OnnxGraph, params: Any, x: str, kind: str) -> str:
    try:
        return graph.layer(layers[i], params[i], x)
    except Exception as error:
        placed(error, i, layers, kind)
        raise
