"""Right layers that take each number alone: smooth ones, well and ill conditioned, and up to the ends of a domain."""

import math
from typing import Any, TypeAlias

import numpy as np

from adversaries.case import Adversary
from adversaries.right_parts import (
    Draw,
    Function,
    member,
    normal,
    pointwise,
    powers,
    sigmoid_of,
    sigmoid_slope,
    signed_powers,
    tanh_slope,
    uniform,
    with_values,
)

Row: TypeAlias = tuple[str, Function, Function, Draw]
"""Its name in words, the function, its slope, and the input."""

ROOT = math.sqrt(2 / math.pi)
SOME = normal(5, 4)
POSITIVE = uniform(0.1, 3, 5, 4)
WITHIN = uniform(0.02, 0.98, 5, 4)
FAR = with_values(normal(5, 4, scale=30), -21.0, 22.0, -35.0, 40.0, 0.5, -0.5)


def erfc(x: Any) -> Any:
    """In float64 inside, as Python's."""
    return np.asarray(np.vectorize(math.erfc, otypes=[float])(x), x.dtype)


def normal_cdf(x: Any) -> Any:
    return 0.5 * erfc(-x * math.sqrt(0.5))


def normal_pdf(x: Any) -> Any:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def gelu_inner(x: Any) -> Any:
    return ROOT * (x + 0.044715 * x * x * x)


def gelu_slope(x: Any) -> Any:
    """By sigmoid(2 inner) for (1 + tanh(inner)) / 2, which keeps the digits of the tail."""
    inner = 2 * gelu_inner(x)
    return sigmoid_of(inner) + x * sigmoid_slope(inner) * 2 * ROOT * (1 + 3 * 0.044715 * x * x)


def mish_slope(x: Any) -> Any:
    soft = np.logaddexp(0, x)
    return np.tanh(soft) + x * tanh_slope(soft) * sigmoid_of(x)


def entropy(x: Any) -> Any:
    return -x * np.log(x) - (1 - x) * np.log1p(-x)


def logit(x: Any) -> Any:
    return np.log(x) - np.log1p(-x)


def horner(x: Any) -> Any:
    return ((0.5 * x - 2) * x + 1) * x + 3


def log_cosh(x: Any) -> Any:
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2)


def logistic_map(x: Any) -> Any:
    for _ in range(20):
        x = 3.7 * x * (1 - x)
    return x


def logistic_map_slope(x: Any) -> Any:
    slope = x * 0 + 1
    for _ in range(20):
        slope = slope * (3.7 * (1 - 2 * x))
        x = 3.7 * x * (1 - x)
    return slope


def sines(x: Any) -> Any:
    for _ in range(20):
        x = np.sin(3 * x)
    return x


def sines_slope(x: Any) -> Any:
    slope = x * 0 + 1
    for _ in range(20):
        slope = slope * 3 * np.cos(3 * x)
        x = np.sin(3 * x)
    return slope


def babylonian(x: Any) -> Any:
    root = 1 + x * 0
    for _ in range(20):
        root = (root + x / root) / 2
    return root


def babylonian_slope(x: Any) -> Any:
    root, slope = 1 + x * 0, x * 0
    for _ in range(20):
        root, slope = (root + x / root) / 2, (slope + 1 / root - x * slope / root**2) / 2
    return slope


def chebyshev(x: Any) -> Any:
    return 16 * x**5 - 20 * x**3 + 5 * x


SMOOTH: list[Row] = [
    ("sin", np.sin, np.cos, SOME),
    ("cos", np.cos, lambda x: -np.sin(x), SOME),
    ("tan", np.tan, lambda x: 1 + np.tan(x) ** 2, uniform(-1.4, 1.4, 5, 4)),
    ("exp", np.exp, np.exp, SOME),
    ("expm1 of small numbers", np.expm1, np.exp, normal(5, 4, scale=1e-6)),
    ("2 to the power x", np.exp2, lambda x: math.log(2) * np.exp2(x), SOME),
    ("square", lambda x: x * x, lambda x: 2 * x, SOME),
    ("cube", lambda x: x**3, lambda x: 3 * x * x, SOME),
    ("polynomial by Horner", horner, lambda x: (1.5 * x - 4) * x + 1, SOME),
    ("polynomial of Chebyshev", chebyshev, lambda x: 80 * x**4 - 60 * x**2 + 5, SOME),
    ("arctan", np.arctan, lambda x: 1 / (1 + x * x), SOME),
    ("arcsinh", np.arcsinh, lambda x: 1 / np.hypot(x, 1), SOME),
    ("sinh", np.sinh, np.cosh, SOME),
    ("cosh", np.cosh, np.sinh, SOME),
    ("Lorentzian", lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2, SOME),
    ("Gaussian", lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), SOME),
    ("rational", lambda x: (x * x - 1) / (x * x + 1), lambda x: 4 * x / (x * x + 1) ** 2, SOME),
    ("hypotenuse", lambda x: np.sqrt(x * x + 1), lambda x: x / np.sqrt(x * x + 1), SOME),
    ("smooth abs", lambda x: np.sqrt(x * x + 1e-6), lambda x: x / np.sqrt(x * x + 1e-6), SOME),
    ("log cosh", log_cosh, np.tanh, SOME),
    ("softsign", lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2, SOME),
    ("tanh by 1 - y²", np.tanh, lambda x: 1 - np.tanh(x) ** 2, SOME),
    ("sigmoid by tanh of the half", lambda x: 0.5 + 0.5 * np.tanh(x / 2), sigmoid_slope, SOME),
    ("softplus", lambda x: np.logaddexp(0, x), sigmoid_of, SOME),
    ("softplus of 50 x", lambda x: np.logaddexp(0, 50 * x) / 50, lambda x: sigmoid_of(50 * x), SOME),
    ("silu", lambda x: x * sigmoid_of(x), lambda x: sigmoid_of(x) + x * sigmoid_slope(x), SOME),
    ("mish", lambda x: x * np.tanh(np.logaddexp(0, x)), mish_slope, SOME),
    ("gelu by tanh", lambda x: x * sigmoid_of(2 * gelu_inner(x)), gelu_slope, SOME),
    ("gelu by erfc", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_pdf(x), SOME),
    ("normal distribution", normal_cdf, normal_pdf, SOME),
    ("tanhshrink", lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2, SOME),
    ("x |x|", lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), SOME),
    ("snake", lambda x: x + np.sin(x) ** 2, lambda x: 1 + np.sin(2 * x), SOME),
    ("affine by constants", lambda x: 3 * x - 0.25, lambda x: x * 0 + 3, SOME),
    ("a constant", lambda x: x * 0 + 7, lambda x: x * 0, SOME),
]
ILL: list[Row] = [
    ("sin(1000 x)", lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), SOME),
    (
        "sin(1024 π x)",
        lambda x: np.sin(1024 * math.pi * x),
        lambda x: 1024 * math.pi * np.cos(1024 * math.pi * x),
        SOME,
    ),
    ("sin(10,000 x)", lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), SOME),
    ("cos of large numbers", np.cos, lambda x: -np.sin(x), normal(5, 4, scale=1e4)),
    ("exp(8 x)", lambda x: np.exp(8 * x), lambda x: 8 * np.exp(8 * x), SOME),
    ("exp(-8 x)", lambda x: np.exp(-8 * x), lambda x: -8 * np.exp(-8 * x), SOME),
    ("x⁵", lambda x: x**5, lambda x: 5 * x**4, SOME),
    ("x⁹", lambda x: x**9, lambda x: 9 * x**8, SOME),
    ("x² + 1e6", lambda x: x * x + 1e6, lambda x: 2 * x, SOME),
    ("sin x + 1e8", lambda x: np.sin(x) + 1e8, np.cos, SOME),
    ("tanh(1e5 x) near 0", lambda x: np.tanh(1e5 * x), lambda x: 1e5 * tanh_slope(1e5 * x), normal(5, 4, scale=1e-5)),
    ("tanh(1e5 x) near 1", lambda x: np.tanh(1e5 * x), lambda x: 1e5 * tanh_slope(1e5 * x), SOME),
    ("sigmoid(1e3 x)", lambda x: sigmoid_of(1e3 * x), lambda x: 1e3 * sigmoid_slope(1e3 * x), normal(5, 4, scale=1e-2)),
    ("logistic map 20 times", logistic_map, logistic_map_slope, WITHIN),
    ("sin(3 x) 20 times", sines, sines_slope, SOME),
    ("Babylonian root in 20 steps", babylonian, babylonian_slope, uniform(0.1, 9, 5, 4)),
    ("tan near its poles", np.tan, lambda x: 1 / np.cos(x) ** 2, uniform(1.5, 1.57, 5, 4)),
    ("1 / x", lambda x: 1 / x, lambda x: -1 / (x * x), signed_powers(-3, 2, 5, 4)),
    ("1 / x²", lambda x: x**-2.0, lambda x: -2 * x**-3.0, signed_powers(-2, 1, 5, 4)),
    ("sin(1 / x)", lambda x: np.sin(1 / x), lambda x: -np.cos(1 / x) / (x * x), signed_powers(-2, 0, 5, 4)),
    ("log |x|", lambda x: np.log(np.abs(x)), lambda x: 1 / x, signed_powers(-4, 1, 5, 4)),
    ("smooth abs, sharp", lambda x: np.hypot(x, 1e-4), lambda x: x / np.hypot(x, 1e-4), normal(5, 4, scale=1e-3)),
    (
        "a narrow bell",
        lambda x: np.exp(-(1e4 * x * x)),
        lambda x: -2e4 * x * np.exp(-1e4 * x * x),
        normal(5, 4, scale=0.01),
    ),
    ("fast beside slow", lambda x: x + 1e-3 * np.sin(1e4 * x), lambda x: 1 + 10 * np.cos(1e4 * x), SOME),
]
DOMAINS: list[Row] = [
    ("log", np.log, lambda x: 1 / x, POSITIVE),
    ("log, an entry of 1e-4", np.log, lambda x: 1 / x, with_values(POSITIVE, 0.3, 1e-4)),
    ("log of 1e-8 to 1", np.log, lambda x: 1 / x, powers(-8, 0, 5, 4)),
    ("log1p near -1", np.log1p, lambda x: 1 / (1 + x), with_values(uniform(-0.9, 1, 5, 4), -0.9999, -0.999999)),
    ("log2", np.log2, lambda x: 1 / (x * math.log(2)), POSITIVE),
    ("log10 by log", lambda x: np.log(x) / math.log(10), lambda x: 1 / (math.log(10) * x), POSITIVE),
    ("log log", lambda x: np.log(np.log(x)), lambda x: 1 / (x * np.log(x)), uniform(1.01, 9, 5, 4)),
    ("x log x", lambda x: x * np.log(x), lambda x: np.log(x) + 1, POSITIVE),
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), POSITIVE),
    ("sqrt of 1e-12 to 1", np.sqrt, lambda x: 0.5 / np.sqrt(x), powers(-12, 0, 5, 4)),
    ("cube root", np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2), signed_powers(-3, 1, 5, 4)),
    ("reciprocal root", lambda x: 1 / np.sqrt(x), lambda x: -0.5 / (x * np.sqrt(x)), powers(-4, 2, 5, 4)),
    ("x^1.5", lambda x: x**1.5, lambda x: 1.5 * np.sqrt(x), powers(-6, 2, 5, 4)),
    ("x^0.3", lambda x: x**0.3, lambda x: 0.3 * x**-0.7, powers(-6, 2, 5, 4)),
    ("x^-2.5", lambda x: x**-2.5, lambda x: -2.5 * x**-3.5, powers(-1, 1, 5, 4)),
    ("x^x", lambda x: x**x, lambda x: x**x * (np.log(x) + 1), POSITIVE),
    ("logit", logit, lambda x: 1 / (x * (1 - x)), WITHIN),
    ("logit near the ends", logit, lambda x: 1 / (x * (1 - x)), with_values(WITHIN, 1e-6, 1 - 1e-6, 1e-4, 0.9999)),
    ("entropy", entropy, lambda x: -logit(x), WITHIN),
    ("entropy near the ends", entropy, lambda x: -logit(x), with_values(WITHIN, 1e-6, 1 - 1e-6, 1e-4)),
    ("arcsin", np.arcsin, lambda x: 1 / np.sqrt((1 - x) * (1 + x)), uniform(-0.95, 0.95, 5, 4)),
    (
        "arcsin near the ends",
        np.arcsin,
        lambda x: 1 / np.sqrt((1 - x) * (1 + x)),
        with_values(uniform(-0.95, 0.95, 5, 4), -1 + 1e-6, 1 - 1e-5, 0.999),
    ),
    (
        "arccos near the ends",
        np.arccos,
        lambda x: -1 / np.sqrt((1 - x) * (1 + x)),
        with_values(uniform(-0.95, 0.95, 5, 4), -1 + 1e-6, 1 - 1e-5, 0.999),
    ),
    ("arctanh", np.arctanh, lambda x: 1 / ((1 - x) * (1 + x)), uniform(-0.95, 0.95, 5, 4)),
    (
        "arctanh near the ends",
        np.arctanh,
        lambda x: 1 / ((1 - x) * (1 + x)),
        with_values(uniform(-0.95, 0.95, 5, 4), -1 + 1e-6, 1 - 1e-5, 0.999),
    ),
    ("arccosh", np.arccosh, lambda x: 1 / np.sqrt((x - 1) * (x + 1)), uniform(1.01, 5, 5, 4)),
]
TAILS: list[Row] = [
    ("sigmoid", sigmoid_of, sigmoid_slope, FAR),
    ("tanh", np.tanh, tanh_slope, FAR),
    ("softplus", lambda x: np.logaddexp(0, x), sigmoid_of, FAR),
    ("log sigmoid", lambda x: -np.logaddexp(0, -x), lambda x: sigmoid_of(-x), FAR),
    ("silu", lambda x: x * sigmoid_of(x), lambda x: sigmoid_of(x) + x * sigmoid_slope(x), FAR),
    ("gelu by tanh", lambda x: x * sigmoid_of(2 * gelu_inner(x)), gelu_slope, FAR),
    ("gelu by erfc", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_pdf(x), FAR),
    ("arctan", np.arctan, lambda x: 1 / (1 + x * x), normal(5, 4, scale=1e6)),
    ("softsign", lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2, normal(5, 4, scale=1e6)),
    ("log cosh", log_cosh, np.tanh, FAR),
]


def pointwise_layers() -> list[Adversary]:
    tables = {"smooth": SMOOTH, "ill-conditioned": ILL, "domain": DOMAINS, "tails": TAILS}
    return [_member(kind, row) for kind, table in tables.items() for row in table]


def _member(kind: str, row: Row) -> Adversary:
    name, f, slope, x = row
    return member(f"{kind}: {name}", kind, lambda: pointwise(f, slope), x)
