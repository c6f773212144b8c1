"""The trait `onnx`: how a layer is written as a part of an ONNX graph.

It is the name of an ONNX operator, whose inputs are x and the arrays of the parameters, in order; or a function

    (graph, params, x) -> out

that adds nodes to a graph, from the wire x to the wire `out`. Wires are strings: names of arrays. What the graph offers
is written down here without the package onnx, so that a layer with the trait does not need it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from chainrule.arrays.types import Array, Labels, Mask

P = TypeVar("P")

Constant: TypeAlias = Array | Labels | Mask | float | Sequence[float] | Sequence[Sequence[float]]
"""An array, or numbers. Floats take the dtype of the network, whole numbers are int64, and truth values bool."""

Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float]
"""An attribute of an operator."""

INT64 = 7
"""The dtype of indices, by its number in ONNX, for the operator Cast."""


class OnnxGraph(Protocol):
    """A graph that is being written, as a layer's trait `onnx` sees it.

    Examples
    --------
    >>> from chainrule.rules import OnnxGraph
    >>> def to_onnx(graph: OnnxGraph, params: tuple[()], x: str) -> str:
    ...     return graph.node("Tanh", graph.node("Neg", x))
    """

    def node(self, operator: str, /, *inputs: str | Constant, **attributes: Attribute) -> str:
        """Add an operator.

        Parameters
        ----------
        operator
            Its name in ONNX, such as `"MatMul"`.
        *inputs
            Wires, and constants; `""` for an optional input that is left out.
        **attributes
            Its attributes.

        Returns
        -------
        str
            The wire of its first output.
        """
        ...

    def constant(self, value: Constant, /) -> str:
        """Add a constant, for more nodes than one.

        Parameters
        ----------
        value
            An array, or numbers.

        Returns
        -------
        str
            Its wire.
        """
        ...

    def shape(self, wire: str, /) -> tuple[int, ...]:
        """The shape of what a wire carries.

        Parameters
        ----------
        wire
            A wire of this graph.

        Returns
        -------
        tuple of int
            The lengths of the axes for the x that was given to `export`. Where the first axis counts examples, another
            batch has another length there: write 0 for it in a `Reshape`, or -1.
        """
        ...

    def layer(self, layer: Any, params: Any, x: str, /) -> str:
        """Write another layer, of which this one is made.

        Parameters
        ----------
        layer
            A layer or an encoder.
        params
            Its parameters.
        x
            The wire that it takes.

        Returns
        -------
        str
            The wire of its output.
        """
        ...


Onnx: TypeAlias = str | Callable[[OnnxGraph, P, str], str]
"""The trait of a layer with parameters of type `P`."""


def onnx_operator(operator: str, *inputs: Constant, **attributes: Attribute) -> Callable[[OnnxGraph, Any, str], str]:
    """Make the trait `onnx` of a layer without parameters that is one operator with options.

    Parameters
    ----------
    operator
        Its name in ONNX.
    *inputs
        Constants that it takes after x.
    **attributes
        Its attributes.

    Returns
    -------
    Callable
        `(graph, params, x) -> out`.

    Examples
    --------
    >>> from chainrule import rules
    >>> clipped = rules.onnx_operator("Clip", -1.0, 1.0)
    """
    return partial(_one_node, operator, inputs, attributes)


def _one_node(
    operator: str, inputs: tuple[Constant, ...], attributes: dict[str, Attribute], graph: OnnxGraph, params: Any, x: str
) -> str:
    return graph.node(operator, x, *inputs, **attributes)
