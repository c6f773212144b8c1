"""The derivative of a function along a line, from its values alone, with a bound on its own error.

    D(h) = (f(h) - f(-h)) / 2h = f' + c2 h^2 + c4 h^4 + ...

A burst is three such differences, at h, 0.53 h and 0.53^2 h. Two of them cancel the term in h^2, three that in h^4
(Richardson's extrapolation), and the change from the one to the other, plus what rounding makes of it, is taken for the
error. The next burst is eight times finer, until that error gets worse: the best burst counts, not the first. The ratio
is 0.53 and not 1/2, so that no period of f divides all three steps.

**Kinks.** The slopes to the right and to the left, (f(h) - f(0)) / h and (f(0) - f(-h)) / h, differ by about h f''
where f is smooth, and by a number that stays where it has a kink. There every number between them is a derivative (a
subgradient), so that a slope is an interval.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Real: TypeAlias = NDArray[Any]
Line: TypeAlias = Callable[[float], Real]
"""The values of a function at a step along a line."""

RATIO = 0.53
"""The share of a step that the next one of the same burst is."""

FINER, BURSTS = 8.0, 7
"""By how much the steps of a burst are smaller than those of the last, and the most bursts."""

FINER_FOR_SURE, BURSTS_FOR_SURE = 4.0, 23
"""The same where finer steps show whether all agree with the best burst."""

CLOSER, CLEAR = 3, 1e-3
"""The number of finer bursts in which a kink is to stay, and the share of its width that the error of one without it
has at most: rounding, which hides a kink from some steps on, is as large as a hundredth of it then."""

UNIT = 2.0**-52
"""The rounding of float64."""

KNOWN, FAR, SMALL = 0.5, 4.0, 0.125
"""The relative error of a slope that is known, the multiple of both errors by which another is far from it, and the
share of it that another has at most on a plateau."""


@frozen(eq=False)
class SlopeBounds:
    """The derivatives of several functions along one line, between two bounds that are the same but at a kink: (K,).

    Either may be off by the error, infinite where no value was finite; `rounding` is what that of values alone may have
    moved them by. The step is the largest of the burst that they are from.
    """

    low: Real
    high: Real
    error: Real
    rounding: Real
    step: Real

    def miss(self, got: Real) -> Real:
        """By how much numbers lie outside: 0 for a subgradient."""
        off: Real = np.maximum(0.0, np.maximum(self.low - got, got - self.high))
        return off


def slopes(
    f: Line, weights: Real, first: float, noise: float = UNIT, *, far_out: bool = False, enough: Real | float = 0.0
) -> SlopeBounds:
    """Differentiate K weighted sums of the values of a function along a line, at 0.

    `f` gives from a step the values, flattened (m,), and `weights` (K, m) are those of the sums. `first` is the first
    and largest step, `noise` the rounding error of a value, relative to it. Values may stand still if they are
    `far_out`, as those of a tail that is rounded; of errors below `enough` no finer steps are tried, but at a kink.
    """
    middle = f(0.0)
    k = len(weights)
    unknown, unbounded = np.full(k, np.nan), np.full(k, np.inf)
    best = SlopeBounds(unknown, unknown, unbounded, unbounded, np.full(k, first))
    worse = np.zeros(k, int)
    h = first
    for i in range(BURSTS):
        found = _burst(f, middle, weights, h, noise)
        if i == 0 and found.error.dtype == np.float64 and np.isfinite(found.error).all():
            best = found  # there is none to compare it with
        else:
            better = ((found.error < best.error) | _passes_no_kink(found, best)) & ~_stands_still(found, best)
            better &= ~(far_out & _contradicts(found, best))
            worse = np.where(better, 0, worse + np.isfinite(found.error))
            best = SlopeBounds(
                *(np.where(better, new, old) for new, old in zip(_fields(found), _fields(best), strict=True))
            )
        size = np.maximum(np.abs(best.low), np.abs(best.high))
        known = (best.error <= 1e-13 * size) | ((best.error <= enough) & (best.low == best.high))
        known |= (best.error <= FINER * best.rounding) & (best.error < np.inf)  # the next steps round as much, at least
        known |= (worse > 0) & (best.error <= 1e-7 * size)
        if (known & ((best.low == best.high) | (worse >= CLOSER))).all():
            break
        h /= FINER
    return best


def _passes_no_kink(found: SlopeBounds, before: SlopeBounds) -> NDArray[np.bool_]:
    """True where there is no kink within these steps, though there was one within larger ones, and it would show."""
    smooth: NDArray[np.bool_] = (found.low == found.high) & (found.error < CLEAR * (before.high - before.low))
    return smooth


def _stands_still(found: SlopeBounds, before: SlopeBounds) -> NDArray[np.bool_]:
    """True where values that moved at larger steps move no more: they are rounded to the same number.

    Beside a kink they may: then the slopes to one side of it were 0.
    """
    moved = np.where(before.low == before.high, np.abs(before.low), np.maximum(before.low, -before.high) - before.error)
    still: NDArray[np.bool_] = (found.low == 0) & (found.high == 0) & (moved > 0)
    return still


def _contradicts(found: SlopeBounds, before: SlopeBounds) -> NDArray[np.bool_]:
    """True where a slope is far smaller than one that is known: finer steps may stay on one step of a staircase.

    x times a rounded number is such a step, and has that number as its slope, without an error.
    """
    off = np.maximum(found.low - before.high, before.low - found.high)
    size, now = (np.maximum(np.abs(each.low), np.abs(each.high)) for each in (before, found))
    known = before.error <= KNOWN * size
    far: NDArray[np.bool_] = known & (off > FAR * (found.error + before.error)) & (now < SMALL * size)
    return far


def finer(f: Line, weights: Real, first: float, noise: float = UNIT) -> Iterator[SlopeBounds]:
    """The derivatives by one burst after another, each with a quarter of the steps of the last, from a first step on.

    Where `slopes` takes the best burst, these show whether all that are finer agree with it. Those of a function that
    oscillates within the first step, or jumps, do not.
    """
    middle = f(0.0)
    for k in range(BURSTS_FOR_SURE):
        yield _burst(f, middle, weights, first / FINER_FOR_SURE**k, noise)


def _fields(found: SlopeBounds) -> tuple[Real, ...]:
    return found.low, found.high, found.error, found.rounding, found.step


def _burst(f: Line, middle: Real, weights: Real, h: float, noise: float) -> SlopeBounds:
    steps = (h, RATIO * h, RATIO * RATIO * h)
    with np.errstate(all="ignore"):
        above, below = [f(step) for step in steps], [f(-step) for step in steps]
        right = [(up - middle) / step for up, step in zip(above, steps, strict=True)]
        left = [(middle - down) / step for down, step in zip(below, steps, strict=True)]
        scale = np.abs(above[2]) + np.abs(below[2]) + np.abs(middle)
        bend, finest = (np.abs(right[i] - left[i]) for i in (0, 2))
        rounding = noise * scale / steps[2]
        kinked = (finest > 0.7 * bend) & (finest > 64 * rounding)
        both = [r + s for r, s in zip(right, left, strict=True)]
        sums = [weights @ (each / 2) for each in both]
        slope, error = _extrapolated(sums, RATIO * RATIO)
        # Where the differences do not shrink as those of a smooth function do, extrapolation is worth nothing.
        change, last = np.abs(sums[1] - sums[0]), np.abs(sums[2] - sums[1])
        largest = np.maximum.reduce(rounding, initial=0.0) or 1.0  # whose square might overflow
        rounded = 3 * largest * np.sqrt(np.square(weights) @ np.square(rounding / largest))
        error = error + rounded + np.where(last > 0.4 * change, 2 * last, 0.0)
        error = error + 1e-13 * (np.abs(weights) @ np.abs(both[2]))  # of slopes that cancel each other
        half = np.zeros(len(weights))
        if np.count_nonzero(kinked):
            width = (_extrapolated(right, RATIO)[0] - _extrapolated(left, RATIO)[0]) / 2
            half = np.abs(weights) @ np.where(kinked, np.abs(width), 0.0)
    known = np.where(np.isfinite(error), error, np.inf)  # which has that of the slope in it
    return SlopeBounds(slope - half, slope + half, known, rounded, np.full(len(weights), h))


def _extrapolated(values: list[Real], ratio: float) -> tuple[Real, Real]:
    """The limit of three values whose errors go down by a ratio at each step, then by its square; and its error."""
    once = [(values[i + 1] - ratio * values[i]) / (1 - ratio) for i in (0, 1)]
    twice = (once[1] - ratio * ratio * once[0]) / (1 - ratio * ratio)
    return twice, np.abs(twice - once[1])


POINTS = 9
SPACINGS = tuple(2.0**-k for k in (40, 37, 34, 31, 28, 25, 22))
WIDER = tuple(2.0**-k for k in (19, 16, 14, 12, 10))
"""Spacings for a function that does not move at the others: one in float16."""

IN_STEPS = 2e-3
"""Noise from here on is that of a function whose values are steps, such as whole numbers, and is none. So is less,
where values mostly stay the same from one point to the next at the widest spacing."""

IN_BFLOAT16 = 1e-2
"""The same for values of bfloat16, which has 8 binary digits."""


def noise_of(f: Line, weights: Real, spacings: Sequence[float] = SPACINGS) -> float:
    """The rounding error of a value, relative to it, from weighted sums of values.

    From differences of high order of values that are close together, in which what is smooth is gone (Moré and Wild,
    Estimating computational noise, SIAM J. Sci. Comput. 33, 2011). A function that computes in float64 has about 1e-16,
    one in float32 3e-8, whatever the dtype of its results.

    `f` goes from a step, relative to the size of the arguments, to the values, flattened: (m,), as are the weights.
    Spacings of points go from the finest to the widest: the result is the largest level found at several; 0 if there is
    none.
    """
    with np.errstate(all="ignore"):
        middle = f(0.0)
        size = float(np.sqrt(np.sum(np.square(weights * middle))))
        if not (size > 0 and np.isfinite(size)):
            return 0.0
        fine = [_level(weights @ each for each in _values(f, middle, spacing)) / size for spacing in spacings]
        if 0 < max(fine) < 1e-12:
            return max(fine)
        coarse = [list(_values(f, middle, spacing)) for spacing in WIDER]
        levels = [*fine, *(_level(weights @ out for out in some) / size for some in coarse)]
        steps = np.mean([a != b for some in coarse[-1:] for a, b in zip(some[1:], some[:-1], strict=True)])
    of_bfloat16 = any(map(_is_bfloat16, (middle, np.concatenate(coarse[-1]))))  # a few numbers may have even digits
    most = IN_BFLOAT16 if of_bfloat16 else IN_STEPS if steps > 0.3 else 1e-6
    return max((level for level in levels if level < most), default=0.0)


def _is_bfloat16(values: Real) -> bool:
    """Tell whether all numbers have 8 binary digits, and many need the last of them, as small whole numbers do not."""
    digits = np.ldexp(np.frexp(values[np.isfinite(values) & (values != 0)])[0], 8)
    return digits.size > 1 and bool((digits == np.rint(digits)).all()) and float(np.mean(digits % 2)) > 0.25


def _values(f: Line, middle: Real, spacing: float) -> Iterator[Real]:
    yield middle
    for k in range(1, POINTS):
        yield f(k * spacing)


def _level(at_even_spacings: Iterable[Any]) -> float:
    values = np.array(list(at_even_spacings))
    if not np.isfinite(values).all() or not np.ptp(values):
        return 0.0
    gamma, tables, levels = 1.0, [values], list[float]()
    for k in range(1, len(values) - 1):
        table = tables[-1][1:] - tables[-1][:-1]
        gamma *= 0.5 * k / (2 * k - 1)
        tables.append(table)
        levels.append(float(np.sqrt(gamma * np.mean(table * table))))
        some = levels[-3:]
        if k > 2 and max(some) <= 4 * min(some) and tables[-3].min() < 0 < tables[-3].max():
            return some[0]
    return 0.0
