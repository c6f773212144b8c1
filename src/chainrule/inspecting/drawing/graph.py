"""The graph that is drawn: lines of nodes with wires between them, and forks, whose branches are lines again.

    wire 0 -> piece 0 -> wire 1 -> ... -> piece k-1 -> wire k

A wire carries a value forward and its derivative back; a node has parameters, which come in from above, and their
gradients, which go out below. From the point of a fork two or more wires leave, and its joint makes one of theirs.
Pictures, Mermaid text and the account for screen readers are made of this.
"""

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeAlias

import attrs
import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.records import field_names
from chainrule.encoder import Encoder
from chainrule.inspecting.drawing.numbers import Cells, cells
from chainrule.inspecting.tracing.quantity import Quantity, measure
from chainrule.inspecting.tracing.records import ForkTrace, LayerTrace, LossTrace, Step, Trace
from chainrule.inspecting.tracing.run import Path, Watched, field_of, match_places
from chainrule.naming import name_of, unbound
from chainrule.parts import Around, Fork, Parts

SIDE = 6
"""Numbers are shown of arrays with at most so many rows and columns."""


@frozen(eq=False)
class Label:
    """A name, such as `"dW"`, and what is known of the array that it names.

    The index stands beneath the line: `"1"` for the output of the first layer. `first` marks the first array of the
    pass with a number that is not finite.
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
    """The values that go from one piece to the next, and those that come back.

    The value is None where it is that of the wire before a fork, which its branches share; the derivative, where
    nothing comes back, or it is that of the wire behind the joint.
    """

    value: Label | None
    derivative: Label | None
    back: bool


@frozen(eq=False)
class Node:
    """A layer or the loss.

    The path is that of `LayerTrace`, and the number its place in the pass, from 1; the loss has None and 0. `params`
    come in from above, and `grads` go out below. For the loss, these are its targets, and nothing.
    """

    name: str
    path: Path | None
    number: int
    params: tuple[Label, ...]
    grads: tuple[Label, ...]

    @property
    def groups(self) -> Path:
        """The place of the nested `sequential` that it is in; `()` for a node of the outermost."""
        return (self.path or ())[:-1]


@frozen(eq=False)
class Split:
    """A fork: branches that leave one point, and their joint.

    A branch without pieces is a wire, on which x goes on as it is. It is `around` if its parameters are those of its
    one layer, and not an entry for each branch.
    """

    name: str
    joint: str
    path: Path
    around: bool
    branches: "tuple[Line, ...]"

    @property
    def groups(self) -> Path:
        """The place of the nested `sequential` that it is in."""
        return self.path[:-1]

    @property
    def base(self) -> Path:
        """The place of the parameters of its layers, of which nested ones have frames of their own."""
        return self.groups if self.around else self.path


Piece: TypeAlias = Node | Split


@frozen(eq=False)
class Line:
    """Pieces one after another, and one wire more."""

    pieces: tuple[Piece, ...]
    wires: tuple[Wire, ...]

    @property
    def nodes(self) -> Iterator[Node]:
        """All nodes, those of branches too."""
        for piece in self.pieces:
            if isinstance(piece, Node):
                yield piece
            else:
                for branch in piece.branches:
                    yield from branch.nodes


@frozen(eq=False)
class Graph:
    """The line of a pass, or of a network, whose derivatives are drawn if it `comes_back`."""

    line: Line
    comes_back: bool

    @property
    def title(self) -> str:
        """The text of the line, such as `Computational graph: x, affine, relu, affine, out`."""
        ends = [wire.value.text for wire in (self.line.wires[0], self.line.wires[-1]) if wire.value is not None]
        names = [ends[0], *(node.name for node in self.line.nodes), ends[-1]]
        return f"Computational graph: {', '.join(names)}"


def shared(a: Path, b: Path) -> int:
    """The length of the beginning that two paths have in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def graph_of_trace(trace: Trace, *, numbers: bool) -> Graph:
    """Make the graph of a pass; small arrays show their numbers, if wanted, and not their shapes."""
    bad = trace.first_nonfinite
    where = None if bad is None else bad.where

    def label(name: str, seen: Quantity, index: str = "") -> Label:
        return Label(name, index, _shown(seen, numbers=numbers), first=seen.where == where)

    pass_ = _Pass(label, count(1))
    line = pass_.line(trace.steps, ("x", ""), trace.x, trace.dout, ("out", ""))
    if trace.loss is not None:
        line = _with_loss(line, trace.loss, label)
    return Graph(line, trace.dout is not None)


@frozen(eq=False)
class _Pass:
    label: Callable[..., Label]
    numbers: Iterator[int]

    def line(
        self,
        steps: tuple[Step, ...],
        start: tuple[str, str] | None,
        x: Quantity,
        dout: Quantity | None,
        end: tuple[str, str] | None,
    ) -> Line:
        """A line from the value that `start` names, or a branch, to the one that `end` names, or the next number."""
        pieces: list[Piece] = []
        names = [start or ("", "")]
        values = [x]
        for i, step in enumerate(steps):
            pieces.append(self.node(step) if isinstance(step, LayerTrace) else self.split(step))
            names.append(end if end is not None and i == len(steps) - 1 else ("h", str(next(self.numbers))))
            values.append(step.out)
        derivatives = [*(step.dx for step in steps), dout]
        wires = [self.wire(*each) for each in zip(names, values, derivatives, strict=True)]
        if start is None:  # a branch: x stands before the fork, and dout behind it
            back = dout is not None
            wires[-1] = Wire(wires[-1].value if steps else None, None, back)
            if steps:
                dx, (_, index) = steps[0].dx, names[1]
                wires[0] = Wire(None, None if dx is None else self.label("dx", dx, index), back)
        return Line(tuple(pieces), tuple(wires))

    def wire(self, name: tuple[str, str], value: Quantity, derivative: Quantity | None) -> Wire:
        word, index = name
        back = None if derivative is None else self.label(f"d{word}", derivative, index)
        return Wire(self.label(word, value, index), back, back is not None)

    def node(self, layer: LayerTrace) -> Node:
        params = tuple(self.label(param.name, param) for param in layer.params)
        return Node(
            _without_options(layer.name),
            layer.path,
            layer.number,
            params,
            tuple(self.label(grad.name, grad) for grad in layer.grads),
        )

    def split(self, fork: ForkTrace) -> Split:
        branches = tuple(self.line(steps, None, fork.x, fork.dout, None) for steps in fork.branches)
        return Split(fork.name, fork.joint, fork.path, fork.around, branches)


def _with_loss(line: Line, loss: LossTrace, label: Callable[..., Label]) -> Line:
    targets = tuple(label(target.name, target) for target in loss.targets)
    last = Wire(label("loss", loss.loss), label("dloss", _one(loss.loss)), True)
    return Line((*line.pieces, Node(loss.name, None, 0, targets, ())), (*line.wires, last))


def graph_of_network(network: Watched, params: object, *, numbers: bool) -> Graph:
    """Make the graph of a network that has not been run: the names, and the parameters' shapes if they are given.

    A ValueError or a TypeError if there are not as many parameters as layers.
    """
    if params is not None:
        match_places("draw", network, params, ())
    pieces = _Plan(numbers, count(1)).pieces(network, params, ())
    line = _named(pieces, count(1), is_branch=False)
    if isinstance(network, Encoder):  # with respect to what it reads nothing is differentiated
        line = Line(line.pieces, (Wire(line.wires[0].value, None, False), *line.wires[1:]))
    return Graph(line, comes_back=True)


def _named(pieces: tuple[Piece, ...], numbers: Iterator[int], *, is_branch: bool) -> Line:
    values = [Label("x")]
    named: list[Piece] = []
    for i, piece in enumerate(pieces):
        named.append(piece if isinstance(piece, Node) else _named_branches(piece, numbers))
        is_end = i == len(pieces) - 1 and not is_branch
        values.append(Label("out") if is_end else Label("h", str(next(numbers))))
    wires = [Wire(value, Label(f"d{value.name}", value.index), True) for value in values]
    if is_branch:  # x stands before the fork, and what comes back to the joint behind it
        wires[-1] = Wire(values[-1] if pieces else None, None, True)
        wires[0] = Wire(None, Label("dx", values[1].index) if pieces else None, True)
    return Line(tuple(named), tuple(wires))


def _named_branches(split: Split, numbers: Iterator[int]) -> Split:
    lines = (_named(branch.pieces, numbers, is_branch=True) for branch in split.branches)
    return attrs.evolve(split, branches=tuple(lines))


@frozen(eq=False)
class _Plan:
    shows: bool
    layers: Iterator[int]

    def pieces(self, layer: Watched, params: Any, path: Path) -> tuple[Piece, ...]:
        """The text of the line for a layer."""
        parts: Parts = layer.parts
        if isinstance(parts, tuple) or (isinstance(parts, Around) and parts.is_whole):
            return (self.node(layer, params, path),)
        if isinstance(parts, Around):
            inside = self.pieces(parts.layer, params, path)
            if parts.fixed:
                inside = tuple(_without_grads(piece) for piece in inside)
            branches = (Line(inside, ()), Line((), ()))
            return (Split(name_of(layer), "+", path, True, branches),) if parts.skip else inside
        own = [None] * len(parts.layers) if params is None else params
        each = [self.pieces(part, own[i], (*path, i)) for i, part in enumerate(parts.layers)]
        if isinstance(parts, Fork):
            return (Split(name_of(layer), parts.joint, path, False, tuple(Line(one, ()) for one in each)),)
        return tuple(piece for one in each for piece in one)

    def node(self, layer: Watched, params: object, path: Path) -> Node:
        """A layer, whose parameters' names are read off its functions' types if they are not given."""
        number = next(self.layers)
        if params is None:
            names = parameter_names(layer)
            of_params, of_grads = (tuple(Label(before + name) for name in names) for before in ("", "d"))
            return Node(_without_options(name_of(layer)), path, number, of_params, of_grads)
        seen = [measure(field_of(at), f"params{at}", leaf) for at, leaf in tree.named_leaves(params)]
        of_params = tuple(Label(one.name, seen=_shown(one, numbers=self.shows)) for one in seen)
        of_grads = tuple(Label(f"d{one.name}", seen=_shown(one, numbers=False)) for one in seen)  # like params
        return Node(_without_options(name_of(layer)), path, number, of_params, of_grads)


def _without_grads(piece: Piece) -> Piece:
    if isinstance(piece, Node):
        return attrs.evolve(piece, grads=())
    lines = (Line(tuple(_without_grads(each) for each in line.pieces), line.wires) for line in piece.branches)
    return attrs.evolve(piece, branches=tuple(lines))


def _shown(seen: Quantity, *, numbers: bool) -> Quantity:
    return seen if numbers else attrs.evolve(seen, values=None)


def _one(loss: Quantity) -> Quantity:
    return attrs.evolve(measure("dloss", "dloss", np.ones(())), dtype=loss.dtype)


def parameter_names(network: Watched) -> tuple[str, ...]:
    """The fields of a layer's parameters, read off the types of the function that goes forward."""
    forward = network.forward if network.rule is None else network.rule.source
    annotated = getattr(unbound(forward), "__annotations__", {}).values()
    return next((field_names(kind) for kind in annotated if isinstance(kind, type) and field_names(kind)), ())


def _without_options(name: str) -> str:
    """`layer_norm` for `layer_norm(eps=1e-05)`: a box has room for no more."""
    called = re.fullmatch(r"([A-Za-z_]\w*)\(\w+=.*\)", name)
    return called[1] if called else name
