"""The normal distribution: its density, and its tails, in every library that has an error function.

    F(-x) = (1 - erf(x / sqrt(2))) / 2 = f(x) sqrt(pi / 2) erfcx(x / sqrt(2))        f(x) = exp(-x^2 / 2) / sqrt(2 pi)

for x >= 0, where F is the distribution function. The scaled complementary error function, erfcx(z) = exp(z^2) erfc(z),
changes slowly, so that the digits of the tail F(-x) depend on those of the exponential alone, and `decay_of` keeps
them. Below 1 the form with `erf` has a digit more.
"""

import math
from importlib import import_module
from typing import Any

import numpy as np
from attrs import frozen

from chainrule.arrays.extras import pip_install
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array, is_numpy, library_name

HOMES = {
    "numpy": "scipy.special",
    "dask": "scipy.special",
    "torch": "torch.special",
    "cupy": "cupyx.scipy.special",
}
"""By libraries, the modules that have their `erf` and `erfcx`. SciPy's functions take dask's arrays too."""

MOST = 39.0
"""From here on both tails are 0, in float64 too."""


def gaussian(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """The tail F(-|x|) and the density f(x)."""
    functions = _functions(x)
    size = xp.clip(xp.abs(x), 0.0, MOST)
    z, density = size * 0.5**0.5, xp.decay_of(size, (0.0, 0.5)) * (2 * math.pi) ** -0.5
    far = density * (functions.erfcx(z) * (math.pi / 2) ** 0.5)
    return xp.where(size < 1, 0.5 - 0.5 * functions.erf(z), far), density


def _functions(x: Array) -> Any:
    """The `erf` and `erfcx` of the library of an array: SciPy's for NumPy, and for dask.

    An ImportError if SciPy is not installed; a TypeError if the library has none.
    """
    library = library_name(x)
    if library.startswith("jax"):
        return ByErfc(import_module("jax.numpy"), import_module("jax.scipy.special"))
    if library not in HOMES:
        raise TypeError(f"gelu_erf: {library} has no erf: take gelu")
    try:
        home = import_module(HOMES[library])
    except ImportError:
        raise ImportError(f"gelu_erf: NumPy has no erf: {pip_install('scipy')}, or take gelu") from None
    return InFloat64(home) if is_numpy(x) and x.dtype.itemsize > 8 else home


@frozen
class InFloat64:
    """SciPy for more digits than its functions have."""

    home: Any

    def erf(self, z: Any) -> Any:
        """The error function."""
        return self.home.erf(z.astype(np.float64)).astype(z.dtype)

    def erfcx(self, z: Any) -> Any:
        """The scaled complementary error function."""
        return self.home.erfcx(z.astype(np.float64)).astype(z.dtype)


@frozen
class ByErfc:
    """A library that has `erfc` and no `erfcx`, as JAX."""

    xp: Any
    home: Any

    def erf(self, z: Any) -> Any:
        """The error function."""
        return self.home.erf(z)

    def erfcx(self, z: Any) -> Any:
        """By `erfc` below 8, and above by the asymptotic series 1 - r + 3 r^2 - 15 r^3 + ... with r = 1 / (2 z^2)."""
        near, far = self.xp.minimum(z, 8.0), self.xp.maximum(z, 8.0)
        series, r = 1.0, 0.5 / (far * far)
        for odd in range(31, 0, -2):  # the next term is below 1e-16
            series = 1 - odd * r * series
        return self.xp.where(z < 8, self.xp.exp(near * near) * self.home.erfc(near), series / (far * math.pi**0.5))
