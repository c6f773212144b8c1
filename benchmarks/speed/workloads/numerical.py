"""Numerical gradients of the whole network, beside the original's loop over parameters.

The original's time is that of some parameters, drawn at random, times how many there are of them; ours are medians.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median
from typing import Literal

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from chainrule import Affine, read_only, tree, two_layer
from speed.contenders.textbook import Doubles, TwoLayerNet
from speed.harness import Row, timed
from speed.options import Options
from speed.page import duration, ratio, table
from speed.problem import BOOK, Problem
from speed.processes import ask, process

STEP = 1e-4
METHODS: tuple[Literal["central"], Literal["complex"]] = ("central", "complex")


def measure(options: Options) -> Iterator[Row]:
    """Seconds for all parameters, by batch."""
    for batch in (3, 100):
        with process() as child:
            yield ask(child, of_batch, batch, 200 if options.quick else 4000)


def of_batch(batch: int, sampled: int) -> Row:
    """The original's loop, ours by both methods, and how far ours are from backpropagation."""
    problem = Problem.draw(evolve(BOOK, batch=batch))
    network, (x, t), count = TwoLayerNet(problem.start), problem.doubles, problem.size.parameters
    row: Row = {"batch": batch, "parameters": count, "sampled": sampled}
    row["original"] = timed(differences, network, x, t, sampled)[0].wall * count / sampled
    W1, b1, W2, b2 = map(read_only, network.params.values())
    params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
    exact = tree.leaves(two_layer.gradient(params, x, problem.labels))
    for method in METHODS:
        gradient = partial(two_layer.numerical_gradient, params, x, problem.labels, method=method)
        runs = [timed(gradient) for _ in range(5)]
        row[method] = median(took.wall for took, _ in runs)
        pairs = zip(tree.leaves(runs[-1][1]), exact, strict=True)
        row[f"{method} error"] = max(float(np.nanmax(np.abs(a - b)) / np.abs(b).max()) for a, b in pairs)
    return row | {"times": row["original"] / max(row["central"], row["complex"])}


def differences(network: TwoLayerNet, x: Doubles, t: Doubles, count: int) -> None:
    """Central differences of some parameters, each of which is changed in its place and put back."""
    rng = np.random.default_rng(0)
    arrays = list(network.params.values())
    sizes = np.array([array.size for array in arrays])
    chosen: NDArray[np.int64] = rng.choice(len(arrays), count, p=sizes / sizes.sum())
    for array in (arrays[int(which)] for which in chosen):
        at = np.unravel_index(rng.integers(array.size), array.shape)
        start = float(array[at])
        for changed in (start + STEP, start - STEP):
            array[at] = changed
            network.loss(x, t)
        array[at] = start


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each batch and method."""
    lines: list[list[str]] = []
    for row in rows:
        original = row["original"]
        lines.append([f"the original's loop, batch {row['batch']}", duration(original), "1.00", ""])
        for method in METHODS:
            figures = [duration(row[method]), ratio(original / row[method]), f"{row[f'{method} error']:.1e}"]
            lines.append([f"{method}, batch {row['batch']}", *figures])
    head = ["all parameters of 784-50-10", "time", "times faster", "largest relative error"]
    return {"numerical": table(head, lines)}
