"""The epochs of a fit: until the loss falls no more, or somebody presses Ctrl-C."""

import math
import warnings
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.interop.sklearn._options import Options
from chainrule.training.progress import progress
from chainrule.training.run import Run
from chainrule.training.train import Runs


@frozen(eq=False)
class Fit:
    run: Run[Any, Any]
    losses: list[float]
    held_out: list[float]


def until_it_stands(runs: Runs[Any, Any], options: Options) -> Fit:
    """Run epochs until the loss has not fallen by `tol` for `patience` of them, the held-out loss if there is one.

    Ctrl-C ends them with a warning, as in scikit-learn's networks, and the last whole epoch stays; if there is none, it
    goes on to the caller.
    """
    fit = Fit(runs.start, [], [])
    least, waited = math.inf, 0
    try:
        for run in progress(runs) if options.verbose else runs:
            # A new one, so that Ctrl-C falls before it or after it.
            fit = Fit(run, [*fit.losses, run.loss], [*fit.held_out, *run.metrics.values()])
            reached = run.metrics.get("loss", run.loss)
            waited = 0 if reached < least - options.tol else waited + 1
            least = min(least, reached)
            if waited >= options.patience or not math.isfinite(run.loss):
                break
    except KeyboardInterrupt:
        if fit.run is runs.start:
            raise
        warnings.warn("Training interrupted by user.", stacklevel=5)
    return fit


def refuse_what_diverged(owner: str, run: Run[Any, Any]) -> None:
    loss = run.best_loss if run.metrics else run.loss
    if not math.isfinite(loss) or not all(np.isfinite(leaf).all() for leaf in tree.leaves(run.best)):
        what = f"the loss or the parameters are not finite after epoch {run.epoch}"
        raise ValueError(f"{owner}: {what}: standardise the columns of X, and of y, or take a smaller learning_rate")
