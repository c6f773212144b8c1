"""A field of a gradient at a point, beside the derivative along a direction.

One evaluation serves many `dout` at once, since it gives all of J v, and <dout, J v> is wanted.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.bursts import finer, slopes
from chainrule.laws.trials.rounding import Units
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.trial import Trial

FIRST, FIRST_IN_NOISE = 2.0**-8, 2.0**-2
"""The first step, relative to an entry; and that for a function that does not compute in float64."""

NOISY = 1e-10
"""The noise from which on a function does not compute in float64."""

FINEST = 2.0**-44
"""A step, relative to an entry, below which the rounding of what is moved makes slopes of its own."""

SAFE, ROUNDINGS = 4.0, 32.0
"""The number of its own errors that a numerical derivative is trusted to, and of units that a gradient may be
off."""

LEAST = 1e-9
"""The least relative error that is looked for."""

CLEAR = 64.0
"""By how many times the gap between a gradient and a derivative has to exceed rounding for a finer step to count."""

AGREE, SEVERAL = 8.0, 3
"""The share of the gap, as 1 over it, within which a finer step speaks for a gradient, and the number of them."""

NEXT = 2
"""The number of next finer steps that speak for a gradient, each alone."""

JUMP = 1e-6
"""The share of the jump of a derivative at a kink by which a gradient may lie outside."""

KINKS = (
    "several kinks of forward meet here, such as ReLU's at 0 or a tie of a maximum, where the chain rule may give a "
    "number outside of the slopes to both sides"
)
"""The words for a point where the derivative along two directions is not their sum."""


@frozen(eq=False)
class Miss:
    """A gradient beside the derivative along a direction, found with a step.

    The derivative lies between `low` and `high`, the same but at a kink, and the gradient outside by as much as is
    allowed. The power is that relative to a typical entry: the smallest error that shows. The scale is the size of the
    values that are differentiated. `sure` is what is allowed without the rounding of the gradient.
    """

    got: float
    low: float
    high: float
    allowed: float
    power: float
    scale: float
    sure: float
    step: float

    @property
    def middle(self) -> float:
        """The derivative; at a kink the mean of its sides."""
        return (self.low + self.high) / 2

    @property
    def kinked(self) -> bool:
        """True if the derivative is an interval."""
        return self.high - self.low > self.sure

    @property
    def ratio(self) -> float:
        """By how many times what is allowed the gradient misses."""
        if not math.isfinite(self.got):  # at a kink there may be no number to give
            sure = self.allowed <= 1e-3 * max(abs(self.low), abs(self.high), self.scale)
            return math.inf if sure and not self.kinked else 0.0
        off = max(0.0, self.low - self.got, self.got - self.high)
        if not off:
            return 0.0
        return off / self.allowed if self.allowed > 0 else math.inf

    @property
    def lost(self) -> bool:
        """True if the gradient is no number at a kink, where each between two slopes would do."""
        return self.kinked and math.isnan(self.got) and math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def gap(self) -> float:
        """By how much the gradient lies outside; the size of the derivative where it is no number."""
        if not math.isfinite(self.got):
            return max(abs(self.low), abs(self.high)) or self.scale
        return max(0.0, self.low - self.got, self.got - self.high)

    @property
    def at_kink(self) -> "Miss":
        """The same where the two sides of a kink are known to be all that a gradient may be.

        What rounding of the arguments does to a gradient there is to move it from one side to the other.
        """
        return evolve(self, allowed=min(self.allowed, self.sure + JUMP * (self.high - self.low)))

    def beyond(self, other: "Miss") -> bool:
        """Tell whether two estimates of the same derivative exclude each other."""
        room = self.allowed + other.allowed
        return self.low - other.high > room or other.low - self.high > room


@frozen(eq=False)
class Part:
    """One field of a gradient at a point, for one `dout`, as backward gave it.

    The units are what rounding may do to each entry of each field, for a `dout` of about 1.
    """

    trial: Trial
    name: str
    dout: Array
    got: Array
    units: Units

    @property
    def first(self) -> float:
        """The first step."""
        return FIRST if self.trial.noise < NOISY else FIRST_IN_NOISE

    @property
    def leaf(self) -> Array:
        """The argument that the field is the derivative with respect to."""
        return self.trial.arguments[self.name]

    @property
    def kinks(self) -> str:
        """Why nothing can be told where the derivative along two directions is not their sum."""
        return f"{KINKS}: move {self.moved} off them by a little"

    @property
    def moved(self) -> str:
        """The name of the argument."""
        return self.trial.names.x if self.name == "dx" else f"params{self.name.removeprefix('grads')}"

    def along(self, direction: Array, share: float = 1.0) -> Miss:
        """The gradient beside the derivative along a direction; the first step is a share of the usual one."""
        return misses([self], direction, share)[0]

    def alone(self, index: tuple[Any, ...], size: float) -> Array:
        """The direction that moves one entry."""
        direction = np.zeros(self.got.shape)
        direction[index] = size
        return direction

    def interval(self, place: int) -> tuple[float, float] | None:
        """Between which slopes an entry lies, if it is at a kink."""
        size = float(sizes_of(self.leaf).flat[place])
        miss = self.along(self.alone(np.unravel_index(place, self.got.shape), size))
        return (miss.low / size, miss.high / size) if miss.kinked else None

    def steady(self, direction: Array, miss: Miss) -> bool:
        """Tell whether finer steps give the same derivative, and do not speak for the gradient.

        The next ones show an error that was estimated too small, as beside a bend of the slope, and whether the values
        move at all, or what moved was a step between two rounded numbers. Others count as long as rounding leaves
        enough of them; an estimate that keeps growing with them is none. Rounding grows as steps shrink, so that they
        show how much of it there is: no more than half of the gap may be. What is taken for rounding may be an
        oscillation that is smooth at the finest steps: several of them then agree with the gradient.
        """
        line, weights = self.trial.line({self.name: direction}), self.dout.reshape(1, -1)
        clear, agreeing = True, 0
        for k, found in enumerate(finer(line, weights, miss.step, self.trial.noise)):
            if k > NEXT and found.step.item() < FINEST:
                break
            low, high, rounded = found.low.item(), found.high.item(), found.rounding.item()
            off, of_got = (abs((low + high) / 2 - each) for each in (miss.middle, miss.got))
            speaks = k <= NEXT and off > found.error.item() and of_got < off / 2
            grows = off > abs(miss.middle) / 2 and rounded * CLEAR <= off and miss.gap > CLEAR * abs(miss.middle)
            if speaks or grows:
                return False
            if k <= NEXT and miss.middle and low == high == 0:
                return False
            if off * found.step.item() > miss.gap / 2 * miss.step:
                return False
            clear = clear and rounded * CLEAR <= miss.gap
            if clear and (low < miss.low - miss.gap / 2 or high > miss.high + miss.gap / 2):
                return False
            agreeing = agreeing + 1 if high and of_got < miss.gap / AGREE else 0
            if agreeing == SEVERAL:
                return False
        return True

    def adds_up(self, one: Array, two: Array) -> bool:
        """Tell whether the derivative along a sum of directions is the sum of those along each."""
        a, b, whole = (self.along(part) for part in (one, two, one + two))
        both = evolve(whole, low=a.low + b.low, high=a.high + b.high, allowed=a.allowed + b.allowed)
        return not both.beyond(whole)


def misses(parts: Sequence[Part], direction: Array, share: float = 1.0) -> list[Miss]:
    """For parts that differ in `dout` alone, each gradient along a direction, beside the derivative.

    The derivative is known to a part of the least error that is looked for, and if that does not do, as well as may be.
    """
    with np.errstate(all="ignore"):
        products = [each.got * direction for each in parts]
        sizes = [length(np.where(np.isfinite(each), each, 0.0)) for each in products]
    roughly = _misses(parts, direction, share, LEAST / (4 * SAFE) * np.array(sizes))
    return roughly if all(each.ratio <= 1 for each in roughly) else _misses(parts, direction, share)


def _misses(parts: Sequence[Part], direction: Array, share: float, enough: Array | float = 0.0) -> list[Miss]:
    part = parts[0]
    trial = part.trial
    weights = np.array([each.dout.reshape(-1) for each in parts])
    line, far_out = trial.line({part.name: direction}), trial.floor > 0
    found = slopes(line, weights, share * part.first, trial.noise, far_out=far_out, enough=enough)
    scales = np.abs(weights) @ np.abs(trial.out.reshape(-1))
    moves: Any = ... if direction.all() else direction != 0
    steps, number = direction[moves], max(1, int(np.count_nonzero(direction)))

    def rounded(most: float) -> float:
        unit = part.units()[part.name][moves]
        unit = np.where(unit < np.inf, unit, 0.0)
        return (ROUNDINGS * length(unit * steps) + trial.floor * length(steps)) * most

    out: list[Miss] = []
    for k, each in enumerate(parts):
        with np.errstate(all="ignore"):
            products = each.got[moves] * steps
            size = length(products[np.isfinite(products)])
            sure = SAFE * float(found.error[k]) + LEAST * size
            got = float(products.sum())
            low, high, step = (float(values[k]) for values in (found.low, found.high, found.step))
            miss = Miss(got, low, high, sure, power(sure, size, number), float(scales[k]), sure, step)
            # Rounding takes several calls to measure, and most gradients need none of it.
            if miss.ratio > 1:
                allowed = sure + rounded(float(np.abs(each.dout).max(initial=0.0)))
                miss = evolve(miss, allowed=allowed, power=power(allowed, size, number))
        out.append(miss)
    return out


def power(allowed: float, size: float, number: int) -> float:
    """The smallest error that shows, relative to one of so many entries along a direction of some size."""
    return allowed * math.sqrt(number) / size if size else math.inf


def length(values: NDArray[Any]) -> float:
    """The root of the sum of squares."""
    flat = values.reshape(-1)
    if flat.dtype == np.float64:  # as NumPy's norm, which takes three times as long for few numbers
        return math.sqrt(flat.dot(flat))
    root: float = np.linalg.norm(flat).item()
    return root
