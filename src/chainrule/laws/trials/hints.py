"""Hints: the likely mistake in a derivative that is wrong, and where an error was raised."""

import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEARLY = 0.25
"""Up to what share of what is allowed an error is surely none: of more, others may be wrong as well."""

NOT_FINITE = "it is not finite"
"""The words for a derivative with a nan or an infinity where there is none."""

ACCIDENT = 0.01
"""The chance above which it may be an accident that entries stand next to each other."""


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
    return _of_factor(factor, rows) if is_multiple else ""


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


def where(wrong: NDArray[Any]) -> str:
    """Say where the wrong entries of a field stand: "the last row", "every second column"."""
    if wrong.all() or not wrong.any():
        return ""
    return f"{_whole(wrong) or _some(wrong)} wrong, the others are right"


def where_beyond(ratios: NDArray[Any]) -> str:
    """Say where errors are beyond what is allowed, by ratios to it: the others are right if theirs are far below 1."""
    far = ratios > 1
    return where(far) if (ratios[~far] < CLEARLY).all() else where_off(far)


def where_off(far: NDArray[Any]) -> str:
    """Say where the entries of a field stand that are off by more than is allowed, beside which others may be wrong."""
    if far.all() or not far.any():
        return ""
    whole = _whole(far)
    return f"{whole or _some(far)} off by more than is allowed{'' if whole else _within(far)}"


def _whole(wrong: NDArray[Any]) -> str:
    """The rows, the columns or the places on another axis that are wrong as a whole; "" if there are none such."""
    for axis in range(wrong.ndim):
        some = _of_axis(wrong, axis)
        if wrong.ndim > 1 and not np.take(wrong, some, axis=axis).all():
            continue
        if some.size < wrong.shape[axis]:
            return _places(some, wrong.shape[axis], _axis(axis, wrong.ndim))
    return ""


def _some(wrong: NDArray[Any]) -> str:
    return f"{int(wrong.sum())} of {wrong.size} entries are"


def _within(far: NDArray[Any]) -> str:
    """The places next to each other on an axis that hold all of these entries, if that is hardly an accident."""
    spans = [(int(some[0]), int(some[-1]) + 1, axis) for axis in range(far.ndim) for some in [_of_axis(far, axis)]]
    start, stop, axis = min(spans, key=lambda span: (span[1] - span[0]) / far.shape[span[2]])
    share = (stop - start) / far.shape[axis]
    if share ** (int(far.sum()) - 1) > ACCIDENT:
        return ""
    places = _places(np.arange(start, stop), far.shape[axis], _axis(axis, far.ndim))
    return f", all of them in {places.rpartition(' ')[0]}"


def _of_axis(wrong: NDArray[Any], axis: int) -> NDArray[np.intp]:
    """The places on an axis at which something is wrong."""
    return np.flatnonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))


def _axis(axis: int, axes: int) -> str:
    if axes == 1:
        return "entry"
    return "row" if axis == 0 else ("column" if axis == axes - 1 else f"place on axis {axis}")


def _places(some: NDArray[Any], n: int, word: str) -> str:
    first, last, step = int(some[0]), int(some[-1]), set(np.diff(some).tolist())
    several = "entries" if word == "entry" else word.replace("place", "places") if " on axis " in word else f"{word}s"
    if some.size == 1:
        names = {0: "the first", n - 1: "the last"}
        return f"{names.get(first, f'{word} {first}')}{f' {word}' if first in names else ''} is"
    if step == {1}:
        if last == n - 1:
            return f"{several} from {first} on are"
        return f"the first {some.size} {several} are" if first == 0 else f"{several} {first} to {last} are"
    if step == {2} and last + 2 >= n and first < 2:
        return f"every second {word} is"
    return f"{some.size} of {n} {several} are"


def plural(n: int, word: str) -> str:
    """A number of things: `"1 row"`, `"2 rows"`."""
    return f"{n} {word}{'' if n == 1 else 's'}"


def wrote_to_read_only(error: Exception) -> bool:
    """Tell whether an error is that of a write to a read-only array."""
    return "read-only" in str(error)


def line_of(error: Exception) -> str:
    """The function and the line that raised an error, as reports name them."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"({place.name}, line {place.lineno})"
