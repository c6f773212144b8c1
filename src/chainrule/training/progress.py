"""The progress of a training run: a bar in a terminal, and a line for each record elsewhere.

    for run in progress(train(...)):
        ...

`train` itself says nothing. The bar needs rich (`pip install 'chainrule[progress]'`); without it there are lines in a
terminal too. All of it goes to standard error.
"""

import sys
from collections.abc import Iterator
from typing import TypeVar

from chainrule.arrays.arguments import describe
from chainrule.training.run import Run
from chainrule.training.terminal import bar
from chainrule.training.train import Runs

P = TypeVar("P")
S = TypeVar("S")


def progress(runs: Runs[P, S]) -> Iterator[Run[P, S]]:
    """Yield the records of a training run as they come, and show each.

    Parameters
    ----------
    runs
        What `train` returned.

    Yields
    ------
    Run
        The same records.

    Raises
    ------
    TypeError
        If it is anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, mean_squared_error, sgd, train
    >>> from chainrule.training.progress import progress
    >>> x, rng = np.eye(4), np.random.default_rng(0)
    >>> params = Affine(np.zeros((4, 1)), np.zeros(1))
    >>> data = x, x[:, :1]
    >>> runs = train(affine, mean_squared_error, sgd(0.1), params, data, rng=rng, size=2, epochs=3)
    >>> for run in progress(runs):
    ...     pass
    >>> run.epoch
    3
    """
    if not isinstance(runs, Runs):
        raise TypeError(f"progress: runs must be what train returns, got {describe(runs)}")
    return _shown(runs)


def _shown(runs: Runs[P, S]) -> Iterator[Run[P, S]]:
    shown = bar("train", runs.epochs, stays=True)
    try:
        for run in runs:
            if shown is not None:
                shown.show(run.epoch, figures(run))
            elif sys.stderr is not None:
                sys.stderr.write(f"epoch {run.epoch + (run.place > 0)}/{runs.epochs}   {figures(run)}\n")
                sys.stderr.flush()
            yield run
    finally:
        if shown is not None:
            shown.stop()


def figures(run: Run[P, S]) -> str:
    """The figures of a record in a line: `"step 90   loss 0.2132   held out: loss 0.2501   accuracy 0.9310"`."""
    held_out = "   ".join(f"{name} {value:.4f}" for name, value in run.metrics.items())
    return f"step {run.step}   loss {run.loss:.4f}" + (f"   held out: {held_out}" if held_out else "")
