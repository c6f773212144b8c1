"""The arguments of calls that users make elsewhere: other numbers, sizes and layouts in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_layers.memory import broadcast, layouts_of
from chainrule.laws.of_layers.pair import with_a_nan
from chainrule.laws.of_layers.values import parameters

MOST = 2**16
"""The most numbers in an array that is made for a check."""

ROWS, LENGTHS, COLUMNS = (1, 33, 300), (16, 40), (1, 10, 65)
"""Numbers of rows, lengths of the axes between rows and columns, and numbers of columns without parameters."""


@frozen(eq=False)
class Call:
    """Arguments in float64, in words, the layout of x, what becomes of the usual `dout`, and the layout of that.

    Of small numbers what is taken for a fault may be what 1 - cos(x) cancels to: they are not compared with float64.
    """

    words: str
    params: Any
    x: Array
    layout: Callable[[Array], Array] = np.copy
    kind: Callable[[Array], Array] = np.copy
    dout_layout: Callable[[Array], Array] = np.copy

    @property
    def is_small(self) -> bool:
        """True if its numbers are smaller than the usual ones."""
        return "thousandth" in self.words

    @property
    def is_large(self) -> bool:
        """True if numbers of x or params are larger, so that something may overflow.

        A softmax is then all of one entry, and of its derivative only what it cancels to is left.
        """
        return any(word in self.words for word in ("hundred times", "ten times", "three times"))


def calls(params: Any, x: Array, rng: np.random.Generator, *, few: bool) -> Iterator[Call]:
    """A usual call, and then others; a few of them for float16."""
    yield Call("", params, x)
    for words, other in _other_x(x, rng):
        if not few or "rows" in words:
            yield Call(f"for x {words}", params, other)
    for words, kind in DOUTS.items():
        if not few or kind not in SCALED:
            yield Call(f"for a dout {words}", params, x, kind=kind)
    if few:  # of its few digits and its short range, other numbers leave nothing to compare
        return
    for words, other in parameters(params, rng):
        yield Call(words, other, x)
    if tree.leaves(params):
        yield Call("for parameters of ones", tree.map(_ones, params), x)
        yield Call("for parameters of zeros", tree.map(_zeros, params), x)
    for name, layout in layouts_of(x.ndim).items():
        yield Call(f"for {name} x", params, x, layout=layout)
        yield Call(f"for {name} dout", params, x, dout_layout=layout)
    yield Call("for a broadcast dout", params, x, kind=_all_alike, dout_layout=broadcast)


def _ones(leaf: Array) -> Array:
    return np.ones_like(leaf) if leaf.dtype.kind == "f" else leaf


def _zeros(leaf: Array) -> Array:
    return np.zeros_like(leaf) if leaf.dtype.kind == "f" else leaf


def _other_x(x: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Other numbers and sizes of x, within what it says about its domain."""
    size, share = x.size, bool(((x >= 0) & (x <= 1)).all())
    if not ((x > 0).all() or (x < 0).all()):
        yield "of zeros", np.zeros_like(x)
        if x.ndim and len(x) > 1:
            some = x.copy()
            some[-1] = 0
            yield "with a row of zeros", some
        if not share:
            yield "of the other sign", -x
            yield "of positive numbers", np.abs(x)
            yield "of negative numbers", -np.abs(x)
            yield "of whole numbers", np.round(3 * x)
    yield "a thousandth as large", 1e-3 * x
    if not share:
        yield "a hundred times as large", 100 * x
    some = x.copy()
    some.flat[-1] = np.nan
    yield "with a nan", some
    if x.ndim:
        yield "with equal rows", np.repeat(x[:1], len(x), axis=0)
    for axis in range(x.ndim):
        lengths = ROWS if axis == 0 else LENGTHS if axis < x.ndim - 1 else COLUMNS
        for length in lengths:
            shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
            if size // x.shape[axis] * length <= MOST:
                what = f"{length} {'rows' if axis == 0 else 'columns' if axis == x.ndim - 1 else f'along axis {axis}'}"
                yield f"with {what}", rng.choice(x.reshape(-1), shape)


def _enlarged(dout: Array) -> Array:
    return dout * dout.dtype.type(2.0**12)


def _last_alone(dout: Array) -> Array:
    made = np.zeros_like(dout)
    made.flat[-1:] = dout.flat[-1:]
    return made


def _all_alike(dout: Array) -> Array:
    return np.full_like(dout, 0.75)


def _reduced(dout: Array) -> Array:
    return dout * dout.dtype.type(2.0**-40)


DOUTS: dict[str, Callable[[Array], Array]] = {
    "of zeros": np.zeros_like,
    "of one entry": _last_alone,
    "of negative numbers": lambda dout: -np.abs(dout),
    "that is large": _enlarged,
    "that is small": _reduced,
    "with a nan": with_a_nan,
}
"""The kinds of `dout`, made of a usual one."""

SCALED = (_enlarged, _reduced)


__all__ = ["SCALED", "Call", "calls"]
