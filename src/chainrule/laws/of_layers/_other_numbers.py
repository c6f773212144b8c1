"""Other numbers for x and for the parameters of a layer: small and large ones, other signs, tails, ties and zeros.

They stay within what those that were given say about the domain: if all are positive, so are they.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.trials.sizes import in_unit_interval

ZEROS = 0.3
"""The share of zeros in an array that has some."""

FIELDS = 4
"""The most parameters that are set to zeros, and to ones, each alone."""

HALVES = np.setdiff1d(np.arange(-14, 15) / 2, 0.0)
"""The numbers at which activations have their kinks, such as 6 of relu6, 3 of a hard sigmoid and 0.5 of a shrinkage."""

MOST_ARRAYS = 2
"""The most arrays like x that are filled with them: a small one has some."""

THOUSANDS = (2e3, 3e4)
"""The sizes of an x that is farther out than any of usual numbers."""

POWERS = (0.5, 1.0, 2.0, 3.0)
"""The numbers that a parameter of one number is set to, with its sign: exponents for which there are other formulas."""


@frozen(eq=False)
class Other:
    """Other numbers of an argument, in words, and how many times as large they are as those that were given."""

    words: str
    value: Any
    times: float = 1.0


def other_x(x: Array, rng: np.random.Generator, name: str) -> Iterator[tuple[str, Array]]:
    """Other numbers for x, in words with its name and as arrays, within the domain that it shows."""
    if not x.any():
        yield f"for {name} of numbers between 0 and 1", rng.random(x.shape)
        yield f"for {name} of normal numbers", rng.standard_normal(x.shape)
    positive, negative = bool((x > 0).all()), bool((x < 0).all())
    in_unit = in_unit_interval(x)
    yield f"for {name} a thousandth as large", 1e-3 * x
    if not in_unit:
        yield f"for {name} ten times as large", 10 * x
        yield f"for {name} a hundred times as large", 100 * x
    size = float(np.abs(x).max(initial=0.0)) or 1.0
    if not (positive or negative):
        if not in_unit:
            yield f"for {name} of the other sign", -x
            yield f"for {name} far out", np.sign(x) * (20 + 20 * rng.random(x.shape))
            for low, high in ((8, 12), (20, 40)):
                for sign in (1, -1):
                    yield f"for {name} from {sign * low} to {sign * high}", sign * rng.uniform(low, high, x.shape)
        some = x.copy()
        some[rng.random(x.shape) < ZEROS] = 0.0
        yield f"for {name} with zeros", some
        if x.ndim > 1 and len(x) > 1:
            row = x.copy()
            row[-1] = 0.0
            yield f"for {name} with a row of zeros", row
        yield f"for {name} of zeros", np.zeros_like(x)
        yield f"for {name} of whole numbers", np.rint(x * (2 / size))
    elif not in_unit:
        far = 20 + 20 * rng.random(x.shape)
        yield f"for {name} far out", far if positive else -far
    yield from _with_equal_ones(x, size, name, free=not (positive or negative))
    if not in_unit:
        halves = HALVES[sign_of(x) * HALVES >= 0]
        yield from ((f"for {name} with halves and whole numbers", each) for each in _with_each(halves, x, rng))


def farther_out(x: Array, rng: np.random.Generator, name: str) -> Iterator[tuple[str, Array]]:
    sign = sign_of(x)
    for size in THOUSANDS if not in_unit_interval(x) else ():
        signs = sign or rng.choice([-1.0, 1.0], x.shape)
        yield f"for {name} around {size:g}", signs * size * rng.uniform(0.9, 1.1, x.shape)


def sign_of(x: Array) -> float:
    """The sign that all numbers have; 0 if they have none in common."""
    return 1.0 if (x > 0).all() else -1.0 if (x < 0).all() else 0.0


def _with_each(numbers: Array, x: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Arrays of the numbers of x, but that each of these comes once in one of them: two kinks might hide each other."""
    mixed = rng.permutation(numbers)
    for start in range(0, min(numbers.size, MOST_ARRAYS * x.size), max(x.size, 1)):
        some = mixed[start : start + x.size]
        made = x.copy()
        made.flat[rng.choice(x.size, some.size, replace=False)] = some
        yield made


def like_parameters(params: Any, x: Array) -> Iterator[tuple[str, Array]]:
    """Rows of x that are rows of a parameter, as a point may be the centre that its distance is measured from."""
    for name, leaf in tree.named_leaves(params)[:FIELDS]:
        if x.ndim > 1 and len(x) and leaf.ndim and leaf.size and leaf.shape[-1] == x.shape[-1]:
            other, rows = x.copy(), leaf.reshape(-1, leaf.shape[-1])[: len(x)]
            other[: len(rows)] = rows.reshape(len(rows), *(1 for _ in x.shape[1:-1]), -1)
            yield f"for an x with rows of params{name}", other


def _with_equal_ones(x: Array, size: float, name: str, *, free: bool) -> Iterator[tuple[str, Array]]:
    """Numbers some of which, or all, are equal; a few values that are as far apart, if 0 may be one of them."""
    if x.size and x.min() <= 1 <= x.max():
        yield f"for {name} of ones", np.ones_like(x)
    near = np.round(x * (4 / size)) * (size / 4)
    yield f"for {name} with ties", near if free or near.all() else np.full_like(x, x.flat[0] if x.size else 0)
    if x.ndim:
        yield "for equal rows", np.broadcast_to(x[:1], x.shape).copy()
        yield "for equal columns", np.broadcast_to(x[..., :1], x.shape).copy()


def beyond_the_domain(x: Array, rng: np.random.Generator, name: str) -> Iterator[tuple[str, Array]]:
    """Numbers of both signs, and zeros, where all have one sign, and large ones where all lie between 0 and 1.

    That may be what forward asks for though it refuses no others. Where these are finite, somebody may meet them.
    """
    if x.size > 1 and ((x >= 0).all() or (x <= 0).all()) and x.any():
        yield f"for {name} of both signs where all had one", x * signs_of(x, rng)
        if x.all():
            yield f"for {name} with zeros where it had none", with_zeros(x, rng)
        if in_unit_interval(x):
            yield f"for {name} ten times as large where all lay between 0 and 1", 10 * x


def other_parameters(params: Any, rng: np.random.Generator) -> Iterator[Other]:
    """Parameters with zeros, all of one array zeros, ones, whole numbers, larger ones, and of either sign alone.

    Where all of an array have one sign, they keep it: that may be what their domain asks for.
    """
    leaves = tree.leaves(params)
    free = [i for i, leaf in enumerate(leaves) if (leaf > 0).any() and (leaf < 0).any()]
    if free:
        mixed = [np.where(rng.random(leaf.shape) < ZEROS, 0.0, leaf) for leaf in leaves]
        yield Other("for parameters with zeros", replaced(params, {i: mixed[i] for i in free}))
    whole = {i: np.where(np.rint(leaf) == 0, leaf, np.rint(leaf)) for i, leaf in enumerate(leaves)}
    if any(not np.array_equal(leaves[i], leaf) for i, leaf in whole.items()):
        yield Other("for parameters of whole numbers", replaced(params, whole))
    yield from _one_alone(params, free)
    scales, *shifts = [i for i, leaf in enumerate(leaves) if leaf.ndim == 1 and leaf.size > 1] or [0]
    if shifts and not any((leaves[i] > 0).all() or (leaves[i] < 0).all() for i in shifts):
        start = {scales: np.ones_like(leaves[scales])} | {i: np.zeros_like(leaves[i]) for i in shifts}
        yield Other("for parameters of ones and zeros, as norms start", replaced(params, start))
    edges = {i: leaves[i].copy() for i in free if leaves[i].ndim > 1}
    for leaf in edges.values():
        leaf[0], leaf[..., -1] = 0, 0
    if edges:
        yield Other("for parameters with a row and a column of zeros", replaced(params, edges))
    changes: dict[str, tuple[Callable[[Array], Array], float]] = {
        "ten times as large": (partial(np.multiply, 10.0), 10.0),
        "a hundred times as large": (partial(np.multiply, 100.0), 100.0),
        "a thousandth as large": (partial(np.multiply, 1e-3), 1e-3),
        "that are positive": (np.abs, 1.0),
        "that are negative": (lambda leaf: -np.abs(leaf), 1.0),
    }
    for words, (change, times) in changes.items() if free else ():
        yield Other(f"for parameters {words}", replaced(params, {i: change(leaves[i]) for i in free}), times)
    signed = of_one_sign(leaves)
    if signed:
        larger = replaced(params, {i: 3 * leaves[i] for i in signed})
        yield Other("for parameters of one sign, three times as large", larger, 3.0)


def _one_alone(params: Any, free: list[int]) -> Iterator[Other]:
    """Parameters of which one is all zeros, ones, or equal numbers; one of one number is what exponents often are.

    Of several numbers, one may have to be above another, as the ends of an interval.
    """
    alone = sum(leaf.size == 1 for leaf in tree.leaves(params)) == 1
    for i, (name, leaf) in list(enumerate(tree.named_leaves(params)))[:FIELDS]:
        if i in free:
            yield Other(f"for params{name} of zeros", replaced(params, {i: np.zeros_like(leaf)}))
        if not (leaf < 0).all() and (leaf.size > 1 or not alone):
            yield Other(f"for params{name} of ones", replaced(params, {i: np.ones_like(leaf)}))
        elif leaf.size > 1:
            yield Other(f"for params{name} of equal numbers", replaced(params, {i: np.full_like(leaf, leaf.flat[0])}))
        for power in POWERS if leaf.size == 1 and alone else ():
            number = math.copysign(power, leaf.item())
            yield Other(f"for params{name} of {number:g}", replaced(params, {i: np.full_like(leaf, number)}))


def of_the_same_signs(rng: np.random.Generator, leaf: Array) -> Array:
    """Other parameters: each number times a factor of its own that is more than 1, and some more where all are 0."""
    factors = rng.uniform(1.1, 1.3, leaf.shape).astype(leaf.dtype)
    return np.asarray(leaf * factors if leaf.any() else factors - 1)


def of_one_sign(leaves: list[Array]) -> list[int]:
    """The places of parameters that are not all zeros, and have no numbers of both signs."""
    return [i for i, leaf in enumerate(leaves) if leaf.any() and not ((leaf > 0).any() and (leaf < 0).any())]


def replaced(params: Any, others: dict[int, Array]) -> Any:
    return tree.replace(params, [others.get(i, leaf) for i, leaf in enumerate(tree.leaves(params))])


def with_zeros(leaf: Array, rng: np.random.Generator) -> Array:
    """The array, in which some numbers and all of the last row are 0."""
    made = np.where(rng.random(leaf.shape) < ZEROS, 0.0, leaf)
    if leaf.ndim > 1:
        made[-1] = 0.0
    return made


def signs_of(leaf: Array, rng: np.random.Generator) -> Array:
    """Signs of which as many are negative as positive, in a random order; of one number the negative one."""
    signs = np.where(np.arange(leaf.size) % 2, 1.0, -1.0)
    return np.asarray(rng.permutation(signs).reshape(leaf.shape))
