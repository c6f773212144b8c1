"""The numerical derivative with which a backward pass is compared, by the most exact method for the function."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.checking.complex_step import STEP, lift
from chainrule.checking.numerical_gradient import Method

Real: TypeAlias = NDArray[Any]

BOUNDS: dict[Method, tuple[float, float]] = {
    # Rounding of sums of up to a thousand products; and 1e-10 of an entry, so that one part in 10^9 is seen.
    "complex": (256 * 2.0**-52, 1e-10),
    # h^2 and eps / h are some 4e-11 each for h = 6e-6; times third derivatives and sums, some thousand times that.
    "central": (1e-7, 1e-6),
}
"""The error that a right derivative may have: relative to the largest entry, and to the entry itself."""


def best_method(f: Callable[[Any], Real], at: Any, rng: np.random.Generator) -> Method:
    """Find out whether the complex step may be trusted for a function of a tree of float64 arrays, at a point.

    It may if `f` takes complex arrays and the derivative in a random direction agrees with differences. It may not if
    `f` fails, drops the imaginary part, or gives a wrong derivative without an error, as `np.abs` does.
    """
    direction = tree.map(lambda leaf: rng.standard_normal(leaf.shape), at)
    try:
        with np.errstate(all="ignore"):
            value: Real = np.asarray(f(tree.map(_lifted_step, at, direction)))
            if not np.iscomplexobj(value):
                return "central"
            slope: Real = np.imag(value) / STEP
            h = 2.0**-20  # about 1e-6: differences are then right to some 1e-9
            ahead = np.asarray(f(tree.map(partial(_step, h), at, direction)))
            back = np.asarray(f(tree.map(partial(_step, -h), at, direction)))
    except Exception:  # noqa: BLE001  # whatever a function does with complex numbers that it was not written for
        return "central"
    agree = np.allclose(slope, (ahead - back) / (2 * h), rtol=1e-6, atol=1e-7 * float(np.abs(slope).max(initial=1e-3)))
    return "complex" if agree else "central"


def _step(h: float, a: Real, v: Real) -> Real:
    return a + h * v


def _lifted_step(a: Real, v: Real) -> Real:
    stepped: Real = lift(a)
    stepped += 1j * STEP * v
    return stepped
