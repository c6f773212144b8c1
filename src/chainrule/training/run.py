"""A training run at one moment: all that it takes to go on from there, as a value.

A run that goes on from a record takes the same steps as one that was never interrupted, to the last bit. Parameters,
the state of the optimizer and that of the random generator are in it, and whatever else is to come follows from these.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from attrs import field, frozen

from chainrule.arrays.records import record
from chainrule.training.generator_state import GeneratorState
from chainrule.training.inference import StatisticsTree

P = TypeVar("P")
S = TypeVar("S")


def _in_pairs(given: Mapping[str, float] | Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(dict(given).items())


@frozen(eq=False)
@record
class Metrics(Mapping[str, float]):
    """Figures on held-out data by their names: a mapping that nobody can change.

    It is a record of names and numbers, and so a tree: a run that holds it pickles and goes into files.

    Parameters
    ----------
    pairs
        Names with their numbers, in order: pairs, or a mapping.

    Examples
    --------
    >>> from chainrule.training.run import Metrics
    >>> metrics = Metrics({"loss": 0.25, "accuracy": 0.75})
    >>> metrics["accuracy"], dict(metrics)
    (0.75, {'loss': 0.25, 'accuracy': 0.75})
    """

    pairs: tuple[tuple[str, float], ...] = field(default=(), converter=_in_pairs)

    def __getitem__(self, name: str) -> float:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)


@frozen(eq=False)
@record
class Run(Generic[P, S]):
    """A training run at one moment: what `chainrule.train` yields, and what it goes on from.

    `P` is the type of the parameters, `S` that of the optimizer's state.

    Parameters
    ----------
    step
        The steps so far.
    epoch
        The epochs that are over.
    params
        The parameters.
    state
        The state of the optimizer.
    loss
        The mean loss of the rows since the record before, each before the step that it was part of.
    metrics
        Figures on held-out data, of the network as it is used: `"loss"`, and the metrics that were asked for by the
        names of their functions. Empty if nothing is held out.
    best
        The parameters of the record with the least held-out loss so far; the last ones if nothing is held out.
    rng
        The state of the random generator where the epoch begins that the next step is in.
    statistics
        What `chainrule.inference` needs beside the parameters: the statistics of batch norms.
    best_step, best_loss, best_statistics
        The step at which the best parameters were reached, the held-out loss there (infinite before there is one), and
        the statistics that belong to them.
    place
        The steps so far in an epoch that is not over; 0 after whole epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, mean_squared_error, sgd, train
    >>> x, params = np.eye(3), Affine(np.zeros((3, 1)), np.zeros(1))
    >>> data, rng = (x, x[:, :1]), np.random.default_rng(0)
    >>> run = next(train(affine, mean_squared_error, sgd(0.1), params, data, rng=rng, size=2, epochs=9))
    >>> run.epoch, run.step, run.params, run.rng.bit_generator
    (1, 2, Affine(W=f64[3, 1], b=f64[1]), 'PCG64')
    """

    step: int
    epoch: int
    params: P
    state: S
    loss: float
    metrics: Metrics
    best: P
    rng: GeneratorState
    statistics: StatisticsTree
    best_step: int
    best_loss: float
    best_statistics: StatisticsTree
    place: int = 0
