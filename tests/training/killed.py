"""A training run that is killed again and again, as by `kill -9`, and goes on from the last record that it saved.

    python tests/training/killed.py 50

counts how many of so many runs, each killed three times at random moments, end with the bits of one that was left
alone.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from chainrule import (
    Affine,
    BatchNorm,
    Layer,
    accuracy,
    adam,
    affine,
    batch_norm,
    dropout,
    load,
    relu,
    save,
    sequential,
    softmax_cross_entropy,
    train,
    tree,
)
from chainrule.datasets import digits


def network(seed: int) -> Layer[Any, Any]:
    return sequential(affine, batch_norm(), relu, dropout(0.2, seed), affine)


def runs(start: Any = None) -> Any:
    """The run, from its beginning or from a record."""
    rng, data, held_out = np.random.default_rng(0), digits().train, digits().test
    params = (Affine.init(rng, 64, 20), BatchNorm.init(20), (), (), Affine.init(rng, 20, 10))
    return train(
        network,
        softmax_cross_entropy,
        adam(0.01),
        params,
        (data.x, data.labels),
        rng=rng,
        size=100,
        epochs=6,
        held_out=(held_out.x, held_out.labels),
        metrics=(accuracy,),
        every=2,
        start=start,
    )


def program(path: Path) -> None:
    """Train from the last record, where there is one, and save each; say so."""
    for run in runs(load(path, runs().start) if path.exists() else None):
        save(path, run)
        sys.stdout.write(f"{run.step}\n")
        sys.stdout.flush()


def started(path: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, __file__, "--run", str(path)], stdout=subprocess.PIPE)


def left_alone(path: Path) -> Any:
    """The last record of a run that nobody kills from here on."""
    with started(path) as process:
        process.communicate()
    assert process.returncode == 0
    return load(path, runs().start)


def killed(path: Path, times: int, rng: np.random.Generator) -> Any:
    """The last record of a run that was killed so many times: some records after it began, and at any moment."""
    for _ in range(times):
        with started(path) as process:
            assert process.stdout is not None
            for _ in range(rng.integers(0, 12)):
                process.stdout.readline()
            time.sleep(0.02 * rng.random())
            process.kill()
        assert process.returncode != 0
    return left_alone(path)


def main(runs: int) -> None:
    rng = np.random.default_rng()
    with TemporaryDirectory() as name:
        expected = left_alone(Path(name) / "alone")
        same = [tree.equal(killed(Path(name) / str(i), 3, rng), expected) for i in range(runs)]
        sys.stdout.write(f"{sum(same)} of {runs} runs, each killed 3 times, ended with the same bits\n")


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        program(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]))
