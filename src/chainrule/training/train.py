"""Training as an iterator of records, each of which is all that it takes to go on from there.

    for run in train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=20):
        ...

The loop is that of `chainrule.minibatches` and `chainrule.training_step`, to the last bit, with the figures on held-out
data at its end. What other libraries do by callbacks is the body of the `for`: print, save, stop with `break`. Nothing
is hidden: `train(..., start=run)` goes on from a record as if nothing had happened. Parameters and state are those of
the record, and the order of the rows and the seeds of a random network follow from the state of the generator where an
epoch begins.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe, generator, is_a, remedy
from chainrule.arrays.arguments import size as counted
from chainrule.arrays.cells import first_cell
from chainrule.arrays.types import Generator, Labels, is_numpy, is_tuple, library_name
from chainrule.encoder import Trainable, network_of_some_seed
from chainrule.loss import Loss
from chainrule.losses.weighted import Weighted
from chainrule.optimizer import Optimizer
from chainrule.training.course import Course
from chainrule.training.generator_state import GeneratorState
from chainrule.training.held_out import PIECE, HeldOut, Metric, named_metrics
from chainrule.training.inference import no_statistics
from chainrule.training.rows import number_of_rows
from chainrule.training.run import Run
from chainrule.training.step import training_step

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")
X = TypeVar("X")


class Runs(Iterator[Run[P, S]], Generic[P, S]):
    """The records of a training run, one after another: what `train` returns.

    Attributes
    ----------
    start
        The record that it goes on from. If none was given, it is that of step 0, whose figures are nan: a record of the
        right form for `chainrule.load`.
    epochs
        How many epochs the run has in all.
    """

    def __init__(self, start: Run[P, S], epochs: int, records: Iterator[Run[P, S]]) -> None:
        self.start = start
        self.epochs = epochs
        self._records = records

    def __next__(self) -> Run[P, S]:
        return next(self._records)


def train(
    network: Trainable[P, X] | Callable[[int], Trainable[P, X]],
    loss: Loss[T, Any],
    optimizer: Optimizer[P, S],
    params: P,
    data: tuple[X, T],
    *,
    rng: Generator,
    size: int,
    epochs: int,
    held_out: tuple[X, T] | None = None,
    metrics: Sequence[Metric] = (),
    patience: int | None = None,
    start: Run[P, S] | None = None,
    every: int | None = None,
    adjust: Callable[[P], P] | None = None,
) -> Runs[P, S]:
    """Train a network, and yield a record after each epoch.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`, or an encoder; or, for a random network, a function of a seed that
        returns one.
    loss
        The loss, which compares its output with the targets.
    optimizer
        The optimizer, such as `adam(0.001)`.
    params
        The parameters to begin with, of NumPy arrays. With those of another library write the loop yourself:
        `minibatches`, a conversion of each batch, and `training_step`.
    data
        `(x, targets)`: NumPy arrays with a row for each example, or records or tuples of them. They are not copied:
        batches are read from them as training goes on, from memory maps too.
    rng
        The generator of the order and of the seeds. It is copied, and not advanced.
    size
        Rows in a batch; the last one of an epoch has fewer if it does not divide their number.
    epochs
        How many epochs there are in all, those before `start` among them.
    held_out
        `(x, targets)` of rows to measure the network on, in the form in which it is used: see `inference`.
    metrics
        Other figures to measure on them than the loss: functions `(out, targets) -> number`, such as `accuracy`.
    patience
        The run ends when the held-out loss was not the least for so many epochs. By default all epochs are run.
    start
        A record to go on from, in place of `params` and `rng`. The arguments must be those of the run that it is of,
        but for `epochs` and `patience`.
    every
        A record after so many steps each, and after the last one, in place of one after each epoch.
    adjust
        From gradients to gradients, before the optimizer sees them, such as `clip_by_global_norm(1.0)`.

    Returns
    -------
    Runs
        An iterator of `Run` records. Training takes place as it is asked for them.

    Raises
    ------
    ValueError
        If the parts of a data set differ in their numbers of rows or have none, a number is out of range, metrics or
        patience have no held-out data to go by, labels are held out that are not among those to train on, or the
        parameters of `start` have another form. In an epoch: if a loss is not finite because the data is not; the
        message names the row and the column.
    TypeError
        If an argument is of another kind.

    Notes
    -----
    Statistics of batch norms are computed for each record, by a forward pass over the batches of the epoch that it is
    in, if the network needs them.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import accuracy, sgd, softmax_cross_entropy, train, two_layer
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 2), np.float32)
    >>> labels = (x[:, 0] > x[:, 1]).astype(int)
    >>> data, held_out = (x[:40], labels[:40]), (x[40:], labels[40:])
    >>> params = two_layer.init(rng, 2, 8, 2)
    >>> runs = train(two_layer.network, softmax_cross_entropy, sgd(0.5), params, data, rng=rng, size=8, epochs=20,
    ...              held_out=held_out, metrics=(accuracy,))
    >>> for run in runs:
    ...     if run.metrics["accuracy"] == 1:
    ...         break
    >>> run.metrics["accuracy"], run.epoch < 20, run.step == 5 * run.epoch
    (1.0, True, True)
    """
    generator("train", rng)
    for path, leaf in tree.named_leaves(params):
        if not is_numpy(leaf):
            what = f"{describe(leaf)} of {library_name(leaf)}"
            raise TypeError(f"train: params{path} must be a NumPy array, got {what}")
    if not is_a(loss, Loss):
        raise TypeError(f"train: loss must be a Loss, got {describe(loss)}{remedy(loss)}")
    measured = named_metrics(metrics)
    stepping: Any = training_step  # its overloads are for networks whose type is known
    step = stepping(network, loss, optimizer, adjust=adjust)
    x, targets = _pair("data", data)
    n = _some_rows("train", "data", x=x, targets=targets)
    batch_size = counted("train", "size", size, least=1)
    if held_out is None and measured:
        raise ValueError("train: metrics need held_out data to be measured on")
    if held_out is None and patience is not None:
        raise ValueError("train: patience needs held_out data, whose loss it waits for")
    made = network_of_some_seed("train", network)
    course = Course(
        network=made,
        takes_seed=callable(network),
        empty_statistics=no_statistics(made),
        step=step,
        x=x,
        targets=targets,
        n=n,
        size=batch_size,
        steps=-(-n // batch_size),
        epochs=counted("train", "epochs", epochs),
        every=None if every is None else counted("train", "every", every, least=1),
        held_out=None
        if held_out is None
        else _held_out(_pair("held_out", held_out), targets, loss, measured, batch_size),
        patience=None if patience is None else counted("train", "patience", patience, least=1),
    )
    begun = course.begun(params, optimizer.init(params), GeneratorState.of(rng)) if start is None else start
    if start is not None:
        course.check(start, params)
    return Runs(begun, course.epochs, course.records(begun))


def _pair(name: str, data: Any) -> tuple[Any, Any]:
    if not is_tuple(data) or len(data) != 2:
        raise TypeError(f"train: {name} must be a tuple (x, targets), got {describe(data)}")
    return data[0], data[1]


def _some_rows(owner: str, name: str, **parts: Any) -> int:
    n = number_of_rows(owner, **parts)
    if n == 0:
        raise ValueError(f"train: {name} has no rows")
    return n


def _held_out(data: tuple[Any, Any], targets: Any, loss: Any, metrics: dict[str, Metric], size: int) -> HeldOut:
    n = _some_rows("train: held_out", "held_out", x=data[0], targets=data[1])
    seen, (given, counts) = _labels(targets)[0], _labels(data[1])
    if seen is not None and given is not None:
        unseen = ~np.isin(given, seen) & counts
        if unseen.any():
            what = f"held_out targets have the label {first_cell(given, unseen)}"
            raise ValueError(f"train: {what}, which no target to train on has")
    return HeldOut(*data, n, loss, metrics, max(size, PIECE))


def _labels(targets: Any) -> tuple[Labels | None, Any]:
    """The label of each row, and whether it counts, where a row has one; in a sequence, tokens may well be new."""
    if is_a(targets, Weighted):
        return _labels(targets.targets)[0], targets.weights > 0
    is_label = is_numpy(targets) and targets.ndim == 1 and targets.dtype.kind in "iu"
    return targets if is_label else None, True
