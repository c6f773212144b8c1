"""Initializers: functions `(rng, shape, fan_in, fan_out, dtype)` that draw weights, for `init(..., weights=he_normal)`.

What varies is the variance, and each says by which argument it is chosen. Options are bound by `functools.partial`:
`weights=partial(normal, std=0.02)`.
"""

from chainrule.initializers.distributions import normal, truncated_normal, uniform, zeros
from chainrule.initializers.fans import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)
from chainrule.initializers.fresh import Initializer
from chainrule.initializers.rotation import orthogonal

__all__ = [
    "Initializer",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "zeros",
]
