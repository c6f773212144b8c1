"""The cost of an epoch of our classifier beside scikit-learn's own, and how many rows each gets right.

    OPENBLAS_NUM_THREADS=1 python benchmarks/estimators.py --data DIRECTORY

On the digits that come along, and on MNIST if a directory has it, with one hidden layer of 100 and the defaults of
both: batches of 200, Adam. They take turns. Beside them stand the products of matrices that an epoch can't do without.
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.datasets import Dataset, digits, load_mnist
from chainrule.interop.sklearn import NetworkClassifier
from speed.harness import Plan, Spread, Took, calls, race, timed
from speed.page import duration, table

neural_network: Any = import_module("sklearn.neural_network")  # scikit-learn declares no types

OURS, THEIRS, PRODUCTS = "NetworkClassifier", "MLPClassifier", "products"
HIDDEN, BATCH = 100, 200
SEEDS = range(5)
EPOCHS = {"digits": 200, "MNIST": 10}
"""The most epochs of a fit whose accuracy is measured."""


def ours(epochs: int, seed: int) -> Any:
    """Our classifier, which takes so many epochs."""
    return NetworkClassifier((HIDDEN,), batch_size=BATCH, max_epochs=epochs, random_state=seed)


def theirs(epochs: int, seed: int) -> Any:
    """That of scikit-learn."""
    return neural_network.MLPClassifier((HIDDEN,), batch_size=BATCH, max_iter=epochs, random_state=seed)


def patient(estimator: Any) -> Any:
    """The same, which does not end before all epochs are over."""
    return estimator.set_params(**{"patience" if hasattr(estimator, "patience") else "n_iter_no_change": 10**6})


def fitting(make: Callable[[int, int], Any], x: Any, labels: Any, epochs: int) -> Took:
    """The time that a fit of so many epochs takes."""
    return timed(patient(make(epochs, 0)).fit, x, labels)[0]


def multiplying(x: Any, epochs: int) -> Took:
    """The time that the products of as many epochs take: two forward, three backward, a batch."""
    rows, h, out = x[:BATCH], *(np.ones((BATCH, n), x.dtype) for n in (HIDDEN, 10))
    W, V = (np.ones(shape, x.dtype) for shape in ((x.shape[1], HIDDEN), (HIDDEN, 10)))
    batches = calls(lambda: (rows @ W, rows.T @ h, h @ V, h.T @ out, out @ V.T))
    return batches.time(epochs * -(-len(x) // BATCH))


def times(name: str, data: Dataset, plan: Plan) -> list[list[str]]:
    """A row of the table for each dtype."""
    found: list[list[str]] = []
    for dtype in (np.float32, np.float64):
        x, labels = data.train.x.astype(dtype), data.train.labels
        timers = {
            OURS: partial(fitting, ours, x, labels),
            THEIRS: partial(fitting, theirs, x, labels),
            PRODUCTS: partial(multiplying, x),
        }
        walls = {each: [took.wall for took in tooks] for each, tooks in race(timers, plan).items()}
        shares = [Spread.of_ratios(walls[each], walls[THEIRS]).median for each in (OURS, PRODUCTS)]
        medians = [duration(Spread.of(walls[each]).median) for each in (OURS, THEIRS, PRODUCTS)]
        found.append([name, np.dtype(dtype).name, *medians, *(f"{share:.2f}" for share in shares)])
    return found


def accuracies(name: str, data: Dataset, make: Callable[[int, int], Any]) -> list[float]:
    """The share of the rows of the test that a classifier gets right, for each seed."""
    fitted = (make(EPOCHS[name], seed).fit(data.train.x, data.train.labels) for seed in SEEDS)
    return [float(each.score(data.test.x, data.test.labels)) for each in fitted]


def described(name: str, data: Dataset) -> list[list[str]]:
    """A row of the table for each classifier."""
    found: list[list[str]] = []
    for title, make in ((OURS, ours), (THEIRS, theirs)):
        shares = accuracies(name, data, make)
        found.append([name, title, f"{np.mean(shares):.4f}", " ".join(f"{share:.4f}" for share in shares)])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a directory with the files of MNIST")
    parser.add_argument("--quick", action="store_true", help="few rounds, and no accuracies")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # MLPClassifier says that it might go on
    sets = {"digits": digits()} | ({"MNIST": load_mnist(given.data)} if given.data else {})
    plan = Plan(rounds=3 if given.quick else 15, block=0.1 if given.quick else 0.5, before=0.0)
    head = ["data", "dtype", "ours, an epoch", "MLPClassifier", "products", "ours / theirs", "products / theirs"]
    print(table(head, [row for name, data in sets.items() for row in times(name, data, plan)]), flush=True)
    if not given.quick:
        head = ["data", "classifier", "right, mean", "of each seed"]
        print("\n" + table(head, [row for name, data in sets.items() for row in described(name, data)]))


if __name__ == "__main__":
    main()
