"""A graph in words: what a picture says to those who don't see it."""

from collections.abc import Iterator

from chainrule.inspecting.drawing.graph import Graph, Label, Line, Node


def account_of(graph: Graph) -> str:
    """Tell all that the graph says, first forward, then backward: a sentence for each node, point and joint."""
    line = graph.line
    sentences = [f"Forward: {_of(line.wires[0].value)} goes in.", *_forward(line)]
    last = line.wires[-1].derivative
    if last is not None:
        sentences += [f"Backward: {said(last)} comes in.", *_backward(line)]
    return " ".join(sentences)


def said(label: Label) -> str:
    """Say what is known of an array, such as `dW f32[784, 50]`, or `b f64[2] = [0.1, 0.2]` if its numbers are few."""
    seen = label.seen
    if seen is None:
        return label.text
    text = f"{label.text} {seen.summary}"
    rows = [", ".join(row) for row in label.grid]
    if rows:
        inner = ", ".join(f"[{row}]" for row in rows) if len(seen.shape) == 2 else rows[0]
        text += f" = [{inner}]" if seen.shape else f" = {inner}"
    if seen.nonfinite:
        text += f" ({'the first with ' if label.first else ''}{seen.nonfinite} of {seen.size} not finite)"
    return text


def _forward(line: Line) -> Iterator[str]:
    for i, piece in enumerate(line.pieces):
        value = _of(line.wires[i + 1].value)
        if isinstance(piece, Node):
            given = _list(piece.params)
            yield f"{_who(piece)}{f' with {given}' if given else ''} gives {value}."
            continue
        count = len(piece.branches)
        yield f"The wire forks into {count} branches of {piece.name}."
        for number, branch in enumerate(piece.branches, start=1):
            yield f"Branch {number} of {count}" + (":" if branch.pieces else " carries the same array on.")
            yield from _forward(branch)
        yield f"The joint {piece.joint} gives {value}."


def _backward(line: Line) -> Iterator[str]:
    for i in reversed(range(len(line.pieces))):
        piece = line.pieces[i]
        derivative = line.wires[i].derivative
        if isinstance(piece, Node):
            gives = _list((*piece.grads, *(() if derivative is None else (derivative,))))
            if gives:
                yield f"{_who(piece)} gives {gives}."
            continue
        count = len(piece.branches)
        yield f"The joint {piece.joint} gives what comes back to {count} branches."
        for number in range(count, 0, -1):
            branch = piece.branches[number - 1]
            yield f"Branch {number} of {count}" + (":" if branch.pieces else " carries it on.")
            yield from _backward(branch)
        total = "" if derivative is None else f": {said(derivative)}"
        yield f"Where the wire forks their derivatives are added{total}."


def _of(label: Label | None) -> str:
    return "it" if label is None else said(label)


def _who(node: Node) -> str:
    return f"The loss, {node.name}," if node.path is None else f"Layer {node.number}, {node.name},"


def _list(labels: tuple[Label, ...]) -> str:
    texts = [said(label) for label in labels]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
