"""The course of a training run: from one record to the next.

    order, seeds <- generator                              (of an epoch, at its beginning)
    params, state, loss <- step(params, state, x[chosen], targets[chosen], seed)

Whatever is random in an epoch is drawn where it begins. So a run that was broken off in an epoch draws the same again
from the state of the generator there, and leaves out the steps that were taken.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.types import Array, Labels
from chainrule.training.generator_state import GeneratorState
from chainrule.training.held_out import HeldOut
from chainrule.training.inference import StatisticsTree, inference, statistics
from chainrule.training.rows import refuse_what_is_not_finite, rows
from chainrule.training.run import Metrics, Run

SEEDS = 2**31
"""Seeds of random networks are below it."""

LISTED = 32
"""The most rows of a batch that are listed where a step fails."""


@frozen(eq=False, kw_only=True)
class Course:
    """All of a training run but its state."""

    network: Any
    """Of a random one that of some seed, whose form for use has none."""
    takes_seed: bool
    step: Callable[..., tuple[Any, Any, Array]]
    x: Any
    targets: Any
    n: int
    size: int
    empty_statistics: "StatisticsTree | None"
    """The statistics, if the network needs none."""
    steps: int
    """The number of them in an epoch."""
    epochs: int
    every: int | None
    held_out: HeldOut | None
    patience: int | None

    def begun(self, params: Any, state: Any, rng: GeneratorState) -> Run[Any, Any]:
        """The record of step 0."""
        seen = self.statistics(params, np.arange(min(self.n, self.size)))
        names = ("loss", *self.held_out.metrics) if self.held_out else ()
        return Run(
            step=0,
            epoch=0,
            params=params,
            state=state,
            loss=math.nan,
            metrics=Metrics(dict.fromkeys(names, math.nan)),
            best=params,
            rng=rng,
            statistics=seen,
            best_step=0,
            best_loss=math.inf,
            best_statistics=seen,
        )

    def check(self, start: Any, params: Any) -> None:
        """Refuse a record of another run."""
        if not is_a(start, Run):
            raise TypeError(f"train: start must be a Run, got {describe(start)}")
        tree.zipped(_alike, params, start.params)
        if start.place >= self.steps:
            what = f"start is at step {start.place} of an epoch, but {self.n} rows in batches of {self.size} have"
            raise ValueError(f"train: {what} {self.steps}: give the data and the size that it was made with")

    def records(self, run: Run[Any, Any]) -> Iterator[Run[Any, Any]]:
        """Train, and yield a record whenever one is due."""
        params, state, step, epoch, place, rng = run.params, run.state, run.step, run.epoch, run.place, run.rng
        generator, total, count = rng.generator(), 0.0, 0
        while epoch < self.epochs and not self.is_over(run):
            order = generator.permutation(self.n)
            seeds = generator.integers(SEEDS, size=self.steps) if self.takes_seed else None
            while True:
                stop = self.steps if self.every is None else min(self.steps, place + self.every - step % self.every)
                params, state, losses = self.steps_taken(params, state, order, seeds, place, stop)
                total, count = total + losses, count + min(self.n, stop * self.size) - place * self.size
                step, place = step + stop - place, stop % self.steps
                if place == 0:
                    epoch, rng = epoch + 1, GeneratorState.of(generator)
                if self.is_due(step, epoch, place):
                    run = self.record(run, params, state, (step, epoch, place), total / count, rng, order)
                    total, count = 0.0, 0
                    yield run
                    if self.is_over(run):
                        return
                if place == 0:
                    break

    def steps_taken(
        self, params: Any, state: Any, order: Labels, seeds: Labels | None, first: int, stop: int
    ) -> tuple[Any, Any, float]:
        """Parameters and state after some steps of an epoch, and the sum of the losses of their rows."""
        total = 0.0
        for i in range(first, stop):
            chosen = order[i * self.size : (i + 1) * self.size]
            x, targets = rows(self.x, chosen), rows(self.targets, chosen)
            seed = () if seeds is None else (int(seeds[i]),)
            try:
                params, state, value = self.step(params, state, x, targets, *seed)
            except Exception as error:
                error.add_note(f"train: in a batch of the rows {_listed(chosen)} of the data")
                raise
            loss = float(value)
            if not math.isfinite(loss):
                refuse_what_is_not_finite("train:", x, targets, chosen)
            total += loss * len(chosen)
        return params, state, total

    def is_due(self, step: int, epoch: int, place: int) -> bool:
        """Tell if there is a record after a step."""
        at_end = place == 0 and (self.every is None or epoch == self.epochs)
        return at_end or (self.every is not None and step % self.every == 0)

    def is_over(self, run: Run[Any, Any]) -> bool:
        """Tell if the held-out loss has not been the least for too long."""
        return self.patience is not None and run.step - run.best_step >= self.patience * self.steps

    def record(
        self,
        before: Run[Any, Any],
        params: Any,
        state: Any,
        at: tuple[int, int, int],
        loss: float,
        rng: GeneratorState,
        order: Labels,
    ) -> Run[Any, Any]:
        """The record after a step, an epoch, and so many steps of the next."""
        step, epoch, place = at
        seen, metrics, reached = self.statistics(params, order), Metrics(), math.inf
        if self.held_out is not None:
            try:
                metrics = self.held_out.figures(inference(self.network, params, statistics=seen), params)
            except Exception as error:
                error.add_note(f"train: on the rows that are held out, after step {step}")
                raise
            reached = metrics["loss"]
        is_best = self.held_out is None or reached < before.best_loss
        return Run(
            step=step,
            epoch=epoch,
            params=params,
            state=state,
            loss=loss,
            metrics=metrics,
            best=params if is_best else before.best,
            rng=rng,
            statistics=seen,
            best_step=step if is_best else before.best_step,
            best_loss=reached if is_best else before.best_loss,
            best_statistics=seen if is_best else before.best_statistics,
            place=place,
        )

    def statistics(self, params: Any, order: Labels) -> StatisticsTree:
        """The batches of rows, in an order, that batch norms see, of the size at least: a rest may be one row."""
        if self.empty_statistics is not None:
            return self.empty_statistics
        batches = np.array_split(order, max(1, len(order) // self.size))
        try:
            return statistics(self.network, params, (rows(self.x, chosen) for chosen in batches))
        except ValueError:
            refuse_what_is_not_finite("train:", rows(self.x, order), (), order)
            raise


def _listed(chosen: Labels) -> str:
    """The first rows of a batch, in order: a message of the network or the loss counts the rows of the batch."""
    some = ", ".join(map(str, chosen[:LISTED]))
    return f"{some}, ..." if len(chosen) > LISTED else some


def _alike(a: Array, b: Array) -> None:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        raise ValueError(f"train: params are {describe(a)}, but those of start {describe(b)}")
