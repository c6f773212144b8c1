"""The graph as Mermaid text, which Markdown readers such as GitHub's turn into a picture."""

from chainrule.inspecting.drawing.account import account_of, said
from chainrule.inspecting.drawing.graph import Graph, Node, indices, shared


def mermaid_of(graph: Graph, *, title: str) -> str:
    """Write a graph as a Mermaid flow chart: solid arrows go forward, dotted ones come back."""
    ends = ["start", *(f"n{i}" for i in range(1, len(graph.nodes) + 1)), "stop"]
    lines = ["flowchart LR", f"    accTitle: {_line(title)}"]
    lines.append(f"    accDescr: {_line(account_of(graph))}")
    lines.append("    start(( ))")
    open_groups: tuple[int, ...] = ()
    for i, node in enumerate(graph.nodes, start=1):
        lines += _groups(open_groups, node.groups, i)
        open_groups = node.groups
        lines.append(f'    n{i}["{_inside(node)}"]')
    lines += _groups(open_groups, (), 0)
    lines.append("    stop(( ))")
    for i, wire in enumerate(graph.wires):
        lines.append(f'    {ends[i]} -->|"{_quoted(said(wire.value))}"| {ends[i + 1]}')
        if wire.derivative is not None:
            lines.append(f'    {ends[i + 1]} -.->|"{_quoted(said(wire.derivative))}"| {ends[i]}')
    return "\n".join(lines) + "\n"


def _groups(before: tuple[int, ...], after: tuple[int, ...], i: int) -> list[str]:
    """The ends of the nested `sequential`s that a node is no longer in, and the beginnings of those that it is in."""
    same = shared(before, after)
    begins = [f'    subgraph g{i}_{depth}["{indices(after[:depth])}"]' for depth in range(same + 1, len(after) + 1)]
    return ["    end"] * (len(before) - same) + begins


def _inside(node: Node) -> str:
    return "<br>".join(_quoted(text) for text in (node.name, *map(said, (*node.params, *node.grads))))


def _quoted(text: str) -> str:
    """Text that Mermaid does not read as its own: it writes such characters as `#34;`."""
    return "".join(c if c.isalnum() or c in " .,:=()[]_-\N{MINUS SIGN}" else f"#{ord(c)};" for c in text)


def _line(text: str) -> str:
    """Text up to the end of a line, without braces that open a block and `%%` that begins a comment."""
    return _quoted(" ".join(text.split()))
