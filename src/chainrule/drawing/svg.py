"""The picture of a graph, as SVG that needs nothing else.

Nodes stand left to right; a graph that is too wide for one row goes on in the next. Above a wire stands the value that
it carries forward, beneath it the derivative that comes back; parameters come into a node from above, their gradients
go out below. Forward wires are solid, backward wires dashed.
"""

import zlib

from attrs import evolve, frozen

from chainrule.drawing import ink
from chainrule.drawing.account import account_of
from chainrule.drawing.block import Block, block, stack
from chainrule.drawing.graph import Graph, Node
from chainrule.tracing.table import escape

BOX = 46.0
APART = 7.0
REACH = 22.0
MARGIN = 18.0
PAD = 9.0
TURN = 30.0
"""Height of a node; forward and backward wires from the middle line; a parameter's arrow; the picture's margin; room
around labels and groups; room for a wire that goes on in the next row."""


@frozen(eq=False)
class Unit:
    """A node with the wire that leads to it; the last unit has a wire only.

    Parameters
    ----------
    above, below
        The wire's value and derivative.
    node
        The node.
    params, grads
        What stands above and below it.
    opens, closes
        How many groups begin before it and end after it.
    wire, free
        The widths of the wire's column, and of the node with what stands above and below it.
    """

    above: Block
    below: Block | None
    node: Node | None
    params: tuple[Block, ...]
    grads: tuple[Block, ...]
    opens: int
    closes: int
    wire: float
    free: float

    @property
    def room(self) -> float:
        """The width of the node's column, with the frames of groups that begin or end there."""
        return 0.0 if self.node is None else self.free + PAD * (1 + self.opens + self.closes)

    @property
    def width(self) -> float:
        """Of both columns."""
        return self.wire + self.room

    @property
    def up(self) -> float:
        """What it needs above the middle line."""
        return max(APART + 8 + self.above.height, _reach(self.params))

    @property
    def down(self) -> float:
        """What it needs below."""
        return max(0.0 if self.below is None else APART + 8 + self.below.height, _reach(self.grads))


def svg_of(graph: Graph, *, width: float, title: str) -> str:
    """Draw a graph.

    Parameters
    ----------
    graph
        The graph.
    width
        The widest that a row may be, in pixels, if it has more than one node.
    title
        The picture's name for screen readers.

    Returns
    -------
    str
        An `svg` element.
    """
    units = _units(graph)
    rows = [_closed(row) for row in _rows(units, width - 2 * MARGIN)]
    back = graph.comes_back
    parts: list[str] = []
    y = MARGIN
    right = 0.0
    ends: tuple[float, float, float] | None = None
    for row in rows:
        nested = max(_depth(unit.node) for unit in row)
        middle = y + 20 * nested + max(unit.up for unit in row)
        bottom = middle + max(*(unit.down for unit in row), BOX / 2 + 4)
        left = MARGIN + (0 if ends is None else TURN)
        if ends is not None:
            parts += _turn(ends, (left, middle), y - 27, back)
        groups, body, ends = _row(row, left, middle, (middle - max(unit.up for unit in row), bottom), back)
        parts = [*groups, *parts, *body]
        right = max(right, ends[1] + (0 if row is rows[-1] else 2 * APART))
        y = bottom + 9 * nested + 44
    height = y - 44
    if back:
        parts += _legend(MARGIN, height + 24)
        height += 30
        right = max(right, MARGIN + 330)
    return _document(parts, right + MARGIN, height + MARGIN, title, account_of(graph))


def _units(graph: Graph) -> list[Unit]:
    units: list[Unit] = []
    nodes: list[Node | None] = [*graph.nodes, None]
    for i, (wire, node) in enumerate(zip(graph.wires, nodes, strict=True)):
        above = block(wire.value)
        below = None if wire.derivative is None else block(wire.derivative)
        long = max(above.width, 0 if below is None else below.width, 36) + 2 * PAD
        if node is None:
            units.append(Unit(above, below, None, (), (), 0, 0, long, 0.0))
            continue
        params, grads = stack(node.params), stack(node.grads)
        opens = _depth(node) - _common(nodes[i - 1] if i else None, node)
        closes = _depth(node) - _common(nodes[i + 1], node)
        caption = ink.width(_indices((node.path or ())[:-1]), "small") + 2 * PAD if opens else 0.0
        free = max([_box_width(node), caption, *(each.width for each in (*params, *grads))])
        units.append(Unit(above, below, node, params, grads, opens, closes, long, free))
    return units


def _rows(units: list[Unit], limit: float) -> list[list[Unit]]:
    """Break a line of units into as few rows as the limit allows, of widths as even as can be."""
    fewest = len(_filled(units, limit))
    spans = {sum(unit.width for unit in units[i:j]) for i in range(len(units)) for j in range(i + 1, len(units) + 1)}
    for narrower in sorted(span for span in spans if span <= limit):
        rows = _filled(units, narrower)
        if len(rows) == fewest:
            return rows
    return _filled(units, limit)


def _filled(units: list[Unit], limit: float) -> list[list[Unit]]:
    rows: list[list[Unit]] = []
    used = 0.0
    for unit in units:
        if rows and (used + unit.width <= limit or unit.node is None):
            rows[-1].append(unit)
            used += unit.width
        else:
            rows.append([unit])
            used = unit.width
    return rows


def _closed(row: list[Unit]) -> list[Unit]:
    """A row in which every group that it shows begins and ends."""
    last = max((i for i, unit in enumerate(row) if unit.node is not None), default=0)
    return [
        evolve(
            unit,
            opens=_depth(unit.node) if i == 0 else unit.opens,
            closes=_depth(unit.node) if i == last else unit.closes,
        )
        for i, unit in enumerate(row)
    ]


def _row(
    row: list[Unit], left: float, middle: float, span: tuple[float, float], back: bool
) -> tuple[list[str], list[str], tuple[float, float, float]]:
    """Draw a row: the groups behind it, the row, and where it ends."""
    groups: list[str] = []
    parts: list[str] = []
    opened: list[tuple[float, tuple[int, ...]]] = []
    start = x = left
    for unit in row:
        node = unit.node
        column = x + unit.wire + PAD / 2 + PAD * unit.opens
        center = column + unit.free / 2
        half = 0.0 if node is None else _box_width(node) / 2
        end = x + unit.wire if node is None else center - half
        parts += _wire(unit, start, end, (x, x + unit.wire), middle, back)
        if node is not None:
            parts += _node(unit, node, center, middle)
            depth = _depth(node)
            while len(opened) < depth:
                opened.append(
                    (column - PAD / 2 - PAD * (depth - 1 - len(opened)), (node.path or ())[: len(opened) + 1])
                )
            while len(opened) > depth - unit.closes:
                groups.insert(0, _group(opened.pop(), column + unit.free + PAD / 2, depth, span, len(opened)))
        start = center + half
        x += unit.width
    return groups, parts, (start, x, middle)


def _wire(unit: Unit, start: float, end: float, column: tuple[float, float], middle: float, back: bool) -> list[str]:
    center = (column[0] + column[1]) / 2
    above, below = unit.above, unit.below
    up, down = middle - APART, middle + APART
    parts = [ink.line([(start, up), (end - 4, up)], "forward"), ink.arrow(end, up, (1, 0), "forward")]
    parts += above.elements(center - above.width / 2, up - 8 - above.height, "forward")
    if back and below is not None:
        parts += [
            ink.line([(end, down), (start + 4, down)], "backward", dashed=True),
            ink.arrow(start, down, (-1, 0), "backward"),
        ]
        parts += below.elements(center - below.width / 2, down + 8, "backward")
    return parts


def _node(unit: Unit, node: Node, center: float, middle: float) -> list[str]:
    half, top = _box_width(node) / 2, middle - BOX / 2
    parts = [ink.box(center - half, top, 2 * half, BOX, "node")]
    under = _place(node)
    lines = [(name, "title", "ink") for name in _lines(node.name)] + ([(under, "small", "faint")] if under else [])
    for i, (line, style, color) in enumerate(lines):
        baseline = middle + 4.5 + 15 * (i - (len(lines) - 1) / 2)
        parts.append(ink.text(center, baseline, line, style, color, "middle"))
    if unit.params:
        y = top - REACH - sum(each.height for each in unit.params) - 6 * (len(unit.params) - 1)
        parts += _stack(unit.params, center, y, "forward")
        parts += [
            ink.line([(center, top - REACH + 4), (center, top - 4)], "forward"),
            ink.arrow(center, top, (0, 1), "forward"),
        ]
    if unit.grads:
        foot = middle + BOX / 2
        parts += [
            ink.line([(center, foot), (center, foot + REACH - 8)], "backward", dashed=True),
            ink.arrow(center, foot + REACH - 4, (0, 1), "backward"),
        ]
        parts += _stack(unit.grads, center, foot + REACH, "backward")
    return parts


def _stack(blocks: tuple[Block, ...], center: float, y: float, color: str) -> list[str]:
    """Blocks one above the other, their names in line."""
    widest = max(each.width for each in blocks)
    parts: list[str] = []
    for each in blocks:
        parts += each.elements(center - widest / 2, y, color)
        y += each.height + 6
    return parts


def _turn(start: tuple[float, float, float], end: tuple[float, float], gutter: float, back: bool) -> list[str]:
    """The wire from the end of one row to the beginning of the next."""
    (x, edge, y), (left, below) = start, end
    out, back_in = edge + APART, MARGIN
    parts = [
        ink.line(
            [
                (x, y - APART),
                (out + APART, y - APART),
                (out + APART, gutter + APART),
                (back_in + 2 * APART, gutter + APART),
                (back_in + 2 * APART, below - APART),
                (left, below - APART),
            ],
            "forward",
        )
    ]
    if back:
        path = [
            (left, below + APART),
            (back_in, below + APART),
            (back_in, gutter - APART),
            (out - APART, gutter - APART),
            (out - APART, y + APART),
            (x + 4, y + APART),
        ]
        parts += [ink.line(path, "backward", dashed=True), ink.arrow(x, y + APART, (-1, 0), "backward")]
    return parts


def _group(
    opened: tuple[float, tuple[int, ...]], right: float, depth: int, span: tuple[float, float], level: int
) -> str:
    """The frame around the layers of a nested `sequential`."""
    left, path = opened
    inner = depth - level
    top, bottom = span[0] - 20 * inner + 2, span[1] + 9 * inner - 2
    right += PAD * (inner - 1)
    frame = ink.box(left, top, right - left, bottom - top, "group", 10)
    return frame + ink.text(left + 9, top + 13, _indices(path), "small", "faint")


def _legend(x: float, y: float) -> list[str]:
    return [
        ink.line([(x, y), (x + 24, y)], "forward"),
        ink.arrow(x + 28, y, (1, 0), "forward"),
        ink.text(x + 36, y + 4, "forward: values", "small", "faint"),
        ink.line([(x + 160, y), (x + 184, y)], "backward", dashed=True),
        ink.arrow(x + 156, y, (-1, 0), "backward"),
        ink.text(x + 192, y + 4, "backward: derivatives", "small", "faint"),
    ]


def _document(parts: list[str], width: float, height: float, title: str, account: str) -> str:
    body = "\n".join([ink.box(0.5, 0.5, width - 1, height - 1, "paper", 10), *parts])
    style = ink.rules("chainrule")
    scope = f"chainrule-{zlib.crc32(style.encode()):08x}"
    key = f"{zlib.crc32((body + title + account).encode()):08x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{scope}" role="img" aria-labelledby="title-{key} desc-{key}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width:100%;height:auto">\n'
        f'<title id="title-{key}">{escape(title)}</title>\n<desc id="desc-{key}">{escape(account)}</desc>\n'
        f"<style>{ink.rules(scope)}</style>\n{body}\n</svg>\n"
    )


def _reach(blocks: tuple[Block, ...]) -> float:
    """How far a node with these blocks reaches from the middle line."""
    if not blocks:
        return BOX / 2
    return BOX / 2 + REACH + sum(each.height for each in blocks) + 6 * (len(blocks) - 1)


def _box_width(node: Node) -> float:
    return max(*(ink.width(line, "title") for line in _lines(node.name)), ink.width(_place(node), "small"), 40) + 22


def _lines(name: str) -> list[str]:
    """A name in one line, or a long one in two, broken at the underscore that is nearest the middle."""
    breaks = [i + 1 for i, letter in enumerate(name) if letter == "_"]
    if len(name) <= 14 or not breaks:
        return [name]
    best = min(breaks, key=lambda i: max(i, len(name) - i))
    return [name[:best], name[best:]]


def _place(node: Node) -> str:
    """Where the node's parameters stand."""
    if node.path is None or not node.params:
        return ""
    return _indices(node.path)


def _indices(path: tuple[int, ...]) -> str:
    return f"params{''.join(f'[{step}]' for step in path)}"


def _depth(node: Node | None) -> int:
    """In how many groups it stands."""
    return 0 if node is None else max(0, len(node.path or ()) - 1)


def _common(other: Node | None, node: Node) -> int:
    """How many groups two nodes share."""
    if other is None or not other.path or not node.path:
        return 0
    shared = 0
    for a, b in zip(other.path[:-1], node.path[:-1], strict=False):
        if a != b:
            break
        shared += 1
    return shared
