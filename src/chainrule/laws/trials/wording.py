"""Words that verdicts share: where wrong entries stand, numbers of things, and errors."""

import os
import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEARLY = 0.25
"""Up to what share of what is allowed an error is surely none: of more, others may be wrong as well."""

ACCIDENT = 0.01
"""The chance above which it may be an accident that entries stand next to each other."""

PACKAGE = str(Path(__file__).parents[2]) + os.sep
"""The folder of this library."""

CHECKED = {"layers", "losses", "optimizers"}
"""The rooms in it whose code is checked."""

OF_LIBRARIES = re.compile(r"[/\\](?:site|dist)-packages[/\\](?:numpy|torch|jax|jaxlib|scipy|functorch)[/\\]")
"""Files of libraries whose lines tell less than the one that called them."""


def where(wrong: NDArray[Any]) -> str:
    """Say where the wrong entries of a field stand: "the last row", "every second column"."""
    if wrong.all() or not wrong.any():
        return ""
    return where_whole(wrong) or f"{_some(wrong)} wrong, the others are right"


def where_whole(wrong: NDArray[Any]) -> str:
    """The same if they are all of some rows, columns or places on another axis; else ""."""
    whole = "" if wrong.all() or not wrong.any() else _whole(wrong)
    return f"{whole} wrong, the others are right" if whole else ""


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
    """The places next to each other on an axis, or every second one, that hold all of these entries.

    Nothing is said where that may well be an accident.
    """
    held = [(places, axis) for axis in range(far.ndim) for places in _holding(_of_axis(far, axis), far.shape[axis])]
    places, axis = min(held, key=lambda each: len(each[0]) / far.shape[each[1]])
    share = len(places) / far.shape[axis]
    if share ** (int(far.sum()) - 1) > ACCIDENT:
        return ""
    words = _places(np.asarray(places), far.shape[axis], _axis(axis, far.ndim))
    return f", all of them in {words.rpartition(' ')[0]}"


def _holding(some: NDArray[np.intp], n: int) -> list[range]:
    """The places from the first to the last of some; and every second one, if they are among these."""
    first, last = int(some[0]), int(some[-1])
    second = range(first % 2, n, 2)
    return [range(first, last + 1), *([second] if len(second) > 1 and set(some.tolist()) <= set(second) else [])]


def _of_axis(wrong: NDArray[Any], axis: int) -> NDArray[np.intp]:
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
    """The function and the line of the code that is checked in which an error was raised, as reports name them.

    "" if it was raised in none of its lines: a function of torch, or what a check asks of results.
    """
    places = [each for each in traceback.extract_tb(error.__traceback__) if _is_checked(each.filename)]
    return f"({places[-1].name}, line {places[-1].lineno})" if places else ""


def _is_checked(file: str) -> bool:
    """Tell whether a file is none of ours that check others, and none of the libraries that they call."""
    room = file.removeprefix(PACKAGE).partition(os.sep)[0]
    return not OF_LIBRARIES.search(file) and (not file.startswith(PACKAGE) or room in CHECKED)


def joined(*words: str) -> str:
    """The words that there are, in one note."""
    return ": ".join(word for word in words if word)
