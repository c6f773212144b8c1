"""Memory that is full of a number: what `np.empty` gives, and what is left free."""

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any
from unittest.mock import patch

import numpy as np

from chainrule.arrays.types import is_numpy

JUNK = 7.0
"""A number that results hardly have where nothing was written."""

ARRAYS = 8
"""The number of arrays of a shape that are filled and freed."""


@contextlib.contextmanager
def empty_holds(number: float) -> Generator[None, None, None]:
    """A context in which `np.empty` and what is like it give arrays that are full of a number, and torch's do too.

    Free memory alone would not do: it may be what a layer has just let go of, whose numbers are sometimes the right
    ones.
    """
    owners: list[tuple[Any, tuple[str, ...]]] = [(np, ("empty", "empty_like"))]
    torch: Any = sys.modules.get("torch")  # no layer is torch's where nobody has loaded it
    if torch is not None:
        owners += [(torch, ("empty", "empty_like", "empty_strided")), (torch.Tensor, ("new_empty",))]
    with contextlib.ExitStack() as patches:
        for owner, names in owners:
            full: dict[str, Any] = {name: _filling(getattr(owner, name), number) for name in names}
            patches.enter_context(patch.multiple(owner, **full))
        yield


def _filling(make: Callable[..., Any], number: float) -> Callable[..., Any]:
    def made_full(*arguments: Any, **options: Any) -> Any:
        made: Any = make(*arguments, **options)
        if not is_numpy(made):
            if made.is_floating_point():
                made.detach().fill_(number)
        elif _is_float(made.dtype):
            made.fill(number)
        return made

    return made_full


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
