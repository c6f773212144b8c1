"""The graph as Mermaid text, which Markdown readers such as GitHub's turn into a picture."""

from collections.abc import Iterator
from itertools import count

from attrs import frozen

from chainrule.inspecting.drawing.account import account_of, said
from chainrule.inspecting.drawing.graph import Graph, Label, Line, Node, Piece, Wire, shared
from chainrule.inspecting.tracing.run import Path, place_of


def mermaid_of(graph: Graph, *, title: str) -> str:
    """Write a graph as a Mermaid flow chart, `flowchart LR`: solid arrows go forward, dotted ones come back.

    The title is for screen readers.
    """
    chart = _Chart(count(1), count(1), [], [])
    lines = ["flowchart LR", f"    accTitle: {_line(title)}"]
    lines.append(f"    accDescr: {_line(account_of(graph))}")
    chart.line(graph.line, (), "start", "stop")
    return "\n".join([*lines, "    start(( ))", *chart.nodes, "    stop(( ))", *chart.arrows]) + "\n"


@frozen(eq=False)
class _Chart:
    numbers: Iterator[int]
    forks: Iterator[int]
    nodes: list[str]
    arrows: list[str]

    def line(self, line: Line, base: Path, start: str, end: str) -> None:
        """A line of pieces, in the group `base`, from one node to another."""
        left, group = start, base
        for wire, piece in zip(line.wires, line.pieces, strict=False):
            number = next(self.numbers if isinstance(piece, Node) else self.forks)
            inside = piece.groups if len(piece.groups) > len(base) else base
            self.nodes.extend(_groups(group, inside, f"{'' if isinstance(piece, Node) else 'f'}{number}"))
            group = inside
            self.wire(wire, left, f"n{number}" if isinstance(piece, Node) else f"f{number}")
            left = self.piece(piece, number)
        self.nodes.extend(_groups(group, base, ""))
        self.wire(line.wires[-1], left, end)

    def piece(self, piece: Piece, number: int) -> str:
        """A node, or a fork: the name of where wires go out."""
        if isinstance(piece, Node):
            self.nodes.append(f'    n{number}["{_inside(piece)}"]')
            return f"n{number}"
        point, joint = f"f{number}", f"j{number}"
        self.nodes.append(f"    {point}(( ))")
        for branch in piece.branches:
            self.line(branch, piece.base, point, joint)
        self.nodes.append(f'    {joint}(("{_quoted(piece.joint)}"))')
        return joint

    def wire(self, wire: Wire, left: str, right: str) -> None:
        self.arrows.append(f"    {left} -->{_on(wire.value)} {right}")
        if wire.back:
            self.arrows.append(f"    {right} -.->{_on(wire.derivative)} {left}")


def _on(label: Label | None) -> str:
    return "" if label is None else f'|"{_quoted(said(label))}"|'


def _groups(before: Path, after: Path, i: str) -> list[str]:
    same = shared(before, after)
    begins = [f'    subgraph g{i}_{depth}["{place_of(after[:depth])}"]' for depth in range(same + 1, len(after) + 1)]
    return ["    end"] * (len(before) - same) + begins


def _inside(node: Node) -> str:
    return "<br>".join(_quoted(text) for text in (node.name, *map(said, (*node.params, *node.grads))))


def _quoted(text: str) -> str:
    """Text that Mermaid does not read as its own: it writes such characters as `#34;`."""
    return "".join(c if c.isalnum() or c in " .,:=()[]_-\N{MINUS SIGN}" else f"#{ord(c)};" for c in text)


def _line(text: str) -> str:
    """Text up to the end of a line, without braces that open a block and `%%` that begins a comment."""
    return _quoted(" ".join(text.split()))
