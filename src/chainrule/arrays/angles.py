"""The angles by which rotary positions turn pairs of features, in float64 or more.

    w = p base^(-2i/d)

for place p and pair i of d/2. A rounding of an angle is an error of its sine as large, and angles grow with the place.
"""

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.types import Array


def turns(t: int, pairs: int, base: float, dtype: DTypeLike = np.float64) -> tuple[Array, Array]:
    """(t, pairs) each: cosine and sine of the angle of each place and pair, as fresh arrays."""
    angles = np.arange(t)[:, None] * base ** (-np.arange(pairs, dtype=dtype) / max(pairs, 1))
    return np.cos(angles), np.sin(angles)
