"""The arguments of calls that users make elsewhere: other numbers, sizes and layouts in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_layers._kinds_of_dout import ALIKE, OF_CALLS, SCALED, Kind
from chainrule.laws.of_layers._other_numbers import Other, other_parameters
from chainrule.laws.of_layers.layouts import Layout, broadcast, layouts_of
from chainrule.laws.trials.names import Names
from chainrule.laws.trials.sizes import in_unit_interval
from chainrule.laws.trials.wording import plural

MOST_NUMBERS = 2**16
"""The most numbers in an array that is made for a check."""

ROWS, LENGTHS, COLUMNS = (1, 33, 300, 520), (16, 40), (1, 10, 65)
"""Numbers of rows, lengths of the axes between rows and columns, and numbers of columns without parameters."""


@frozen(eq=False)
class Call:
    """Arguments in float64, in words, the layout of x, what becomes of the usual `dout`, and the layout of that."""

    words: str
    params: Any
    x: Array
    times: float = 1.0
    """The factor by which numbers of x or of params are larger than the usual ones.

    Of small ones what is taken for a fault may be what 1 - cos(x) cancels to: they are not compared with float64. Of
    large ones something may overflow; a softmax is then all of one entry, and of its derivative only what it cancels to
    is left.
    """
    of_rows: bool = False
    """True if x has other rows, or more or fewer of them."""
    layout: Layout = np.copy
    kind: Kind = np.copy
    dout_layout: Layout = np.copy


def calls(params: Any, x: Array, rng: np.random.Generator, names: Names, *, few: bool) -> Iterator[Call]:
    """A usual call, and then others; a few of them for float16."""
    yield Call("", params, x)
    for other in () if few else _other_x(x):
        yield Call(f"for {names.x} {other.words}", params, other.value, other.times)
    for other in _of_rows(x, rng):
        yield Call(f"for {names.x} {other.words}", params, other.value, of_rows=True)
    for other in () if few else _of_columns(x, rng):
        yield Call(f"for {names.x} {other.words}", params, other.value)
    for words, kind in OF_CALLS.items():
        if not few or kind not in SCALED:
            yield Call(f"for a {names.dout} {words}", params, x, kind=kind)
    if few:  # of its few digits and its short range, other numbers leave nothing to compare
        return
    for other in other_parameters(params, rng):
        yield Call(other.words, other.value, x, other.times)
    if tree.leaves(params):
        yield Call("for parameters of ones", tree.map(_ones, params), x)
        yield Call("for parameters of zeros", tree.map(_zeros, params), x)
    for name, layout in layouts_of(x.ndim).items():
        yield Call(f"for {name} {names.x}", params, x, layout=layout)
        yield Call(f"for {name} {names.dout}", params, x, dout_layout=layout)
    yield Call(f"for a broadcast {names.dout}", params, x, kind=ALIKE, dout_layout=broadcast)


def _ones(leaf: Array) -> Array:
    return np.ones_like(leaf) if leaf.dtype.kind == "f" else leaf


def _zeros(leaf: Array) -> Array:
    return np.zeros_like(leaf) if leaf.dtype.kind == "f" else leaf


def _other_x(x: Array) -> Iterator[Other]:
    """Other numbers of x, within what it says about its domain."""
    in_unit = in_unit_interval(x)
    if not ((x > 0).all() or (x < 0).all()):
        yield Other("of zeros", np.zeros_like(x))
        if x.ndim and len(x) > 1:
            some = x.copy()
            some[-1] = 0
            yield Other("with a row of zeros", some)
        if not in_unit:
            yield Other("of the other sign", -x)
            yield Other("of positive numbers", np.abs(x))
            yield Other("of negative numbers", -np.abs(x))
            yield Other("of whole numbers", np.round(3 * x))
    yield Other("a thousandth as large", 1e-3 * x, 1e-3)
    if not in_unit:
        yield Other("twenty times as large", 20 * x, 20.0)
        yield Other("a hundred times as large", 100 * x, 100.0)
    some = x.copy()
    some.flat[-1] = np.nan
    yield Other("with a nan", some)


def _of_rows(x: Array, rng: np.random.Generator) -> Iterator[Other]:
    if x.ndim:
        yield Other("with equal rows", np.repeat(x[:1], len(x), axis=0))
        for rows in dict.fromkeys((*ROWS, x.shape[-1])):
            yield from _of_length(x, 0, rows, plural(rows, "row"), rng)


def _of_columns(x: Array, rng: np.random.Generator) -> Iterator[Other]:
    for axis in range(1, x.ndim):
        last = axis == x.ndim - 1
        for length in COLUMNS if last else LENGTHS:
            words = plural(length, "column") if last else f"{length} along axis {axis}"
            yield from _of_length(x, axis, length, words, rng)


def _of_length(x: Array, axis: int, length: int, words: str, rng: np.random.Generator) -> Iterator[Other]:
    if x.size // x.shape[axis] * length <= MOST_NUMBERS:
        shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        yield Other(f"with {words}", rng.choice(x.reshape(-1), shape))


__all__ = ["Call", "calls"]
