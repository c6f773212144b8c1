"""The picture of a graph, as SVG that needs nothing else.

Nodes stand left to right; a graph that is too wide for one row goes on in the next. Above a wire stands the value that
it carries forward, beneath it the derivative that comes back; parameters come into a node from above, their gradients
go out below. Forward wires are solid, backward wires dashed.
"""

import math
import zlib
from collections.abc import Sequence

from attrs import frozen

from chainrule.inspecting.drawing import ink
from chainrule.inspecting.drawing.account import account_of
from chainrule.inspecting.drawing.block import Block
from chainrule.inspecting.drawing.graph import Graph, Node
from chainrule.inspecting.drawing.layout import (
    APART,
    BETWEEN,
    BOX,
    CAPTION,
    FAN,
    JOINT,
    MARGIN,
    PAD,
    POINT,
    REACH,
    SILL,
    TURN,
    Fork,
    Unit,
    box_width,
    place_under,
    rows_of,
    stack_height,
    title_lines,
)
from chainrule.inspecting.tracing.run import Path, place_of
from chainrule.inspecting.tracing.table import escape

GUTTER = 44.0
LEGEND = 318.0
"""The height between rows; the width of the line that explains."""


@frozen(eq=False)
class End:
    """The end of a row: its last node's right side, the right side of all that stands in it, and its middle line."""

    x: float
    edge: float
    middle: float


def svg_of(graph: Graph, *, width: float, title: str) -> str:
    """Draw a graph as an `svg` element, whose rows are at most `width` pixels wide if they have more than one node."""
    rows = rows_of(graph, width)
    back = graph.comes_back
    groups: list[str] = []
    parts: list[str] = []
    least = LEGEND if back else 0.0
    indent = max(0.0, (least - sum(unit.width for unit in rows[0])) / 2) if len(rows) == 1 else 0.0
    y, right = MARGIN, MARGIN + least
    end: End | None = None
    for row in rows:
        depth = max(unit.depth for unit in row)
        top = y + CAPTION * depth
        middle = top + max(unit.up for unit in row)
        bottom = middle + max(*(unit.down for unit in row), BOX / 2 + 4)
        left = MARGIN + (indent if end is None else TURN)
        if end is not None:
            parts += _turn(end, left, middle, y - 0.6 * GUTTER, back=back)
        behind, drawn, end = _row(row, 0, left, top, middle, bottom)
        groups += behind
        parts += drawn
        right = max(right, end.edge + (0 if row is rows[-1] else 2 * APART))
        y = bottom + SILL * depth + GUTTER
    height = y - GUTTER
    if back:
        parts += _legend(MARGIN, height + 24)
        height += 30
    return _document([*groups, *parts], right + MARGIN, height + MARGIN, title, account_of(graph))


def _row(
    row: Sequence[Unit], base: int, left: float, top: float, middle: float, bottom: float, *, inner: bool = False
) -> tuple[list[str], list[str], End]:
    """Draw a row: the frames of its groups, outer ones first, and what stands in them.

    `base` groups are around the whole row, and are drawn by the row that it is a part of. The wires at the ends of an
    inner row, a branch, go on: they have no heads there.
    """
    groups: list[str] = []
    parts: list[str] = []
    begun: list[float] = []
    start = x = left
    for i, unit in enumerate(row):
        column = x + unit.wire + PAD / 2 + PAD * unit.opens
        center = column + unit.free / 2
        end = x + unit.wire if unit.is_wire else center - unit.half
        heads = (not (inner and i == len(row) - 1), not (inner and i == 0))
        parts += _wire(unit, start, end, x + unit.wire / 2, middle, heads)
        behind: list[str] = []
        if unit.node is not None:
            parts += _node(unit, unit.node, center, middle)
        elif unit.fork is not None:
            behind, drawn = _fork(unit.fork, center - unit.half, middle)
            parts += drawn
        if not unit.is_wire:
            begun += [column - PAD / 2 - PAD * outer for outer in reversed(range(unit.opens))]
            for nth in range(unit.closes):
                level = base + len(begun)
                edge = column + unit.free + PAD / 2 + PAD * nth
                frame = (begun.pop(), top - CAPTION * (nth + 1) + 2, edge, bottom + SILL * (nth + 1) - 2)
                groups.insert(0, _group(frame, unit.groups[:level]))
        groups += behind
        start = center + unit.half
        x += unit.width
    return groups, parts, End(start, x, middle)


def _wire(unit: Unit, start: float, end: float, center: float, middle: float, heads: tuple[bool, bool]) -> list[str]:
    above, below = unit.above, unit.below
    up, down = middle - APART, middle + APART
    parts = [ink.line([(start, up), (end - 4 * heads[0], up)], "forward")]
    parts += [ink.arrow(end, up, (1, 0), "forward")] if heads[0] else []
    if above is not None:
        parts += above.elements(center - above.width / 2, up - 8 - above.height, "forward")
    if unit.back:
        parts += [ink.line([(end, down), (start + 4 * heads[1], down)], "backward", dashed=True)]
        parts += [ink.arrow(start, down, (-1, 0), "backward")] if heads[1] else []
    if below is not None:
        parts += below.elements(center - below.width / 2, down + 8, "backward")
    return parts


def _fork(fork: Fork, left: float, middle: float) -> tuple[list[str], list[str]]:
    point, joint = left + POINT, left + fork.width - JOINT
    begin = left + 2 * POINT + FAN
    groups: list[str] = []
    parts: list[str] = []
    for branch in fork.branches:
        line = middle + branch.at
        top = line - branch.up + CAPTION * branch.depth
        bottom = line + branch.down - SILL * branch.depth
        behind, drawn, last = _row(branch.units, len(branch.base), begin, top, line, bottom, inner=True)
        groups += behind
        parts += drawn
        parts += _out_of_point(point, middle, begin, line, back=branch.units[0].back)
        parts += _into_joint(joint, middle, last.edge, line, back=branch.units[-1].back)
    parts += [ink.dot(point, middle, POINT, "point"), ink.dot(joint, middle, JOINT, "node")]
    parts.append(ink.text(joint, middle + 5.5, fork.split.joint, "joint", "ink", "middle"))
    return groups, parts


def _out_of_point(x: float, y: float, begin: float, line: float, *, back: bool) -> list[str]:
    """The wires between the point of a fork and a branch. Turns are one in another, so that no wire crosses another."""
    side = (line > y) - (line < y)  # below, on the middle line, above
    up, down, rim = line - APART, line + APART, math.sqrt(POINT**2 - APART**2)
    if not side:
        parts = [ink.line([(x, up), (begin, up)], "forward")]
        head, tip, way = (x + rim + 4, down), (x + rim, down), (-1, 0)
        path = [(begin, down), head]
    else:
        parts = [ink.line([(x + side * APART, y), (x + side * APART, up), (begin, up)], "forward")]
        turn = x - side * APART
        head, tip, way = (turn, y + side * (rim + 4)), (turn, y + side * rim), (0, -side)
        path = [(begin, down), (turn, down), head]
    return parts + ([ink.line(path, "backward", dashed=True), ink.arrow(*tip, way, "backward")] if back else [])


def _into_joint(x: float, y: float, end: float, line: float, *, back: bool) -> list[str]:
    side = (line > y) - (line < y)
    up, down, rim = line - APART, line + APART, math.sqrt(JOINT**2 - APART**2)
    if not side:
        tip, way = (x - rim, up), (1, 0)
        path, home = [(end, up), (x - rim - 4, up)], [(x - rim, down), (end, down)]
    else:
        turn, other = x - side * APART, x + side * APART
        tip, way = (turn, y + side * rim), (0, -side)
        path = [(end, up), (turn, up), (turn, y + side * (rim + 4))]
        home = [(other, y + side * rim), (other, down), (end, down)]
    parts = [ink.line(path, "forward"), ink.arrow(*tip, way, "forward")]
    return parts + ([ink.line(home, "backward", dashed=True)] if back else [])


def _node(unit: Unit, node: Node, center: float, middle: float) -> list[str]:
    half, top = box_width(node) / 2, middle - BOX / 2
    parts = [ink.box(center - half, top, 2 * half, BOX, "node")]
    under = place_under(node)
    lines = [(name, "title", "ink") for name in title_lines(node)] + ([(under, "small", "faint")] if under else [])
    for i, (line, style, color) in enumerate(lines):
        baseline = middle + 4.5 + (15 if len(lines) < 3 else 13) * (i - (len(lines) - 1) / 2)
        parts.append(ink.text(center, baseline, line, style, color, "middle"))
    if unit.params:
        y = top - REACH - stack_height(unit.params)
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
    widest = max(each.width for each in blocks)
    parts: list[str] = []
    for each in blocks:
        parts += each.elements(center - widest / 2, y, color)
        y += each.height + BETWEEN
    return parts


def _turn(end: End, left: float, below: float, gutter: float, *, back: bool) -> list[str]:
    x, y, out, inn = end.x, end.middle, end.edge + APART, MARGIN
    parts = [
        ink.line(
            [
                (x, y - APART),
                (out + APART, y - APART),
                (out + APART, gutter + APART),
                (inn + 2 * APART, gutter + APART),
                (inn + 2 * APART, below - APART),
                (left, below - APART),
            ],
            "forward",
        )
    ]
    if back:
        path = [
            (left, below + APART),
            (inn, below + APART),
            (inn, gutter - APART),
            (out - APART, gutter - APART),
            (out - APART, y + APART),
            (x + 4, y + APART),
        ]
        parts += [ink.line(path, "backward", dashed=True), ink.arrow(x, y + APART, (-1, 0), "backward")]
    return parts


def _group(frame: tuple[float, float, float, float], path: Path) -> str:
    left, top, right, bottom = frame
    rim = ink.box(left, top, right - left, bottom - top, "group", 10)
    return rim + ink.text(left + PAD, top + 13, place_of(path), "small", "faint")


def _legend(x: float, y: float) -> list[str]:
    return [
        ink.line([(x, y), (x + 24, y)], "forward"),
        ink.arrow(x + 28, y, (1, 0), "forward"),
        ink.text(x + 36, y + 4, "forward: values", "small", "faint"),
        ink.line([(x + 150, y), (x + 174, y)], "backward", dashed=True),
        ink.arrow(x + 146, y, (-1, 0), "backward"),
        ink.text(x + 182, y + 4, "backward: derivatives", "small", "faint"),
    ]


def _document(parts: list[str], width: float, height: float, title: str, account: str) -> str:
    """Put the parts together.

    The style sheet's rules are for a class that is named for its text, and nothing has an id, so that pictures in one
    page do not meddle with each other. A narrow page shrinks the picture to three quarters, and then has to scroll.
    """
    scope = f"chainrule-{zlib.crc32(ink.rules('').encode()):08x}"
    w, h = round(width), round(height)
    size = f'width="{w}" height="{h}" viewBox="0 0 {w} {h}"'
    shrink = f"max-width:100%;min-width:{round(0.75 * width)}px;height:auto"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{scope}" role="img" {size} style="{shrink}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(account)}</desc>",
            f"<style>{ink.rules(scope)}</style>",
            ink.box(0.5, 0.5, w - 1, h - 1, "paper", 10),
            *parts,
            "</svg>\n",
        ]
    )
