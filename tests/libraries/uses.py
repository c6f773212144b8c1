"""The calls that users make, as functions of trees of arrays: every subject of the catalogue, and networks of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from attrs import frozen

from catalogue import ENCODERS, LAYERS, OTHERS, PARTLY_FIXED, Subject
from chainrule import (
    Array,
    Encoder,
    clip_by_global_norm,
    one_hot,
    prediction,
    sgd,
    smooth_labels,
    softmax_cross_entropy,
    training_step,
    two_layer,
    value_and_grad,
)
from chainrule.laws import ADDITION_LAWS, COMBINATOR_LAWS, LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS
from chainrule.training.shards import combine
from strategies import Floating, normal


@frozen
class Use:
    """A call of the library."""

    name: str
    function: Callable[..., Any]
    make: Callable[[np.random.Generator, int, Floating], tuple[Any, ...]]
    """`(rng, n, dtype)` to its arguments, NumPy arrays and trees of them."""


def layer_use(layer: Any, params: Any, x: Any, dout: Any) -> Any:
    out, cache = layer.forward(params, x)
    return out, layer.backward(cache, dout), layer.grads(cache, dout)


def encoder_use(encoder: Any, params: Any, x: Any, dout: Any) -> Any:
    out, cache = encoder.forward(params, x)
    return out, encoder.grads(cache, dout)


def loss_use(loss: Any, out: Any, targets: Any) -> Any:
    value, cache = loss.forward(out, targets)
    return value, loss.backward(cache, 1.0), loss.backward(cache, value), loss.rows(out, targets)


def optimizer_use(optimizer: Any, params: Any, grads: Any) -> Any:
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(state, params, grads)
    return params, state.moments  # the count is NumPy's until a compiler traces it


def combinator_use(combinator: Any, layers: Any, params: Any, x: Any, dout: Any) -> Any:
    return layer_use(combinator(*layers), params, x, dout)


def dout_for(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> Any:
    out: Array = layer.forward(params, x)[0]
    return normal(rng, *out.shape, dtype=out.dtype.type)


def use_of(subject: Subject) -> Use:
    """The use that is made of what a subject is, which its laws tell."""
    made: Any = subject.layer
    if subject.laws is LOSS_LAWS:
        return Use(subject.name, partial(loss_use, made), subject.make)
    if subject.laws is OPTIMIZER_LAWS:
        return Use(subject.name, partial(optimizer_use, made), subject.make)
    if subject.laws in (COMBINATOR_LAWS, ADDITION_LAWS):
        layers, *_ = subject.make(np.random.default_rng(0), 1, np.float32)

        def composed(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
            _, params, x = subject.make(rng, n, dtype)
            return params, x, dout_for(made(*layers), params, x, rng)

        return Use(f"{subject.name} of layers", partial(combinator_use, made, layers), composed)
    assert subject.laws is LAYER_LAWS

    def with_dout(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
        params, x = subject.make(rng, n, dtype)
        return params, x, dout_for(made, params, x, rng)

    use = encoder_use if isinstance(made, Encoder) else layer_use
    return Use(subject.name, partial(use, made), with_dout)


def batch(rng: np.random.Generator, n: int, dtype: Floating, probabilities: bool = False) -> tuple[Any, ...]:
    d, h, k = (int(side) for side in rng.integers(2, 6, 3))
    params = two_layer.init(rng, d, h, k, std=1.0, dtype=dtype)
    labels = rng.integers(0, k, n)
    return (
        params,
        rng.standard_normal((n, d)).astype(dtype),
        np.eye(k, dtype=dtype)[labels] if probabilities else labels,
    )


def rows(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    params, x, _ = batch(rng, n, dtype)
    return params, x


def the_two_layer_network(params: Any, x: Any, labels: Any) -> Any:
    return two_layer.predict(params, x), two_layer.loss(params, x, labels), two_layer.gradient(params, x, labels)


GRADIENT = value_and_grad(two_layer.network, softmax_cross_entropy)
OPTIMIZER = sgd(0.1)
STEP = training_step(two_layer.network, softmax_cross_entropy, OPTIMIZER)


def three_steps(params: Any, x: Any, targets: Any) -> Any:
    state, loss = OPTIMIZER.init(params), None
    for _ in range(3):
        params, state, loss = STEP(params, state, x, targets)
    return params, loss


def in_shards(params: Any, x: Any, targets: Any) -> Any:
    shards = [(x[:2, ...], targets[:2]), (x[2:, ...], targets[2:])]
    return combine([GRADIENT(params, *shard) for shard in shards], [2, x.shape[0] - 2])


def clipped(params: Any, x: Any, targets: Any) -> Any:
    return clip_by_global_norm(0.1)(GRADIENT(params, x, targets)[1])


def smoothed(logits: Any, labels: Any) -> Any:
    # In torch they are of float32, which holds sixteenths exactly.
    return loss_use(softmax_cross_entropy, logits, smooth_labels(labels, 4, 0.25))


def in_rows(logits: Any, labels: Any) -> Any:
    return loss_use(softmax_cross_entropy, logits, one_hot(labels, 4))


def logits_and_labels(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    return normal(rng, n, 4, dtype=dtype), rng.integers(0, 4, n)


USES = [
    *[use_of(each) for each in (*LAYERS, *PARTLY_FIXED, *ENCODERS, *OTHERS) if each.alike],
    Use("value_and_grad, labels", GRADIENT, batch),
    Use("value_and_grad, probabilities", GRADIENT, partial(batch, probabilities=True)),
    Use("training_step", three_steps, batch),
    Use("smooth_labels", smoothed, logits_and_labels),
    Use("one_hot", in_rows, logits_and_labels),
    Use("clip_by_global_norm", clipped, batch),
    Use("prediction", prediction(two_layer.network), rows),
    Use("two_layer", the_two_layer_network, batch),
    Use("combine", in_shards, batch),
]
