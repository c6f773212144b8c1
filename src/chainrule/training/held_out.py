"""Held-out data: the loss and the metrics of a network, as it is used, on rows that it is not trained on."""

from collections.abc import Callable, Iterable
from typing import Any, SupportsFloat, TypeAlias

import numpy as np
from attrs import frozen

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.libraries import namespace
from chainrule.arrays.types import Array
from chainrule.naming import unbound
from chainrule.training.prediction import prediction
from chainrule.training.rows import refuse_what_is_not_finite, rows
from chainrule.training.run import Metrics

Metric: TypeAlias = Callable[[Array, Any], SupportsFloat]
"""`(out, targets) -> number`, such as `accuracy`."""

PIECE = 1024
"""The number of rows that are predicted at a time, unless batches are larger: outputs between layers take memory."""


@frozen(eq=False)
class HeldOut:
    """The `n` rows that are held out, and what is measured on them: the loss, and other metrics by their names.

    So many rows as a piece has are predicted at a time.
    """

    x: Any
    targets: Any
    n: int
    loss: Any
    metrics: dict[str, Metric]
    piece: int

    def figures(self, network: Any, params: Any) -> Metrics:
        """The loss and the metrics of a network in its form for use."""
        out = outputs(network, params, self.x, self.n, self.piece)
        loss = float(self.loss.forward(out, self.targets)[0])
        if not np.isfinite(loss):
            refuse_what_is_not_finite("train: held_out", self.x, self.targets)
        others = {name: _number(name, metric(out, self.targets)) for name, metric in self.metrics.items()}
        return Metrics({"loss": loss, **others})


def _number(name: str, figure: Any) -> float:
    try:
        return float(figure)
    except (TypeError, ValueError) as error:
        raise TypeError(f"train: the metric {name} must give a number, got {describe(figure)}") from error


def outputs(network: Any, params: Any, x: Any, n: int, piece: int) -> Array:
    """The output of a network on n rows, so many at a time if each is treated alone."""
    predict = prediction(network)
    if n <= piece or network.couples_rows:
        return predict(params, x)
    pieces = (rows(x, np.arange(start, min(start + piece, n))) for start in range(0, n, piece))
    outs = [predict(params, each) for each in pieces]
    return namespace(outs[0]).concat(outs)


def named_metrics(metrics: Iterable[Metric]) -> dict[str, Metric]:
    """Metrics by the names of their functions."""
    if callable(metrics):
        raise TypeError(f"train: metrics must be a tuple of functions, got {describe(metrics)}: write (accuracy,)")
    if is_a(metrics, str) or not is_a(metrics, Iterable):
        raise TypeError(f"train: metrics must be a tuple of functions, got {describe(metrics)}")
    found: dict[str, Metric] = {}
    for metric in metrics:
        name = getattr(unbound(metric), "__name__", None)
        if not callable(metric) or name is None:
            raise TypeError(f"train: metrics must be functions with names, got {describe(metric)}")
        if name in {"loss", *found}:
            raise ValueError(f"train: two metrics are called {name}: give one of them another name")
        found[name] = metric
    return found
