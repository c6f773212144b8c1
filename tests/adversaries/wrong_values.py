"""Layers that are wrong for some values: tails, zeros, ties, tiny and huge ones."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Call, Fault, giving, off, pulling, seen, sloping, weighed, wrong
from adversaries.case import Adversary


def where_x(test: Callable[[Any], Any]) -> Callable[[Call], Any]:
    """The entries of dx at which a test of x holds."""
    return lambda call: test(call.x)


def any_x(test: Callable[[Any], Any]) -> Callable[[Call], Any]:
    """True if a test holds for some entry of x."""
    return lambda call: test(call.x).any()


def at(test: Callable[[Any], Any], factor: float) -> Fault:
    """dx is multiplied where a test of x holds."""
    return off("dx", where_x(test), factor)


def to_all_ties(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return (x == x.max(axis=-1, keepdims=True)) * d, ()


def no_ties(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    largest = x == x.max(axis=-1, keepdims=True)
    return (largest & (largest.sum(axis=-1, keepdims=True) == 1)) * d, ()


def sorted_by_values(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """Each entry gets what its value got, the first of equal ones for all of them."""
    places = (np.sort(x, axis=-1)[:, None, :] == x[:, :, None]).argmax(axis=2)
    return np.take_along_axis(d, places, axis=1), ()


def unshifted(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """A softmax that clips its logits so as not to overflow."""
    s = b.probabilities(np.clip(x, -5, 5))
    return s * (d - b.total(s * d)), ()


def table(x: Any) -> Any:
    """The slope of tanh, read from a table that ends at 4."""
    knots = np.linspace(-4, 4, 100_001)
    return b.interpolated(x, knots, 1 - np.tanh(knots) ** 2)


def guarded(x: Any) -> Any:
    return x / np.maximum(b.length(x), 1.0)


def nan_far_out(x: Any) -> Any:
    return b.gelu_slope(x) + b.where(np.abs(x) > 10, np.inf, 0) * 0


ROWS: list[tuple[Base, str, Fault]] = [
    (b.sigmoid, "0 beyond 20", at(lambda x: np.abs(x) > 20, 0)),
    (b.sigmoid, "by 1% beyond 6", at(lambda x: x > 6, 1.01)),
    (b.sigmoid, "x clipped to 4 coming back", seen(lambda x: np.clip(x, -4, 4))),
    (b.tanh, "0 beyond 5", at(lambda x: np.abs(x) > 5, 0)),
    (b.tanh, "a slope of at least 1e-6", sloping(lambda x: np.maximum(1 - np.tanh(x) ** 2, 1e-6))),
    (b.tanh, "the slope from a table", sloping(table)),
    (b.tanh, "1 for small x", sloping(lambda x: b.where(np.abs(x) < 0.02, 1, 1 - np.tanh(x) ** 2))),
    (b.tanh, "doubled at exact zeros", at(lambda x: x == 0, 2)),
    (b.softplus, "1 beyond 8", sloping(lambda x: b.where(x > 8, 1, b.logistic(x)))),
    (b.softplus, "0 below -10", at(lambda x: x < -10, 0)),
    (b.softplus, "slope 2 beyond 20", at(lambda x: x > 20, 2)),
    (b.gelu, "0 beyond 8", at(lambda x: x > 8, 0)),
    (b.gelu, "0 below -3", at(lambda x: x < -3, 0)),
    (
        b.gelu,
        "nan beyond 10, inf times 0",
        sloping(nan_far_out),
    ),
    (b.silu, "1 beyond 5", sloping(lambda x: b.where(x > 5, 1, b.silu_slope(x)))),
    (b.silu, "the tail below -20 has the wrong sign", at(lambda x: x < -20, -1)),
    (b.elu, "slope 0 below -2", at(lambda x: x < -2, 0)),
    (b.relu, "0 beyond 6, as relu6", at(lambda x: x > 6, 0)),
    (b.relu, "slope 2 at 0", sloping(lambda x: b.where(x == 0, 2, x > 0))),
    (b.relu, "slope -1 at 0", sloping(lambda x: b.where(x == 0, -1.0, x > 0))),
    (b.relu, "a threshold of 1e-3 coming back", sloping(lambda x: x > 1e-3)),
    (b.absolute, "slope 2 at 0", sloping(lambda x: b.where(x == 0, 2, np.sign(x)))),
    (b.absolute, "0 for tiny x", at(lambda x: np.abs(x) < 1e-3, 0)),
    (b.leaky_relu, "the leak ends at -10", at(lambda x: x < -10, 0)),
    (b.square, "clipped beyond 10", seen(lambda x: np.clip(x, -10, 10))),
    (b.square, "nan at 0", sloping(lambda x: 2 * x * x / x)),
    (b.square, "0 / 0 taken for 1 at 0", sloping(lambda x: b.where(x == 0, 1, 2 * x))),
    (b.cube, "abs for negative x", sloping(lambda x: b.where(x < 0, -1, 1) * 3 * x * x)),
    (b.cube, "by 1e-6 for negative x", at(lambda x: x < 0, 1 + 1e-6)),
    (b.exp, "capped at e^5 coming back", seen(lambda x: np.minimum(x, 5))),
    (b.exp, "0 below -8", at(lambda x: x < -8, 0)),
    (b.sine, "1 for |x| < 1e-2", sloping(lambda x: b.where(np.abs(x) < 1e-2, 1, np.cos(x)))),
    (b.sine, "no reduction beyond 2 pi", sloping(lambda x: np.cos(np.clip(x, -2 * np.pi, 2 * np.pi)))),
    (b.log, "not above 10 coming back", seen(lambda x: np.minimum(x, 10))),
    (b.log, "not below 1e-2 coming back", seen(lambda x: np.maximum(x, 1e-2))),
    (b.sqrt, "not below 1e-2 coming back", seen(lambda x: np.maximum(x, 1e-2))),
    (b.sqrt, "by 1e-4 beyond 16", at(lambda x: x > 16, 1 + 1e-4)),
    (b.reciprocal, "not beyond 8 coming back", seen(lambda x: np.minimum(x, 8))),
    (b.softmax, "logits clipped to 5 coming back", pulling(unshifted)),
    (b.softmax, "an epsilon of 1e-6 in p coming back", pulling(lambda p, x, d: epsilon_softmax(x, d))),
    (b.maximum, "to every tie, in full", pulling(to_all_ties)),
    (b.maximum, "to none of several ties", pulling(no_ties)),
    (b.ordered, "equal values share the first's gradient", pulling(sorted_by_values)),
    (b.unit, "lengths below 1 not divided by coming back", pulling(lambda p, x, d: guarded_unit(x, d))),
    (b.unit, "an epsilon of 1e-4 forward", giving(lambda p, x: x / (b.length(x) + 1e-4))),
    (b.norm, "an epsilon of 1e-6 coming back", pulling(lambda p, x, d: (x / (b.length(x) + 1e-6) * d, ()))),
    (
        b.product,
        "the whole divided by x, which may be 0",
        pulling(lambda p, x, d: (x.prod(axis=1)[:, None] / x * d, ())),
    ),
    (b.affine, "dx, 0 in rows of zeros", at(lambda x: ~x.any(axis=1), 0)),
    (b.affine, "dW, by 1% where some x is beyond 20", off("dW", ..., 1.01, any_x(lambda x: np.abs(x) > 20))),
    (b.affine, "dW, doubled where all x are small", off("dW", ..., 2, lambda c: np.abs(c.x).max(initial=0) < 0.02)),
    (b.affine, "dx, by 1e-6 where x is negative", at(lambda x: x < 0, 1 + 1e-6)),
    (b.affine, "W clipped to 1/2 coming back", weighed(lambda a: np.clip(a, -0.5, 0.5))),
    (b.layer_norm, "dx, 0 in rows of small variance", at(lambda x: x.var(axis=1) < 1e-3, 0)),
    (b.layer_norm, "dgamma, by 1% where x is large", off("dgamma", ..., 1.01, any_x(lambda x: np.abs(x) > 10))),
    (b.layer_norm, "dx, by 1e-3 in rows with a mean beyond 5", at(lambda x: np.abs(x.mean(axis=1)) > 5, 1.001)),
    (b.prelu, "dx, 0 at exact zeros", at(lambda x: x == 0, 0)),
    (b.polynomial, "dc[3] of |x|", pulling(lambda c, x, d: (b.polynomial.pull(c, x, d)[0], absolute_dc(x, d)))),
    (b.distance, "dx, 0 far from a centre", at(lambda x: np.abs(x) > 10, 0)),
    (b.glu, "the gate closed beyond 5", at(lambda x: np.abs(x) > 5, 0)),
    (b.hardtanh, "slope 1 at values beyond 10", sloping(lambda x: (np.abs(x) < 1) | (np.abs(x) > 10))),
]


def epsilon_softmax(x: Any, d: Any) -> tuple[Any, Any]:
    s = b.probabilities(x) + 1e-6
    return s * (d - b.total(s * d)), ()


def guarded_unit(x: Any, d: Any) -> tuple[Any, Any]:
    h, n = x / b.length(x), np.maximum(b.length(x), 1)
    return (d - h * b.total(h * d)) / n, ()


def absolute_dc(x: Any, d: Any) -> Any:
    return np.array([d.sum(), (d * x).sum(), (d * x * x).sum(), (d * np.abs(x) ** 3).sum()])


def values() -> list[Adversary]:
    """Members that are wrong for some values."""
    return [wrong("values", base, what, fault) for base, what, fault in ROWS]
