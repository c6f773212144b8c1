"""Blocks: an array as it stands in a picture, its name with its numbers in brackets, or with its dtype and shape."""

from attrs import evolve, frozen

from chainrule.inspecting.drawing import ink
from chainrule.inspecting.drawing.graph import Label
from chainrule.inspecting.drawing.numbers import Cells
from chainrule.inspecting.tracing.table import escape

ROW = 16.0
NAME = 19.0
GAP = 10.0
INSET = 8.0
"""Heights of a row and of a name; the room between columns, and between brackets and numbers."""


@frozen(eq=False)
class Block:
    """A label with its measures, in pixels.

    The name stands beside the numbers, in a room of width `lead`, or above them. The grid is empty where the shape is
    shown.
    """

    label: Label
    beside: bool
    lead: float
    grid: Cells
    width: float
    height: float

    def elements(self, x: float, y: float, color: str) -> list[str]:
        """Draw it with its upper left corner at (x, y)."""
        label = self.label
        wide, high = _body_size(self.grid, label)
        warning = _warning(label)
        if self.beside:
            row = max(high, NAME)
            parts = [
                _name(x, y + row / 2 + 5, label, color, "start"),
                *_body(x + self.lead, y + (row - high) / 2, self.grid, label, color),
                *([ink.text(x, y + row + 12, warning, "bad", "bad")] if warning else []),
            ]
        else:
            middle = x + self.width / 2
            parts = [
                _name(middle, y + 14, label, color, "middle"),
                *_body(middle - wide / 2, y + NAME, self.grid, label, color),
                *([ink.text(middle, y + NAME + high + 12, warning, "bad", "bad", "middle")] if warning else []),
            ]
        if label.first:
            parts.append(ink.box(x - 5, y - 2, self.width + 10, self.height + 3, "first", 5))
        return [f"<g><title>{escape(_hint(label))}</title>", *parts, "</g>"]


def block(label: Label) -> Block:
    """Measure a label whose name stands above its numbers."""
    grid = label.grid
    wide, high = _body_size(grid, label)
    return _warned(Block(label, False, 0.0, grid, max(_name_width(label), wide), NAME + high))


def stack(labels: tuple[Label, ...]) -> tuple[Block, ...]:
    """Measure labels that stand one below the other, with their names beside their numbers, which begin at one line."""
    known = any(label.seen is not None for label in labels)
    lead = max((_name_width(label) for label in labels), default=0.0) + (INSET if known else 0)
    blocks: list[Block] = []
    for label in labels:
        grid = label.grid
        wide, high = _body_size(grid, label)
        blocks.append(_warned(Block(label, True, lead, grid, lead + wide, max(high, NAME))))
    return tuple(blocks)


def _warned(block: Block) -> Block:
    warning = _warning(block.label)
    if not warning:
        return block
    return evolve(block, width=max(block.width, ink.width(warning, "bad")), height=block.height + ROW)


def _name(x: float, y: float, label: Label, color: str, anchor: str) -> str:
    index = f'<tspan class="index" dy="3">{escape(label.index)}</tspan>' if label.index else ""
    return ink.text(x, y, label.name, "name", color, anchor).replace("</text>", f"{index}</text>")


def _name_width(label: Label) -> float:
    return ink.width(label.name, "name") + ink.width(label.index, "index")


def _columns(grid: Cells) -> list[float]:
    return [max(ink.width(cell, "mono") for cell in column) for column in zip(*grid, strict=True)]


def _is_scalar(label: Label) -> bool:
    return label.seen is not None and not label.seen.shape


def _body_size(grid: Cells, label: Label) -> tuple[float, float]:
    if label.seen is None:
        return 0.0, 0.0
    if not grid:
        return ink.width(label.seen.summary, "mono"), ROW
    inner = sum(_columns(grid)) + GAP * (len(grid[0]) - 1)
    return inner + (0 if _is_scalar(label) else 2 * INSET), ROW * len(grid)


def _body(x: float, y: float, grid: Cells, label: Label, color: str) -> list[str]:
    if label.seen is None:
        return []
    wide, high = _body_size(grid, label)
    if not grid:
        return [ink.text(x + wide / 2, y + 12, label.seen.summary, "mono", anchor="middle")]
    if _is_scalar(label):
        return [ink.text(x + wide / 2, y + 12, grid[0][0], "mono", _tone(grid[0][0]), "middle")]
    parts = [ink.brackets(x, y, wide, high, color)]
    right = x + INSET
    for j, column in enumerate(_columns(grid)):
        right += column
        parts += [ink.text(right, y + ROW * i + 12, row[j], "mono", _tone(row[j]), "end") for i, row in enumerate(grid)]
        right += GAP
    return parts


def _tone(cell: str) -> str:
    return "bad" if cell in {"nan", "inf", "\N{MINUS SIGN}inf"} else "ink"


def _warning(label: Label) -> str:
    seen = label.seen
    if seen is None or not seen.nonfinite:
        return ""
    return f"{'first: ' if label.first else ''}{seen.nonfinite:,} not finite"


def _hint(label: Label) -> str:
    seen = label.seen
    if seen is None:
        return label.text
    numbers = f"mean {seen.mean:.3g}, std {seen.std:.3g}, {seen.low:.3g} to {seen.high:.3g}, {seen.zeros:.0%} zeros"
    return f"{label.text}: {seen}; {numbers}"
