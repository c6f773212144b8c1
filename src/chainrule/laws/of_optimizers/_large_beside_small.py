"""Faults of large gradients that have no effect beside small ones in the same array; by path, in words."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_optimizers._cases import takes
from chainrule.laws.of_optimizers._later_steps import told
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.of_optimizers._precision import Float
from chainrule.laws.of_optimizers._steps import scaled
from chainrule.laws.of_optimizers._wrong_ways import run
from chainrule.optimizer import Optimizer

FACTORS = (1e2, 1e4, 1e6)
"""The factors by which they are larger than the others."""


def large_unused(
    optimizer: Optimizer[Any, Any], params: Any, slopes: Any, dtype: Float, rng: np.random.Generator
) -> dict[str, str]:
    """The faults where large gradients alone move nothing, of numbers that move under usual ones.

    About half of those of each array are large, as drawn, and as large as the dtype holds the sum of their squares.
    What skips an array or a row whose norm is large moves not all of the others, either, which is no fault.
    """
    drawn = tree.map(lambda leaf: _half(leaf, rng), params)
    usual = _moved(optimizer, params, slopes)
    notes: dict[str, str] = {}
    for factor in FACTORS:
        given = tree.map(partial(_enlarged, factor=factor), slopes, drawn)
        most = max((float(np.abs(leaf).max(initial=0.0)) for leaf in tree.leaves(given)), default=0.0)
        if STEPS * most**2 > np.finfo(dtype).max or not takes(optimizer, params, given):
            continue
        arrays = zip(tree.named_leaves(drawn), usual, _moved(optimizer, params, given), strict=True)
        for (path, large), before, now in arrays:
            others, wrong = before & np.logical_not(large), before & large & ~now
            if others.any() and now[others].all() and wrong.any():
                notes.setdefault(path, told(f"gradients {factor:g} times as large as others have no effect", wrong))
    return notes


def _half(leaf: Array, rng: np.random.Generator) -> Any:
    return rng.permutation(np.arange(leaf.size) % 2 == 1).reshape(leaf.shape)


def _enlarged(slope: Array, large: Array, factor: float) -> Array:
    return np.where(large, factor * slope, slope).astype(slope.dtype)


def _moved(optimizer: Optimizer[Any, Any], params: Any, slopes: Any) -> list[Any]:
    """True for each number that gradients move, and the same ones turned; for none if an end is not finite."""
    ends = [tree.leaves(run(optimizer, params, scaled(slopes, factor))[-1]) for factor in (0.0, 1.0, -1.0)]
    finite = all(np.isfinite(leaf).all() for end in ends for leaf in end)
    return [(down != still) & (up != still) & finite for still, down, up in zip(*ends, strict=True)]
