"""Hints: the likely mistake in a derivative that is wrong."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.laws.trials.wording import CLEARLY, where, where_whole

OF_FLOAT32, EXACT = 1e-6, 1e-9
"""The relative errors between which numbers in float64 agree to what float32 holds of them."""

TO_FLOAT32 = "it agrees to float32, and not beyond: is there an epsilon, or a constant or a product in float32?"
"""The words for that."""

FLAT = "it should be 0"
"""The words where no argument moves the output, as with a sign."""

NOT_FINITE = "it is not finite"
"""The words for a derivative with a nan or an infinity where there is none."""


OF_ZERO = 1e-13
"""The share of the largest entry of a derivative that is no more than rounding of terms that cancel."""

OTHERS, TO_MORE = 4, 1e-8
"""The entries that have to be right, and the part of them, where the others agree to the digits of float32."""

UNSURE = 0.5
"""The share of itself by which a factor may be off from which on it is none: what is left is rounding."""

EXPLAINED, SURE = 0.1, 8.0
"""The share of an error that a mistake which explains it may leave; and of how many of its own errors a factor is sure.
"""


def hint(
    got: NDArray[Any],
    right: NDArray[Any],
    rows: int,
    weights: Sequence[NDArray[Any]] = (),
    allowed: NDArray[Any] | float = 0.0,
) -> str:
    """Recognise the usual mistakes in a derivative that is wrong, and say in words what it looks like; "" if like none.

    `right` is nan where it is not known. `rows` is the size of the batch. For `dx`, `weights` are the parameters of the
    layer: one of them may be a matrix that was not transposed. `allowed` is how far `got` may be off, entry by entry.
    """
    words = mistake_of_all(got, right, rows, weights, allowed)
    if words or got.shape != right.shape:
        return words
    known = ~np.isnan(right)
    several = int(np.count_nonzero(right[known])) > 1
    in_float32 = several and _is_in_float32(got[known], right[known])
    pattern = _of_entries(got, right, allowed, beyond_float32=in_float32)
    return pattern or (TO_FLOAT32 if in_float32 else "")


def allowed_by(got: NDArray[Any], right: NDArray[Any], ratios: NDArray[Any]) -> NDArray[Any]:
    """The error that each entry may have, by how many times it has that; 0 where it is not known."""
    if not got.shape == right.shape == ratios.shape:
        return np.zeros(got.shape)
    with np.errstate(all="ignore"):
        found: NDArray[Any] = np.nan_to_num(np.abs(got - right) / ratios, nan=0.0, posinf=0.0)
    return found


def mistake_of_all(
    got: NDArray[Any],
    right: NDArray[Any],
    rows: int,
    weights: Sequence[NDArray[Any]],
    allowed: NDArray[Any] | float,
) -> str:
    """The mistake that all entries have in common; "" if they have none. The arguments are those of `hint`."""
    if _explains(right.T, got, right, allowed) and not _same(got, right, allowed):
        return "it is the transpose"
    if got.shape != right.shape:
        return ""
    words = _of_no_numbers(got, right)
    if not words and any(_by_transpose(got, right, M, allowed) for W in weights for M in (W, W.T)):
        words = "it is a product with the weights where their transpose belongs"
    return words or _of_multiple(got, right, rows, allowed)


def _of_no_numbers(got: NDArray[Any], right: NDArray[Any]) -> str:
    if not np.isfinite(got).all():
        return NOT_FINITE
    if not got.any():
        return "it is 0: was it computed?"
    known = np.abs(right[~np.isnan(right)])
    if known.size and np.abs(got).max() <= OF_ZERO * known.max():
        return "it is 0 but for rounding: do its terms cancel?"
    return "" if right[~np.isnan(right)].any() else FLAT


def _of_multiple(got: NDArray[Any], right: NDArray[Any], rows: int, allowed: NDArray[Any] | float) -> str:
    known = ~np.isnan(right)
    size = float((right[known] ** 2).sum())
    if not size or np.count_nonzero(right[known]) < 2:  # one number is a multiple of any other
        return ""
    factor = float((got[known] * right[known]).sum()) / size
    rounding = max(1.0, abs(factor)) * allowed  # that of what is larger is larger; 2**-24 that of a float32
    if abs(factor - 1) <= 2.0**-24 or not _explains(factor * right, got, right, rounding):
        return ""
    unsure = _unsure(factor, got[known], right[known])
    return _of_factor(factor, rows, unsure) if unsure < UNSURE else ""


def _explains(mistaken: NDArray[Any], got: NDArray[Any], right: NDArray[Any], allowed: NDArray[Any] | float) -> bool:
    """Tell whether a gradient is what a mistake makes of the right one, which leaves little of its error."""
    if not _same(got, mistaken, allowed):
        return False
    if got.shape != right.shape:
        return True
    known = ~np.isnan(mistaken) & ~np.isnan(right)
    left, error = (float(np.square(got[known] - other[known]).sum()) for other in (mistaken, right))
    return left <= EXPLAINED**2 * error


def _unsure(factor: float, got: NDArray[Any], right: NDArray[Any]) -> float:
    """By how much a factor may be off, relative to it, for what is left of the error beside it."""
    left = float(np.square(got - factor * right).sum())
    size = float(np.square(factor * right).sum())
    return SURE * math.sqrt(left / size / right.size) if size else math.inf


def _is_in_float32(got: NDArray[Any], right: NDArray[Any]) -> bool:
    """Tell whether a derivative in float64 has the digits of float32, in most entries and not in a few."""
    if got.dtype != np.float64:
        return False
    off, size = np.abs(got - right), np.abs(right)
    within = off <= OF_FLOAT32 * size + 1e-12 * float(size.max(initial=0.0))
    return bool(within.all() and np.count_nonzero(off > EXACT * size) > 0.75 * np.count_nonzero(right))


def _by_transpose(got: NDArray[Any], right: NDArray[Any], W: NDArray[Any], allowed: NDArray[Any] | float) -> bool:
    """Tell whether `right` is D W^T for some D, and `got` is D W."""
    if right.ndim != 2 or W.shape != 2 * right.shape[1:] or np.isnan(right).any() or np.linalg.matrix_rank(W) < len(W):
        return False
    return _explains(np.linalg.solve(W, right.T).T @ W, got, right, allowed)


def _of_entries(
    got: NDArray[Any], right: NDArray[Any], allowed: NDArray[Any] | float, *, beyond_float32: bool = False
) -> str:
    """The places of the wrong entries; "" where most are, or others may be. In float32 some are right by accident."""
    known, off = ~np.isnan(right), np.abs(got - right)
    differ = known & ~np.isclose(got, right, rtol=1e-10, atol=1e-13 * float(np.abs(right[known]).max()))
    wrong, perhaps = differ & (off > allowed), differ & (off > CLEARLY * allowed)
    others = known & ~perhaps & ((got != 0) | (right != 0))
    if min(np.count_nonzero(known) - known.size / 2, np.count_nonzero(wrong) - np.count_nonzero(perhaps) / 2) <= 0:
        return ""
    if not others.any():  # they are 0, whatever is wrong
        return ""
    if np.count_nonzero(others) >= OTHERS and (off <= TO_MORE * np.abs(right))[others].all():
        whole = where_whole(perhaps)
        if whole or beyond_float32:
            return whole
    if beyond_float32:
        return ""
    if (perhaps != wrong).any():
        return where_whole(perhaps)
    return where(wrong) if int(wrong.sum()) <= int(known.sum()) // 2 else ""


def _of_factor(factor: float, rows: int, unsure: float) -> str:
    several: list[tuple[float, str]] = [
        (float(rows), f"it is {rows} times too large, the number of rows: a sum for a mean?"),
        (1.0 / rows, f"it is {rows} times too small, the number of rows: a mean for a sum?"),
    ]
    for value, words in (
        (-1.0, "the sign is wrong"),
        *(several if rows > 1 else []),
        (2.0, "it is twice what it should be: is it added twice, or from an earlier call?"),
        (0.5, "it is half of what it should be: a missing factor of 2?"),
    ):
        if abs(factor / value - 1) < max(1e-6, unsure):
            return words
    larger = abs(factor) > 1
    k = round(times := factor if larger else 1 / factor if factor else 0.0)
    if k > 2 and abs(times / k - 1) < max(1e-6, unsure) < 0.5 / k:
        mistake = f"large: a sum of {k} numbers for a mean" if larger else f"small: a mean of {k} numbers for a sum"
        return f"it is {k} times too {mistake}, or a constant factor?"
    digits = 3 if unsure > 1e-6 else 6 if abs(factor - 1) > 1e-5 else 9  # or it would be called 1
    return f"it is {factor:.{digits}g} times what it should be: a constant factor"


def _same(a: NDArray[Any], b: NDArray[Any], allowed: NDArray[Any] | float) -> bool:
    """Tell whether numbers are those of `b`, to six digits or within what is allowed."""
    if a.shape != b.shape:
        return False
    known = ~np.isnan(b)
    near = 1e-6 * np.abs(b) + 1e-9 * float(np.abs(b[known]).max(initial=1e-300)) + allowed
    return bool((np.abs(a - b) <= near)[known].all())
