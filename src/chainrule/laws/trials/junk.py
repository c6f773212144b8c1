"""Memory that is full of a number: what `np.empty` gives, and what is left free."""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

JUNK = 7.0
"""A number that results hardly have where nothing was written."""

ARRAYS = 8
"""The number of arrays of a shape that are filled and freed."""


def empty_holds(number: float) -> Any:
    """A context in which `np.empty` and `np.empty_like` give arrays that are full of a number.

    Free memory alone would not do: it may be what a layer has just let go of, whose numbers are sometimes the right
    ones.
    """
    makers: dict[str, Callable[..., Any]] = {"empty": np.empty, "empty_like": np.empty_like}
    full: dict[str, Any] = {name: partial(_full, make, number) for name, make in makers.items()}
    return patch.multiple(np, **full)


def _full(make: Callable[..., Any], number: float, *arguments: Any, **options: Any) -> Any:
    made = make(*arguments, **options)
    if _is_float(made.dtype):
        made.fill(number)
    return made


def leave(number: float, shapes: Iterable[tuple[tuple[int, ...], Any]], arrays: int = ARRAYS) -> None:
    """Leave free memory behind that is full of a number, or of ones of dtypes that can't hold it."""
    held: list[Any] = []
    for shape, dtype in shapes:
        for _ in range(arrays):
            array = np.empty(shape, dtype)
            with contextlib.suppress(ValueError), np.errstate(all="ignore"):
                array[...] = number if _is_float(dtype) else 1
            held.append(array)
    held.clear()


def _is_float(dtype: Any) -> bool:
    return dtype.kind in "fc" or dtype.name == "bfloat16"
