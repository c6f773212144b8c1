"""The places of the parts of a picture: how wide each is, and which share a row."""

from bisect import bisect_left
from itertools import accumulate, pairwise

from attrs import evolve, frozen

from chainrule.inspecting.drawing import ink
from chainrule.inspecting.drawing.block import Block, block, stack
from chainrule.inspecting.drawing.graph import Graph, Line, Node, Piece, Split, Wire, shared
from chainrule.inspecting.tracing.run import Path, place_of

MARGIN = 18.0
PAD = 9.0
BOX = 46.0
APART = 7.0
REACH = 22.0
BETWEEN = 6.0
TURN = 30.0
CAPTION = 20.0
SILL = 9.0
POINT = 9.0
JOINT = 15.0
FAN = 22.0
LANE = 14.0
"""The picture's margin; room around labels and groups; the height of a node; how far forward and backward wires are
from the middle line; the length of a parameter's arrow; the room between parameters, and for a wire's way to another
row; the height of a group's name above it and of its frame below; of a fork, the radius of its point and of its joint,
the room from them to the branches, and between the branches."""


@frozen(eq=False)
class Unit:
    """A piece with the wire that leads to it; the last unit of a line is a wire alone.

    `above` and `below` are the wire's value and derivative. Of nested `sequential`s, `groups` is the path of the
    innermost, and `opens` and `closes` count those that begin before it and end after it. `wire` and `free` are the
    widths of the wire's column and of the piece.
    """

    above: Block | None
    below: Block | None
    back: bool
    node: Node | None
    params: tuple[Block, ...]
    grads: tuple[Block, ...]
    fork: "Fork | None"
    groups: Path
    opens: int
    closes: int
    wire: float
    free: float

    @property
    def is_wire(self) -> bool:
        """True if it is a wire alone."""
        return self.node is None and self.fork is None

    @property
    def room(self) -> float:
        """The width of the piece's column, with the frames of groups that begin or end there."""
        return 0.0 if self.is_wire else self.free + PAD * (1 + self.opens + self.closes)

    @property
    def width(self) -> float:
        """Of both columns."""
        return self.wire + self.room

    @property
    def half(self) -> float:
        """The reach of the piece itself to either side of its column's middle."""
        if self.fork is not None:
            return self.fork.width / 2
        return 0.0 if self.node is None else box_width(self.node) / 2

    @property
    def depth(self) -> int:
        """In how many groups it stands."""
        return len(self.groups)

    @property
    def up(self) -> float:
        """The room that it needs above the middle line."""
        above = 0.0 if self.above is None else APART + 8 + self.above.height
        return max(above, _reach(self.params), 0.0 if self.fork is None else self.fork.up)

    @property
    def down(self) -> float:
        """The room that it needs below."""
        below = 0.0 if self.below is None else APART + 8 + self.below.height
        return max(below, _reach(self.grads), 0.0 if self.fork is None else self.fork.down)


@frozen(eq=False)
class Branch:
    """A branch of a fork: a row of its own, and how far below the fork's middle line its own lies."""

    units: tuple[Unit, ...]
    base: Path
    at: float

    @property
    def depth(self) -> int:
        """The number of frames that stand one in another in it."""
        return max(unit.depth for unit in self.units) - len(self.base)

    @property
    def up(self) -> float:
        """The room that it needs above its line."""
        return max(APART, *(unit.up for unit in self.units)) + CAPTION * self.depth

    @property
    def down(self) -> float:
        """The room that it needs below."""
        return max(APART, *(unit.down for unit in self.units)) + SILL * self.depth

    @property
    def width(self) -> float:
        """Of its row."""
        return sum(unit.width for unit in self.units)


@frozen(eq=False)
class Fork:
    """A fork with its branches above each other: the point stands at its left end, the joint at its right."""

    split: Split
    branches: tuple[Branch, ...]

    @property
    def inner(self) -> float:
        """The width of the widest branch."""
        return max(branch.width for branch in self.branches)

    @property
    def width(self) -> float:
        """From the left of the point to the right of the joint."""
        return 2 * POINT + FAN + self.inner + FAN + 2 * JOINT

    @property
    def up(self) -> float:
        """The room that it needs above the middle line."""
        return max(JOINT, *(branch.up - branch.at for branch in self.branches))

    @property
    def down(self) -> float:
        """The room that it needs below."""
        return max(JOINT, *(branch.down + branch.at for branch in self.branches))


def rows_of(graph: Graph, width: float) -> list[list[Unit]]:
    """Break the line of a graph into as few rows as the width allows, as even as can be.

    A row of one node may be wider. Groups begin and end in each row that shows them.
    """
    units = _units(graph.line, ())
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
    return (
        max(*(ink.width(line, "title") for line in title_lines(node)), ink.width(place_under(node), "small"), 40) + 22
    )


def title_lines(node: Node) -> list[str]:
    """A node's name in one line; a long one in two, broken at the underscore that is nearest the middle."""
    name = node.name
    breaks = [i + 1 for i, letter in enumerate(name) if letter == "_"]
    if len(name) <= 14 or not breaks:
        return [name]
    best = min(breaks, key=lambda i: max(i, len(name) - i))
    return [name[:best], name[best:]]


def place_under(node: Node) -> str:
    """The place of a node's parameters; nothing if it has none."""
    return "" if node.path is None or not node.params else place_of(node.path)


def stack_height(blocks: tuple[Block, ...]) -> float:
    """The height of blocks one above the other."""
    return sum(each.height for each in blocks) + BETWEEN * (len(blocks) - 1)


def _units(line: Line, base: Path) -> list[Unit]:
    groups = [base, *(_groups_of(piece, base) for piece in line.pieces), base]
    units: list[Unit] = []
    for i, piece in enumerate(line.pieces, start=1):
        depth = len(groups[i])
        opens, closes = depth - shared(groups[i - 1], groups[i]), depth - shared(groups[i + 1], groups[i])
        units.append(_unit(line.wires[i - 1], piece, groups[i], opens, closes))
    return [*units, _unit(line.wires[-1], None, base, 0, 0)]


def _groups_of(piece: Piece, base: Path) -> Path:
    return piece.groups if len(piece.groups) > len(base) else base


def _unit(wire: Wire, piece: Piece | None, groups: Path, opens: int, closes: int) -> Unit:
    above = None if wire.value is None else block(wire.value)
    below = None if wire.derivative is None else block(wire.derivative)
    across = max(36, *(each.width for each in (above, below) if each is not None), 0) + 2 * PAD
    caption = ink.width(place_of(groups), "small") + 2 * PAD if opens else 0.0
    if isinstance(piece, Split):
        fork = _fork(piece)
        free = max(fork.width, caption)
        return Unit(above, below, wire.back, None, (), (), fork, groups, opens, closes, across, free)
    if piece is None:
        return Unit(above, below, wire.back, None, (), (), None, groups, 0, 0, across, 0.0)
    params, grads = stack(piece.params), stack(piece.grads)
    free = max([box_width(piece), caption, *(each.width for each in (*params, *grads))])
    return Unit(above, below, wire.back, piece, params, grads, None, groups, opens, closes, across, free)


def _fork(split: Split) -> Fork:
    """Branches above each other, the one in the middle on the middle line, or that between the two.

    A layer with a wire around it stands on the middle line.
    """
    rows = [Branch(tuple(_units(line, split.base)), split.base, 0.0) for line in split.branches]
    at = [0.0]
    for one, next_one in pairwise(rows):
        at.append(at[-1] + one.down + LANE + next_one.up)
    lines = [at[0]] if split.around else [at[(len(at) - 1) // 2], at[len(at) // 2]]
    middle = sum(lines) / len(lines)
    return Fork(split, tuple(evolve(row, at=place - middle) for row, place in zip(rows, at, strict=True)))


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
    last = max((i for i, unit in enumerate(row) if not unit.is_wire), default=0)
    return [
        evolve(unit, opens=unit.depth if i == 0 else unit.opens, closes=unit.depth if i == last else unit.closes)
        for i, unit in enumerate(row)
    ]


def _reach(blocks: tuple[Block, ...]) -> float:
    return BOX / 2 + (REACH + stack_height(blocks) if blocks else 0.0)
