"""A recurrent network reads handwritten digits row by row, and draws how it makes up its mind.

    python examples/mnist_recurrent.py --data FOLDER     MNIST, as its four files: some minutes
    python examples/mnist_recurrent.py                   the small digits that come along: some seconds

An image is a sequence here: its rows are the steps, from the top, and the pixels of a row what is read at a step. The
network never sees two rows at once. What it knows of those above stands in the 128 cells of an LSTM, whose gates learn
what to keep.

    rows (28, 28)    lstm (28, 128)    last (128)    affine (10)

Trained to answer at the end, it can be asked after every row as well: `affine` then goes over all steps in place of the
last. It needs chainrule[examples].
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from program import Ending, carry_out, count, images, needed, number_of_classes, records, with_options, write_picture

from chainrule import Affine, Array, Labels, Lstm, Run, Unit, accuracy, adamw, affine, clip_by_global_norm, last
from chainrule import lstm, prediction, schedules, sequential, softmax, softmax_cross_entropy, split, train
from chainrule.datasets import Dataset
from chainrule.optimizer import State
from chainrule.training.progress import progress
from chainrule.training.train import Runs

Figure = needed("matplotlib.figure").Figure

CELLS, BATCH, RATE = 128, 128, 0.003

Params: TypeAlias = tuple[Lstm, Unit, Affine]
Learned: TypeAlias = Run[Params, State[Params]]

network = sequential(lstm, last, affine)


def learn(data: Dataset, options: argparse.Namespace) -> Iterator[Learned]:
    """Train on the images of a data set, less a few that progress is measured on."""
    rng = np.random.default_rng(options.seed)
    classes = number_of_classes(data)
    params = (Lstm.init(rng, data.image_shape[1], CELLS), (), Affine.init(rng, CELLS, classes))
    watched, seen = split(rng, 1 / 60, by_row(data, data.train.x), data.train.labels)
    steps = max(1, options.epochs * -(-len(seen[0]) // BATCH))  # the last batch of an epoch has fewer
    rate = schedules.warmup(1 + steps // 20, schedules.cosine(RATE, 0.0, steps))

    def runs(start: Learned | None = None) -> Runs[Params, State[Params]]:
        return train(
            network, softmax_cross_entropy, adamw(rate), params, seen, rng=rng, size=BATCH, epochs=options.epochs,
            held_out=watched, metrics=(accuracy,), every=100, adjust=clip_by_global_norm(1.0), start=start,
        )  # fmt: skip  # a line for each would take half a page

    return records(options, seen, runs().start, lambda start: progress(runs(start)))


def by_row(data: Dataset, x: Array) -> Array:
    """Images as they are stored, (n, height width), as sequences of rows (n, height, width)."""
    return x.reshape(-1, *data.image_shape)


def probabilities_by_row(params: Params, x: Array) -> Array:
    """The probability of each digit after each row, (n, height, k), of some images at a time."""
    predict = prediction(sequential(lstm, affine, softmax))
    reader, _, judge = params
    return np.concatenate([predict((reader, judge, ()), some) for some in np.array_split(x, 1 + len(x) // 1000)])


def draw(path: Path, x: Array, labels: Labels, p: Array) -> None:
    """Draw images beside what the network takes them for after each row, and how soon it is right."""
    figure: Any = Figure(figsize=(12, 7), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(3, 2))
    upper.suptitle("What it takes a digit for, row after row from the top: the darker, the surer")
    (height, width), k = x.shape[1:], p.shape[-1]
    wide = -(-width // k)  # pixels for each digit
    for axes, i in zip(upper.subplots(2, 5).ravel(), slow(labels, p), strict=False):
        shown = np.hstack([x[i], np.full((height, 1), np.nan, x.dtype), p[i].repeat(wide, axis=1)])
        axes.imshow(shown, cmap="gray_r", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks([width + (digit + 0.5) * wide + 0.5 for digit in range(k)], range(k), fontsize="small")
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.get_xticklabels()[labels[i]].set(color="tab:red", fontweight="bold")
    axes = lower.subplots()
    axes.plot(range(1, height + 1), (p.argmax(axis=-1) == labels[:, None]).mean(axis=0), "o-")
    axes.set(
        title="How many it reads rightly",
        xlabel="rows that it has seen",
        ylabel="accuracy",
        ylim=(0, 1.02),
        xlim=(1, height),
    )
    axes.grid(alpha=0.3)
    write_picture(figure, path)


def slow(labels: Labels, p: Array) -> Labels:
    """One image of each digit, the one that it changed its mind about most, and was right about in the end."""
    moves = np.abs(np.diff(p, axis=1)).sum(axis=(1, 2))
    right = p[:, -1].argmax(axis=-1) == labels
    found = [np.flatnonzero(right & (labels == digit)) for digit in range(p.shape[-1])]
    return np.array([rows[moves[rows].argmax()] for rows in found if len(rows)])


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = with_options(__doc__, "mnist_recurrent.png")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the files of MNIST, or others in its form")
    parser.add_argument("--epochs", type=count, help="how often to see all images (default: 5, of the small digits 60)")
    options = parser.parse_args()
    if options.epochs is None:
        options.epochs = 5 if options.data else 60
    return options


def main(options: argparse.Namespace) -> Ending:
    """Train and test, as the options say."""
    data = images(options.data, 1)
    *_, run = learn(data, options)
    x, labels = by_row(data, data.test.x), data.test.labels
    p = probabilities_by_row(run.params, x)
    right = accuracy(p[:, -1], labels)
    return f"accuracy {right:.4f} of {len(x)} unseen digits", lambda: draw(options.picture, x, labels, p)


if __name__ == "__main__":
    carry_out(main, read_options())
