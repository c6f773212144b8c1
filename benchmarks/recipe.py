"""The cost of an epoch of the recipe for tables beside the same written for torch.

    OPENBLAS_NUM_THREADS=1 python benchmarks/recipe.py

The network of the page "Classify the rows of a table" on the digits that come along: standardised columns, one hidden
layer of 100, Adam, batches of 64, and the held-out loss and accuracy after each epoch. They take turns; torch computes
with one thread, in the loop that its own tutorials write.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from chainrule import Affine, accuracy, adam, affine, relu, sequential, softmax_cross_entropy, split, standardise, train
from chainrule.datasets import digits
from speed.harness import Plan, Spread, Took, race, timed
from speed.page import duration, ratio, table

HIDDEN, BATCH, RATE = 100, 64, 0.003


def ours(data: Any, held_out: Any, epochs: int) -> float:
    """The recipe; the accuracy at its end."""
    rng = np.random.default_rng(0)
    network = sequential(standardise(data[0]), affine, relu, affine)
    params = ((), Affine.init(rng, 64, HIDDEN), (), Affine.init(rng, HIDDEN, 10))
    runs = train(network, softmax_cross_entropy, adam(RATE), params, data, rng=rng, size=BATCH, epochs=epochs,
                 held_out=held_out, metrics=(accuracy,))  # fmt: skip  # a line for each would take half a page
    *_, last = runs
    return last.metrics["accuracy"]


def in_torch(data: Any, held_out: Any, epochs: int) -> float:
    """The same in torch."""
    torch: Any = import_module("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    (x, labels), (unseen, known) = ([torch.tensor(array) for array in part] for part in (data, held_out))
    mean, scale = x.mean(0), x.std(0).clamp_min(1e-7)
    network = torch.nn.Sequential(torch.nn.Linear(64, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    entropy, right = torch.nn.CrossEntropyLoss(), 0.0
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            entropy(network((x[chosen] - mean) / scale), labels[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            out = network((unseen - mean) / scale)
            _, right = float(entropy(out, known)), float((out.argmax(-1) == known).float().mean())
    return right


def learning(run: Callable[[Any, Any, int], float], data: Any, held_out: Any, epochs: int) -> Took:
    """The time of so many epochs; five are enough to learn."""
    took, right = timed(run, data, held_out, epochs)
    if epochs >= 5 and right < 0.9:
        raise ValueError(f"it has learned nothing: {right:.2f} of the held-out rows are right")
    return took


def main() -> None:
    """Print what an epoch takes."""
    rows = digits().train
    parts = split(np.random.default_rng(0), 0.9, rows.x, rows.labels)
    timers = {name: partial(learning, run, *parts) for name, run in {"chainrule": ours, "torch": in_torch}.items()}
    tooks = race(timers, Plan(rounds=20, block=0.3, before=0.0))
    walls = {name: [took.wall for took in each] for name, each in tooks.items()}
    share = Spread.of_ratios(walls["chainrule"], walls["torch"]).median
    medians = [duration(Spread.of(each).median) for each in walls.values()]
    print(table(["data, an epoch", *walls, "ours, of torch"], [["digits", *medians, ratio(share)]]))


if __name__ == "__main__":
    main()
