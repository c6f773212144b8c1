"""Entries of a gradient that are no number, where steps of the usual size tell nothing: a slope may be there for finer.

A row of zeros divided by max(norm, 1e-12) has slopes of 1e12, and they are gone at a step of 1e-11.
"""

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, entry
from chainrule.laws.trials.entries import wrong_at
from chainrule.laws.trials.hints import NOT_FINITE
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.wording import joined

FINEST = (2.0**-60, 2.0**-70, 2.0**-80)
"""Steps away from 0, the only number that has so many beside it."""

ALIKE = 1e-6
"""The relative error to which the slopes of all these steps are to agree."""

AROUND = 2.0**-20
"""The step on either side at which forward has to be finite, relative to an entry."""

MOST = 8
"""The most entries that are tried."""


def of_lost(law: str, part: Part, among: NDArray[np.bool_], words: str = "") -> Verdict | None:
    """The verdict on those of some entries that are not finite, which no other way calls wrong.

    One is wrong where finer steps give a slope. Where they give none, a nan can't be told if forward is finite around;
    an infinity may be right, as of a cube root at 0.
    """
    places = [int(place) for place in np.flatnonzero(among & ~np.isfinite(part.got))[:MOST]]
    for place in places:
        slope = _finest_slope(part, place)
        if math.isfinite(slope):
            expected = np.full(part.got.shape, np.nan)
            expected.flat[place] = slope
            return wrong_at(law, part, expected, place, joined(words, NOT_FINITE))
    for place in places:
        if math.isnan(part.got.flat[place]) and _is_finite_around(part, place):
            index = tuple(int(i) for i in np.unravel_index(place, part.got.shape))
            name = entry(part.trial.names.of(part.name), index)
            note = joined(words, f"{name} is nan where forward is finite on both sides, and no slope is found")
            return Verdict(law, part.name, ok=False, undecided=True, index=index, note=note)
    return None


def _finest_slope(part: Part, place: int) -> float:
    """The slope on both sides of an entry that is 0, by the finest steps; nan if they do not agree on one."""
    if part.leaf.flat[place] != 0:
        return math.nan
    line = part.trial.line({part.name: _unit(part, place)})
    weights = part.dout.reshape(-1)
    with np.errstate(all="ignore"):
        start = line(0.0)
        slopes = [float(weights @ ((line(way * step) - start) / (way * step))) for step in FINEST for way in (1, -1)]
    least, most = min(slopes), max(slopes)
    alike = most - least <= ALIKE * abs(most) and most != 0  # which is 0 where values round away the step
    return slopes[0] if alike and math.isfinite(most) else math.nan


def _is_finite_around(part: Part, place: int) -> bool:
    size = float(sizes_of(part.leaf).flat[place])
    line = part.trial.line({part.name: size * _unit(part, place)})
    with np.errstate(all="ignore"):
        return all(bool(np.isfinite(line(step)).all()) for step in (0.0, AROUND, -AROUND))


def _unit(part: Part, place: int) -> Array:
    return part.alone(np.unravel_index(place, part.got.shape), 1.0)
