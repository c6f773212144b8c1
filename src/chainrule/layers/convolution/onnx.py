"""Convolutions in ONNX, whose kernels are (out, in, *size), and those of the transpose (in, out, *size)."""

from typing import Any

from chainrule.arrays.windows import Windows
from chainrule.layers.channels_first import channels_first, channels_last
from chainrule.layers.convolution.kernel import Convolution
from chainrule.layers.convolution.options import TRANSPOSE, Options, windows_of
from chainrule.rules import OnnxGraph


def convolution(options: Options, graph: OnnxGraph, params: Convolution, x: str) -> str:
    """`Conv`, between transposes."""
    at = windows_of("convolution", graph.shape(x), params.W.shape, **options)
    # The zeros after what all windows reach are of no use.
    after = [max(each, 0) for each in _beyond(at)]
    attributes: dict[str, Any] = {
        "strides": at.stride,
        "dilations": at.dilation,
        "group": at.groups,
        "pads": (*at.before, *after),
    }
    return _between(graph, "Conv", params, x, -1, -2, **attributes)


def convolution_transpose(options: Options, graph: OnnxGraph, params: Convolution, x: str) -> str:
    """`ConvTranspose`, between transposes."""
    at = windows_of(TRANSPOSE, graph.shape(x), params.W.shape, **options)
    cut, missing = ([max(sign * each, 0) for each in _beyond(at)] for sign in (1, -1))
    attributes: dict[str, Any] = {"strides": at.stride, "pads": (*at.before, *cut), "output_padding": missing}
    return _between(graph, "ConvTranspose", params, x, -2, -1, **attributes)


def _beyond(at: Windows) -> list[int]:
    axes = zip(at.lengths, at.outer, at.before, strict=True)
    return [length - positions - before for length, positions, before in axes]


def _between(
    graph: OnnxGraph, operator: str, params: Convolution, x: str, first: int, second: int, **attributes: Any
) -> str:
    """The operator with kernels whose axes `first` and `second` come before those of size."""
    axes = params.W.ndim
    W = params.W.transpose(first, second, *range(axes - 2))
    return channels_last(graph, graph.node(operator, channels_first(graph, x), W, params.b, **attributes))
