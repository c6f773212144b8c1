"""Right layers with parameters: many formulas, in tuples, records, lists and dictionaries."""

from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from adversaries.case import Adversary
from adversaries.right_features import layer_norm, layer_norm_vjp, rms_norm, rms_norm_vjp
from adversaries.right_parts import (
    Draw,
    Function,
    OfThree,
    Vjp,
    dot,
    fit,
    member,
    normal,
    of_both,
    places,
    rows_of,
    several,
    sigmoid_of,
    sigmoid_slope,
    softmax_of,
    softmax_vjp,
    sum_rows,
    tanh_slope,
    uniform,
    where,
)
from chainrule import Affine, Array, Layer, Unit, own, record

Formula: TypeAlias = tuple[str, Vjp, OfThree, Draw, Draw]
"""Its name in words, `f(params, x)`, `vjp(params, x, dout)`, the parameters and the input."""

SOME = normal(5, 4)


@frozen(eq=False)
@record
class Weights:
    W: Array
    b: Array


@frozen(eq=False)
@record
class Pair:
    first: Weights
    second: Weights


@frozen(eq=False)
@record
class Mixed:
    """A record, a tuple and nothing, in a record."""

    first: Weights
    second: tuple[Array, Array]
    nothing: Unit


def scale(p: Any, x: Any) -> Any:
    fit(x, p.shape[-1])
    return x * p


def shift(p: Any, x: Any) -> Any:
    fit(x, p.shape[-1])
    return x + p


def bilinear(p: Any, x: Any) -> Any:
    fit(x, len(p))
    return np.einsum("ni,ijk,nj->nk", x, p, x)


def bilinear_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.einsum("nk,ijk,nj->ni", d, p, x) + np.einsum("nk,ijk,ni->nj", d, p, x)
    return dx, np.einsum("ni,nk,nj->ijk", x, d, x)


def quadratic_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d * (x @ (p + p.T)), (d * x).T @ x


def low_rank_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    U, V = p
    return d @ V.T @ U.T, (x.T @ (d @ V.T), (x @ U).T @ d)


def bells(p: Any, x: Any) -> Any:
    fit(x, p.shape[-1])
    away = x[:, None, :] - p
    return np.exp(-0.5 * (away * away).sum(axis=-1))


def bells_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    away = x[:, None, :] - p
    pull = (d * bells(p, x))[..., None] * away
    return -pull.sum(axis=1), pull.sum(axis=0)


def mirrored(p: Any, x: Any) -> Any:
    """Householder's reflection at the plane across p."""
    fit(x, len(p))
    return x - 2 * dot(x, p) * p / (p @ p)


def mirrored_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    square = p @ p
    xp, dp = x @ p, d @ p
    grad = -2 * (x.T @ dp + d.T @ xp) / square + 4 * p * (xp @ dp) / square**2
    return d - 2 * dp[:, None] * p / square, grad


def turned(p: Any, x: Any) -> Any:
    fit(x, 2)
    c, s = np.cos(p), np.sin(p)
    return np.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], axis=-1)


def turned_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    y = turned(p, x)
    return turned(-p, d), np.asarray((d[..., 1] * y[..., 0] - d[..., 0] * y[..., 1]).sum())


def powered(p: Any, x: Any) -> Any:
    fit(x, len(p))
    return x**p


def polynomial(p: Any, x: Any) -> Any:
    return p[0] + x * (p[1] + x * (p[2] + x * p[3]))


def polynomial_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d * (p[1] + x * (2 * p[2] + 3 * x * p[3])), np.stack([(d * x**k).sum() for k in range(4)])


def prelu_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return where(x > 0, d, p * d), sum_rows(where(x > 0, 0, d * x))


def prelu(p: Any, x: Any) -> Any:
    fit(x, len(p))
    return where(x > 0, x, p * x)


def tempered_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    inner = softmax_vjp(softmax_of(p * x), d)
    return p * inner, np.asarray((inner * x).sum())


def normed(p: Any, x: Any) -> Any:
    fit(x, len(p[0]))
    return layer_norm(x) * p[0] + p[1]


def normed_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return layer_norm_vjp(x, d * p[0]), (sum_rows(d * layer_norm(x)), sum_rows(d))


def rms_scaled(p: Any, x: Any) -> Any:
    fit(x, len(p))
    return rms_norm(x) * p


def gated_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    W, V = p
    a, g = x @ W, x @ V
    da, dg = d * sigmoid_of(g), d * a * sigmoid_slope(g)
    return da @ W.T + dg @ V.T, (x.T @ da, x.T @ dg)


def correlated(p: Any, x: Any) -> Any:
    """A convolution along the features, valid."""
    return np.lib.stride_tricks.sliding_window_view(x, len(p), axis=-1) @ p


def correlated_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.zeros(x.shape, x.dtype)
    for i, weight in enumerate(p):
        dx[:, i : i + d.shape[-1]] += weight * d
    return dx, np.stack([(d * x[:, i : i + d.shape[-1]]).sum() for i in range(len(p))])


def attended(p: Any, x: Any) -> Any:
    Q, K, V = p
    return softmax_of((x @ Q) @ (x @ K).swapaxes(-1, -2)) @ (x @ V)


def attended_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    Q, K, V = p
    q, k, v = x @ Q, x @ K, x @ V
    share = softmax_of(q @ k.swapaxes(-1, -2))
    score = softmax_vjp(share, d @ v.swapaxes(-1, -2))
    dq, dk, dv = score @ k, score.swapaxes(-1, -2) @ q, share.swapaxes(-1, -2) @ d
    grads = tuple(rows_of(x).T @ rows_of(each) for each in (dq, dk, dv))
    return dq @ Q.T + dk @ K.T + dv @ V.T, grads


def recurrent(p: Any, x: Any) -> Any:
    """All states h = tanh(x W + h U), (n, t, h)."""
    W, U = p
    h = np.zeros((len(x), len(U)), x.dtype)
    states: list[Any] = []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ W + h @ U)
        states.append(h)
    return np.stack(states, axis=1)


def recurrent_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    W, U = p
    states = recurrent(p, x)
    dx, dW, dU = np.zeros(x.shape, x.dtype), W * 0, U * 0
    dh = states[:, 0] * 0
    for t in reversed(range(x.shape[1])):
        pre = (d[:, t] + dh) * (1 - states[:, t] ** 2)
        dx[:, t], dW, dh = pre @ W.T, dW + x[:, t].T @ pre, pre @ U.T
        dU = dU + states[:, t - 1].T @ pre if t else dU
    return dx, (dW, dU)


def fading(p: Any, x: Any) -> Any:
    """A running mean along the positions, with a learned decay."""
    states = [x[:, 0] * (1 - p)]
    for t in range(1, x.shape[1]):
        states.append(p * states[-1] + (1 - p) * x[:, t])
    return np.stack(states, axis=1)


def fading_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    states = fading(p, x)
    dx, dp, ds = np.zeros(x.shape, x.dtype), p * 0, d[:, 0] * 0
    for t in reversed(range(x.shape[1])):
        ds = d[:, t] + ds
        dx[:, t] = (1 - p) * ds
        before = states[:, t - 1] if t else 0
        dp = dp + (ds * (before - x[:, t])).sum()
        ds = p * ds
    return dx, np.asarray(dp)


def hidden_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    W, b, V, _ = p
    h = x @ W + b
    dh = (d @ V.T) * tanh_slope(h)
    return dh @ W.T, (x.T @ dh, dh.sum(axis=0), np.tanh(h).T @ d, d.sum(axis=0))


def cosines(p: Any, x: Any) -> Any:
    """Random features of Fourier's kind: cos(x W + b)."""
    return np.cos(x @ p[0] + p[1])


def cosines_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    inner = -d * np.sin(x @ p[0] + p[1])
    return inner @ p[0].T, (x.T @ inner, inner.sum(axis=0))


def by_features(p: Any, x: Any) -> Any:
    at = places(x.shape[-1]) % len(p)
    return p[at] * x


def by_features_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    at = places(x.shape[-1]) % len(p)
    grad = np.zeros(p.shape, p.dtype)
    np.add.at(grad, at, sum_rows(d * x))
    return p[at] * d, grad


def unit_weights_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    """Weights divided by the lengths of their columns."""
    lengths = np.sqrt((p * p).sum(axis=0))
    unit = p / lengths
    dW = x.T @ d
    return d @ unit.T, (dW - unit * (unit * dW).sum(axis=0)) / lengths


def positive_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d @ np.exp(p).T, (x.T @ d) * np.exp(p)


FORMULAS: list[Formula] = [
    ("scale", scale, lambda p, x, d: (d * p, sum_rows(d * x)), normal(4), SOME),
    ("shift", shift, lambda p, x, d: (d + 0, sum_rows(d)), normal(4), SOME),
    ("scale by one number", lambda p, x: p * x, lambda p, x, d: (p * d, np.asarray((d * x).sum())), normal(), SOME),
    ("shift by one number", lambda p, x: p + x, lambda p, x, d: (d + 0, np.asarray(d.sum())), normal(), SOME),
    ("unused parameter", lambda p, x: 2 * x, lambda p, x, d: (2 * d, p * 0), normal(3), SOME),
    ("unused x", lambda p, x: p + x * 0, lambda p, x, d: (d * 0, np.asarray(d.sum())), normal(), SOME),
    ("bilinear", bilinear, bilinear_vjp, normal(4, 4, 2), SOME),
    ("quadratic form", lambda p, x: dot(x @ p, x), quadratic_vjp, normal(4, 4), SOME),
    ("low rank", lambda p, x: x @ p[0] @ p[1], low_rank_vjp, several(normal(4, 2), normal(2, 3)), SOME),
    ("bells at centres", bells, bells_vjp, normal(3, 4), SOME),
    ("reflection", mirrored, mirrored_vjp, normal(4), SOME),
    ("rotation by an angle", turned, turned_vjp, normal(), normal(5, 2)),
    (
        "powers",
        powered,
        lambda p, x, d: (d * p * x ** (p - 1), sum_rows(d * np.log(x) * x**p)),
        normal(4),
        uniform(0.2, 3, 5, 4),
    ),
    ("polynomial", polynomial, polynomial_vjp, normal(4), SOME),
    ("prelu", prelu, prelu_vjp, uniform(0.1, 0.4, 4), SOME),
    ("softmax with a temperature", lambda p, x: softmax_of(p * x), tempered_vjp, uniform(0.5, 2), SOME),
    ("layer norm", normed, normed_vjp, several(normal(4), normal(4)), SOME),
    (
        "rms norm",
        rms_scaled,
        lambda p, x, d: (rms_norm_vjp(x, d * p), sum_rows(d * rms_norm(x))),
        normal(4),
        SOME,
    ),
    ("gate", lambda p, x: (x @ p[0]) * sigmoid_of(x @ p[1]), gated_vjp, several(normal(4, 3), normal(4, 3)), SOME),
    ("convolution along the features", correlated, correlated_vjp, normal(3), normal(5, 7)),
    ("attention", attended, attended_vjp, several(normal(4, 2), normal(4, 2), normal(4, 3)), normal(3, 5, 4)),
    ("recurrent", recurrent, recurrent_vjp, several(normal(4, 3), normal(3, 3, scale=0.5)), normal(3, 6, 4)),
    ("running mean", fading, fading_vjp, uniform(0.5, 0.9), normal(3, 6, 4)),
    (
        "two layers in one",
        lambda p, x: np.tanh(x @ p[0] + p[1]) @ p[2] + p[3],
        hidden_vjp,
        several(normal(4, 6), normal(6), normal(6, 3), normal(3)),
        SOME,
    ),
    ("cosines", cosines, cosines_vjp, several(normal(4, 3), normal(3)), SOME),
    ("cosines of 300 x", cosines, cosines_vjp, several(normal(4, 3, scale=300), normal(3)), SOME),
    ("weights chosen by the feature", by_features, by_features_vjp, normal(3), normal(5, 7)),
    ("weights of length 1", lambda p, x: x @ (p / np.sqrt((p * p).sum(axis=0))), unit_weights_vjp, normal(4, 3), SOME),
    ("positive weights", lambda p, x: x @ np.exp(p), positive_vjp, normal(4, 3), SOME),
    (
        "large weights, small ones",
        lambda p, x: x @ p,
        lambda p, x, d: (d @ p.T, x.T @ d),
        lambda rng: rng.standard_normal((4, 3)) * np.array([1e-8, 1.0, 1e8]),
        SOME,
    ),
]


def affine_parts(x: Any, W: Any, d: Any) -> tuple[Any, Any, Any]:
    return d @ W.T, x.T @ d, d.sum(axis=0)


def tree_layer(take: Function, build: Vjp) -> Layer[Any, Any]:
    """x W + b with its parameters in any tree: `take(params) -> (W, b)`, `build(W, b) -> grads`."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        W, b = take(params)
        return x @ W + b, own((x, W))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        dx, dW, db = affine_parts(cache[0], cache[1], dout)
        return dx, build(dW, db)

    return Layer(forward, backward)


def tree_draw(build: Vjp) -> Draw:
    return lambda rng: build(rng.standard_normal((4, 3)), rng.standard_normal(3))


def _mixed(W: Any, b: Any) -> Mixed:
    return Mixed(Weights(W, b), (W * 0, b * 0), ())


TREES: dict[str, tuple[Function, Vjp]] = {
    "a tuple": (lambda p: p, lambda W, b: (W, b)),
    "a list": (lambda p: p, lambda W, b: [W, b]),
    "a dictionary": (lambda p: (p["W"], p["b"]), lambda W, b: {"W": W, "b": b}),
    "a dictionary in a list": (lambda p: (p[0]["W"], p[0]["b"]), lambda W, b: [{"W": W, "b": b}]),
    "a list in a dictionary": (lambda p: p["layer"], lambda W, b: {"layer": [W, b]}),
    "a dictionary in a tuple": (lambda p: (p[0], p[1]["b"]), lambda W, b: (W, {"b": b})),
    "a dictionary of numbers": (lambda p: (p[0], p[1]), lambda W, b: {0: W, 1: b}),
    "a record": (lambda p: (p.W, p.b), Weights),
    "the library's record": (lambda p: (p.W, p.b), Affine),
    "nested tuples": (lambda p: (p[0][0], p[1][0][0]), lambda W, b: ((W,), ((b,), ()))),
    "a record in a tuple": (lambda p: (p[0].W, p[0].b), lambda W, b: (Weights(W, b),)),
    "records in a record": (lambda p: (p.first.W, p.second.b), lambda W, b: Pair(Weights(W, b * 0), Weights(W * 0, b))),
    "a record, a tuple and nothing": (lambda p: (p.first.W, p.first.b), _mixed),
}


def parameter_layers() -> list[Adversary]:
    members = [_member(row) for row in FORMULAS]
    members += [_tree(name, take, build) for name, (take, build) in TREES.items()]
    return members


def _member(row: Formula) -> Adversary:
    name, f, vjp, params, x = row
    return member(f"parameters: {name}", "parameters", lambda: of_both(f, vjp), x, params)


def _tree(name: str, take: Function, build: Vjp) -> Adversary:
    return member(f"tree: {name}", "tree", lambda: tree_layer(take, build), SOME, tree_draw(build))
