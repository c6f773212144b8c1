"""The demands of layers that go step by step on sequences, and their layout: the first axis is time."""

import math
from typing import Any

from chainrule.arrays.types import Array
from chainrule.rules import Namespace, fitting


def has_steps(layer: str, x: Array) -> None:
    """Check that x (..., t, d) has an axis of steps, and at least one of them."""
    if x.ndim < 2:
        raise ValueError(f"{layer}: x must have an axis of steps and one of features, got shape {tuple(x.shape)}")
    if not x.shape[-2]:
        raise ValueError(f"{layer}: x must have at least one step, got shape {tuple(x.shape)}")


def fits_steps(layer: str, params: Any, x: Array) -> None:
    """Check that x (..., t, d) has at least one step, and as many features as W takes."""
    fitting(layer, x, "W", params.W)
    has_steps(layer, x)


def by_step(xp: Namespace, x: Array) -> Array:
    """(..., t, d) to (t, n, d), of 32 bits at least: all examples at one step, and then at the next."""
    examples = xp.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))
    return xp.permute_dims(xp.widened(examples), (1, 0, 2))


def by_example(xp: Namespace, steps: Array, axes: tuple[int, ...]) -> Array:
    """(t, n, d) to (..., t, d)."""
    return xp.reshape(xp.permute_dims(steps, (1, 0, 2)), (*axes, steps.shape[0], steps.shape[2]))


def before(xp: Namespace, states: Array) -> Array:
    """(t, n, h) to (t, n, h): the state before each step, 0 before the first."""
    return xp.concat([xp.zeros_like(states[:1, :, :]), states[:-1, :, :]])
