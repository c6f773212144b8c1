"""Parameters of other lengths, and the x that fits them."""

import math
from typing import Any

import numpy as np
from attrs import field, frozen

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.laws.of_layers._elsewhere import MOST_NUMBERS
from chainrule.laws.trials.wording import plural

FEW_LENGTHS = (33, 65, 1, 129)
"""Lengths where less depends on one: more than blocks have, and an axis that may be squeezed away."""

ENOUGH = 2**14
"""The most numbers in parameters that are made for a check, if it was given fewer."""


@frozen
class Resized:
    """Lengths of axes, of which one becomes another; and if they go together, its multiples likewise.

    The axes are the last two of a parameter and the last of x, or, of channels first, the first two and axis 1.
    """

    length: int
    k: int
    together: bool = field(default=False, kw_only=True)
    channels_first: bool = field(default=False, kw_only=True)

    def in_words(self, *, vectors: bool = False) -> str:
        """Words for parameters that have the other length, which are vectors alone or not."""
        numbers = plural(self.k, "number")
        return f"of {numbers}" if vectors else f"with {numbers} in place of {self.length}"

    def of(self, n: int) -> int:
        """The length that takes the place of n."""
        changes = n == self.length or (self.together and n % self.length == 0)
        return n // self.length * self.k if changes else n

    def leaf(self, leaf: Array, rng: np.random.Generator) -> Array:
        """Numbers of a parameter in its new shape; of both signs, smaller where more of them are summed."""
        mine = range(2) if self.channels_first else range(leaf.ndim - 2, leaf.ndim)  # of a kernel, its size stays
        shape = tuple(self.of(n) if axis in mine else n for axis, n in enumerate(leaf.shape))
        if shape == leaf.shape or leaf.size == 1:
            return leaf
        drawn = rng.choice(leaf.ravel(), shape)
        summed = leaf.ndim > 1 and leaf.min(initial=0) < 0 < leaf.max(initial=0)
        return drawn * np.sqrt(min(1.0, self.length / self.k)) if summed else drawn

    def parameters(self, params: Any, rng: np.random.Generator) -> Any | None:
        """Parameters of another length; None for too many numbers, or if a record refuses."""
        return _replaced(params, [self.leaf(leaf, rng) for leaf in tree.leaves(params)])

    def arguments(self, params: Any, x: Array, rng: np.random.Generator) -> tuple[Any, Array] | None:
        """Those and the x that fits them; likewise. None for one number that is only broadcast to what it meets."""
        axis = 1 if self.channels_first else x.ndim - 1
        shape = (*x.shape[:axis], self.of(x.shape[axis]), *x.shape[axis + 1 :])
        if self.k == 1 and shape == x.shape and all(leaf.ndim < 2 for leaf in tree.leaves(params)):
            return None
        other = self.parameters(params, rng) if math.prod(shape) <= MOST_NUMBERS else None
        return None if other is None else (other, spread(x, shape, rng) if shape != x.shape else x)


def spread(x: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Numbers of another shape that all differ, from the smallest of x to the largest, and as dense as those of x.

    So a maximum or an order has its kinks as far away as may be. Along the last axis that has another length they
    ascend in every second line, so that the largest number stands last; in the others their order is random.
    """
    if not x.size:
        return np.zeros(shape)
    axis = max(i for i in range(len(shape)) if shape[i] != x.shape[i])
    count, known = shape[axis], np.unique(x)
    lines = (*shape[:axis], *shape[axis + 1 :], count)
    places = (np.arange(count) + rng.uniform(0.2, 0.8, lines)) / count
    made = rng.permuted(np.interp(places, np.linspace(0, 1, known.size), known), axis=-1)
    made[::2].sort(axis=-1)
    return np.ascontiguousarray(np.moveaxis(made, -1, axis))


def lengths_of(leaves: list[Array]) -> tuple[int, ...]:
    """The lengths of the last two axes of parameters, those of one number excepted."""
    return tuple(dict.fromkeys(n for leaf in leaves if leaf.size > 1 for n in leaf.shape[-2:]))


def of_other_lengths(params: Any, x: Any, rng: np.random.Generator) -> dict[str, tuple[Any, Array]]:
    """Some parameters of other lengths, in words, with the x that fits them: a square, and few of other sizes."""
    if not (is_numpy(x) and x.ndim > 1 and x.dtype.kind == "f"):
        return {}
    lengths = lengths_of(tree.leaves(params))
    tried = [Resized(length, k) for length in lengths for k in (*lengths, *FEW_LENGTHS) if k != length]
    made = {f"for parameters {each.in_words()}": each.arguments(params, x, rng) for each in tried}
    return {words: each for words, each in made.items() if each is not None}


def with_lengths(params: Any, axes: tuple[int, ...], k: int, rng: np.random.Generator) -> Any | None:
    """Parameters of which all with two axes or more have a length along some axes; None if they had, or may not."""
    leaves = tree.leaves(params)
    made = [_with_length(leaf, axes, k, rng) for leaf in leaves]
    changed = any(one is not other for one, other in zip(made, leaves, strict=True))
    return _replaced(params, made) if changed else None


def _with_length(leaf: Array, axes: tuple[int, ...], k: int, rng: np.random.Generator) -> Array:
    shape = tuple(k if axis in axes else n for axis, n in enumerate(leaf.shape))
    return rng.choice(leaf.ravel(), shape) if leaf.ndim > 1 and leaf.size and shape != leaf.shape else leaf


def _replaced(params: Any, leaves: list[Array]) -> Any | None:
    """Parameters with other arrays; None for too many numbers, or if a record takes none of another length."""
    if _numbers(leaves) > max(ENOUGH, _numbers(tree.leaves(params))):
        return None
    try:
        return tree.replace(params, leaves)
    except (TypeError, ValueError):
        return None


def _numbers(leaves: list[Array]) -> int:
    return sum(leaf.size for leaf in leaves)
