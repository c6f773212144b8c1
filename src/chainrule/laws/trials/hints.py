"""Hints: the likely mistake in a derivative that is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.laws.trials.wording import where

OF_FLOAT32, EXACT = 1e-6, 1e-9
"""The relative errors between which numbers in float64 agree to what float32 holds of them."""

TO_FLOAT32 = "it agrees to float32, and not beyond: is there an epsilon, or a constant or a product in float32?"
"""The words for that."""

NOT_FINITE = "it is not finite"
"""The words for a derivative with a nan or an infinity where there is none."""


def hint(got: NDArray[Any], right: NDArray[Any], rows: int, weights: Sequence[NDArray[Any]] = ()) -> str:
    """Recognise the usual mistakes in a derivative that is wrong, and say in words what it looks like; "" if like none.

    `right` is nan where it is not known. `rows` is the size of the batch. For `dx`, `weights` are the parameters of the
    layer: one of them may be a matrix that was not transposed.
    """
    if _same(got.T, right) and not _same(got, right):
        return "it is the transpose"
    if got.shape != right.shape:
        return ""
    return _of_all(got, right, rows, weights) or _of_entries(got, right)


def _of_all(got: NDArray[Any], right: NDArray[Any], rows: int, weights: Sequence[NDArray[Any]]) -> str:
    """The mistake that all entries have in common."""
    if not np.isfinite(got).all():
        return NOT_FINITE
    if not got.any():
        return "it is 0: was it computed?"
    known = ~np.isnan(right)
    size = float((right[known] ** 2).sum())
    if size == 0:
        return "it should be 0"
    if any(_by_transpose(got, right, W) for W in weights):
        return "it is a product with the weights where their transpose belongs"
    factor = float((got[known] * right[known]).sum()) / size
    several = int(np.count_nonzero(right[known])) > 1  # one number is a multiple of any other
    is_multiple = several and abs(factor - 1) > 1e-6 and _same(got, factor * right)
    if is_multiple:
        return _of_factor(factor, rows)
    return TO_FLOAT32 if several and _is_in_float32(got[known], right[known]) else ""


def _is_in_float32(got: NDArray[Any], right: NDArray[Any]) -> bool:
    """Tell whether a derivative in float64 has the digits of float32, in most entries and not in a few."""
    if got.dtype != np.float64:
        return False
    off, size = np.abs(got - right), np.abs(right)
    within = off <= OF_FLOAT32 * size + 1e-12 * float(size.max(initial=0.0))
    return bool(within.all() and np.count_nonzero(off > EXACT * size) > np.count_nonzero(right) / 2)


def _by_transpose(got: NDArray[Any], right: NDArray[Any], W: NDArray[Any]) -> bool:
    """Tell whether `right` is D W^T for some D, and `got` is D W."""
    if right.ndim != 2 or W.shape != 2 * right.shape[1:] or np.isnan(right).any() or np.linalg.matrix_rank(W) < len(W):
        return False
    return _same(got, np.linalg.solve(W, right.T).T @ W)


def _of_entries(got: NDArray[Any], right: NDArray[Any]) -> str:
    known = ~np.isnan(right)
    wrong = known & ~np.isclose(got, right, rtol=1e-10, atol=1e-13 * float(np.abs(right[known]).max()))
    if wrong[known & ((got != 0) | (right != 0))].all():  # the others are 0, whatever is wrong
        return ""
    return where(wrong) if int(wrong.sum()) <= int(known.sum()) // 2 else ""


def _of_factor(factor: float, rows: int) -> str:
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
        if abs(factor / value - 1) < 1e-6:
            return words
    digits = 6 if abs(factor - 1) > 1e-5 else 9  # or it would be called 1
    return f"it is {factor:.{digits}g} times what it should be: a constant factor"


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.shape != b.shape:
        return False
    known = ~np.isnan(b)
    return bool(np.allclose(a[known], b[known], rtol=1e-6, atol=1e-9 * float(np.abs(b[known]).max(initial=1e-300))))
