"""A graph in words, for readers who don't see the picture."""

from chainrule.inspecting.drawing.graph import Graph, Label, Node


def account_of(graph: Graph) -> str:
    """Describe all that the graph shows, first forward, then backward: a sentence for each node and direction."""
    sentences = [f"Forward: {said(graph.wires[0].value)} goes in."]
    for i, node in enumerate(graph.nodes):
        given = _list(node.params)
        sentences.append(f"{_who(i, node)}{f' with {given}' if given else ''} gives {said(graph.wires[i + 1].value)}.")
    last = graph.wires[-1].derivative
    if last is not None:
        sentences.append(f"Backward: {said(last)} comes in.")
        for i in reversed(range(len(graph.nodes))):
            derivative = graph.wires[i].derivative
            gives = _list((*graph.nodes[i].grads, *(() if derivative is None else (derivative,))))
            sentences.append(f"{_who(i, graph.nodes[i])} gives {gives}.")
    return " ".join(sentences)


def said(label: Label) -> str:
    """Describe an array: its name, shape, and its numbers if they are few, such as `b f64[2] = [0.1, 0.2]`."""
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


def _who(i: int, node: Node) -> str:
    return f"The loss, {node.name}," if node.path is None else f"Layer {i + 1}, {node.name},"


def _list(labels: tuple[Label, ...]) -> str:
    texts = [said(label) for label in labels]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
