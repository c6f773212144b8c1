"""Clipping by the global norm: gradients whose length is more than some most are shortened to it.

    grads <- grads min(1, most / |grads|)

where the norm is that of all entries of all arrays together, so that the direction stays as it is (Pascanu and others,
On the difficulty of training recurrent neural networks, 2013). Nothing is added to the norm: gradients that are short
enough come back as they are.
"""

import math
from typing import Any, TypeVar

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import check_tree, number
from chainrule.arrays.libraries import namespace
from chainrule.arrays.ownership import read_only
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array

P = TypeVar("P")

BLOCK_ENTRIES = 2**16
"""Entries that are turned into float64 together."""

SAFE = (1e-280, 1e300)
"""Sums of squares in float64 of which none was too small, and the whole not too large."""


@frozen(repr=False)
class ClipByGlobalNorm:
    """The result of `clip_by_global_norm`: a function of the gradients, which can be compared and pickled."""

    most: float

    def __repr__(self) -> str:
        """As it is called: `clip_by_global_norm(1.0)`."""
        return f"clip_by_global_norm({self.most!r})"

    def __call__(self, grads: P) -> P:
        """The gradients themselves if their norm is at most `most`; else copies, scaled to it."""
        leaves = tree.leaves(grads)
        if not leaves:
            check_tree("clip_by_global_norm: grads", grads)
            return grads
        libraries = {namespace(leaf, name="clip_by_global_norm: grads") for leaf in leaves}
        if libraries == {TUNED}:
            return TUNED.quietly(self.of_numpy, grads, leaves)
        xp: Any = namespace(leaves[0])
        return self.of_others(xp, grads, leaves)

    def of_numpy(self, grads: P, leaves: list[Array]) -> P:
        """With a norm that is read."""
        unit, length = _norm(leaves)
        if unit * length <= self.most:
            return grads
        share = self.most / unit / length

        def scaled(leaf: Array) -> Array:
            wide = TUNED.widened(leaf)  # a small share is none in float16, and what it leaves of a gradient may be some
            return read_only((wide * wide.dtype.type(share)).astype(leaf.dtype, copy=False))

        return tree.map(scaled, grads)

    def of_others(self, xp: Any, grads: P, leaves: list[Array]) -> P:
        """With a factor that is 1 where nothing is to be done: a compiler asks for no values."""
        wide = [xp.widened(leaf) for leaf in leaves]
        largest = [xp.max(xp.abs(leaf)) for leaf in wide if math.prod(leaf.shape)]
        if not largest:
            return grads
        kind = max(largest, key=lambda each: xp.finfo(each.dtype).bits)
        size = xp.max(xp.stack([xp.astype(each, kind) for each in largest]))
        unit = xp.where(size > 0, size, xp.ones_like(size))
        total = sum(xp.sum((xp.astype(leaf, kind) / unit) ** 2) for leaf in wide)
        length = xp.sqrt(xp.where(size == 0, unit, total))  # of zeros, 1: they stay as they are without a warning
        share = xp.where(unit * length <= self.most, xp.ones_like(unit), self.most / unit / length)

        def scaled(leaf: Array) -> Array:
            wide = xp.widened(leaf)
            out: Array = xp.astype(wide * xp.astype(share, wide), leaf)
            return out

        return tree.map(scaled, grads)


def clip_by_global_norm(most: float) -> ClipByGlobalNorm:
    """Make the function that clips gradients by their global norm, for `training_step(..., adjust=...)`.

    Parameters
    ----------
    most
        A finite number > 0: the largest norm that passes.

    Returns
    -------
    ClipByGlobalNorm
        From gradients to gradients. The norm is taken in float64 and does not overflow; in other libraries in float32
        at least. Of gradients with a nan or an infinity nothing can be made: all entries become nan.

    Raises
    ------
    ValueError
        If `most` is not positive or not finite.
    TypeError
        If it is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import clip_by_global_norm
    >>> clip = clip_by_global_norm(1.0)
    >>> clip((np.array([3.0]), np.array([4.0])))
    (array([0.6]), array([0.8]))
    >>> short = np.array([0.6, 0.8])
    >>> clip(short) is short
    True
    """
    return ClipByGlobalNorm(number("clip_by_global_norm", "most", most, above=0))


def _norm(leaves: list[Array]) -> tuple[float, float]:
    """The root of the sum of all squares, in float64: a unit, and how many of it."""
    total = sum(map(_squares, leaves))
    if SAFE[0] < total < SAFE[1]:
        return 1.0, math.sqrt(total)
    largest = [float(np.abs(leaf).max(initial=0)) for leaf in leaves]
    if not all(map(math.isfinite, largest)):
        return 1.0, math.nan
    unit = max(largest)
    if unit == 0:
        return 1.0, 0.0
    return unit, math.sqrt(sum(_squares(leaf / leaf.dtype.type(unit)) for leaf in leaves))


def _squares(leaf: Array) -> float:
    flat = leaf.ravel()
    if flat.dtype == np.float64:
        return float(flat.dot(flat))
    total = 0.0
    for start in range(0, flat.size, BLOCK_ENTRIES):
        block = flat[start : start + BLOCK_ENTRIES].astype(np.float64)
        total += float(block.dot(block))
    return total
