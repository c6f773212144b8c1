"""The pictures: every contender's step as a multiple of the limit, and where one step's microseconds go.

Lines and letters are of a grey that is read on white and on black alike, and nothing is painted behind them: a page may
be in either.
"""

from collections.abc import Sequence
from importlib import import_module
from io import StringIO
from typing import Any, TypeAlias

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from speed.clock import Row
from speed.quantity import ratio
from speed.roster import ENTRIES, LIMIT, OURS, PLAIN
from speed.sections import heading
from speed.threads import ONE

matplotlib: Any = import_module("matplotlib")  # whose settings have types that a checker can't follow

Panel: TypeAlias = Any
"""A figure or axes: the types of matplotlib say nothing of its keyword arguments."""

INK, FAINT, OWN, OTHERS, PYTHON = "#808080", "#9a9a9a55", "#d1603d", "#3b8bba", "#8a6fc9"

NEAR, FAR = (1, 1.5, 2, 3, 5, 10, 20), (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Marks on an axis that ends soon, and on one that goes far."""

COLUMNS = 2


def steps(rows: Sequence[Row]) -> str:
    """An SVG file: a panel for each size, a line for each contender; dots for one thread, rings for all."""
    sizes = list(dict.fromkeys(row["size"] for row in rows if row["what"] == "steps"))
    lines = -(-len(sizes) // COLUMNS)
    figure = _figure(9, 3.1 * lines)
    panels = figure.subplots(lines, COLUMNS, squeeze=False, sharey=True).ravel()
    for axes, size in zip(panels, sizes, strict=False):
        _size(axes, [row for row in rows if row["what"] == "steps" and row["size"] == size], heading(size))
    for axes in panels[len(sizes) :]:
        axes.set_axis_off()
    return _svg(figure)


def _size(axes: Panel, rows: Sequence[Row], title: str) -> None:
    names = [name for name in ENTRIES if name != LIMIT]
    lowest = highest = 1.0
    for row in rows:
        if row["contender"] == LIMIT or "to_limit" not in row:
            continue
        spread, place = row["to_limit"], len(names) - names.index(row["contender"])
        colour = OWN if row["contender"] in {OURS, PLAIN} else OTHERS
        one = row["threads"] == ONE
        axes.plot([spread["low"], spread["high"]], [place, place], color=colour, linewidth=3, alpha=0.4)
        axes.plot(
            spread["median"],
            place,
            "o",
            markersize=7 if one else 9,
            markerfacecolor=colour if one else "none",
            markeredgecolor=colour,
        )
        if one:  # in a column of its own, where no ring is in the way
            text = ratio(spread["median"])
            axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", color=INK, fontsize=9)
        lowest, highest = min(lowest, spread["low"]), max(highest, spread["high"])
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(lowest * 0.9, max(highest * 1.2, 3))
    axes.set_ylim(0.3, len(names) + 0.7)
    axes.set_yticks(range(len(names), 0, -1), names)
    axes.xaxis.set_major_locator(FixedLocator(FAR if highest > 20 else NEAR))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    _frame(axes, title, "times the limit")


def waterfall(found: Sequence[dict[str, Any]]) -> str:
    """An SVG file: the parts of a step one after another, each beginning where the last ended; a panel a size."""
    figure = _figure(9, sum(0.27 * (len(one["kernels"]) + 2) + 1 for one in found))
    for axes, one in zip(figure.subplots(len(found), squeeze=False).ravel(), found, strict=True):
        _parts(axes, one)
    return _svg(figure)


def _parts(axes: Panel, found: dict[str, Any]) -> None:
    kernels = found["kernels"]
    whole = found["steps"]["training_step"] * 1e6
    at, place = 0.0, len(kernels) + 1
    for kernel in kernels:
        width = kernel["seconds"] * 1e6
        _bar(axes, place, at, width, OTHERS if kernel["product"] else OWN)
        at, place = at + width, place - 1
    _bar(axes, place, min(at, whole), abs(whole - at), PYTHON)
    axes.axvline(whole, color=INK, linewidth=1, linestyle=":")
    between = "everything between" if whole >= at else "saved by the whole step"
    axes.set_yticks(range(len(kernels) + 1, 0, -1), [*(kernel["name"] for kernel in kernels), between])
    axes.set_ylim(0.3, len(kernels) + 1.7)
    axes.set_xlim(0, max(at, whole) * 1.1)
    _frame(axes, f"One step at {heading(found['size'])}", "microseconds")


def _bar(axes: Panel, place: int, at: float, width: float, colour: str) -> None:
    axes.barh(place, width, left=at, height=0.7, color=colour)
    axes.annotate(
        f"{width:.1f}",
        (at + width, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=INK,
        fontsize=9,
    )


def _frame(axes: Panel, title: str, label: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=11)
    axes.set_xlabel(label, color=INK)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK, which="both", length=0)
    axes.patch.set_visible(False)


def _figure(width: float, height: float) -> Panel:
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.12)
    figure: Panel = Figure(figsize=(width, height), layout=layout)
    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    return figure


def _svg(figure: Panel) -> str:
    """Letters stay letters, and nothing says when or by what it was drawn."""
    file = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "chainrule", "font.family": "sans-serif"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
