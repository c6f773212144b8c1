"""Medians and quartiles, of times and of ratios."""

from collections.abc import Sequence

import numpy as np
from attrs import frozen


@frozen
class Spread:
    """The middle of some measurements, and the half of them around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The median and the quartiles."""
        low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        return cls(median, low, high)

    @classmethod
    def of_ratios(cls, over: Sequence[float], under: Sequence[float]) -> "Spread":
        """That of the ratios, round by round: not the ratio of two medians, which need not be of one round."""
        return cls.of([a / b for a, b in zip(over, under, strict=True)])
