"""Draw what has no pass to draw: the rates of a schedule, the steps of an optimizer, the weights of an initializer.

A schedule and an initializer are drawn as the example of their docstring calls them. All optimizers are shown the same
gradients, at the rate 1, so that their pictures can be compared.
"""

import ast
import doctest
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from typing import Any

import griffe
import numpy as np
from matplotlib.figure import Figure
from mkdocs.exceptions import PluginError
from pictures import figure_svg

import chainrule
from chainrule import initializers

GRADIENTS = np.repeat([1.0, 0.1, -1.0], [12, 12, 12])
"""Twelve gradients of one entry that are large, twelve that are small, and twelve that point the other way."""


class CurvesExtension(griffe.Extension):
    """Docstrings of functions that have a curve show it below their first paragraph."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Act on one function, once it has been read."""
        if func.docstring:
            svg = curve(func.path, func.docstring.value)
            if svg:
                first, gap, rest = func.docstring.value.partition("\n\n")
                func.docstring.value = f"{first}\n\n```picture\n\n{svg}\n```{gap}{rest}"


@cache
def curve(path: str, docstring: str) -> str | None:
    """The picture of a function of the package; None of one that has no curve."""
    folder, _, name = path.removeprefix("chainrule.").rpartition(".")
    if name.startswith("_"):
        return None
    if folder == f"optimizers.{name}":
        return _svg(_steps(getattr(chainrule, name)(1.0)), f"The steps of {name}, and the gradients that it is given")
    if folder == "schedules":
        return _svg(_rates(_called(name, docstring)), f"The rate that {name} gives, by the step")
    if folder.startswith("initializers") and name in initializers.__all__:
        return _svg(_weights(_called(name, docstring)), f"The weights that {name} draws")
    return None


@cache
def _called(name: str, docstring: str) -> Any:
    """The value of the first call of a function in the examples of a docstring."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(docstring):
        parsed = ast.parse(example.source)
        for node in ast.walk(parsed):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name and names:
                return eval(compile(ast.Expression(node), "<examples>", "eval"), names)  # noqa: S307  # our docstrings
        with redirect_stdout(io.StringIO()):
            exec(compile(parsed, "<examples>", "exec"), names)  # noqa: S102  # of our own docstrings
    raise PluginError(f"the example of {name} does not call it, so that there is nothing to draw")


def _rates(schedule: Callable[[int], Any]) -> Callable[[Any], None]:
    def on(axes: Any) -> None:
        steps = np.arange(7)
        axes.plot(steps, [schedule(int(step)) for step in steps], "o-", color="C0")
        axes.set(xlabel="step", ylabel="rate", ylim=(0, None))

    return on


def _weights(weights: Any) -> Callable[[Any], None]:
    def on(axes: Any) -> None:
        axes.hist(weights.ravel(), bins=60, color="C0")
        axes.set(xlabel="weight", ylabel="how many")

    return on


def _steps(optimizer: Any) -> Callable[[Any], None]:
    params = np.zeros(1)
    state = optimizer.init(params)
    taken: list[float] = []
    for gradient in GRADIENTS:
        before = params
        params, state = optimizer.step(state, params, np.array([gradient]))
        taken.append(float(before[0] - params[0]))

    def on(axes: Any) -> None:
        axes.step(np.arange(len(GRADIENTS)), GRADIENTS, where="mid", color="0.6", label="gradient")
        axes.plot(taken, "o-", markersize=3, color="C0", label="step down, at the rate 1")
        axes.set(xlabel="step")
        axes.legend(frameon=False)

    return on


def _svg(on: Callable[[Any], None], title: str) -> str:
    figure = Figure(figsize=(5.2, 2.2))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    on(axes)
    return figure_svg(figure, title)
