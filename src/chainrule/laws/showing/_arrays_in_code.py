"""Arrays in lines of code: their names, and their numbers, which are drawn where they are many."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array

FEW = 64
"""The most numbers that are written out."""


def numbered(name: str, value: Any) -> Iterator[tuple[str, Array]]:
    """The arrays of a tree by name: the name itself if there is one."""
    leaves = tree.leaves(value)
    yield from ((name if len(leaves) == 1 else f"{name}{i}", leaf) for i, leaf in enumerate(leaves))


OF_X, OF_TARGETS, OF_DOUT = SEEDS = range(3)
"""The seeds of arrays that are drawn: they are not to be equal."""


def drawn(seed: int, leaf: Array) -> Array:
    """The numbers that stand in an array that is too large to be written out, of its dtype; labels are as large."""
    rng = np.random.default_rng(seed)
    if leaf.dtype.kind == "f":
        return rng.standard_normal(leaf.shape).astype(leaf.dtype)
    return rng.integers(int(leaf.max()) + 1, size=leaf.shape).astype(leaf.dtype)


def drawing(leaf: Array) -> str:
    if leaf.size <= FEW or leaf.dtype.kind not in "fiu" or leaf.max() < 0:
        return ""
    seed = next((seed for seed in SEEDS if np.array_equal(leaf, drawn(seed, leaf))), None)
    if seed is None:
        return ""
    how = (
        f"standard_normal({leaf.shape})" if leaf.dtype.kind == "f" else f"integers({leaf.max() + 1}, size={leaf.shape})"
    )
    return f"np.random.default_rng({seed}).{how}"


def numbers_in_code(leaf: Array) -> str:
    """The numbers of an array in code; one that is too large for that is a ValueError."""
    drawn_by = drawing(leaf)
    if drawn_by:
        return drawn_by
    if leaf.size > FEW or (leaf.dtype.kind == "f" and not np.isfinite(leaf).all()):
        raise ValueError("it can't be written in few numbers")
    if leaf.dtype.kind != "f":
        return str(leaf.tolist())
    shortest = [float(str(number)) for number in leaf.reshape(-1)]  # 0.3 in float32, and not what float64 makes of it
    return str(np.array(shortest).reshape(leaf.shape).tolist())
