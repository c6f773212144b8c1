"""Shards: the gradient of a batch from the gradients of its parts, wherever they were computed.

    loss = (1/n) sum of the rows' losses        n = n_1 + ... + n_k rows in k shards

The loss of a shard is the mean over its own rows, so the whole batch's is their mean weighted by their sizes, and
differentiation is linear:

    loss = sum of (n_i/n) loss_i        grads = sum of (n_i/n) grads_i

for shards of any sizes. This is all that data-parallel training adds to training: each machine computes the gradient
of its shard, and every machine can add them up.

**To remember:** means combine by weight; a plain mean of means is right only if all shards are equally large.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array

G = TypeVar("G")


def combine(shards: Sequence[G], sizes: Sequence[int]) -> G:
    """Combine what was computed on the shards of a batch: their mean, weighted by their sizes.

    Parameters
    ----------
    shards
        For each shard its gradients, or its loss, or both together as `value_and_grad` gives them: trees of one
        structure, whose arrays are means over the rows of the shard.
    sizes
        The number of rows of each shard. A shard without rows has no mean: leave it out.

    Returns
    -------
    G
        A tree of the same structure and dtypes: what the whole batch would have given, to rounding.

    Raises
    ------
    ValueError
        If there are no shards, another number of sizes than of shards, or trees that differ; or if a size is not
        positive.
    TypeError
        If the shards or the sizes are no list, or a size no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import softmax_cross_entropy, tree, two_layer, value_and_grad
    >>> from chainrule.training.shards import combine
    >>> gradient = value_and_grad(two_layer.network, softmax_cross_entropy)
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2, dtype=np.float64)
    >>> x, labels = np.random.default_rng(1).random((5, 4)), np.array([0, 1, 1, 0, 1])
    >>> combined = combine([gradient(params, x[:2], labels[:2]), gradient(params, x[2:], labels[2:])], [2, 3])
    >>> pairs = zip(tree.leaves(combined), tree.leaves(gradient(params, x, labels)), strict=True)
    >>> all(np.allclose(a, b, rtol=0, atol=1e-15) for a, b in pairs)
    True
    """
    for name, given in (("shards", shards), ("sizes", sizes)):
        if not hasattr(given, "__len__") or getattr(given, "shape", None) == ():
            raise TypeError(f"combine: {name} must be a list, got {describe(given)}")
    if not shards:
        raise ValueError("combine: there are no shards")
    if len(sizes) != len(shards):
        raise ValueError(f"combine: {len(shards)} shards need {len(shards)} sizes, got {len(sizes)}")
    for i, size in enumerate(sizes):
        if not hasattr(size, "__index__"):
            raise TypeError(f"combine: the size of shard {i} must be an integer, got {describe(size)}")
        if size < 1:
            raise ValueError(f"combine: the size of shard {i} must be at least 1, got {size}")
    total = sum(int(size) for size in sizes)
    first, *others = shards
    return tree.map(partial(_weighted, [int(size) / total for size in sizes]), first, *others)


def _weighted(weights: list[float], *leaves: Array) -> Array:
    """The sum of the leaves times their weights, which as Python numbers promote no dtype."""
    if len({leaf.shape for leaf in leaves}) > 1:
        raise ValueError(f"combine: the shapes {', '.join(str(leaf.shape) for leaf in leaves)} differ")
    terms = map(_times, leaves, weights)
    out = next(terms)
    for term in terms:
        out += term
    return read_only(out)


def _times(leaf: Array, weight: float) -> Array:
    return leaf * weight
