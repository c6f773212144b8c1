"""The law of shared parameters: the map from few to many, and its transpose."""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from chainrule import tree
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.linearity import ROUNDING
from chainrule.laws.trials.copies import in_float64, read_only_copy

P = TypeVar("P")
Q = TypeVar("Q")


def transposed(
    expand: Callable[[P], Q], contract: Callable[[Q], P], params: P, rng: np.random.Generator
) -> list[Verdict]:
    """`<expand(p), q> = <p, contract(q)>`: the two functions that `tied` takes are each other's transposes.

    If this holds for all p and q, both functions are linear: the law fails for a function that is not.

    Parameters
    ----------
    expand
        From small parameters to those of a layer.
    contract
        Back, from gradients to gradients.
    params
        Small parameters: random ones of their shapes are tried, in float64.
    rng
        The generator that draws them.

    Returns
    -------
    list[Verdict]
        For the two inner products, and for the structure of what `contract` gives.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws
    >>> rng = np.random.default_rng(0)
    >>> (inner, structure) = laws.transposed(lambda p: (p, p.T), lambda q: q[0] + q[1].T, np.ones((2, 3)), rng)
    >>> inner.ok, structure.ok
    (True, True)
    >>> laws.transposed(lambda p: (p, p), lambda q: q[0], np.ones(3), rng)[0].ok
    False
    """
    p = read_only_copy(tree.map(lambda leaf: rng.standard_normal(leaf.shape), in_float64(params)))
    many = expand(p)
    q = read_only_copy(tree.map(lambda leaf: rng.standard_normal(leaf.shape), many))
    few = contract(q)
    kinds = [[(path, leaf.shape) for path, leaf in tree.named_leaves(value)] for value in (p, few)]
    same = Verdict("transposed", "structure", kinds[0] == kinds[1], "" if kinds[0] == kinds[1] else _unlike(*kinds))
    if not same.ok:
        return [same]
    size = math.sqrt(tree.dot(many, many) * tree.dot(q, q)) or 1.0
    got, expected = tree.dot(p, few), tree.dot(many, q)
    ok = abs(got - expected) <= ROUNDING * size
    note = "" if ok else "<p, contract(q)> is not <expand(p), q>: is something left out, or not linear?"
    error = abs(got - expected) / size
    inner = Verdict("transposed", "inner product", ok, note, error=error, bound=ROUNDING, got=got, expected=expected)
    return [inner, same]


def _unlike(expected: list[tuple[str, tuple[int, ...]]], got: list[tuple[str, tuple[int, ...]]]) -> str:
    return f"contract must give what expand takes: {expected}, got {got}"
