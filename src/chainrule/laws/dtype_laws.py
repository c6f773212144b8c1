"""The laws of dtypes: the same numbers in float32 and float16 give the same results, but for rounding, in that dtype.

What rounding may do is measured, and not guessed: in float64 the arguments are moved by a unit of rounding of the other
dtype, and the results move by so much; what float64 itself rounds on the way is measured too, and counts as much more
as that unit is larger. Over some eight hundred right layers no result in float32 or float16 is off by more than 8 of
these units, and some wrong ones are by little more.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.bursts import UNIT
from chainrule.checking.verdict import Verdict, one_each
from chainrule.encoder import Encoder
from chainrule.laws.copies import in_dtype, in_float64
from chainrule.laws.directions import Part
from chainrule.laws.hints import where
from chainrule.laws.trial import Checked, Fields, Trial, couples_rows, draw, measured, rounding

UNITS = 8.0
"""The units of rounding that a result may be off by: more of them, the more entries there are to be the worst of."""

ROWS = (1, 129, 257)
"""Numbers of rows that are tried beside those of x."""


def precision(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """In float32 and float16 the results have that dtype, and are those of float64 but for rounding.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on. A dtype that it refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field in each dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.precision(affine, params, x, rng))
    True
    """
    own, noise = _own(layer, params, x), _noise(layer, params, x, rng)
    verdicts: list[Verdict] = []
    for dtype in (np.float32, np.float16):
        for rows in (None, *ROWS):
            verdicts += _in_dtype(layer, params, x, np.dtype(dtype), rows, rng, noise, theirs=own == dtype)
    return one_each(verdicts)


def _noise(layer: Any, params: Any, x: Any, rng: np.random.Generator) -> float:
    """That of the function in float64, in which it may compute in float32 nevertheless."""
    try:
        with np.errstate(all="ignore"):
            trial = Trial.in_float64(layer, params, x)
            return measured(Trial.in_float64(layer, params, trial.fewer), rng).noise
    except Exception:  # noqa: BLE001  # it refuses float64, which is an answer
        return UNIT


def _in_dtype(
    layer: Any,
    params: Any,
    x: Any,
    dtype: np.dtype[Any],
    rows: int | None,
    rng: np.random.Generator,
    noise: float,
    *,
    theirs: bool,
) -> Iterator[Verdict]:
    """The verdicts in one dtype, at a number of rows."""
    if rows is not None:
        n = len(tree.leaves(x)[0]) if tree.leaves(x)[0].ndim else 0
        size = sum(leaf.size for leaf in tree.leaves(x))
        if couples_rows(layer, x) or n in (0, rows) or size // max(n, 1) * rows > 2**16 or dtype == np.float16:
            return
        which = rng.integers(0, n, rows)
        x = tree.map(lambda leaf: leaf[which], x)
    at = f"in {dtype.name}" + (f", with {rows} rows" if rows is not None else "")
    try:
        with np.errstate(all="ignore"):
            if dtype == np.float16:
                x = Trial.of(layer, params, x).fewer
            trial = Trial.of(layer, in_dtype(params, dtype), in_dtype(x, dtype))
            both = Both.of(trial, draw(trial.out, rng).astype(dtype), rng, noise)
    except Exception:  # noqa: BLE001  # it refuses this dtype or this number of rows, which is an answer
        return
    yield from both.verdicts(rng, at, theirs=theirs)


@frozen(eq=False)
class Both:
    """The results at a point in some dtype, those in float64 for the same numbers, and their units of rounding."""

    trial: Trial
    dout: Array
    results: Fields
    right: Fields
    units: Fields

    @classmethod
    def of(cls, trial: Trial, dout: Array, rng: np.random.Generator, noise: float = UNIT) -> "Both":
        """Run the layer in the dtype of `dout`, and in float64, in which it has that noise."""
        results = {"out": trial.out, **trial.back(dout)}
        exact, wide = Trial.in_float64(trial.layer, trial.params, trial.x).with_noise(noise), in_float64(dout)
        right = {"out": exact.out, **exact.back(wide)}
        unit = float(np.finfo(dout.dtype).eps) / 2
        return cls(trial, dout, results, right, rounding(exact, wide, rng, unit, copies=4 if trial.large else 8))

    def verdicts(self, rng: np.random.Generator, at: str, *, theirs: bool) -> Iterator[Verdict]:
        """The verdict on each result."""
        dtype = self.dout.dtype
        for name, got in self.results.items():
            like = self.right[name]
            if got.dtype != dtype:
                yield Verdict("precision", name, ok=False, note=f"{at} it comes as {got.dtype}")
                continue
            if got.shape != like.shape:
                note = f"{at} it is {describe(got)}, in float64 {describe(like)}"
                yield Verdict("precision", name, ok=False, note=note)
                continue
            verdict = _judged(name, got, like, self.units[name], np.finfo(dtype), at, theirs=theirs)
            if not verdict.ok and verdict.error < RANDOM * verdict.bound and _is_random(self.trial, name, rng):
                verdict = Verdict("precision", name, ok=True, power=verdict.error)
            point = Part(self.trial, name, self.dout, got, lambda: self.units)
            yield verdict if verdict.ok else evolve(verdict, point=point)


SUBNORMAL = 2.0
"""Up to how many times what is allowed an error in float16 may come from numbers on the way that are too small for it,
which the units do not show: an eps of 1e-6 is off by more than a hundredth."""

RANDOM, NEARBY = 8.0, 24
"""Up to how many times what is allowed an error may be rounding still, and at how many points that is looked at: at 8,
the errors of a single entry have one sign by accident in three cases of a hundred, at 24 in less than one of 10,000."""


def _is_random(at: Trial, name: str, rng: np.random.Generator) -> bool:
    """Tell whether the errors of a result are of either sign at points nearby, as rounding is and a fault is not."""
    errors: list[Array] = []
    for _ in range(NEARBY):
        near = [tree.map(partial(_nearby, rng), value) for value in (at.params, at.x)]
        trial = Trial.of(at.layer, *near)
        dout = draw(trial.out, np.random.default_rng(0)).astype(trial.out.dtype)
        exact = Trial.in_float64(at.layer, *near)
        got, like = (
            {"out": each.out, **each.back(slope)}[name] for each, slope in ((trial, dout), (exact, in_float64(dout)))
        )
        errors.append(got.astype(np.float64) - like)
    with np.errstate(all="ignore"):
        together = np.sum(np.square(np.mean(errors, axis=0)))
        return bool(together < 0.5 * np.sum(np.mean(np.square(errors), axis=0)))


def _nearby(rng: np.random.Generator, leaf: Array) -> Array:
    return (leaf * (1 + 1e-3 * rng.standard_normal(leaf.shape))).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf


def _judged(name: str, got: Array, like: Array, unit: Array, info: Any, at: str, *, theirs: bool) -> Verdict:
    with np.errstate(all="ignore"):
        units = UNITS * max(1.0, math.log2(max(got.size, 1)) / 10)
        allowed = units * unit + 64 * float(info.smallest_subnormal)
        allowed = np.where(np.isnan(allowed), np.inf, allowed)  # at the end of the domain
        off = np.abs(got.astype(np.float64) - like)
        beyond = ~np.isfinite(got) & ((np.abs(like) > 0.9 * float(info.max)) | ~np.isfinite(like))
        if not theirs:  # an overflow on the way is no fault in a dtype that nobody asked for
            beyond |= ~np.isfinite(got)
        ratio = np.where(beyond, 0.0, off / np.where(allowed > 0, allowed, 1e-300))
        ratio[np.isnan(ratio) & ~np.isfinite(like)] = 0.0
        ratio[np.isnan(ratio)] = np.inf
    if not ratio.size:
        return Verdict("precision", name, ok=True)
    index = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    scale = float(np.sqrt(np.mean(np.square(like[np.isfinite(like)])))) if np.isfinite(like).any() else 1.0
    power = float(np.median(allowed)) / scale if scale else np.inf
    if ratio[index] <= 1:
        return Verdict("precision", name, ok=True, power=power)
    note = f"{at} it is off by {float(ratio[index]) * units:.3g} units of rounding; {units:.0f} are allowed"
    unclear = not theirs and info.dtype == np.float16 and bool(ratio[index] <= SUBNORMAL)
    if unclear:
        note += f", and numbers below {float(info.smallest_normal):.0e} lose digits on the way"
    place = where(ratio > 1)
    return Verdict(
        "precision",
        name,
        ok=False,
        note=f"{note}: {place}" if place else note,
        error=float(off[index]) / (scale or 1.0),
        bound=float(allowed[index]) / (scale or 1.0),
        index=tuple(int(i) for i in index),
        got=float(got[index]),
        expected=float(like[index]),
        undecided=unclear,
    )


def _own(layer: Any, params: Any, x: Any) -> np.dtype[Any]:
    """The dtype of the arguments."""
    leaves = tree.leaves(params) if isinstance(layer, Encoder) else tree.leaves(x)
    return next(leaf.dtype for leaf in leaves if leaf.dtype.kind == "f")


__all__ = ["Fields", "precision"]
