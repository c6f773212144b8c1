"""Values and slopes of elementwise layers, beside their definitions in 50 digits over the whole line."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule import Array, Layer
from reference import mpmath

Terms: TypeAlias = tuple[Sequence[Any], Sequence[Any]]
"""The terms whose sums are the value and the slope: where they cancel, nobody asks for the digits that are lost."""

Definition: TypeAlias = Callable[[Any], Terms]
"""The terms at a number of mpmath."""

LAST = 750.0
"""No exponential of the layers is a number above 0 farther out."""

U = 2.0**-53
"""The unit of rounding of float64."""


def line(n: int) -> NDArray[np.float64]:
    """About 6 n numbers: near and far, of both signs, and of all sizes down to the smallest."""
    sizes = np.logspace(-307, 4, n)
    return np.concatenate([np.linspace(-40, 40, 2 * n), np.linspace(-750, 750, 2 * n), -sizes, sizes])


def value_and_slope(layer: Layer[tuple[()], Any], x: Array) -> tuple[Array, Array]:
    """The output, and backward of ones."""
    out, cache = layer.forward((), x)
    return out, layer.backward(cache, np.ones_like(out))[0]


def errors(layer: Layer[tuple[()], Any], definition: Definition, x: Array) -> tuple[NDArray[Any], NDArray[Any]]:
    """(2, n), (2, n): the errors of value and slope, in units of rounding of the largest term; those that are allowed.

    An error of 1e-14 of the exact value and of four units of the largest term is allowed. Below the normal numbers the
    unit is that of the smallest of them, and a product of x with such a number, rounded twice, is off by 2 |x| units.
    """
    smallest = mpmath.mpf(np.finfo(float).smallest_normal)
    found, allowed = np.zeros((2, x.size)), np.zeros((2, x.size))
    results = value_and_slope(layer, x)
    with mpmath.workdps(50):
        for i, number in enumerate(x):
            for j, terms in enumerate(definition(mpmath.mpf(float(number)))):
                exact, largest = mpmath.fsum(terms), max(abs(term) for term in terms)
                unit = U * max(largest, smallest)
                found[j, i] = abs(mpmath.mpf(float(results[j][i])) - exact) / unit
                allowed[j, i] = (
                    1e-14 * abs(exact) / unit + 4 + (2 * min(abs(number), LAST) if largest < smallest else 0)
                )
    return found, allowed


def assert_accurate(layer: Layer[tuple[()], Any], definition: Definition, *near: float) -> None:
    """Nowhere on the line is more lost than is allowed, near some numbers neither."""
    around = [at + step for at in near for step in (-1e-3, -1e-8, 0.0, 1e-8, 1e-3)]
    x = np.concatenate([line(200), around])
    found, allowed = errors(layer, definition, x)
    worst = np.argmax(found / allowed, axis=1)
    for j, name in enumerate(("value", "slope")):
        at = worst[j]
        assert found[j, at] <= allowed[j, at], f"the {name} at {x[at]} is off by {found[j, at]:.1f} units of rounding"
