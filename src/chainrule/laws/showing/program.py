"""Programs that show a fault: lines of code, and two expressions after them that are to give the same."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen

from chainrule.arrays.types import is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.laws.trials.wording import line_of, wrote_to_read_only

FAR = 1e3
"""The least difference of two values that is no rounding, in units of the last place."""

Comparison: TypeAlias = Callable[[Any, Any, tuple[Any, Any]], str | None]
"""The place where two values differ, in code, for two arrays that were given: all of it is "", and none None."""


def exactly(got: Any, expected: Any, given: tuple[Any, Any]) -> str | None:
    """The place where two values are not the same to the last bit."""
    return where(got, expected, 0.0)


def nearly(got: Any, expected: Any, given: tuple[Any, Any]) -> str | None:
    """The place where two values are not the same but for rounding, which grows with what is given."""
    return where(got, expected, FAR * _largest(*given, expected))


def at_most(got: Any, expected: Any, given: tuple[Any, Any]) -> str | None:
    """All of it, if the first is more than the second."""
    return None if got <= expected else ""


def like_given(got: Any, expected: Any, given: tuple[Any, Any]) -> str | None:
    """As `exactly`, for a value of the shape that was given: another goes by arrays of earlier calls."""
    return where(got, expected, 0.0) if np.shape(got) == given[1].shape else None


@frozen
class Program:
    """Lines of code, and two expressions after them that are to give the same.

    The first may raise in place of giving anything; where it is to do so, there is no other.
    """

    lines: tuple[str, ...]
    got: str
    expected: str = ""
    compared: Comparison = exactly

    def translated(self, text: Callable[[str], str]) -> "Program":
        """The same with its expressions in the author's words."""
        return evolve(self, got=text(self.got), expected=text(self.expected))

    def end(self, lines: str, names: dict[str, Any], given: tuple[str, str], verdict: Verdict) -> str:
        """The line after all others if they show what a verdict says: a print, or a call that raises; else ""."""
        try:
            exec(lines, names)  # noqa: S102  # it is made here, of numbers and of names
        except Exception:  # it refuses this
            return ""
        try:
            got = eval(self.got, names)  # noqa: S307  # it is made here
        except Exception as error:  # it is what is shown, if the verdict says so
            return _raised(self.got, error, verdict)
        if not self.expected:
            return ""
        try:
            got = np.array(got) if is_numpy(got) else got  # which the other may overwrite
            expected = eval(self.expected, names)  # noqa: S307  # it is made here
            place = self.compared(got, expected, (names[given[0]], names[given[1]]))
        except Exception:  # there is nothing to compare with
            return ""
        return self._printed(expected, place)

    def _printed(self, value: Any, place: str | None) -> str:
        """The line that prints two expressions, of which the second has a value, where they differ; "" if nowhere."""
        there = place if is_numpy(value) and value.ndim else ""
        return "" if place is None else f"print({self.got}{place}, {self.expected}{there})"


def _raised(call: str, error: Exception, verdict: Verdict) -> str:
    """The line of a call that raises, if its error is the one that the verdict names; else ""."""
    line = line_of(error)
    same_line = line in verdict.note if line else ", line " not in verdict.note
    told = (type(error).__name__ in verdict.note and same_line) or wrote_to_read_only(error)
    first_line = str(error).partition("\n")[0]
    return f"{call}  # raises {type(error).__name__}: {first_line}" if told else ""


def where(got: Any, expected: Any, units: float) -> str | None:
    """In code, where two values differ by so many units: "" if all of them do; None if they are the same."""
    if hasattr(got, "dtype"):  # NumPy returns scalars in place of 0-d arrays
        got = np.asarray(got)
    if not is_numpy(got) or got.dtype.kind not in ("fiu" if got.ndim else "f"):
        return None if got == expected else ""
    if np.ndim(expected) and got.shape != np.shape(expected):
        return ".shape"
    eps = float(np.finfo(got.dtype).eps) if got.dtype.kind == "f" else 0.0
    axes, got, expected = got.ndim, np.atleast_1d(got) + 0.0, np.atleast_1d(expected)
    with np.errstate(all="ignore"):
        off = np.abs(got - expected)
        off[np.isnan(got) & np.isnan(expected)] = 0.0
        off[got == expected] = 0.0
        off[np.isnan(off)] = np.inf
    if not off.size or off.max() <= units * eps:
        return None
    index = np.unravel_index(int(np.argmax(off)), off.shape)
    return f"[{', '.join(str(int(i)) for i in index)}]" if axes else ""


def _largest(*arrays: Any) -> float:
    return max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in map(np.asarray, arrays))
