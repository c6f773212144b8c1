"""A convolutional network reads handwritten digits, and draws what it looks for and what it misreads.

    python examples/mnist_convnet.py --data FOLDER     MNIST, as its four files: some minutes
    python examples/mnist_convnet.py                   the small digits that come along: some seconds

A convolution takes the same weighted sums of every 3x3 window of a picture, so that a stroke is the same stroke
wherever it is. A pool keeps the largest of each 2x2, and halves the picture. What goes into each layer, and what comes
out, for one image:

    28 x 28 x 1     convolution    28 x 28 x 32    max_pool    14 x 14 x 32    relu
    14 x 14 x 32    convolution    14 x 14 x 64    max_pool     7 x  7 x 64    relu
     7 x  7 x 64    flatten    3136    affine    128    relu    dropout    affine    10

The pool may stand before the relu or after it, with the same result: what is largest is so after a relu too. Before it,
the relu has a quarter of the work. It needs chainrule[examples].
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from program import Ending, carry_out, count, images, needed, number_of_classes, records, with_options, write_picture

from chainrule import Affine, Array, Convolution, Labels, Network, Run, Unit, accuracy, adamw, affine, convolution
from chainrule import dropout, flatten, inference, initializers, max_pool, prediction, relu, schedules
from chainrule import sequential, softmax_cross_entropy, split, train
from chainrule.datasets import Dataset
from chainrule.optimizer import State
from chainrule.training.progress import progress
from chainrule.training.train import Runs

Figure = needed("matplotlib.figure").Figure

CHANNELS, HIDDEN = (32, 64), 128
BATCH, RATE, DROPPED = 128, 0.002, 0.4

Block: TypeAlias = tuple[Convolution, Unit, Unit]
Params: TypeAlias = tuple[Block, Block, Unit, Affine, Unit, Unit, Affine]
Learned: TypeAlias = Run[Params, State[Params]]

block = sequential(convolution(), max_pool(2), relu)


def network(seed: int) -> Network[Params]:
    """The network, with the dropout of a seed."""
    return sequential(block, block, flatten, affine, relu, dropout(DROPPED, seed), affine)


def init(rng: np.random.Generator, height: int, width: int, classes: int) -> Params:
    """Weights that keep the size of numbers behind each relu; biases are zero."""
    he, (few, many) = initializers.he_normal, CHANNELS
    return (
        (Convolution.init(rng, 1, few, 3, weights=he), (), ()),
        (Convolution.init(rng, few, many, 3, weights=he), (), ()),
        (),
        Affine.init(rng, (height // 4) * (width // 4) * many, HIDDEN, weights=he),
        (),
        (),
        Affine.init(rng, HIDDEN, classes),
    )


def learn(data: Dataset, options: argparse.Namespace) -> Iterator[Learned]:
    """Train on the images of a data set, less a few that progress is measured on."""
    rng = np.random.default_rng(options.seed)
    params = init(rng, *data.image_shape, classes=number_of_classes(data))
    watched, (x, labels) = split(rng, 1 / 60, pictures(data, data.train.x), data.train.labels)
    steps = max(1, options.epochs * -(-len(x) // BATCH))  # the last batch of an epoch has fewer
    rate = schedules.warmup(1 + steps // 20, schedules.cosine(RATE, 0.0, steps))

    def runs(images: Array, epochs: int, start: Learned | None = None) -> Runs[Params, State[Params]]:
        return train(
            network, softmax_cross_entropy, adamw(rate), params, (images, labels), rng=rng, size=BATCH, epochs=epochs,
            held_out=watched, metrics=(accuracy,), every=100, start=start,
        )  # fmt: skip  # a line for each would take half a page

    def following(start: Learned) -> Iterator[Learned]:
        run = start
        while run.epoch < options.epochs:
            images = shifted(np.random.default_rng((options.seed, run.epoch + 1)), x)  # each epoch moves them anew
            epoch = runs(images, run.epoch + 1, run)
            for run in epoch:
                yield run

    def shown(start: Learned) -> Iterator[Learned]:
        return progress(Runs(start, options.epochs, following(start)))

    return records(options, (x, labels), runs(x, 0).start, shown)


def shifted(rng: np.random.Generator, x: Array) -> Array:
    """Each image (n, height, width, 1) where it is or a pixel further, in any direction: it is the same digit."""
    around = np.pad(x[..., 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(around, x.shape[1:3], axis=(1, 2))
    chosen: Array = windows[np.arange(len(x)), *rng.integers(0, 3, (2, len(x)))]
    return chosen[..., None]


def pictures(data: Dataset, x: Array) -> Array:
    """Rows of pixels (n, height width) as images of one channel, (n, height, width, 1)."""
    return x.reshape(-1, *data.image_shape, 1)


def scores(params: Params, x: Array) -> Array:
    """The score (n, k) of each digit for images, some at a time: what comes out of a layer takes memory."""
    predict = prediction(inference(network(0), params))
    return np.concatenate([predict(params, some) for some in np.array_split(x, 1 + len(x) // 500)])


def draw(path: Path, params: Params, x: Array, labels: Labels, logits: Array) -> None:
    """Draw filters and what they make of an image, the surest mistakes, and what was read as what."""
    figure: Any = Figure(figsize=(12, 9), layout="constrained")
    (filters, maps), (mistakes, confusion) = figure.subplots(2, 2)
    W = params[0][0].W
    filters.imshow(mosaic(np.moveaxis(W[:, :, 0], -1, 0), 8), cmap="RdBu_r", vmin=-abs(W).max(), vmax=abs(W).max())
    filters.set_title("The filters: red where ink counts, blue where paper does")
    seen = prediction(sequential(convolution(), relu))((params[0][0], ()), x[:1])[0]
    seen = seen / np.maximum(seen.max(axis=(0, 1)), np.finfo(seen.dtype).tiny)  # each by its own strongest
    maps.imshow(mosaic(np.moveaxis(seen, -1, 0), 8), cmap="gray_r")
    maps.set_title(f"Where each finds its stroke, in a {labels[0]}")

    read, sure = logits.argmax(axis=1), logits.max(axis=1)
    wrong = np.flatnonzero(read != labels)
    shown = wrong[np.argsort(logits[wrong, labels[wrong]] - sure[wrong], kind="stable")][:40]
    mistakes.set_title(f"Misread: {len(wrong)} of {len(labels)}" + (", the surest first" if len(wrong) else ""))
    height, width = x.shape[1] * 3 // 2, x.shape[2]
    above = np.full((len(shown), height - x.shape[1], width), np.nan, x.dtype)  # where the text stands
    mistakes.imshow(mosaic(np.concatenate([above, x[shown, :, :, 0]], axis=1), 8), cmap="gray_r", vmin=0, vmax=1)
    for i, row in enumerate(shown):
        place = (i % 8 + 0.5) * (width + 1), i // 8 * (height + 1) + height / 6
        mistakes.text(*place, f"{labels[row]} as {read[row]}", ha="center", va="center")

    table = np.zeros((logits.shape[1],) * 2, int)
    np.add.at(table, (labels, read), 1)
    wrong_alone = table * (1 - np.eye(len(table)))
    confusion.imshow(wrong_alone, cmap="Reds", vmax=2 * wrong_alone.max() + 1)
    for i, j in np.ndindex(table.shape):
        confusion.text(j, i, str(table[i, j] or ""), ha="center", va="center")
    confusion.set(title="How often a digit (row) was read as which (column)", xticks=range(len(table)))
    confusion.set_yticks(range(len(table)))
    for axes in (filters, maps, mistakes):
        axes.set_axis_off()
    write_picture(figure, path)


def mosaic(images: Array, columns: int) -> Array:
    """Images (n, height, width) in rows of so many, with gaps of nan between them."""
    n, height, width = images.shape
    rows = max(1, -(-n // columns))
    cells = np.full((rows, columns, height + 1, width + 1), np.nan, images.dtype)
    cells.reshape(-1, height + 1, width + 1)[:n, :height, :width] = images
    return cells.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1))


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = with_options(__doc__, "mnist_convnet.png")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the files of MNIST, or others in its form")
    parser.add_argument("--epochs", type=count, help="how often to see all images (default: 6, of the small digits 40)")
    options = parser.parse_args()
    if options.epochs is None:
        options.epochs = 6 if options.data else 40
    return options


def main(options: argparse.Namespace) -> Ending:
    """Train and test, as the options say."""
    data = images(options.data, 4)
    *_, run = learn(data, options)
    x, labels = pictures(data, data.test.x), data.test.labels
    logits = scores(run.params, x)
    figure = f"accuracy {accuracy(logits, labels):.4f} of {len(x)} unseen digits"
    return figure, lambda: draw(options.picture, run.params, x, labels, logits)


if __name__ == "__main__":
    carry_out(main, read_options())
