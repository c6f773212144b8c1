"""The picture: how training went, what the hidden units look for, and which images were misread.

Drawn on a figure of its own, without pyplot: nothing global is touched, and no window opens.
"""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from chainrule.datasets import Dataset
from chainrule.demo.mistakes import Mistakes
from chainrule.demo.mosaic import Mosaic
from chainrule.demo.training import Moment
from chainrule.two_layer import Params

Panel: TypeAlias = Any
"""A figure, a part of one, or axes: the types of matplotlib say nothing of its keyword arguments."""

UNITS = 56
"""Hidden units that are drawn at most."""

MISREAD = 24
"""Misread images that are drawn at most."""

INK, FAINT, LEARNED, TESTED = "#222222", "#767676", "#c8553d", "#2a6f97"

WIDE = 3.5
"""The width of the hidden units, in heights."""

FULL = 0.995
"""The share of weights within the colour scale: a few large ones would make all others pale."""

LOWEST = 1e-9
"""The lower end of a logarithmic axis, at which losses of 0 are drawn."""


def png(moments: Sequence[Moment], data: Dataset, params: Params, found: Mistakes) -> bytes:
    """Draw the training, the hidden units and the misread test images, as a PNG file."""
    lines = 1 if len(found.which) <= MISREAD // 2 else 2
    heights = (3.4, 4.0, 0.6 + 1.3 * lines)  # inches
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.08, wspace=0.01, hspace=0, rect=(0.015, 0.01, 0.97, 0.98))
    figure: Panel = Figure(figsize=(11, sum(heights)), dpi=110, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    curves, weights, misread = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    _curves(curves, moments, 1 - len(found.which) / len(data.test.labels))
    _weights(weights, params, data.image_shape)
    _misread(misread, data, found, lines)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _curves(panel: Panel, moments: Sequence[Moment], accuracy: float) -> None:
    losses, accuracies = panel.subplots(1, 2)
    steps = [moment.step for moment in moments]
    learned = [max(moment.loss, LOWEST) for moment in moments[1:]]
    tested = [max(moment.test_loss, LOWEST) for moment in moments]
    losses.plot(steps[1:], learned, color=LEARNED, linewidth=2, label="images it learns from")
    losses.plot(steps, tested, color=TESTED, linewidth=2, label="test images")
    losses.set_yscale("log")
    losses.yaxis.set_major_locator(LogLocator(subs=(1, 3)))  # two marks a decade: a loss may stay within one
    losses.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    losses.yaxis.set_minor_locator(NullLocator())
    losses.legend(frameon=False, labelcolor=INK)
    _frame(losses, "Loss")
    accuracies.plot(steps, [moment.test_accuracy for moment in moments], color=TESTED, linewidth=2)
    accuracies.annotate(
        f"{accuracy:.1%}",
        (steps[-1], moments[-1].test_accuracy),
        xytext=(0, -9 if accuracy > 0.3 else 20),
        textcoords="offset points",
        ha="right",
        va="top",
        color=TESTED,
        fontweight="bold",
    )
    accuracies.set_ylim(0, 1.02)
    accuracies.yaxis.set_major_formatter(PercentFormatter(1))
    _frame(accuracies, "Accuracy on test images")


def _frame(axes: Panel, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontweight="bold")
    axes.set_xlabel("step", color=FAINT)
    axes.set_xlim(left=0)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=FAINT, which="both", length=0)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _weights(panel: Panel, params: Params, shape: tuple[int, int]) -> None:
    """The weights of hidden units as images: red where ink speaks for the unit, blue where against."""
    first, _, second = params
    units = first.W.shape[1]
    order = np.argsort(-np.linalg.norm(second.W, axis=1), kind="stable")[:UNITS]
    which = f"the {UNITS} that weigh most of {units:,}" if units > UNITS else f"all {units}" if units > 1 else "the one"
    axes = panel.subplots()
    drawn = first.W[:, order].T
    full = float(np.quantile(np.abs(drawn), FULL)) or 1.0
    height, width = shape
    gap = math.ceil(max(shape) / 12)
    columns = math.sqrt(WIDE * len(drawn) * (height + gap) / (width + gap))
    mosaic = Mosaic(height, width, min(max(round(columns), 1), len(drawn)), above=gap, beside=gap)
    image = axes.imshow(mosaic.lay(drawn), cmap="RdBu_r", vmin=-full, vmax=full, interpolation="nearest")
    axes.set_axis_off()
    axes.set_anchor("NW")
    _heading(panel, f"What the hidden units look for ({which})")
    bar = panel.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.01, extend="both")
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT, length=0)
    bar.set_label("weight of a pixel", color=FAINT)


def _heading(panel: Panel, title: str) -> None:
    panel.suptitle(title, x=0.02, ha="left", color=INK, fontweight="bold", fontsize="large")


def _misread(panel: Panel, data: Dataset, found: Mistakes, lines: int) -> None:
    total, tested = len(found.which), len(data.test.labels)
    shown = min(total, MISREAD)
    choice = f" (the {shown} surest mistakes)" if shown < total else ""
    _heading(panel, f"Misread: {total:,} of {tested:,} test images{choice}")
    height, width = data.image_shape
    side = max(height, width)
    mosaic = Mosaic(height, width, MISREAD // 2, above=math.ceil(side / 2), beside=max(side - width, 0) + side // 8)
    axes = panel.subplots()
    axes.set_axis_off()
    axes.set_anchor("NW")
    blank = np.full((lines * mosaic.columns - shown, height * width), np.nan, data.test.x.dtype)
    images = mosaic.lay(np.concatenate([data.test.x[found.which[:shown]], blank]))
    axes.imshow(images, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    for i in range(shown):
        top, left = mosaic.corner(i)
        place = left + (width - 1) / 2, top - 0.5
        label = f"{found.truth[i]} as {found.reading[i]}"
        axes.annotate(label, place, xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", color=INK)
