"""The kinds of `dout` that laws ask about, some drawn for an output and some made of a usual one.

Each law has its own choice of them: those of `other_calls` are within the range of float16, and for `grads_without_dx`,
which compares two results, any numbers will do.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from chainrule.arrays.types import Array
from chainrule.laws.trials.trial import draw

Kind: TypeAlias = Callable[[Array], Array]
"""A function that makes of a usual `dout` another one."""


def douts(out: Array, rng: np.random.Generator) -> dict[str, Array]:
    base = draw(out, rng)
    kinds = {
        "of normal numbers": base,
        "of ones": np.ones_like(out),
        "of negative numbers": -np.abs(base),
        "of whole numbers": rng.integers(2049, 5000, out.shape).astype(out.dtype),
        "of 1e-30": base * 1e-30,
        "of 1e30": base * 1e30,
        "with equal numbers": np.full_like(out, -0.75),
    }
    if out.size:
        few = np.where(rng.random(out.shape) < 0.1, base, 0.0)
        few.flat[rng.integers(out.size)] = float(out.size > 1)
        kinds["mostly of zeros"] = few
        for i, value in ((0, -1.75), (out.size - 1, 40.0), (int(rng.integers(out.size)), 1.0)):
            one = np.zeros_like(out)
            one.flat[i] = value
            kinds[f"of one entry, {tuple(int(j) for j in np.unravel_index(i, out.shape))}"] = one
    if out.ndim > 1 and len(out):
        for i, factor in ((0, 1.0), (len(out) - 1, -5.0)):
            row = np.zeros_like(out)
            row[i] = factor * base[i]
            kinds[f"of row {i} alone"] = row
        kinds["of equal rows"] = np.broadcast_to(base[:1], out.shape).copy()
    return kinds


def _negative(dout: Array) -> Array:
    return -np.abs(dout)


def _of_equal_rows(dout: Array) -> Array:
    return np.broadcast_to(dout[:1], dout.shape) if dout.ndim else dout


def _of_equal_columns(dout: Array) -> Array:
    return np.broadcast_to(dout[..., :1], dout.shape) if dout.ndim else dout


def _of_whole_numbers(dout: Array) -> Array:
    return np.rint(8 * dout)


def _last_alone(dout: Array) -> Array:
    made = np.zeros_like(dout)
    made.flat[-1:] = dout.flat[-1:]
    return made


def _last_is_one(dout: Array) -> Array:
    """Zeros and a 1 in the last place, as in a row of the identity."""
    return _last_alone(np.ones_like(dout))


def _mostly_zeros(dout: Array) -> Array:
    return np.where(np.arange(dout.size).reshape(dout.shape) % 10 == 1, dout, np.zeros_like(dout))


def balanced(dout: Array) -> Array:
    """Rows that sum to 0, exactly: of whole numbers, the last balances the others."""
    if not dout.ndim:
        return dout
    made = np.rint(8 * dout)
    made[..., -1:] -= made.sum(axis=-1, keepdims=True)
    return made


def _with_a(value: float, dout: Array) -> Array:
    made = dout.copy()
    made.flat[:1] = value
    return made


_LARGE: Kind = partial(np.multiply, 2.0**12)
_HUGE: Kind = partial(np.multiply, 2.0**20)
_SMALL: Kind = partial(np.multiply, 2.0**-40)

ALIKE: Kind = partial(np.full_like, fill_value=0.75)
ONES: Kind = np.ones_like
"""Equal numbers, of which the derivative of a norm makes 0."""

SCALED = (_LARGE, _SMALL)
"""Those of other calls for which numbers may be beyond the range of float16."""

SPARSE = (_mostly_zeros, _last_alone)
"""Those of few numbers that are not 0."""

OF_CALLS: dict[str, Kind] = {
    "of zeros": np.zeros_like,
    "of ones": ONES,
    "mostly of zeros": _mostly_zeros,
    "with rows that sum to 0": balanced,
    "of one entry": _last_alone,
    "of negative numbers": _negative,
    "that is large": _LARGE,
    "that is small": _SMALL,
    "with a nan": partial(_with_a, np.nan),
}
"""Those that other calls are made with."""

OF_GRADS: dict[str, Kind] = {
    "a row-broadcast": _of_equal_rows,
    "a column-broadcast": _of_equal_columns,
    "a huge": _HUGE,
    "a tiny": _SMALL,
    "a whole-numbered": _of_whole_numbers,
    "an all-zero": np.zeros_like,
    "a one-entry": _last_is_one,
    "a partly nan": partial(_with_a, np.nan),
    "a partly infinite": partial(_with_a, np.inf),
    "an enormous": partial(np.multiply, 2.0**104),
    "a vanishing": partial(np.multiply, 2.0**-104),
}
"""Those that `grads` and `backward` are compared for."""
