"""Losses one by one: forward and backward of ours beside torch's and JAX's, in float32, in one process with one thread.

A loss is a line of `LINES`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import (
    Loss,
    Weighted,
    huber,
    mean_absolute_error,
    mean_squared_error,
    read_only,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    tree,
    weighted,
)
from speed.contender import JAX, OURS, TORCH
from speed.harness import Loop, Plan, Row, calls
from speed.options import Options
from speed.problem import Floats
from speed.processes import ask, process
from speed.workloads.layers import compared, raced

Size: TypeAlias = tuple[int, int]

NUMBERS = ((64, 128), (2048, 256), (4096, 1024))
CLASSES = ((256, 16), (4096, 64), (2048, 1024))


def numbers(rng: np.random.Generator, size: Size) -> Any:
    """A number for each number."""
    return read_only(rng.standard_normal(size, np.float32))


def answers(rng: np.random.Generator, size: Size) -> Any:
    """A probability for each number."""
    return read_only(rng.random(size, np.float32))


def labels(rng: np.random.Generator, size: Size) -> Any:
    """A label for each row."""
    return read_only(rng.integers(0, size[1], size[0]))


def padded(rng: np.random.Generator, size: Size) -> Any:
    """A label for each row, of which some do not count."""
    return Weighted(labels(rng, size), (rng.random(size[0]) < 0.7).astype(np.float32))


@frozen
class Line:
    """A loss, its targets, and the same function of x and the leaves of the targets in torch and JAX."""

    loss: Loss[Any, Any]
    targets: Callable[[np.random.Generator, Size], Any]
    torch: Callable[[Any], Any]
    """The function, of the module."""
    jax: Callable[..., Any]
    """A function of the module, x and the leaves."""
    sizes: tuple[Size, ...] = NUMBERS


def weighted_in_torch(torch: Any, x: Any, labels: Any, weights: Any) -> Any:
    """The weighted cross-entropy in torch."""
    return (torch.nn.functional.cross_entropy(x, labels, reduction="none") * weights).sum() / weights.sum()


def squares_in_jax(jax: Any, x: Any, t: Any) -> Any:
    """The mean squared error in JAX, which has no losses."""
    return jax.numpy.square(x - t).mean()


def distances_in_jax(jax: Any, x: Any, t: Any) -> Any:
    """The mean absolute error in JAX."""
    return jax.numpy.abs(x - t).mean()


def huber_in_jax(jax: Any, x: Any, t: Any) -> Any:
    """Huber's loss in JAX."""
    e = jax.numpy.abs(x - t)
    return jax.numpy.where(e <= 1, e * e / 2, e - 0.5).mean()


def answers_in_jax(jax: Any, x: Any, t: Any) -> Any:
    """The cross-entropy of a sigmoid in JAX."""
    return (jax.nn.softplus(x) - t * x).mean()


def rows_in_jax(jax: Any, x: Any, labels: Any) -> Any:
    """The cross-entropy of each row in JAX."""
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1)[:, 0]


def labels_in_jax(jax: Any, x: Any, labels: Any) -> Any:
    """The cross-entropy in JAX."""
    return rows_in_jax(jax, x, labels).mean()


def weighted_in_jax(jax: Any, x: Any, labels: Any, weights: Any) -> Any:
    """The weighted cross-entropy in JAX."""
    return (rows_in_jax(jax, x, labels) * weights).sum() / weights.sum()


LINES = {
    "mean_squared_error": Line(mean_squared_error, numbers, lambda torch: torch.nn.functional.mse_loss, squares_in_jax),
    "mean_absolute_error": Line(
        mean_absolute_error, numbers, lambda torch: torch.nn.functional.l1_loss, distances_in_jax
    ),
    "huber": Line(huber(), numbers, lambda torch: torch.nn.functional.huber_loss, huber_in_jax),
    "sigmoid_cross_entropy": Line(
        sigmoid_cross_entropy,
        answers,
        lambda torch: torch.nn.functional.binary_cross_entropy_with_logits,
        answers_in_jax,
    ),
    "softmax_cross_entropy": Line(
        softmax_cross_entropy, labels, lambda torch: torch.nn.functional.cross_entropy, labels_in_jax, CLASSES
    ),
    "weighted": Line(
        weighted(softmax_cross_entropy),
        padded,
        lambda torch: partial(weighted_in_torch, torch),
        weighted_in_jax,
        CLASSES,
    ),
}


def ours(line: Line, targets: Any, x: Floats) -> Loop:
    """The public pair."""

    def both() -> Any:
        value, cache = line.loss.forward(x, targets)
        return value, [line.loss.backward(cache, 1.0)]

    return calls(both)


def in_torch(line: Line, targets: Any, x: Floats) -> Loop:
    """Eager."""
    torch: Any = import_module("torch")
    function, leaf = line.torch(torch), torch.tensor(x, requires_grad=True)
    constants = [torch.tensor(each) for each in tree.leaves(targets)]

    def both() -> Any:
        value = function(leaf, *constants)
        return value.detach(), torch.autograd.grad(value, leaf)

    return calls(both)


def in_jax(line: Line, targets: Any, x: Floats) -> Loop:
    """Compiled."""
    jax: Any = import_module("jax")

    def both(x: Any, *constants: Any) -> Any:
        value, gradient = jax.value_and_grad(partial(line.jax, jax))(x, *constants)
        return value, [gradient]

    arrays = [jax.numpy.array(each) for each in (x, *tree.leaves(targets))]
    return calls(jax.jit(both), *arrays, ready=jax.block_until_ready)


CONTENDERS = {OURS: ours, TORCH: in_torch, JAX: in_jax}


def measure(options: Options) -> Iterator[Row]:
    """A row for each loss, size and contender."""
    with process() as child:
        for name, line in LINES.items():
            for size in line.sizes[: 1 if options.quick else None]:
                yield from ask(child, compare, name, size, options.plan)


def compare(name: str, size: Size, plan: Plan) -> list[Row]:
    """Those who agree with us take turns."""
    rng, line = np.random.default_rng(0), LINES[name]
    x, targets = numbers(rng, size), line.targets(rng, size)
    makers = {contender: partial(make, line, targets, x) for contender, make in CONTENDERS.items()}
    return raced({"loss": name, "size": f"{size[0]} × {size[1]}"}, makers, plan)


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The table of the losses."""
    return {"losses": compared("loss", rows)}
