"""The effort of a check: much or little.

`"full"` asks every question. `"quick"` asks them of the arguments as they are given: it leaves out the laws that look
elsewhere (other values, sizes, derivatives `dout` and dtypes, several threads), and tries 32 entries of an array one by
one, whatever its size, and all of them along directions. It takes a tenth to two thirds of the time, and finds
nine of ten mistakes in layers, and three of four in losses.
"""

from typing import Literal, TypeAlias, get_args

from chainrule.arrays.arguments import is_a
from chainrule.arrays.records import summary

Effort: TypeAlias = Literal["quick", "full"]
"""The values of `effort` that checks take."""

EFFORTS: tuple[Effort, ...] = get_args(Effort)


def is_quick(effort: Effort, check: str) -> bool:
    """Tell whether a check is to be quick; a word that is no effort is a ValueError, in which the check is named."""
    if not is_a(effort, str) or effort not in EFFORTS:
        raise ValueError(f'{check}: effort must be "quick" or "full", got {summary(effort)}')
    return effort == "quick"
