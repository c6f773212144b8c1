"""Numbers as a picture can show them: few digits, the same for all entries of an array, so that columns line up."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Cells: TypeAlias = list[list[str]]

MINUS = "\N{MINUS SIGN}"


def cells(values: NDArray[Any]) -> Cells:
    """Write an array of at most two dimensions, row by row.

    Integers, labels and whole numbers have no decimals; others have three digits where the largest number has its
    first, or are in powers of ten if they are very large or very small.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.inspecting.drawing.numbers import cells
    >>> cells(np.array([[0.5, 12.25], [3.0, 0.0]]))
    [['0.5', '12.2'], ['3.0', '0.0']]
    >>> cells(np.array([1.0, 2.0]))
    [['1', '2']]
    """
    rows: NDArray[Any] = np.atleast_2d(values)
    if rows.dtype.kind not in "fV":
        return [[str(number).replace("-", MINUS) for number in row] for row in rows.tolist()]
    numbers = [[float(number) for number in row] for row in rows]
    finite = [abs(number) for row in numbers for number in row if math.isfinite(number)]
    largest = max(finite, default=0.0)
    decimals = _decimals(finite, largest)
    powers = largest >= 1e5 or 0 < largest < 1e-3
    return [[_text(number, decimals, powers=powers) for number in row] for row in numbers]


def _decimals(finite: list[float], largest: float) -> int:
    most = min(4, max(0, 2 - math.floor(math.log10(largest)))) if largest > 0 else 0
    for decimals in range(most):
        if all(math.isclose(round(number, decimals), number, rel_tol=1e-6, abs_tol=1e-12) for number in finite):
            return decimals
    return most


def _text(number: float, decimals: int, *, powers: bool) -> str:
    if not math.isfinite(number) or number == 0:
        text = "0" if number == 0 and powers else f"{number + 0.0:.{decimals}f}"
    elif powers:
        digits, _, power = f"{number:.1e}".partition("e")
        text = f"{digits}e{int(power)}"
    else:
        text = f"{number:.{decimals}f}"
        text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("-", MINUS)
