"""The graph that is drawn: nodes in a line, the wires between them, and what stands at each.

    wire 0 -> node 0 -> wire 1 -> ... -> node k-1 -> wire k

A wire carries a value forward and its derivative back; a node has parameters, which come in from above, and their
gradients, which go out below. Pictures, Mermaid text and the account for screen readers are made of this.
"""

from typing import Any

import attrs
import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.records import field_names
from chainrule.inspecting.drawing.numbers import Cells, cells
from chainrule.inspecting.tracing.quantity import Quantity, measure
from chainrule.inspecting.tracing.records import Trace
from chainrule.inspecting.tracing.run import Link, field_of, links
from chainrule.layer import Layer
from chainrule.naming import name_of, unbound
from chainrule.parts import Chain

SIDE = 6
"""Numbers are shown of arrays with at most so many rows and columns."""


@frozen(eq=False)
class Label:
    """A name, and what is known of the array that it names.

    Parameters
    ----------
    name
        Such as `"x"`, `"h"`, `"dW"`.
    index
        What stands beneath the line: `"1"` for the output of the first layer; or nothing.
    seen
        The array's shape and numbers; None if only its name is known.
    first
        Whether it is the first array of the pass with a number that is not finite.
    """

    name: str
    index: str = ""
    seen: Quantity | None = None
    first: bool = False

    @property
    def grid(self) -> Cells:
        """Its numbers, row by row, if they are few: at most 6 by 6; else nothing."""
        seen = self.seen
        if seen is None or seen.values is None or not seen.size or len(seen.shape) > 2:
            return []
        return cells(seen.values) if max(seen.shape, default=1) <= SIDE else []

    @property
    def text(self) -> str:
        """Name and index: `h1`."""
        return self.name + self.index


@frozen(eq=False)
class Wire:
    """The value that goes from one node to the next, and the derivative that comes back."""

    value: Label
    derivative: Label | None


@frozen(eq=False)
class Node:
    """A layer or the loss.

    Parameters
    ----------
    name
        Of the layer.
    path
        Where its parameters stand, as in `LayerTrace`; None for the loss.
    params, grads
        The arrays above and below the node. For the loss, its targets, and none.
    """

    name: str
    path: tuple[int, ...] | None
    params: tuple[Label, ...]
    grads: tuple[Label, ...]

    @property
    def groups(self) -> tuple[int, ...]:
        """The path of the nested `sequential` that it is in; `()` for a node of the outermost."""
        return (self.path or ())[:-1]


@frozen(eq=False)
class Graph:
    """Nodes in a line, and one wire more."""

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]

    @property
    def title(self) -> str:
        """A title that lists the nodes: `Computational graph: x, affine, relu, affine, out`."""
        names = [self.wires[0].value.text, *(node.name for node in self.nodes), self.wires[-1].value.text]
        return f"Computational graph: {', '.join(names)}"

    @property
    def comes_back(self) -> bool:
        """True if derivatives are drawn."""
        return self.wires[0].derivative is not None


def shared(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The length of the common beginning of two paths."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def indices(path: tuple[int, ...]) -> str:
    """A path as Python writes it: `params[1][0]` for `(1, 0)`."""
    return f"params{''.join(f'[{step}]' for step in path)}"


def graph_of_trace(trace: Trace, *, numbers: bool) -> Graph:
    """Make the graph of a pass; `numbers` is true if small arrays show their numbers, and not their shapes."""
    bad = trace.first_nonfinite
    where = None if bad is None else bad.where

    def label(name: str, seen: Quantity, index: str = "") -> Label:
        return Label(name, index, _shown(seen, numbers=numbers), first=seen.where == where)

    def wire(i: int, value: Quantity, derivative: Quantity | None) -> Wire:
        name, index = _wire_name(i, len(trace.layers))
        return Wire(label(name, value, index), None if derivative is None else label(f"d{name}", derivative, index))

    nodes: list[Node] = []
    wires: list[Wire] = []
    for i, layer in enumerate(trace.layers):
        wires.append(wire(i, trace.x if i == 0 else trace.layers[i - 1].out, layer.dx))
        params = tuple(label(param.name, param) for param in layer.params)
        nodes.append(Node(layer.name, layer.path, params, tuple(label(grad.name, grad) for grad in layer.grads)))
    last = trace.layers[-1].out if trace.layers else trace.x
    wires.append(wire(len(trace.layers), last, trace.dout))
    if trace.loss is not None:
        targets = tuple(label(target.name, target) for target in trace.loss.targets)
        nodes.append(Node(trace.loss.name, None, targets, ()))
        wires.append(Wire(label("loss", trace.loss.loss), label("dloss", _one(trace.loss.loss))))
    return Graph(tuple(nodes), tuple(wires))


def graph_of_network(network: Layer[Any, Any], params: object, *, numbers: bool) -> Graph:
    """Make the graph of a network that has not been run: the names, and the parameters' shapes if they are given.

    Another number of parameters than of layers is a ValueError.
    """
    if params is None:
        nodes = _named_nodes(network, ())
    else:
        nodes = [_node(link, numbers=numbers) for link in links(network, params)]
    names = [_wire_name(i, len(nodes)) for i in range(len(nodes) + 1)]
    return Graph(tuple(nodes), tuple(Wire(Label(name, i), Label(f"d{name}", i)) for name, i in names))


def _node(link: Link, *, numbers: bool) -> Node:
    seen = [measure(field_of(at), f"params{at}", leaf) for at, leaf in tree.named_leaves(link.params)]
    params = tuple(Label(one.name, seen=_shown(one, numbers=numbers)) for one in seen)
    grads = tuple(Label(f"d{one.name}", seen=_shown(one, numbers=False)) for one in seen)  # like params: the contract
    return Node(name_of(link.layer), link.path, params, grads)


def _shown(seen: Quantity, *, numbers: bool) -> Quantity:
    return seen if numbers else attrs.evolve(seen, values=None)


def _named_nodes(network: Layer[Any, Any], path: tuple[int, ...]) -> list[Node]:
    """The nodes of a network whose parameters are not given: their names are read off its functions' types."""
    if isinstance(network.parts, Chain):
        return [node for i, layer in enumerate(network.parts.layers) for node in _named_nodes(layer, (*path, i))]
    names = parameter_names(network)
    params, grads = (tuple(Label(before + name) for name in names) for before in ("", "d"))
    return [Node(name_of(network), path, params, grads)]


def _wire_name(i: int, count: int) -> tuple[str, str]:
    """x, h1, h2, ..., out."""
    if i == 0:
        return "x", ""
    return ("out", "") if i == count else ("h", str(i))


def _one(loss: Quantity) -> Quantity:
    """The derivative of the loss with respect to itself: 1."""
    return attrs.evolve(measure("dloss", "dloss", np.ones(())), dtype=loss.dtype)


def parameter_names(network: Layer[Any, Any]) -> tuple[str, ...]:
    """The fields of a layer's parameters, read off the types of the function that goes forward."""
    forward = network.forward if network.rule is None else network.rule.source
    annotated = getattr(unbound(forward), "__annotations__", {}).values()
    return next((field_names(kind) for kind in annotated if isinstance(kind, type) and field_names(kind)), ())
