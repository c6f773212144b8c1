"""Exponentials of large exponents, to the last digits.

    exp(-p(x))        p(x) = c1 x + c2 x^2 + c3 x^3 + ...

A rounding of p(x) is a relative error of exp(-p(x)) that is p(x) times as large, and where the tail of a density ends,
p(x) is 745. So p(x) is taken at h, the multiple of 1/16 next to x, at which it has few digits and is exact, and what is
missing is small:

    p(x) = p(h) + (x - h) q        q = (p(x) - p(h)) / (x - h)

Horner's scheme gives p(h) and the quotient q, which is a polynomial, together. A coefficient with too many digits is
split in two.
"""

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array

DIGITS = 2.0**29
"""The coefficients of p(h) are multiples of its inverse: for h up to 40, a cubic then needs at most 53 bits."""


def decay_of(xp: Namespace, x: Array, polynomial: tuple[float, ...], *, fine: bool) -> Array:
    """`exp(-p(x))` for -40 <= x <= 40, where the polynomial has up to three coefficients c1, c2, ...

    By parts if it is to be fine, as in float64: in narrower dtypes a tail ends before its digits do.
    """
    if not fine:
        highest, *lower = (-c for c in reversed(polynomial))
        exponent: Array = highest * x
        for c in lower:
            if c:
                exponent += c
            exponent *= x
        return xp.exp(exponent)
    h = xp.round(x * 16) / 16
    exact = rest = q = xp.zeros_like(x)
    for c in (*reversed(polynomial), 0.0):
        q = exact + rest + x * q
        top = round(c * DIGITS) / DIGITS
        exact, rest = top + exact * h, (c - top) + rest * h
    e = xp.exp(-exact)
    return e + e * xp.expm1(-rest - (x - h) * q)
