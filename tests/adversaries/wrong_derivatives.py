"""Derivatives that are wrong everywhere: a term forgotten, a sign, a factor, a transpose, another function's slope."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from adversaries import bases as b
from adversaries.bases import Base, Fault, fed, giving, off, pulling, sloping, weighed, wrong
from adversaries.case import Adversary
from chainrule import Affine

Row: TypeAlias = tuple[Base, str, Fault]


def slopes() -> list[Row]:
    """Slopes of elementwise functions."""
    s, t = b.logistic, np.tanh
    return [
        (b.relu, "passes what is negative", sloping(lambda x: x < 0)),
        (b.relu, "passes everything", sloping(np.ones_like)),
        (b.relu, "a leak coming back", sloping(lambda x: b.where(x > 0, 1, 1e-6))),
        (b.relu, "capped at 1 coming back", sloping(lambda x: (x > 0) & (x < 1))),
        (b.relu, "the slope is the output", sloping(lambda x: np.maximum(x, 0))),
        (b.leaky_relu, "another leak coming back", sloping(lambda x: b.where(x > 0, 1, 0.01))),
        (b.leaky_relu, "no leak coming back", sloping(lambda x: x > 0)),
        (b.leaky_relu, "a leak of 0.1 + 1e-6", sloping(lambda x: b.where(x > 0, 1, 0.1 + 1e-6))),
        (b.absolute, "slope 1 everywhere", sloping(np.ones_like)),
        (b.absolute, "the slope is x", sloping(lambda x: x)),
        (b.absolute, "smoothed coming back", sloping(lambda x: x / np.sqrt(x * x + 1e-4))),
        (b.hardtanh, "never saturates coming back", sloping(np.ones_like)),
        (b.hardtanh, "saturates on one side alone", sloping(lambda x: x < 1)),
        (b.hardtanh, "saturates at 0.9 coming back", sloping(lambda x: np.abs(x) < 0.9)),
        (b.sigmoid, "without its complement", sloping(s)),
        (b.sigmoid, "s (1 + s)", sloping(lambda x: s(x) * (1 + s(x)))),
        (b.sigmoid, "slope of the output", sloping(lambda x: s(s(x)) * (1 - s(s(x))))),
        (b.sigmoid, "s squared for s (1 - s)", sloping(lambda x: s(x) ** 2)),
        (b.sigmoid, "a constant of 1/4", sloping(lambda x: np.full_like(x, 0.25))),
        (b.sigmoid, "an epsilon of 1e-6 in the slope", sloping(lambda x: s(x) * (1 - s(x)) + 1e-6)),
        (b.tanh, "without its square", sloping(lambda x: 1 - t(x))),
        (b.tanh, "of the output", sloping(lambda x: 1 - t(t(x)) ** 2)),
        (b.tanh, "the slope by a polynomial", sloping(lambda x: 1 - x**2 + 2 / 3 * x**4)),
        (b.tanh, "1 - x squared", sloping(lambda x: 1 - x * x)),
        (b.softplus, "the slope of relu", sloping(lambda x: x > 0)),
        (b.softplus, "the slope is tanh", sloping(t)),
        (b.softplus, "sigmoid of -x", sloping(lambda x: s(-x))),
        (b.elu, "the output below 0 for the output + 1", sloping(lambda x: b.where(x > 0, 1, np.expm1(x)))),
        (b.elu, "slope 1 below 0", sloping(np.ones_like)),
        (b.gelu, "the slope of the exact one", sloping(exact_gelu_slope)),
        (
            b.gelu,
            "the slope by sigmoid(1.702 x)",
            sloping(lambda x: b.silu_slope(1.702 * x)),
        ),
        (b.gelu, "without its inner derivative", sloping(lambda x: 0.5 * (1 + t(b.K * (x + 0.044715 * x**3))))),
        (b.gelu, "0.044715 without its 3", sloping(gelu_without_three)),
        (b.gelu, "0.044716 coming back", sloping(lambda x: gelu_slope_of(x, 0.044716))),
        (b.gelu, "sqrt(2 / pi) to 4 digits", sloping(lambda x: gelu_slope_of(x, 0.044715, 0.7979))),
        (b.silu, "without the product rule", sloping(s)),
        (b.silu, "x s (1 - s) alone", sloping(lambda x: x * s(x) * (1 - s(x)))),
        (b.silu, "s (1 + x s)", sloping(lambda x: s(x) * (1 + x * s(x)))),
        (b.square, "the 2 is missing", sloping(lambda x: x)),
        (b.square, "the slope is the output", sloping(lambda x: x * x)),
        (b.cube, "a factor of 2 for 3", sloping(lambda x: 2 * x * x)),
        (b.cube, "an odd slope", sloping(lambda x: 3 * x * np.abs(x))),
        (b.sine, "minus the cosine", sloping(lambda x: -np.cos(x))),
        (b.sine, "the series of the cosine", sloping(lambda x: 1 - x * x / 2 + x**4 / 24)),
        (b.arctan, "a square root too much", sloping(lambda x: 1 / np.sqrt(1 + x * x))),
        (b.exp, "by x", sloping(lambda x: x)),
        (b.exp, "exp of the output's half", sloping(lambda x: np.exp(x / 2))),
        (b.log, "an epsilon of 1e-6 coming back", sloping(lambda x: 1 / (x + 1e-6))),
        (b.log, "to base 2 coming back", sloping(lambda x: 1 / (x * math.log(2)))),
        (b.log, "the slope of log1p", sloping(lambda x: 1 / (1 + x))),
        (b.sqrt, "1 / sqrt(x)", sloping(lambda x: 1 / np.sqrt(x))),
        (b.sqrt, "an epsilon of 1e-6 under the root coming back", sloping(lambda x: 0.5 / np.sqrt(x + 1e-6))),
        (b.reciprocal, "the sign is wrong", sloping(lambda x: 1 / (x * x))),
        (b.reciprocal, "not squared", sloping(lambda x: -1 / x)),
        (b.softsign, "not squared", sloping(lambda x: 1 / (1 + np.abs(x)))),
        (b.identity, "gradient of 1 - 1e-6", fed(lambda d: d * (1 - 1e-6))),
    ]


def exact_gelu_slope(x: Any) -> Any:
    cumulative = np.vectorize(math.erf)(x / math.sqrt(2))
    return 0.5 * (1 + cumulative) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_without_three(x: Any) -> Any:
    t = np.tanh(b.K * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * b.K * (1 + 0.044715 * x * x)


def gelu_slope_of(x: Any, c: float, k: float = b.K) -> Any:
    t = np.tanh(k * (x + c * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * c * x * x)


def features() -> list[Row]:
    """Functions along features, without parameters."""
    p, total = b.probabilities, b.total
    return [
        (b.softmax, "the diagonal alone", pulling(lambda _, x, d: (p(x) * (1 - p(x)) * d, ()))),
        (b.softmax, "the mean taken off, not weighted", pulling(lambda _, x, d: (p(x) * (d - b.mean(d)), ()))),
        (b.softmax, "over the wrong axis coming back", pulling(softmax_over_rows)),
        (b.softmax, "nothing taken off", pulling(lambda _, x, d: (p(x) * d, ()))),
        (b.softmax, "p taken twice", pulling(lambda _, x, d: (p(x) * (d - p(x) * total(p(x) * d)), ()))),
        (b.log_softmax, "p is not scaled by the sum of dout", pulling(lambda _, x, d: (d - p(x), ()))),
        (b.log_softmax, "the mean of dout for its sum", pulling(lambda _, x, d: (d - p(x) * b.mean(d), ()))),
        (b.log_softmax, "dout as it is", fed_back(lambda d: d.copy())),
        (b.log_sum_exp, "the gradient of max", pulling(b.max_pull)),
        (b.log_sum_exp, "equal shares", pulling(lambda _, x, d: (np.ones_like(x) / x.shape[1] * d, ()))),
        (b.cumsum, "summed forward coming back", fed_back(lambda d: np.cumsum(d, axis=1))),
        (b.cumsum, "exclusive coming back", fed_back(lambda d: np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d)),
        (b.cumsum, "not reversed again", fed_back(lambda d: np.cumsum(d[:, ::-1], axis=1))),
        (b.cumsum, "along rows coming back", fed_back(lambda d: np.cumsum(d[::-1], axis=0)[::-1].copy())),
        (b.maximum, "to every entry", pulling(lambda _, x, d: (np.zeros_like(x) + d, ()))),
        (b.maximum, "to the smallest", pulling(lambda _, x, d: b.max_pull(_, -x, d))),
        (b.maximum, "to the second largest", pulling(second_largest)),
        (b.maximum, "to the largest of the first row", pulling(lambda _, x, d: b.max_pull(_, x[:1] + 0 * x, d))),
        (b.ordered, "gathered and not scattered", pulling(gathered)),
        (b.ordered, "dout as it is", fed_back(lambda d: d.copy())),
        (b.ordered, "in falling order coming back", pulling(lambda _, x, d: b.sort_pull(_, -x, d))),
        (b.unit, "the length taken as constant", pulling(lambda _, x, d: (d / b.length(x), ()))),
        (b.unit, "x for the unit vector", pulling(lambda _, x, d: ((d - x * total(x * d)) / b.length(x), ()))),
        (b.unit, "divided by the length twice", pulling(divided_twice)),
        (b.norm, "not divided by the length", pulling(lambda _, x, d: (x * d, ()))),
        (b.norm, "the derivative of the square", pulling(lambda _, x, d: (2 * x * d, ()))),
        (b.outer, "one of the two factors", pulling(one_factor)),
        (b.outer, "twice one factor", pulling(lambda _, x, d: (2 * one_factor(_, x, d)[0], ()))),
        (b.glu, "halves swapped coming back", pulling(lambda _, x, d: (swapped(b.glu_pull(_, x, d)[0]), ()))),
        (b.glu, "the gate gets nothing", off("dx", np.s_[:, 3:], 0)),
        (b.glu, "the gate's slope is s", pulling(lambda _, x, d: (gate_slope(x, d), ()))),
        (b.product, "by x and not by the others", pulling(lambda _, x, d: (x.prod(axis=1, keepdims=True) * x * d, ()))),
        (b.product, "by the first other alone", pulling(lambda _, x, d: (np.roll(x, 1, axis=1) * d, ()))),
        (b.differences, "the sign is wrong", fed(lambda d: -d)),
        (b.differences, "the first gets nothing", off("dx", np.s_[:, 0], 0)),
        (b.differences, "the left neighbour alone", fed_back(lambda d: np.pad(d, ((0, 0), (1, 0))))),
        (b.pooling, "not divided by the length", pulling(lambda _, x, d: (d[:, None, :] + np.zeros_like(x), ()))),
        (b.pooling, "divided by the features", pulling(lambda _, x, d: (d[:, None, :] / 3 + 0 * x, ()))),
        (b.pooling, "to the last time alone", pulling(last_time)),
        (b.reverse, "not reversed coming back", fed_back(lambda d: d.copy())),
        (b.reverse, "rows reversed too", fed_back(lambda d: d[::-1, ::-1].copy())),
        (b.reverse, "rolled by one coming back", fed_back(lambda d: np.roll(d[:, ::-1], 1, axis=1))),
    ]


def fed_back(f: Callable[[Any], Any]) -> Fault:
    """dx is a function of dout alone."""
    return pulling(lambda p, x, d: (f(d), ()))


def softmax_over_rows(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    s = b.probabilities(x)
    return s * (d - (s * d).sum(axis=0)), ()


def second_largest(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.zeros_like(x)
    np.put_along_axis(dx, x.argsort(axis=1)[:, -2:][:, :1], d, axis=1)
    return dx, ()


def gathered(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return np.take_along_axis(d, x.argsort(axis=-1), axis=-1), ()


def divided_twice(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return b.unit_pull(_, x, d)[0] / b.length(x), ()


def one_factor(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return (d.reshape(len(x), x.shape[1], -1) * x[:, None, :]).sum(axis=2), ()


def swapped(dx: Any) -> Any:
    return np.roll(dx, dx.shape[1] // 2, axis=1)


def gate_slope(x: Any, d: Any) -> Any:
    a, g = np.split(x, 2, axis=1)
    return np.concatenate([d * b.logistic(g), d * a * b.logistic(g)], axis=1)


def last_time(_: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.zeros_like(x)
    dx[:, -1] = d
    return dx, ()


def parameters() -> list[Row]:
    """Layers with parameters."""
    return [
        (b.square_affine, "dx by W and not its transpose", weighed(lambda a: a.T)),
        (b.square_affine, "dW transposed", new_grads(lambda p, x, d: Affine(d.T @ x, d.sum(0)))),
        (b.affine, "dx has the wrong sign", off("dx", factor=-1)),
        (b.affine, "dW is a mean over rows", new_grads(lambda p, x, d: Affine(x.T @ d / len(x), d.sum(0)))),
        (b.affine, "db is a mean over rows", new_grads(lambda p, x, d: Affine(x.T @ d, d.mean(0)))),
        (b.affine, "db is the first row", new_grads(lambda p, x, d: Affine(x.T @ d, d[0]))),
        (
            b.affine,
            "weight decay of 1e-4 in dW",
            new_grads(lambda p, x, d: Affine(x.T @ d + 1e-4 * p.W, d.sum(0))),
        ),
        (b.affine, "forward forgets the bias", giving(lambda p, x: x @ p.W)),
        (b.affine, "forward divides by the rows", giving(lambda p, x: (x @ p.W + p.b) / len(x))),
        (b.affine, "dx is zero", off("dx", factor=0)),
        (b.affine, "db is zero", off("db", factor=0)),
        (b.linear, "dW is dx's", pulling(lambda W, x, d: (d @ W.T, x.T @ (x @ W)))),
        (b.linear, "dx by the sign of W", pulling(lambda W, x, d: (d @ np.sign(W).T, x.T @ d))),
        (b.linear, "dW is normalised", pulling(lambda W, x, d: (d @ W.T, unit_length(x.T @ d)))),
        (
            b.in_time,
            "db of the first time",
            new_grads(lambda p, x, d: (dW3(x, d), d[:, 0].sum(0))),
        ),
        (
            b.in_time,
            "dW of the last time alone",
            new_grads(lambda p, x, d: (x[:, -1].T @ d[:, -1], b.rows_sum(d))),
        ),
        (b.in_time, "dW averaged over time", new_grads(lambda p, x, d: (dW3(x, d) / x.shape[1], b.rows_sum(d)))),
        (b.bias, "db is minus the sum", off("db", factor=-1)),
        (b.bias, "dx is the sum of rows", pulling(lambda p, x, d: (d * 0 + d.sum(0), d.sum(0)))),
        (b.bias, "db sums squares", pulling(lambda p, x, d: (d.copy(), (d * d).sum(0)))),
        (b.scale_shift, "dgamma without x", pulling(lambda p, x, d: (d * p[0], (d.sum(0), d.sum(0))))),
        (b.scale_shift, "dx without gamma", pulling(lambda p, x, d: (d.copy(), ((d * x).sum(0), d.sum(0))))),
        (b.scale_shift, "gradients swapped", pulling(lambda p, x, d: (d * p[0], (d.sum(0), (d * x).sum(0))))),
        (
            b.scale_shift,
            "dgamma of the output",
            pulling(lambda p, x, d: (d * p[0], ((d * (x * p[0] + p[1])).sum(0), d.sum(0)))),
        ),
        (b.division, "ds has the wrong sign", off("ds", factor=-1)),
        (b.division, "ds divided once", pulling(lambda s, x, d: (d / s, (-d * x / s).sum(0)))),
        (b.division, "dx multiplies", pulling(lambda s, x, d: (d * s, (-d * x / (s * s)).sum(0)))),
        (b.temperature, "dt has the wrong sign", off("dt", factor=-1)),
        (b.temperature, "dx is not divided", off("dx", factor=1.7)),
        (b.temperature, "dt divided once", off("dt", factor=1.7)),
        (b.prelu, "da takes positive values too", pulling(lambda a, x, d: (b.where(x > 0, d, a * d), (d * x).sum(0)))),
        (b.prelu, "da of |x|", off("da", factor=-1)),
        (b.layer_norm, "the mean taken as constant", pulling(lambda p, x, d: norm_without(p, x, d, mean=False))),
        (
            b.layer_norm,
            "the variance taken as constant",
            pulling(lambda p, x, d: norm_without(p, x, d, variance=False)),
        ),
        (
            b.layer_norm,
            "gamma forgotten in dx",
            pulling(lambda p, x, d: (layer_dx(x, d), b.layer_norm_pull(p, x, d)[1])),
        ),
        (b.layer_norm, "epsilon of 1e-6 coming back", giving(lambda p, x: with_epsilon(x, 1e-6) * p[0] + p[1])),
        (b.layer_norm, "the unbiased variance forward", giving(lambda p, x: unbiased(x) * p[0] + p[1])),
        (b.layer_norm, "epsilon outside of the root forward", giving(lambda p, x: outside(x) * p[0] + p[1])),
        (
            b.layer_norm,
            "dgamma of x",
            new_grads(lambda p, x, d: ((d * x).sum(0), d.sum(0))),
        ),
        (
            b.rms_norm,
            "the root taken as constant",
            pulling(lambda g, x, d: (d * g * x_over(x), b.rms_pull(g, x, d)[1])),
        ),
        (b.rms_norm, "the sum for the mean in dx", pulling(rms_sum)),
        (b.rms_norm, "gamma outside of the mean", pulling(rms_outside)),
        (b.rms_norm, "1 + g forward", giving(lambda g, x: x / np.sqrt(b.mean(x * x) + 1e-6) * (1 + g))),
        (
            b.polynomial,
            "dc in the wrong order",
            new_grads(lambda c, x, d: poly_dc(x, d)[::-1].copy()),
        ),
        (
            b.polynomial,
            "the 3 of the cube is missing",
            pulling(lambda c, x, d: (d * ((c[3] * x + 2 * c[2]) * x + c[1]), poly_dc(x, d))),
        ),
        (b.polynomial, "dc[0] counts columns once", off("dc", 0, 1 / 3)),
        (b.bilinear, "as if W were symmetric", pulling(symmetric)),
        (
            b.bilinear,
            "one of two terms in dx",
            pulling(lambda W, x, d: (np.einsum("nm,mij,nj->ni", d, W, x), b.bilinear_pull(W, x, d)[1])),
        ),
        (b.bilinear, "dW's upper triangle alone", off("dW", np.tril(np.ones((2, 3, 3), bool), -1), 0)),
        (
            b.convolution,
            "the kernel is not flipped coming back",
            pulling(lambda k, x, d: (b.convolve_pull(k[::-1], x, d)[0], b.convolve_pull(k, x, d)[1])),
        ),
        (
            b.convolution,
            "dk reversed",
            new_grads(lambda k, x, d: b.convolve_pull(k, x, d)[1][::-1].copy()),
        ),
        (
            b.convolution,
            "dx lacks the last tap",
            pulling(
                lambda k, x, d: (
                    b.convolve_pull(k * (np.arange(3) < 2).astype(k.dtype), x, d)[0],
                    b.convolve_pull(k, x, d)[1],
                )
            ),
        ),
        (b.convolution, "dx's border", off("dx", np.s_[:, -1], 0)),
        (b.attention, "the scale is forgotten coming back", pulling(lambda p, x, d: attention_but(p, x, d, scale=1))),
        (b.attention, "the weights taken as constant", pulling(lambda p, x, d: attention_but(p, x, d, scale=np.inf))),
        (
            b.attention,
            "dWq and dWk swapped",
            new_grads(lambda p, x, d: exchanged(b.attention_pull(p, x, d)[1])),
        ),
        (b.attention, "dx lacks the values' path", pulling(lambda p, x, d: attention_but(p, x, d, values=0))),
        (b.net, "the slope of tanh is forgotten", pulling(net_without_slope)),
        (b.net, "dW2 of the hidden layer before tanh", pulling(net_before)),
        (b.net, "dx stops at the hidden layer's W2", off("dx", factor=0)),
        (b.net, "b1 gets nothing", off("db1", factor=0)),
        (b.net, "db1 is halved", off("db1", factor=0.5)),
        (b.net, "dW1 by the sign", off("dW1", factor=-1)),
        (b.recurrent, "truncated after one step", pulling(lambda p, x, d: b.recurrent_pull(p, x, d, 0.0))),
        (
            b.recurrent,
            "what is carried is decayed by 1e-6",
            pulling(lambda p, x, d: b.recurrent_pull(p, x, d, 1 - 1e-6)),
        ),
        (b.recurrent, "dx of the first time", off("dx", np.s_[:, 0], 0)),
        (
            b.residual,
            "the shortcut is forgotten",
            pulling(lambda W, x, d: (b.residual_pull(W, x, d)[0] - d, b.residual_pull(W, x, d)[1])),
        ),
        (b.residual, "the shortcut alone", new_dx(lambda W, x, d: d.copy())),
        (b.distance, "dc has dx's sign", off("dc", factor=-1)),
        (b.distance, "the 2 is missing in dx", off("dx", factor=0.5)),
        (b.centred, "the mean taken as constant", pulling(lambda p, x, d: (d.copy(), ()))),
        (
            b.batch_norm,
            "statistics taken as constants",
            pulling(lambda p, x, d: (d * p[0] * b.standard(x)[1], b.batch_norm_pull(p, x, d)[1])),
        ),
        (b.batch_norm, "the variance taken as constant", pulling(batch_mean_alone)),
        (
            b.batch_norm,
            "epsilon of 1e-5 coming back",
            pulling(lambda p, x, d: (batch_dx(p, x, d, 1e-5), b.batch_norm_pull(p, x, d)[1])),
        ),
    ]


def new_dx(f: Callable[[Any, Any, Any], Any]) -> Fault:
    """Another dx, beside the right gradients."""
    return lambda base: pulling(lambda p, x, d: (f(p, x, d), base.pull(p, x, d)[1]))(base)


def new_grads(f: Callable[[Any, Any, Any], Any]) -> Fault:
    """Other gradients, beside the right dx."""
    return lambda base: pulling(lambda p, x, d: (base.pull(p, x, d)[0], f(p, x, d)))(base)


def unit_length(a: Any) -> Any:
    return a / max(np.sqrt((a * a).sum()), 1e-30)


def dW3(x: Any, d: Any) -> Any:
    return b.flat(x).T @ b.flat(d)


def norm_without(p: Any, x: Any, d: Any, *, mean: bool = True, variance: bool = True) -> tuple[Any, Any]:
    h, r = b.normalised(x)
    g = d * p[0]
    return r * (g - mean * b.mean(g) - variance * h * b.mean(h * g)), b.layer_norm_pull(p, x, d)[1]


def layer_dx(x: Any, d: Any) -> Any:
    h, r = b.normalised(x)
    return r * (d - b.mean(d) - h * b.mean(h * d))


def with_epsilon(x: Any, epsilon: float) -> Any:
    c = x - b.mean(x)
    return c / np.sqrt(b.mean(c * c) + epsilon)


def unbiased(x: Any) -> Any:
    c = x - b.mean(x)
    return c / np.sqrt(b.total(c * c) / (x.shape[1] - 1) + 1e-5)


def outside(x: Any) -> Any:
    c = x - b.mean(x)
    return c / (np.sqrt(b.mean(c * c)) + 1e-5)


def x_over(x: Any) -> Any:
    return 1 / np.sqrt(b.mean(x * x) + 1e-6)


def rms_sum(g: Any, x: Any, d: Any) -> tuple[Any, Any]:
    r = x_over(x)
    h = x * r
    return r * (d * g - h * b.total(h * d * g)), b.rms_pull(g, x, d)[1]


def rms_outside(g: Any, x: Any, d: Any) -> tuple[Any, Any]:
    r = x_over(x)
    h = x * r
    return r * g * (d - h * b.mean(h * d)), b.rms_pull(g, x, d)[1]


def poly_dc(x: Any, d: Any) -> Any:
    return np.array([(d * x**k).sum() for k in range(4)])


def symmetric(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return 2 * np.einsum("nm,mij,nj->ni", d, W, x), b.bilinear_pull(W, x, d)[1]


def attention_but(p: Any, x: Any, d: Any, scale: float = 2, values: float = 1) -> tuple[Any, Any]:
    q, k, v, a = b.attend(p, x)
    ds = b.softmax_from(a, d @ v.swapaxes(1, 2)) / scale
    dq, dk, dv = ds @ k, ds.swapaxes(1, 2) @ q, a.swapaxes(1, 2) @ d
    grads = b.Attention(*(b.flat(x).T @ b.flat(each) for each in (dq, dk, dv)))
    return dq @ p.Wq.T + dk @ p.Wk.T + values * dv @ p.Wv.T, grads


def exchanged(grads: b.Attention) -> b.Attention:
    return b.Attention(grads.Wk, grads.Wq, grads.Wv)


def net_without_slope(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dz = d @ p.second.W.T
    return dz @ p.first.W.T, b.TwoLayer(Affine(x.T @ dz, dz.sum(0)), b.net_pull(p, x, d)[1].second)


def net_before(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx, grads = b.net_pull(p, x, d)
    z = x @ p.first.W + p.first.b
    return dx, b.TwoLayer(grads.first, Affine(z.T @ d, d.sum(0)))


def batch_mean_alone(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    _, r = b.standard(x)
    g = d * p[0]
    return r * (g - g.mean(axis=0)), b.batch_norm_pull(p, x, d)[1]


def batch_dx(p: Any, x: Any, d: Any, epsilon: float) -> Any:
    c = x - x.mean(axis=0)
    r = 1 / np.sqrt((c * c).mean(axis=0) + epsilon)
    h, g = c * r, d * p[0]
    return r * (g - g.mean(axis=0) - h * (h * g).mean(axis=0))


SMALL: list[tuple[Base, str, str, Any, float]] = [
    (b.affine, "dx", "one entry by 1e-6", np.s_[1, 2], 1 + 1e-6),
    (b.affine, "dW", "one entry by 1e-6", np.s_[3, 0], 1 + 1e-6),
    (b.affine, "db", "the last entry by 1e-6", -1, 1 + 1e-6),
    (b.affine, "dW", "the last row is missing", -1, 0),
    (b.affine, "dW", "the last column by 1%", np.s_[:, -1], 1.01),
    (b.affine, "db", "misses the last entry", -1, 0),
    (b.affine, "dx", "the first row is missing", 0, 0),
    (b.affine, "dx", "the last column by 1e-4", np.s_[:, -1], 1 + 1e-4),
    (b.affine, "dW", "everything by 1e-6", ..., 1 + 1e-6),
    (b.affine, "dW", "the diagonal", np.s_[[0, 1, 2], [0, 1, 2]], 2),
    (b.in_time, "dx", "the last time of the last row by 1e-5", np.s_[-1, -1], 1 + 1e-5),
    (b.in_time, "dW", "one entry by 1e-6", np.s_[0, 1], 1 - 1e-6),
    (b.attention, "dWk", "one entry by 1e-5", np.s_[1, 1], 1 + 1e-5),
    (b.attention, "dWv", "the last row by 1%", -1, 1.01),
    (b.attention, "dx", "the first position by 1e-6", np.s_[:, 0], 1 + 1e-6),
    (b.net, "dW1", "one entry by 1e-6", np.s_[2, 3], 1 + 1e-6),
    (b.net, "dW2", "the last row by 1e-4", -1, 1 + 1e-4),
    (b.net, "db2", "the first entry by 1e-6", 0, 1 + 1e-6),
    (b.layer_norm, "dgamma", "one entry by 1e-6", 3, 1 + 1e-6),
    (b.layer_norm, "dbeta", "every second entry is missing", np.s_[::2], 0),
    (b.layer_norm, "dx", "everything by 1e-6", ..., 1 + 1e-6),
    (b.rms_norm, "dx", "one entry by 1e-5", np.s_[4, 5], 1 + 1e-5),
    (b.rms_norm, "dg", "the last entry by 1e-6", -1, 1 + 1e-6),
    (b.recurrent, "dW", "everything by 1e-6", ..., 1 - 1e-6),
    (b.recurrent, "dU", "one entry by 1e-5", np.s_[2, 3], 1 + 1e-5),
    (b.bilinear, "dW", "one entry by 1e-6", np.s_[1, 2, 0], 1 + 1e-6),
    (b.convolution, "dk", "the middle tap by 1e-6", 1, 1 + 1e-6),
    (b.convolution, "dx", "one entry by 1e-6", np.s_[2, 4], 1 + 1e-6),
    (b.temperature, "dt", "by 1e-6", ..., 1 + 1e-6),
    (b.distance, "dc", "one entry by 1e-6", np.s_[2, 2], 1 + 1e-6),
    (b.batch_norm, "dgamma", "one entry by 1e-6", 1, 1 + 1e-6),
    (b.batch_norm, "dx", "the last row by 1e-6", -1, 1 + 1e-6),
    (b.softmax, "dx", "one entry by 1e-6", np.s_[3, 3], 1 + 1e-6),
    (b.sigmoid, "dx", "one column by 1e-6", np.s_[:, 2], 1 + 1e-6),
    (b.wide_affine, "dW", "one entry by 1e-6", np.s_[40, 17], 1 + 1e-6),
    (b.wide_affine, "dW", "the last block of 8 columns by 1e-3", np.s_[:, 24:], 1.001),
    (b.large_affine, "dW", "one entry by 1e-6", np.s_[100, 700], 1 + 1e-6),
    (b.large_affine, "dW", "one entry is missing", np.s_[127, 767], 0),
    (b.large_affine, "db", "one entry by 1e-5", 512, 1 + 1e-5),
    (b.large_affine, "dx", "one entry by 1e-5", np.s_[3, 77], 1 + 1e-5),
]


def derivatives() -> list[Adversary]:
    """Members whose derivative is wrong for ordinary arguments."""
    rows = [*slopes(), *features(), *parameters()]
    rows += [(base, f"{name}, {what}", off(name, where, factor)) for base, name, what, where, factor in SMALL]
    return [wrong("derivative", base, what, fault) for base, what, fault in rows]
