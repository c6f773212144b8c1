"""Training, with measurements at some moments, and a stop if it diverges."""

import math
from collections.abc import Iterator

import numpy as np
from attrs import frozen

from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Labels
from chainrule.datasets import Examples
from chainrule.demo.errors import DivergenceError
from chainrule.demo.networks import Network
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
from chainrule.optimizers.sgd import sgd
from chainrule.training.metrics import accuracy
from chainrule.training.minibatches import minibatches
from chainrule.training.step import training_step
from chainrule.two_layer import Params

MOMENTS = 50
"""The number of moments after the first: a multiple of ten, so that one falls on every tenth of the steps."""

STEPS_BETWEEN = 500
"""The most steps between two moments, so that a progress bar moves in the longest training."""

WATCHED = 1000
"""Test examples that a moment is measured on: few enough that measuring costs a small part of training."""

LIMIT = 1000.0
"""A loss, in nats, that no training comes back from: it means probabilities of exp(-1000)."""


@frozen
class Moment:
    """The state of training after some steps.

    The loss is the mean of the batches since the moment before, nan at step 0; the others are of some of the test
    examples.
    """

    step: int
    loss: float
    test_loss: float
    test_accuracy: float


def descend(
    network: Network, params: Params, examples: Examples, rng: np.random.Generator, *, batch: int, rate: float
) -> Iterator[tuple[Params, Array]]:
    """Take steps of stochastic gradient descent, epoch after epoch, without end.

    Each item is the parameters after a step, and the loss before it.
    """
    optimizer = sgd(rate)
    step = training_step(network, softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    while True:
        for x, labels in minibatches(rng, examples.x, examples.labels, batch):
            params, state, loss = step(params, state, x, labels)
            yield params, loss


def moments(
    network: Network, params: Params, descent: Iterator[tuple[Params, Array]], steps: int, test: Examples
) -> Iterator[tuple[Moment, Params]]:
    """Follow a descent for some steps, and yield moments with their parameters: the first before the first step.

    The others follow at even distances, the last one after the last step. They are measured on some of the test
    examples. A loss that is not below `LIMIT` is a DivergenceError.
    """
    every = max(1, len(test.labels) // WATCHED)
    x, labels = read_only(test.x[::every][:WATCHED].copy()), test.labels[::every][:WATCHED]
    count = 10 * max(MOMENTS // 10, -(-steps // (10 * STEPS_BETWEEN)))
    yield _moment(network, params, x, labels, 0, math.nan), params
    total, since = 0.0, 0
    for step in range(1, steps + 1):
        params, loss = next(descent)
        value = float(loss)
        if not value < LIMIT:  # nor is nan
            raise _divergence(value, step)
        total += value
        if step * count // steps > (step - 1) * count // steps:
            yield _moment(network, params, x, labels, step, total / (step - since)), params
            total, since = 0.0, step


def _moment(network: Network, params: Params, x: Array, labels: Labels, step: int, loss: float) -> Moment:
    logits = network.forward(params, x)[0]
    test_loss = float(softmax_cross_entropy.forward(logits, labels)[0])
    if not test_loss < LIMIT:
        raise _divergence(test_loss, step)
    return Moment(step, loss, test_loss, accuracy(logits, labels))


def _divergence(loss: float, step: int) -> DivergenceError:
    return DivergenceError(f"loss is {loss:g} at step {step}: try a smaller --rate")
