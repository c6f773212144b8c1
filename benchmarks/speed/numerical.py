"""Numerical gradients of the whole network, beside the original's loop over parameters.

    python -m speed.numerical BATCH PARAMETERS

The original's time is that of some parameters, drawn at random, times how many there are of them; ours are medians.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from chainrule import read_only, tree, two_layer
from speed.contenders.original import TwoLayerNet
from speed.probe import fresh
from speed.problem import Problem
from speed.reference import Doubles
from speed.size import BOOK, Size
from speed.spread import Spread
from speed.threads import ONE, pin

BATCHES = (3, 100)
REPEATS = 5
STEP = 1e-4


def measure(parameters: int) -> list[dict[str, Any]]:
    """Seconds for all parameters, by batch."""
    return [fresh("numerical", str(batch), str(parameters)) for batch in BATCHES]


def of_batch(batch: int, sampled: int) -> dict[str, Any]:
    """The original's loop, ours by both methods, and how far ours by the complex step is from backpropagation."""
    size = Size(BOOK.n_in, BOOK.n_hidden, BOOK.n_out, batch)
    problem = Problem.draw(size)
    W1, b1, W2, b2 = (array.astype(np.float64) for array in problem.start)
    x = problem.x.astype(np.float64)
    t: Doubles = np.eye(size.n_out)[problem.labels]
    network = TwoLayerNet(W1.copy(), b1.copy(), W2.copy(), b2.copy())
    began = time.perf_counter()
    for name, index in _some(network, sampled):
        _difference(network, x, t, name, index)
    original = (time.perf_counter() - began) * size.parameters / sampled
    first, _, second = two_layer.init(np.random.default_rng(0), size.n_in, size.n_hidden, size.n_out, dtype=np.float64)
    params = (type(first)(read_only(W1), read_only(b1)), (), type(second)(read_only(W2), read_only(b2)))
    answer: dict[str, Any] = {"batch": batch, "parameters": size.parameters, "sampled": sampled, "original": original}
    exact = tree.leaves(two_layer.gradient(params, x, problem.labels))
    for method in ("central", "complex"):
        gradient = params
        seconds: list[float] = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            gradient = two_layer.numerical_gradient(params, x, problem.labels, method=method)
            seconds.append(time.perf_counter() - began)
        answer[method] = Spread.of(seconds).median
        answer[f"{method} error"] = max(
            float(np.nanmax(np.abs(a - b)) / np.abs(b).max()) for a, b in zip(tree.leaves(gradient), exact, strict=True)
        )
    return answer


def _some(network: TwoLayerNet, count: int) -> list[tuple[str, tuple[int, ...]]]:
    """Entries of parameters, each as likely as any other."""
    places = [(name, index) for name, array in network.params.items() for index in np.ndindex(array.shape)]
    chosen = np.random.default_rng(0).choice(len(places), count, replace=False)
    return [places[i] for i in chosen]


def _difference(network: TwoLayerNet, x: Doubles, t: Doubles, name: str, index: tuple[int, ...]) -> float:
    """The central difference by one entry, which is changed in its place and put back."""
    array = network.params[name]
    held = array[index]
    array[index] = held + STEP
    above = network.loss(x, t)
    array[index] = held - STEP
    below = network.loss(x, t)
    array[index] = held
    return (above - below) / (2 * STEP)


if __name__ == "__main__":
    pin(ONE)
    print(json.dumps(of_batch(int(sys.argv[1]), int(sys.argv[2]))))
