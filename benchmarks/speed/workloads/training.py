"""Training as the original has it: 10,000 steps of batch 100 at 784-50-10, on one core.

On the pictures of MNIST if a directory has them, or on random ones of their number and shape, which take as long.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from chainrule import Array, Labels, minibatches, read_only, sgd, softmax_cross_entropy, training_step, two_layer
from chainrule.datasets import load_mnist
from speed.harness import Row, timed
from speed.options import Options
from speed.page import duration
from speed.problem import BOOK
from speed.processes import ask, process

STEPS = 10_000
PICTURES = 60_000


def measure(options: Options) -> Iterator[Row]:
    """Seconds of one core."""
    with process() as child:
        yield ask(child, train, STEPS // (10 if options.quick else 1), options.data)


def train(steps: int, data: Path | None) -> Row:
    """Train, and count the seconds of the processor: of all of it, and of drawing the batches alone."""
    rng = np.random.default_rng(0)
    labels: Labels
    if data is None:
        x = read_only(rng.random((PICTURES, BOOK.n_in), dtype=np.float32))
        labels = read_only(rng.integers(0, BOOK.n_out, PICTURES))
    else:
        examples = load_mnist(data).train
        x, labels = examples.x, examples.labels

    def batches() -> Iterator[tuple[Array, Labels]]:
        while True:
            yield from minibatches(rng, x, labels, BOOK.batch)

    optimizer = sgd(0.1)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    params = two_layer.init(rng, BOOK.n_in, BOOK.n_hidden, BOOK.n_out)
    state = optimizer.init(params)

    def trained() -> Array:
        nonlocal params, state
        loss: Array = np.zeros(())
        for batch, truth in islice(batches(), steps):
            params, state, loss = step(params, state, batch, truth)
        return loss

    took, loss = timed(trained)
    drawn = timed(all_of, islice(batches(), steps))[0]
    figures = {"seconds": took.cpu, "batches": drawn.cpu, "loss": float(loss)}
    return {"steps": steps, "data": "MNIST" if data else "random"} | figures


def all_of(items: Iterator[object]) -> None:
    """Go through them all."""
    for _ in items:
        pass


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A sentence."""
    (row,) = rows
    data = "MNIST" if row["data"] == "MNIST" else "random pictures of the number and size of MNIST's"
    return {
        "training": f"{row['steps']:,} steps of batch 100 at 784-50-10 take {duration(row['seconds'])} of one core on "
        f"{data}, of which drawing the batches takes {duration(row['batches'])}."
    }
