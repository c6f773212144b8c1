"""Right layers that mix the features of a row, or its positions, without parameters."""

from typing import Any, TypeAlias

import numpy as np

from adversaries.case import Adversary
from adversaries.right_kinks import pairs_of
from adversaries.right_parts import (
    Draw,
    Function,
    Vjp,
    dot,
    given,
    member,
    normal,
    of_x,
    places,
    sigmoid_of,
    sigmoid_slope,
    softmax_of,
    softmax_vjp,
    tanh_slope,
    uniform,
    where,
    with_values,
)
from chainrule import Array

Row: TypeAlias = tuple[str, Function, Vjp, Draw]
SOME = normal(5, 4)
SENTENCES = normal(3, 5, 4)
MATRICES = normal(4, 2, 2)


def flipped(a: Any) -> Any:
    return a[..., ::-1]


def cumsum(a: Any) -> Any:
    return np.cumsum(a, axis=-1)


def cumprod(a: Array) -> Array:
    return np.cumprod(a, axis=-1)


def cumsum_from_behind(a: Any) -> Any:
    return flipped(cumsum(flipped(a)))


def logsumexp(x: Any) -> Any:
    top = x.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True))


def layer_norm(x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)


def layer_norm_vjp(x: Any, dout: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    rate = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    unit = centred * rate
    return rate * (dout - dout.mean(axis=-1, keepdims=True) - unit * (unit * dout).mean(axis=-1, keepdims=True))


def outside(x: Any) -> Any:
    """Layer norm with its eps outside of the root."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / (np.sqrt((centred * centred).mean(axis=-1, keepdims=True)) + 1e-2)


def outside_vjp(x: Any, dout: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred * centred).mean(axis=-1, keepdims=True))
    along = centred * (centred * dout).mean(axis=-1, keepdims=True)
    flat = along / where(std > 0, std, 1)
    of_centred = dout / (std + 1e-2) - flat / (std + 1e-2) ** 2
    return of_centred - of_centred.mean(axis=-1, keepdims=True)


def rms_norm(x: Any) -> Any:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)


def rms_norm_vjp(x: Any, dout: Any) -> Any:
    rate = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)
    unit = x * rate
    return rate * (dout - unit * (unit * dout).mean(axis=-1, keepdims=True))


def length(x: Any) -> Any:
    return np.sqrt(dot(x, x))


def direction_vjp(x: Any, dout: Any) -> Any:
    unit = x / length(x)
    return (dout - unit * dot(unit, dout)) / length(x)


def length_vjp(x: Any, dout: Any) -> Any:
    return dout * x / where(length(x) > 0, length(x), 1)


def variance_vjp(x: Any, dout: Any) -> Any:
    return 2 * (x - x.mean(axis=-1, keepdims=True)) * dout / x.shape[-1]


def cumprod_vjp(x: Any, dout: Any) -> Any:
    """Without a division, so that a factor may be 0."""
    dx = np.zeros(x.shape, x.dtype)
    for i in range(x.shape[-1]):
        others = x + 0
        others[..., i] = 1
        dx[..., i] = (dout * cumprod(others))[..., i:].sum(axis=-1)
    return dx


def product_vjp(x: Any, dout: Any) -> Any:
    """Without a division, so that a factor may be 0."""
    others = [np.delete(x, i, axis=-1).prod(axis=-1) for i in range(x.shape[-1])]
    return dout * np.stack(others, axis=-1)


def outer(x: Any) -> Any:
    return (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], -1)


def outer_vjp(x: Any, dout: Any) -> Any:
    d = dout.reshape(*x.shape, x.shape[-1])
    return np.einsum("...ij,...j->...i", d, x) + np.einsum("...ij,...i->...j", d, x)


def differences(x: Any) -> Any:
    return (x[..., :, None] - x[..., None, :]).reshape(*x.shape[:-1], -1)


def differences_vjp(x: Any, dout: Any) -> Any:
    d = dout.reshape(*x.shape, x.shape[-1])
    return d.sum(axis=-1) - d.sum(axis=-2)


def halves(x: Any) -> Any:
    return np.split(x, 2, axis=-1)


def glu(x: Any) -> Any:
    a, b = halves(x)
    return a * sigmoid_of(b)


def glu_vjp(x: Any, dout: Any) -> Any:
    a, b = halves(x)
    return np.concatenate([dout * sigmoid_of(b), dout * a * sigmoid_slope(b)], axis=-1)


def swiglu(x: Any) -> Any:
    a, b = halves(x)
    return a * b * sigmoid_of(b)


def swiglu_vjp(x: Any, dout: Any) -> Any:
    a, b = halves(x)
    return np.concatenate([dout * b * sigmoid_of(b), dout * a * (sigmoid_of(b) + b * sigmoid_slope(b))], axis=-1)


def smoothed(x: Any) -> Any:
    """A convolution with three weights, zeros beyond the ends."""
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)])
    return 0.25 * wide[..., :-2] + 0.5 * wide[..., 1:-1] - 0.75 * wide[..., 2:]


def smoothed_vjp(x: Any, dout: Any) -> Any:
    wide = np.pad(dout, [(0, 0)] * (x.ndim - 1) + [(1, 1)])
    return 0.25 * wide[..., 2:] + 0.5 * wide[..., 1:-1] - 0.75 * wide[..., :-2]


def cut(x: Any) -> Any:
    if x.shape[-1] < 3:
        raise ValueError("three features are needed")
    return x[..., 1:3] + 0


def padded_by_mirror(x: Any) -> Any:
    if x.shape[-1] < 2:
        raise ValueError("two features are needed")
    return np.concatenate([x[..., 1:2], x, x[..., -2:-1]], axis=-1)


def padded_by_mirror_vjp(x: Any, dout: Any) -> Any:
    dx = dout[..., 1:-1] + 0
    dx[..., 1] += dout[..., 0]
    dx[..., -2] += dout[..., -1]
    return dx


def step_differences_vjp(x: Any, dout: Any) -> Any:
    dx = np.zeros(x.shape, x.dtype)
    dx[..., 1:] += dout
    dx[..., :-1] -= dout
    return dx


def attention(x: Any) -> Any:
    """Each position looks at all: softmax(x xᵀ) x."""
    return softmax_of(x @ x.swapaxes(-1, -2)) @ x


def attention_vjp(x: Any, dout: Any) -> Any:
    p = softmax_of(x @ x.swapaxes(-1, -2))
    scores = softmax_vjp(p, dout @ x.swapaxes(-1, -2))
    return p.swapaxes(-1, -2) @ dout + (scores + scores.swapaxes(-1, -2)) @ x


def causal_mean(x: Any) -> Any:
    return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]


def causal_mean_vjp(x: Any, dout: Any) -> Any:
    d = dout / np.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]
    return np.cumsum(d[:, ::-1], axis=1)[:, ::-1]


def last_step_vjp(x: Any, dout: Any) -> Any:
    dx = np.zeros(x.shape, x.dtype)
    dx[:, -1] = dout
    return dx


def largest_vjp(x: Any, dout: Any) -> Any:
    return dout[:, None] * (places(x.shape[1])[:, None] == x.argmax(axis=1)[:, None])


def square(x: Any, side: int = 0) -> Any:
    """Refuse what is no square matrix, or not of this side."""
    if x.shape[-1] != x.shape[-2] or side not in {0, x.shape[-1]}:
        raise ValueError(f"matrices have shape {x.shape[-2:]}, which is not square")
    return x


def determinant(x: Any) -> Any:
    square(x, 2)
    return (x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0])[..., None]


def adjugate(x: Any) -> Any:
    return np.stack([np.stack([x[..., 1, 1], -x[..., 0, 1]], -1), np.stack([-x[..., 1, 0], x[..., 0, 0]], -1)], -2)


def inverse(x: Any) -> Any:
    return adjugate(square(x, 2)) / determinant(x)[..., None]


def inverse_vjp(x: Any, dout: Any) -> Any:
    transposed = inverse(x).swapaxes(-1, -2)
    return -transposed @ dout @ transposed


def cross(x: Any) -> Any:
    """The cross product of the two halves of six features."""
    if x.shape[-1] != 6:
        raise ValueError(f"x has {x.shape[-1]} features, expected 6")
    return np.cross(x[..., :3], x[..., 3:])


def complex_square(x: Any) -> Any:
    a, b = pairs_of(x)[..., 0], pairs_of(x)[..., 1]
    return np.stack([a * a - b * b, 2 * a * b], axis=-1).reshape(x.shape)


def complex_square_vjp(x: Any, dout: Any) -> Any:
    a, b = pairs_of(x)[..., 0], pairs_of(x)[..., 1]
    u, v = pairs_of(dout)[..., 0], pairs_of(dout)[..., 1]
    return np.stack([2 * (a * u + b * v), 2 * (a * v - b * u)], axis=-1).reshape(x.shape)


def polar(x: Any) -> Any:
    a, b = halves(x)
    return np.concatenate([np.hypot(a, b), np.arctan2(b, a)], axis=-1)


def polar_vjp(x: Any, dout: Any) -> Any:
    (a, b), (dr, dt) = halves(x), halves(dout)
    r = np.hypot(a, b)
    return np.concatenate([dr * a / r - dt * b / r**2, dr * b / r + dt * a / r**2], axis=-1)


def cosine(x: Any) -> Any:
    a, b = halves(x)
    return dot(a, b) / (length(a) * length(b))


def cosine_vjp(x: Any, dout: Any) -> Any:
    a, b = halves(x)
    u, v = a / length(a), b / length(b)
    return dout * np.concatenate([(v - u * dot(u, v)) / length(a), (u - v * dot(u, v)) / length(b)], axis=-1)


NORMS: list[Row] = [
    ("softmax", softmax_of, lambda x, d: softmax_vjp(softmax_of(x), d), SOME),
    ("softmax, saturated", softmax_of, lambda x, d: softmax_vjp(softmax_of(x), d), normal(5, 4, scale=40)),
    ("softmax of equal logits", softmax_of, lambda x, d: softmax_vjp(softmax_of(x), d), given(np.full((4, 3), 2.0))),
    (
        "softmax at a low temperature",
        lambda x: softmax_of(8 * x),
        lambda x, d: 8 * softmax_vjp(softmax_of(8 * x), d),
        SOME,
    ),
    ("log softmax", lambda x: x - logsumexp(x), lambda x, d: d - softmax_of(x) * d.sum(axis=-1, keepdims=True), SOME),
    (
        "log softmax, saturated",
        lambda x: x - logsumexp(x),
        lambda x, d: d - softmax_of(x) * d.sum(axis=-1, keepdims=True),
        normal(5, 4, scale=40),
    ),
    ("log of the sum of exp", logsumexp, lambda x, d: d * softmax_of(x), SOME),
    ("layer norm, eps in the root", layer_norm, layer_norm_vjp, SOME),
    ("layer norm, eps outside", outside, outside_vjp, SOME),
    ("layer norm of rows near a constant", layer_norm, layer_norm_vjp, normal(5, 4, scale=1e-3, shift=100)),
    ("layer norm, eps outside, of rows near a constant", outside, outside_vjp, normal(5, 4, scale=1e-3, shift=100)),
    ("layer norm of constant rows", layer_norm, layer_norm_vjp, given(np.outer([1.0, -2, 3], np.ones(4)))),
    ("rms norm", rms_norm, rms_norm_vjp, SOME),
    ("rms norm with a row of zeros", rms_norm, rms_norm_vjp, with_values(SOME, 0, 0, 0, 0)),
    ("direction", lambda x: x / length(x), direction_vjp, SOME),
    ("length, 0 at 0", length, length_vjp, with_values(SOME, 0, 0, 0, 0)),
    (
        "centred features",
        lambda x: x - x.mean(axis=-1, keepdims=True),
        lambda x, d: d - d.mean(axis=-1, keepdims=True),
        SOME,
    ),
    ("variance", lambda x: x.var(axis=-1, keepdims=True), variance_vjp, SOME),
    (
        "shares",
        lambda x: x / x.sum(axis=-1, keepdims=True),
        lambda x, d: (d - dot(x, d) / x.sum(axis=-1, keepdims=True)) / x.sum(axis=-1, keepdims=True),
        uniform(0.1, 2, 5, 4),
    ),
    ("cosine of two halves", cosine, cosine_vjp, normal(5, 6)),
    (
        "mean and its square",
        lambda x: x.mean(axis=-1, keepdims=True) ** 2,
        lambda x, d: 0 * x + 2 * d * x.mean(axis=-1, keepdims=True) / x.shape[-1],
        SOME,
    ),
]
ORDERS: list[Row] = [
    ("reversed", lambda x: flipped(x).copy(), lambda x, d: flipped(d).copy(), SOME),
    ("rolled", lambda x: np.roll(x, 2, axis=-1), lambda x, d: np.roll(d, -2, axis=-1), SOME),
    ("cumulative sum", cumsum, lambda x, d: cumsum_from_behind(d), SOME),
    ("cumulative sum from behind", cumsum_from_behind, lambda x, d: cumsum(d), SOME),
    ("cumulative product", cumprod, cumprod_vjp, uniform(0.3, 2, 5, 4)),
    ("differences of neighbours", lambda x: np.diff(x, axis=-1), step_differences_vjp, SOME),
    ("all differences", differences, differences_vjp, SOME),
    ("sum", lambda x: x.sum(axis=-1, keepdims=True), lambda x, d: d + np.zeros(x.shape, x.dtype), SOME),
    ("product", lambda x: x.prod(axis=-1, keepdims=True), product_vjp, SOME),
    ("product with a factor 0", lambda x: x.prod(axis=-1, keepdims=True), product_vjp, with_values(SOME, 0.0)),
    ("repeated features", lambda x: np.repeat(x, 3, axis=-1), lambda x, d: d.reshape(*x.shape, 3).sum(axis=-1), SOME),
    ("tiled features", lambda x: np.concatenate([x, x], axis=-1), lambda x, d: sum(halves(d)), SOME),
    ("padded with zeros", lambda x: np.pad(x, [(0, 0), (2, 1)]), lambda x, d: d[:, 2:-1] + 0, SOME),
    ("padded by a mirror", padded_by_mirror, padded_by_mirror_vjp, SOME),
    ("cut", cut, lambda x, d: np.pad(d, [(0, 0), (1, x.shape[-1] - 3)]), SOME),
    (
        "mean of neighbours",
        lambda x: pairs_of(x).mean(axis=-1),
        lambda x, d: np.repeat(d / 2, 2, axis=-1),
        normal(5, 6),
    ),
    ("convolution with fixed weights", smoothed, smoothed_vjp, SOME),
    (
        "x beside x²",
        lambda x: np.concatenate([x, x * x], axis=-1),
        lambda x, d: halves(d)[0] + 2 * x * halves(d)[1],
        SOME,
    ),
    (
        "shuffled pairs",
        lambda x: flipped(pairs_of(x)).reshape(x.shape),
        lambda x, d: flipped(pairs_of(d)).reshape(x.shape),
        SOME,
    ),
    (
        "rotated pairs",
        lambda x: (pairs_of(x) @ np.array([[0.6, 0.8], [-0.8, 0.6]], x.dtype)).reshape(x.shape),
        lambda x, d: (pairs_of(d) @ np.array([[0.6, -0.8], [0.8, 0.6]], x.dtype)).reshape(x.shape),
        SOME,
    ),
]
PRODUCTS: list[Row] = [
    ("outer product", outer, outer_vjp, SOME),
    ("gated linear unit", glu, glu_vjp, normal(5, 6)),
    ("swish-gated linear unit", swiglu, swiglu_vjp, normal(5, 6)),
    (
        "product of halves",
        lambda x: np.multiply(*halves(x)),
        lambda x, d: np.concatenate([d * halves(x)[1], d * halves(x)[0]], axis=-1),
        normal(5, 6),
    ),
    (
        "quotient of halves",
        lambda x: np.divide(*halves(x)),
        lambda x, d: np.concatenate([d / halves(x)[1], -d * halves(x)[0] / halves(x)[1] ** 2], axis=-1),
        uniform(0.2, 3, 5, 6),
    ),
    (
        "power of halves",
        lambda x: np.power(*halves(x)),
        lambda x, d: np.concatenate(
            [d * halves(x)[1] * halves(x)[0] ** (halves(x)[1] - 1), d * np.log(halves(x)[0]) * np.power(*halves(x))],
            axis=-1,
        ),
        uniform(0.2, 3, 5, 6),
    ),
    ("complex square", complex_square, complex_square_vjp, SOME),
    ("polar coordinates", polar, polar_vjp, normal(5, 6)),
    (
        "cross product",
        cross,
        lambda x, d: np.concatenate([np.cross(x[..., 3:], d), np.cross(d, x[..., :3])], axis=-1),
        normal(5, 6),
    ),
    ("residual tanh", lambda x: x + np.tanh(x), lambda x, d: d + d * tanh_slope(x), SOME),
    ("square times its sum", lambda x: x * dot(x, x), lambda x, d: d * dot(x, x) + 2 * x * dot(x, d), SOME),
]
POSITIONS: list[Row] = [
    ("attention without parameters", attention, attention_vjp, SENTENCES),
    ("mean of the positions so far", causal_mean, causal_mean_vjp, SENTENCES),
    (
        "mean over positions",
        lambda x: x.mean(axis=1),
        lambda x, d: np.zeros(x.shape, x.dtype) + d[:, None] / x.shape[1],
        SENTENCES,
    ),
    ("last position", lambda x: x[:, -1] + 0, last_step_vjp, SENTENCES),
    (
        "positions and features exchanged",
        lambda x: x.swapaxes(1, 2).copy(),
        lambda x, d: d.swapaxes(1, 2).copy(),
        SENTENCES,
    ),
    ("flattened", lambda x: x.reshape(len(x), -1) + 0, lambda x, d: d.reshape(x.shape) + 0, SENTENCES),
    ("one more axis", lambda x: x[..., None] + 0, lambda x, d: d[..., 0] + 0, SOME),
    ("reversed in time", lambda x: x[:, ::-1] + 0, lambda x, d: d[:, ::-1] + 0, SENTENCES),
    (
        "softmax over positions",
        lambda x: softmax_of(x.swapaxes(1, 2)).swapaxes(1, 2),
        lambda x, d: softmax_vjp(softmax_of(x.swapaxes(1, 2)), d.swapaxes(1, 2)).swapaxes(1, 2),
        SENTENCES,
    ),
    ("largest over positions", lambda x: x.max(axis=1), largest_vjp, SENTENCES),
    (
        "mean of 2 by 2 pixels",
        lambda x: x.reshape(len(x), 2, 2, 2, 2, -1).mean(axis=(2, 4)),
        lambda x, d: np.repeat(np.repeat(d / 4, 2, axis=1), 2, axis=2),
        normal(3, 4, 4, 2),
    ),
    (
        "mean of all pixels",
        lambda x: x.mean(axis=(1, 2)),
        lambda x, d: np.zeros(x.shape, x.dtype) + d[:, None, None] / (x.shape[1] * x.shape[2]),
        normal(3, 4, 2, 3),
    ),
    ("determinant", determinant, lambda x, d: d[..., None] * adjugate(x).swapaxes(-1, -2), MATRICES),
    ("inverse", inverse, inverse_vjp, uniform(0.1, 0.9, 4, 2, 2)),
    (
        "matrix squared",
        lambda x: square(x) @ x,
        lambda x, d: d @ x.swapaxes(-1, -2) + x.swapaxes(-1, -2) @ d,
        normal(4, 3, 3),
    ),
    ("Gram matrix", lambda x: x @ x.swapaxes(-1, -2), lambda x, d: (d + d.swapaxes(-1, -2)) @ x, SENTENCES),
    (
        "trace",
        lambda x: np.trace(square(x), axis1=-2, axis2=-1)[..., None],
        lambda x, d: d[..., None] * np.eye(x.shape[-1], dtype=x.dtype),
        MATRICES,
    ),
    ("upper triangle", np.triu, lambda x, d: np.triu(d), MATRICES),
    (
        "symmetric part",
        lambda x: (square(x) + x.swapaxes(-1, -2)) / 2,
        lambda x, d: (d + d.swapaxes(-1, -2)) / 2,
        MATRICES,
    ),
]


def feature_layers() -> list[Adversary]:
    tables = {"norm": NORMS, "order": ORDERS, "product": PRODUCTS, "positions": POSITIONS}
    return [_member(kind, row) for kind, table in tables.items() for row in table]


def _member(kind: str, row: Row) -> Adversary:
    name, f, vjp, x = row
    return member(f"{kind}: {name}", kind, lambda: of_x(f, vjp), x)
