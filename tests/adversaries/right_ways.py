"""The same right layers by other ways than the usual one, and functions that are methods, objects and partials."""

from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from adversaries.case import Adversary
from adversaries.right_features import attention, layer_norm, rms_norm, smoothed
from adversaries.right_kinks import pairs_of
from adversaries.right_parts import (
    Draw,
    Function,
    Vjp,
    dot,
    member,
    normal,
    of_x,
    places,
    pointwise,
    sigmoid_of,
    sigmoid_slope,
    softmax_of,
    tanh_slope,
    uniform,
    where,
)
from chainrule import Array, Layer, Unit, own, read_only

Row: TypeAlias = tuple[str, Function, Vjp, Draw]
SOME = normal(5, 4)


def eye(x: Any) -> Any:
    return np.eye(x.shape[-1], dtype=x.dtype)


def softmax_by_jacobians(x: Any, dout: Any) -> Any:
    """A matrix for each row: diag(p) - p pᵀ."""
    p = softmax_of(x)
    jacobians = p[..., :, None] * eye(x) - p[..., :, None] * p[..., None, :]
    return np.einsum("...i,...ij->...j", dout, jacobians)


def softmax_by_differences(x: Any, dout: Any) -> Any:
    """dx_i is the sum of p_i p_j (dout_i - dout_j)."""
    p = softmax_of(x)
    return p * (p[..., None, :] * (dout[..., :, None] - dout[..., None, :])).sum(axis=-1)


def softmax_by_rows(x: Any, dout: Any) -> Any:
    return np.stack([p * (d - p @ d) for p, d in zip(softmax_of(x), dout, strict=True)])


def layer_norm_by_projections(x: Any, dout: Any) -> Any:
    """Centring, scaling and centring, each a matrix."""
    d = x.shape[-1]
    centring = eye(x) - 1 / d
    c = x @ centring
    var = (c * c).mean(axis=-1, keepdims=True) + 1e-5
    inner = eye(x) - c[..., :, None] * c[..., None, :] / (d * var[..., None])
    return (inner @ dout[..., None])[..., 0] / np.sqrt(var) @ centring


def layer_norm_by_steps(x: Any, dout: Any) -> Any:
    """Backward through mean, difference, square, mean, root and quotient, one by one."""
    c = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((c * c).mean(axis=-1, keepdims=True) + 1e-5)
    dstd = -(dout * c).sum(axis=-1, keepdims=True) / std**2
    dvar = dstd / (2 * std)
    dc = dout / std + 2 * c * dvar / x.shape[-1]
    return dc - dc.mean(axis=-1, keepdims=True)


def rms_norm_by_jacobians(x: Any, dout: Any) -> Any:
    square = (x * x).mean(axis=-1, keepdims=True) + 1e-6
    along = x[..., :, None] * x[..., None, :] / (x.shape[-1] * square[..., None])
    return ((eye(x) - along) @ dout[..., None])[..., 0] / np.sqrt(square)


def triangle(x: Any) -> Any:
    return np.triu(np.ones((x.shape[-1], x.shape[-1]), x.dtype))


def smoothing(x: Any) -> Any:
    """The matrix of the convolution with fixed weights."""
    d = x.shape[-1]
    matrix = 0.25 * np.eye(d, k=1) + 0.5 * np.eye(d) - 0.75 * np.eye(d, k=-1)
    return matrix.astype(x.dtype)


def circular(x: Any) -> Any:
    return 0.5 * x + 0.25 * np.roll(x, 1, axis=-1) - np.roll(x, -1, axis=-1)


def circular_by_products(x: Any, dout: Any) -> Any:
    """The transposed matrix of the circular convolution."""
    shift = np.roll(eye(x), 1, axis=-1)
    return dout @ (0.5 * eye(x) + 0.25 * shift - shift.T).T


def attention_by_loops(x: Any, dout: Any) -> Any:
    dx = np.zeros(x.shape, x.dtype)
    for n in range(len(x)):
        p = softmax_of(x[n] @ x[n].T)
        dx[n] += p.T @ dout[n]
        for i in range(x.shape[1]):
            dp = x[n] @ dout[n, i]
            ds = p[i] * (dp - p[i] @ dp)
            dx[n, i] += ds @ x[n]
            dx[n] += np.outer(ds, x[n, i])
    return dx


def sort_by_matrices(x: Any, dout: Any) -> Any:
    order = np.argsort(x, axis=-1, kind="stable")
    return (dout[..., None, :] @ (order[..., :, None] == places(x.shape[-1])).astype(x.dtype))[..., 0, :]


def haar(x: Any) -> Any:
    pairs = pairs_of(x)
    return np.concatenate([pairs.sum(axis=-1), pairs[..., 0] - pairs[..., 1]], axis=-1) / 2


def haar_back(x: Any, dout: Any) -> Any:
    mean, half = np.split(dout, 2, axis=-1)
    return np.stack([mean + half, mean - half], axis=-1).reshape(x.shape) / 2


@lru_cache(maxsize=8)
def cosines(d: int) -> Any:
    """The matrix of the cosine transform, made once for each size."""
    at = np.arange(d)
    return read_only(np.cos(np.pi * np.outer(at, at + 0.5) / d))


WAYS: list[Row] = [
    ("softmax by Jacobians", softmax_of, softmax_by_jacobians, SOME),
    ("softmax by differences", softmax_of, softmax_by_differences, SOME),
    ("softmax row by row", softmax_of, softmax_by_rows, SOME),
    (
        "softmax by exp of the log",
        lambda x: np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True)),
        softmax_by_differences,
        SOME,
    ),
    ("layer norm by projections", layer_norm, layer_norm_by_projections, SOME),
    ("layer norm step by step", layer_norm, layer_norm_by_steps, SOME),
    ("rms norm by Jacobians", rms_norm, rms_norm_by_jacobians, SOME),
    ("cumulative sum by a matrix", lambda x: x @ triangle(x), lambda x, d: d @ triangle(x).T, SOME),
    (
        "cumulative sum by total and rest",
        lambda x: np.cumsum(x, axis=-1),
        lambda x, d: d.sum(axis=-1, keepdims=True) - np.cumsum(d, axis=-1) + d,
        SOME,
    ),
    ("convolution by a matrix", smoothed, lambda x, d: d @ smoothing(x).T, normal(5, 6)),
    ("circular convolution by a matrix", circular, circular_by_products, normal(5, 6)),
    ("attention by loops", attention, attention_by_loops, normal(2, 3, 4)),
    ("sort by matrices", lambda x: np.sort(x, axis=-1), sort_by_matrices, SOME),
    ("means and differences of pairs", haar, haar_back, normal(5, 6)),
    (
        "cosine transform by a matrix that is made once",
        lambda x: x @ cosines(x.shape[-1]).astype(x.dtype),
        lambda x, d: d @ cosines(x.shape[-1]).astype(x.dtype).T,
        SOME,
    ),
    (
        "mean by shares",
        lambda x: x.mean(axis=-1, keepdims=True),
        lambda x, d: np.repeat(d / x.shape[-1], x.shape[-1], axis=-1),
        SOME,
    ),
    (
        "square of the length by einsum",
        lambda x: np.einsum("...i,...i->...", x, x)[..., None],
        lambda x, d: 2 * d * x,
        SOME,
    ),
    ("tanh by exp", lambda x: np.expm1(2 * x) / (np.expm1(2 * x) + 2), lambda x, d: d * tanh_slope(x), SOME),
    ("sigmoid by 1 - s", sigmoid_of, lambda x, d: d * sigmoid_of(x) * sigmoid_of(-x), SOME),
    (
        "sigmoid by cases",
        lambda x: where(x >= 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
        lambda x, d: d * sigmoid_slope(x),
        normal(5, 4, scale=20),
    ),
    ("abs by the root of the square", lambda x: np.sqrt(x * x), lambda x, d: d * np.sign(x), SOME),
    ("square by log and exp", lambda x: np.exp(2 * np.log(x)), lambda x, d: 2 * x * d, uniform(0.1, 3, 5, 4)),
    (
        "quotient by a reciprocal",
        lambda x: x * (1 / (1 + x * x)),
        lambda x, d: d * (1 - x * x) / (1 + x * x) ** 2,
        SOME,
    ),
    (
        "length by hypot",
        lambda x: np.hypot.reduce(x, axis=-1, keepdims=True) + 0,
        lambda x, d: d * x / np.sqrt(dot(x, x)),
        SOME,
    ),
]


@frozen
class Power:
    """A layer's functions as methods of a record of options."""

    k: int

    def forward(self, params: Unit, x: Array) -> tuple[Array, Array]:
        return x**self.k, own(x)

    def backward(self, x: Array, dout: Array) -> tuple[Array, Unit]:
        return self.k * x ** (self.k - 1) * dout, ()


class Forward:
    def __call__(self, params: Unit, x: Any) -> tuple[Any, Any]:
        return np.sin(x), own(x)


class Backward:
    def __call__(self, x: Any, dout: Any) -> tuple[Any, Unit]:
        return np.cos(x) * dout, ()


def leaky(slope: float, params: Unit, x: Any) -> tuple[Any, Any]:
    return where(x > 0, x, slope * x), own(x)


def leaky_back(slope: float, x: Any, dout: Any) -> tuple[Any, Unit]:
    return where(x > 0, dout, slope * dout), ()


def quiet_log(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(x)


def of_method() -> Layer[Any, Any]:
    power = Power(3)
    return Layer(power.forward, power.backward)


def viewed(look: Function, back: Function) -> Layer[Any, Any]:
    """x², with a view in its cache, of x itself where x is read-only."""
    return Layer(
        lambda params, x: (x * x, look(own(x))), lambda cache, dout: (2 * back(cache).reshape(dout.shape) * dout, ())
    )


VIEWS: dict[str, tuple[Function, Function]] = {
    "a read-only view of own(x)": (lambda x: x[...], lambda c: c),
    "a transposed view of own(x)": (lambda x: x.T, lambda c: c.T),
    "a flat view of own(x)": (lambda x: x.reshape(-1), lambda c: c),
    "a reversed view of own(x)": (lambda x: x[::-1], lambda c: c[::-1]),
    "rows of own(x)": (tuple, np.stack),
}


def constant(draw: Draw) -> Draw:
    return lambda rng: read_only(draw(rng))


def way_layers() -> list[Adversary]:
    members = [_member(row) for row in WAYS]
    members += [
        member("callable: methods of a record", "callable", of_method, SOME),
        member("callable: objects", "callable", lambda: Layer(Forward(), Backward()), SOME),
        member("callable: partials", "callable", lambda: Layer(partial(leaky, 0.1), partial(leaky_back, 0.1)), SOME),
        member(
            "callable: errors are silenced inside",
            "callable",
            lambda: pointwise(quiet_log, lambda x: 1 / x),
            uniform(0.1, 3, 5, 4),
        ),
        member(
            "callable: a new layer by another's functions",
            "callable",
            lambda: Layer(of_method().forward, of_method().backward, name="cube", elementwise=True),
            SOME,
        ),
    ]
    for name, (look, back) in VIEWS.items():
        members.append(_viewed(f"view: {name}", look, back, SOME))
        members.append(_viewed(f"view: {name}, x is read-only", look, back, constant(SOME)))
    return members


def _viewed(name: str, look: Function, back: Function, x: Draw) -> Adversary:
    return member(name, "cache", lambda: viewed(look, back), x)


def _member(row: Row) -> Adversary:
    name, f, vjp, x = row
    return member(f"way: {name}", "way", lambda: of_x(f, vjp), x)
