"""The pictures: every contender's step as a multiple of the limit, and where one step's microseconds go."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from speed.contender import LIMIT, ROSTER
from speed.harness import Row
from speed.page import heading, ratio
from speed.threads import ONE

Panel: TypeAlias = Any
"""A figure or axes: the types of matplotlib say nothing of its keyword arguments."""

INK, OWN, OTHERS, PYTHON = "#808080", "#d1603d", "#3b8bba", "#8a6fc9"

STYLE = Path(__file__).with_suffix(".mplstyle")


def steps(rows: Sequence[Row]) -> str:
    """An SVG file: a panel for each size, a line for each contender; dots for one thread, rings for all."""
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    lines = -(-len(sizes) // 2)
    with style.context(STYLE):
        figure = _figure(3.1 * lines)
        panels = figure.subplots(lines, 2, squeeze=False, sharey=True).ravel()
        for axes, size in zip(panels, sizes, strict=False):
            _size(axes, [row for row in rows if row["size"] == size and "to_limit" in row])
            axes.set(title=heading(size), xlabel="times the limit")
        for axes in panels[len(sizes) :]:
            axes.set_axis_off()
        return _svg(figure)


def _size(axes: Panel, rows: Sequence[Row]) -> None:
    names = [name for name in ROSTER if name != LIMIT]
    rows = [row for row in rows if row["contender"] in names]
    for row in rows:
        spread, place = row["to_limit"], len(names) - names.index(row["contender"])
        colour, one = OWN if row["contender"].startswith("chainrule") else OTHERS, row["threads"] == ONE
        axes.plot([spread["low"], spread["high"]], [place, place], color=colour, linewidth=3, alpha=0.4)
        dot = {"markersize": 7, "color": colour} if one else {"markersize": 9, "mec": colour, "mfc": "none"}
        axes.plot(spread["median"], place, "o", **dot)
        if one:  # in a column of its own, where no ring is in the way
            axes.annotate(ratio(spread["median"]), (1.02, place), xycoords=("axes fraction", "data"), va="center")
    highest = max(3.0, *(row["to_limit"]["high"] * 1.2 for row in rows))
    axes.axvline(1, color=INK, linewidth=1)
    axes.set(xscale="log", xlim=(min(1.0, *(row["to_limit"]["low"] for row in rows)) * 0.9, highest))
    marks = [mark for mark in (1, 2, 5, 10, 20, 50, 100, 200, 500) if mark <= highest]
    axes.set_xticks(marks, marks)
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(names), 0, -1), names)


def waterfall(rows: Sequence[Row]) -> str:
    """An SVG file: the parts of a step one after another, each beginning where the last ended; a panel a size."""
    with style.context(STYLE):
        figure = _figure(sum(0.27 * (len(row["kernels"]) + 2) + 1 for row in rows))
        for axes, row in zip(figure.subplots(len(rows), squeeze=False).ravel(), rows, strict=True):
            _parts(axes, row)
            axes.set(title=f"One step at {heading(row['size'])}", xlabel="microseconds")
        return _svg(figure)


def _parts(axes: Panel, row: Row) -> None:
    widths = [each["seconds"] * 1e6 for each in row["kernels"]]
    whole, total = row["steps"]["training_step"] * 1e6, sum(widths)
    lefts = [sum(widths[:i]) for i in range(len(widths))]
    colours = [OTHERS if each["product"] else OWN for each in row["kernels"]]
    names = [
        *(each["name"] for each in row["kernels"]),
        "everything between" if whole >= total else "saved by the whole step",
    ]
    bars = axes.barh(names, [*widths, abs(whole - total)], 0.7, [*lefts, min(whole, total)], color=[*colours, PYTHON])
    axes.bar_label(bars, fmt="%.1f", padding=4)
    axes.axvline(whole, color=INK, linewidth=1, linestyle=":")
    axes.set(xlim=(0, max(total, whole) * 1.1))
    axes.invert_yaxis()


def _figure(height: float) -> Panel:
    figure: Panel = Figure(figsize=(9, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.12))
    FigureCanvasSVG(figure)
    return figure


def _svg(figure: Panel) -> str:
    """Nothing says when or by what it was drawn."""
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
