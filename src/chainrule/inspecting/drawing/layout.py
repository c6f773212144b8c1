"""The layout of a picture: the width of each part, and the parts that share a row."""

from bisect import bisect_left
from itertools import accumulate

from attrs import evolve, frozen

from chainrule.inspecting.drawing import ink
from chainrule.inspecting.drawing.block import Block, block, stack
from chainrule.inspecting.drawing.graph import Graph, Node, indices, shared

MARGIN = 18.0
PAD = 9.0
BOX = 46.0
APART = 7.0
REACH = 22.0
BETWEEN = 6.0
TURN = 30.0
"""The picture's margin; room around labels and groups; the height of a node; how far forward and backward wires are
from the middle line; the length of a parameter's arrow; the room between parameters, and for a wire's way to another
row."""


@frozen(eq=False)
class Unit:
    """A node with the wire that leads to it; the last unit of a graph is a wire alone.

    Parameters
    ----------
    above, below
        The wire's value and derivative.
    node
        The node.
    params, grads
        What stands above and below it.
    opens, closes
        How many groups, of nested `sequential`s, begin before it and end after it.
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
    def depth(self) -> int:
        """In how many groups it stands."""
        return len(groups_of(self.node))

    @property
    def up(self) -> float:
        """The height that it needs above the middle line."""
        return max(APART + 8 + self.above.height, _reach(self.params))

    @property
    def down(self) -> float:
        """The height that it needs below the middle line."""
        return max(0.0 if self.below is None else APART + 8 + self.below.height, _reach(self.grads))


def rows_of(graph: Graph, width: float) -> list[list[Unit]]:
    """Break the line of a graph into as few rows as the width allows, as even as can be.

    In each row the groups that it shows begin and end. A row of one node may be wider than the width.
    """
    units = _units(graph)
    pieces = [*([unit] for unit in units[:-2]), units[-2:]]  # nothing stands behind the last wire: it stays in its row
    ends = [0.0, *accumulate(sum(unit.width for unit in piece) for piece in pieces)]
    limit = width - 2 * MARGIN
    if ends[-1] > limit:
        limit -= TURN + 2 * APART
    fewest = len(_filled(ends, limit))
    spans = sorted({end - start for i, start in enumerate(ends) for end in ends[i + 1 :]})
    best = bisect_left(spans, True, key=lambda span: len(_filled(ends, span)) <= fewest)
    return [
        _closed([unit for piece in pieces[first:after] for unit in piece])
        for first, after in _filled(ends, min(spans[best], limit))
    ]


def box_width(node: Node) -> float:
    """The width of a node's box."""
    return max(*(ink.width(line, "title") for line in title_lines(node)), ink.width(place_of(node), "small"), 40) + 22


def title_lines(node: Node) -> list[str]:
    """A node's name in one line; a long one in two, broken at the underscore that is nearest the middle."""
    name = node.name
    breaks = [i + 1 for i, letter in enumerate(name) if letter == "_"]
    if len(name) <= 14 or not breaks:
        return [name]
    best = min(breaks, key=lambda i: max(i, len(name) - i))
    return [name[:best], name[best:]]


def place_of(node: Node) -> str:
    """The place of a node's parameters, such as `params[2]`; empty if it has none."""
    return "" if node.path is None or not node.params else indices(node.path)


def groups_of(node: Node | None) -> tuple[int, ...]:
    """The path of the innermost group that a node stands in."""
    return () if node is None else node.groups


def stack_height(blocks: tuple[Block, ...]) -> float:
    """The height of blocks one above the other."""
    return sum(each.height for each in blocks) + BETWEEN * (len(blocks) - 1)


def _units(graph: Graph) -> list[Unit]:
    units: list[Unit] = []
    nodes: list[Node | None] = [None, *graph.nodes, None]
    for wire, before, node, after in zip(graph.wires, nodes[:-1], nodes[1:], [*nodes[2:], None], strict=True):
        above = block(wire.value)
        below = None if wire.derivative is None else block(wire.derivative)
        across = max(above.width, 0 if below is None else below.width, 36) + 2 * PAD
        if node is None:
            units.append(Unit(above, below, None, (), (), 0, 0, across, 0.0))
            continue
        params, grads = stack(node.params), stack(node.grads)
        depth = len(node.groups)
        opens = depth - shared(groups_of(before), node.groups)
        closes = depth - shared(groups_of(after), node.groups)
        caption = ink.width(indices(node.groups), "small") + 2 * PAD if opens else 0.0
        free = max([box_width(node), caption, *(each.width for each in (*params, *grads))])
        units.append(Unit(above, below, node, params, grads, opens, closes, across, free))
    return units


def _filled(ends: list[float], limit: float) -> list[tuple[int, int]]:
    """Rows, each filled up before the next is begun: the first piece of each, and the first that is not in it.

    A width is always the difference of two ends. Widths that are added up anew for each row may differ in their last
    bit from those, and then a row as wide as its limit does not fit.
    """
    rows: list[tuple[int, int]] = []
    first = 0
    for piece in range(1, len(ends) - 1):
        if ends[piece + 1] - ends[first] > limit:
            rows.append((first, piece))
            first = piece
    return [*rows, (first, len(ends) - 1)]


def _closed(row: list[Unit]) -> list[Unit]:
    """A row in which every group that it shows begins and ends."""
    last = max((i for i, unit in enumerate(row) if unit.node is not None), default=0)
    return [
        evolve(unit, opens=unit.depth if i == 0 else unit.opens, closes=unit.depth if i == last else unit.closes)
        for i, unit in enumerate(row)
    ]


def _reach(blocks: tuple[Block, ...]) -> float:
    """The height of a node with these blocks, from the middle line."""
    return BOX / 2 + (REACH + stack_height(blocks) if blocks else 0.0)
