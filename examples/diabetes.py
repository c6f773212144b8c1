"""A network learns from 442 patients how diabetes goes on, beside a line and scikit-learn's own network.

    python examples/diabetes.py

The table comes with scikit-learn: age, sex, body mass, blood pressure and six values of the blood of each patient, and
a measure of the disease a year later (Efron and others, Least angle regression, 2004). On so small a table a line is
hard to beat, and one split in rows to learn from and rows to test says little: errors differ more from split to split
than from model to model. So each model learns from 30 splits, and what is said of it is said with an interval; a
narrow one, as splits of one table share rows.

The network is a line and what bends it, side by side, so that it has the line for nothing:

    out = affine(z) + affine(tanh(affine(z)))        z = standardise(x)

It needs chainrule[examples].
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from program import Ending, agree, carry_out, count, keep, loaded, needed, refusals, with_options, write_picture

from chainrule import Affine, Array, adamw, add, affine, mean_squared_error, prediction, record
from chainrule import schedules, sequential, split, standardise, tanh, train

Figure = needed("matplotlib.figure").Figure
datasets, linear_model, neural_network, preprocessing = (  # scikit-learn declares no types
    needed(f"sklearn.{name}") for name in ("datasets", "linear_model", "neural_network", "preprocessing")
)

HIDDEN, BATCH, RATE, DECAY, EPOCHS = 16, 32, 0.003, 0.1, 30  # chosen on the splits of seed 0, which have the same rows
MODELS = "a line", "scikit-learn's network", "ours"

Predict: TypeAlias = Callable[[Array], Array]


@frozen(eq=False)
@record
class Errors:
    """The root of the mean squared error of each model on each split, (splits, 3); nan of those that are to come."""

    seed: int
    found: Array


def line(x: Array, y: Array, rng: np.random.Generator) -> Predict:
    """The least squares of a line."""
    predict: Predict = linear_model.LinearRegression().fit(x, y).predict
    return predict


def theirs(x: Array, y: Array, rng: np.random.Generator) -> Predict:
    """scikit-learn's network, with as many units, epochs and rows in a batch, and the same rate, which stays."""
    scaler = preprocessing.StandardScaler().fit(x)
    network = neural_network.MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), activation="tanh", batch_size=BATCH, learning_rate_init=RATE,
        random_state=int(rng.integers(2**31)),
    )  # fmt: skip  # a line for each would take half a page
    for _ in range(EPOCHS):
        network.partial_fit(scaler.transform(x), (y - y.mean()) / y.std())
    return lambda some: network.predict(scaler.transform(some)) * y.std() + y.mean()


def ours(x: Array, y: Array, rng: np.random.Generator) -> Predict:
    """Our network."""
    d = x.shape[1]
    network = sequential(standardise(x), add(affine, sequential(affine, tanh, affine)))
    bent = Affine.init(rng, d, HIDDEN, dtype=x.dtype), (), Affine.init(rng, HIDDEN, 1, std=0.0, dtype=x.dtype)
    params = (), (Affine.init(rng, d, 1, std=0.0, dtype=x.dtype), bent)
    targets = ((y - y.mean()) / y.std())[:, None]
    optimizer = adamw(schedules.cosine(RATE, 0.0, EPOCHS * -(-len(x) // BATCH)), weight_decay=DECAY)
    *_, run = train(network, mean_squared_error, optimizer, params, (x, targets), rng=rng, size=BATCH, epochs=EPOCHS)
    return lambda some: prediction(network)(run.params, some)[:, 0] * y.std() + y.mean()


def learned(x: Array, y: Array, seed: int, i: int) -> tuple[list[Predict], list[float]]:
    """The models that learned from the i-th split, and the root of the mean squared error of each on its other rows."""
    rng = np.random.default_rng((seed, i))
    (seen, known), (unseen, right) = split(rng, 0.8, x, y)
    models = [make(seen, known, rng) for make in (line, theirs, ours)]
    return models, [float(np.sqrt(np.mean((predict(unseen) - right) ** 2))) for predict in models]


def compare(x: Array, y: Array, options: argparse.Namespace) -> Iterator[Errors]:
    """The errors before the first split and after each.

    With `--save` they are kept in that file, and the comparison goes on after those that are there.
    """
    errors = Errors(options.seed, np.full((options.splits, len(MODELS)), np.nan))
    with refusals():
        if options.save and options.save.exists():
            errors = loaded(options.save, errors, "--splits or program")
            agree(options.save, "seed", errors.seed, options.seed)
    keep(options.save, errors)
    yield errors
    for i in range(int(np.isfinite(errors.found[:, 0]).sum()), options.splits):
        found = errors.found.copy()
        found[i] = learned(x, y, options.seed, i)[1]
        errors = Errors(options.seed, found)
        keep(options.save, errors)
        said = "   ".join(f"{name} {error:.1f}" for name, error in zip(MODELS, found[i], strict=True))
        print(f"split {i + 1}/{options.splits}   {said}", file=sys.stderr)
        yield errors


def interval(values: Array) -> tuple[float, float, float]:
    """The mean of values (n,), and between which numbers 95% of the means of n values lie that are drawn of these."""
    drawn = values[np.random.default_rng(0).integers(0, len(values), (10_000, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def table(errors: Array) -> Iterator[str]:
    """A line for each model: its error, and that over the line's and over scikit-learn's network's, with intervals."""
    yield f"{'':24}{'error':>22}{'over the line':>24}{'over scikit-learn':>24}"
    for name, of_model in zip(MODELS, errors.T, strict=True):
        over = of_model, of_model - errors[:, 0], of_model - errors[:, 1]
        error, *others = ("{:.2f} [{:.2f}, {:.2f}]".format(*interval(each)) for each in over)
        yield f"{name:24}{error:>22}" + "".join(f"{each:>24}" for each in others)


def draw(path: Path, names: list[str], x: Array, errors: Array, models: list[Predict]) -> None:
    """Draw the error on each split, and what models say where one column varies and the others are at their mean."""
    figure: Any = Figure(figsize=(14, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2, 5))
    axes = left.subplots()
    axes.plot(errors.T, color="tab:gray", alpha=0.4, linewidth=0.8)
    for i, of_model in enumerate(errors.T):
        mean, low, high = interval(of_model)
        axes.errorbar(i, mean, [[mean - low], [high - mean]], fmt="o", color="tab:red", capsize=8, zorder=3)
    axes.set_xticks(range(len(MODELS)), [name.replace(" ", "\n") for name in MODELS])
    axes.set(title="Error on each split, and its mean", xlim=(-0.4, 2.4), ylabel="root of the mean squared error")
    right.suptitle("What each says of the disease a year later, by one column alone")
    right.supylabel("measure of the disease")
    for column, panel in enumerate(right.subplots(2, 5, sharey=True).ravel()):
        varied = np.tile(x.mean(axis=0), (50, 1))
        varied[:, column] = np.quantile(x[:, column], np.linspace(0.02, 0.98, 50))
        for name, predict in zip(MODELS, models, strict=True):
            panel.plot(varied[:, column], predict(varied), label=name)
        panel.set_title(names[column])
    figure.axes[1].legend(frameon=False, fontsize="small")
    write_picture(figure, path)


def several(word: str) -> int:
    """An option that is a whole number from 2 on."""
    if count(word) < 2:
        raise argparse.ArgumentTypeError(f"must be 2 or more, got {word!r}")
    return int(word)


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = with_options(__doc__, "diabetes.png", seed=1)
    parser.add_argument("--splits", type=several, default=30, help="how many to learn from (default: 30)")
    return parser.parse_args()


def main(options: argparse.Namespace) -> Ending:
    """Compare, as the options say."""
    patients = datasets.load_diabetes(scaled=False)
    x, y = patients.data, patients.target
    *_, errors = compare(x, y, options)
    models, _ = learned(x, y, options.seed, options.splits - 1)
    print(*table(errors.found), sep="\n")
    linear, other, own = errors.found.mean(axis=0)
    beside = f"beside {linear:.2f} of a line and {other:.2f} of scikit-learn's network"
    figure = f"error {own:.2f} {beside}, on {options.splits} splits"
    return figure, lambda: draw(options.picture, patients.feature_names, x, errors.found, models)


if __name__ == "__main__":
    carry_out(main, read_options())
