"""The names of rows and cells of a table, for messages: a number with its row and its column."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.types import Labels


def row_name(place: tuple[int, ...]) -> str:
    """`row 3`, and where there are several axes `row (1, 3)`."""
    return f"row {place[0] if len(place) == 1 else place}"


def first_cell(array: NDArray[Any], where: NDArray[np.bool_], numbers: Labels | None = None) -> str:
    """The first number of an array where a condition holds, such as `"nan at row 3, column 5"`.

    The rows of the array may be some of a larger one, in which they have these numbers.
    """
    row, *rest = (int(i) for i in np.argwhere(where)[0])
    place = f", column {rest[0]}" if len(rest) == 1 else f", place {tuple(rest)}" if rest else ""
    return f"{array[(row, *rest)]} at row {row if numbers is None else numbers[row]}{place}"


def every(what: str, values: NDArray[Any], right: NDArray[np.bool_], of: str) -> None:
    """Refuse the first of some numbers that is not right: `what`, and the number of its feature or column."""
    if not right.all():
        i = int(right.argmin())
        raise ValueError(f"{what}, got {values[i]} for {of} {i}")
