"""Training as the original has it: 10,000 steps of batch 100 at 784-50-10, on one core.

    python -m speed.training STEPS [DIRECTORY]

On the pictures of MNIST if a directory has them, or on random ones of their number and shape, which take as long.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import Array, Labels, minibatches, read_only, sgd, softmax_cross_entropy, training_step, two_layer
from chainrule.datasets import load_mnist
from speed.probe import fresh
from speed.size import BOOK
from speed.threads import ONE, pin

STEPS = 10_000
PICTURES = 60_000


def measure(steps: int, data: Path | None) -> dict[str, Any]:
    """Seconds of one core, in a fresh process."""
    return fresh("training", str(steps), *([str(data.resolve())] if data else []))


def train(steps: int, data: Path | None) -> dict[str, Any]:
    """Train, and count the seconds of the processor: of all of it, and of drawing the batches alone."""
    rng = np.random.default_rng(0)
    x: Array
    labels: Labels
    loss: Array
    if data is None:
        x = read_only(rng.random((PICTURES, BOOK.n_in), dtype=np.float32))
        labels = read_only(rng.integers(0, BOOK.n_out, PICTURES))
    else:
        examples = load_mnist(data).train
        x, labels = examples.x, examples.labels
    optimizer = sgd(0.1)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    params = two_layer.init(rng, BOOK.n_in, BOOK.n_hidden, BOOK.n_out)
    state = optimizer.init(params)
    done, loss = 0, np.zeros(())
    began = time.process_time()
    while done < steps:
        for batch, truth in minibatches(rng, x, labels, BOOK.batch):
            params, state, loss = step(params, state, batch, truth)
            done += 1
            if done == steps:
                break
    trained = time.process_time()
    drawn = 0
    while drawn < steps:
        for _ in minibatches(rng, x, labels, BOOK.batch):
            drawn += 1
            if drawn == steps:
                break
    batches = time.process_time() - trained
    return {
        "steps": steps,
        "data": "MNIST" if data else "random",
        "seconds": trained - began,
        "batches": batches,
        "loss": float(loss),
    }


if __name__ == "__main__":
    pin(ONE)
    print(json.dumps(train(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)))
