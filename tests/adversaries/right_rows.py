"""Right layers that couple rows and say so, that take one shape alone, or whose random numbers have a bound seed."""

from typing import Any

import numpy as np

from adversaries.case import Adversary
from adversaries.right_parts import (
    Function,
    Vjp,
    given,
    member,
    noise,
    normal,
    of_both,
    of_x,
    several,
    softmax_of,
    softmax_vjp,
)
from chainrule import Layer, own, read_only

SOME = normal(5, 4)


def standardised(x: Any) -> Any:
    centred = x - x.mean(axis=0)
    return centred / np.sqrt((centred * centred).mean(axis=0) + 1e-5)


def standardised_vjp(x: Any, dout: Any) -> Any:
    centred = x - x.mean(axis=0)
    rate = 1 / np.sqrt((centred * centred).mean(axis=0) + 1e-5)
    unit = centred * rate
    return rate * (dout - dout.mean(axis=0) - unit * (unit * dout).mean(axis=0))


def batch_norm(p: Any, x: Any) -> Any:
    if x.shape[-1] != len(p[0]):
        raise ValueError("batch norm: the features differ")
    return standardised(x) * p[0] + p[1]


def batch_norm_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return standardised_vjp(x, d * p[0]), ((d * standardised(x)).sum(axis=0), d.sum(axis=0))


def neighbours(x: Any) -> Any:
    """Each row plus half of the one before it."""
    out = x + 0
    out[1:] += x[:-1] / 2
    return out


def neighbours_vjp(x: Any, dout: Any) -> Any:
    dx = dout + 0
    dx[:-1] += dout[1:] / 2
    return dx


def among_rows(x: Any) -> Any:
    """Attention among the rows."""
    return softmax_of(x @ x.T) @ x


def among_rows_vjp(x: Any, dout: Any) -> Any:
    p = softmax_of(x @ x.T)
    scores = softmax_vjp(p, dout @ x.T)
    return p.T @ dout + (scores + scores.T) @ x


def whitened_length(x: Any) -> Any:
    """All numbers divided by the length of the whole batch."""
    return x / np.sqrt((x * x).sum() + 1)


def whitened_length_vjp(x: Any, dout: Any) -> Any:
    square = (x * x).sum() + 1
    return dout / np.sqrt(square) - x * (x * dout).sum() / (square * np.sqrt(square))


COUPLED: dict[str, tuple[Function, Vjp]] = {
    "batch norm without parameters": (standardised, standardised_vjp),
    "centring": (lambda x: x - x.mean(axis=0), lambda x, d: d - d.mean(axis=0)),
    "the mean beside each row": (
        lambda x: np.concatenate([x, x * 0 + x.mean(axis=0)], axis=-1),
        lambda x, d: d[:, : x.shape[1]] + d[:, x.shape[1] :].mean(axis=0),
    ),
    "softmax over the batch": (
        lambda x: np.ascontiguousarray(softmax_of(x.T).T),
        lambda x, d: softmax_vjp(softmax_of(x.T), d.T).T + 0,
    ),
    "cumulative sum over rows": (lambda x: np.cumsum(x, axis=0), lambda x, d: np.cumsum(d[::-1], axis=0)[::-1]),
    "rows reversed": (lambda x: x[::-1] + 0, lambda x, d: d[::-1] + 0),
    "rows rolled": (lambda x: np.roll(x, 1, axis=0), lambda x, d: np.roll(d, -1, axis=0)),
    "each row and half of the one before": (neighbours, neighbours_vjp),
    "attention among rows": (among_rows, among_rows_vjp),
    "divided by the length of the batch": (whitened_length, whitened_length_vjp),
    "divided by the number of rows": (lambda x: x / len(x), lambda x, d: d / len(x)),
    "minus the largest of each column": (
        lambda x: x - x.max(axis=0),
        lambda x, d: d - d.sum(axis=0) * (np.arange(len(x))[:, None] == x.argmax(axis=0)),
    ),
    "weighted by the place of the row": (
        lambda x: x * np.arange(1, len(x) + 1, dtype=x.dtype)[:, None],
        lambda x, d: d * np.arange(1, len(x) + 1, dtype=x.dtype)[:, None],
    ),
}


def masked(mask: Any) -> Layer[Any, Any]:
    """A mask for each row: for as many rows, and features, as it has."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if x.shape != mask.shape:
            raise ValueError(f"x has shape {x.shape}, the mask {mask.shape}")
        return x * mask, None

    return Layer(forward, lambda cache, dout: (dout * mask, ()), couples_rows=True)


def of_rows(n: int) -> Layer[Any, Any]:
    """A square for batches of n rows and no others."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if len(x) != n:
            raise ValueError(f"x has {len(x)} rows, expected {n}")
        return x * x, own(x)

    return Layer(forward, lambda x, dout: (2 * x * dout, ()))


def of_shape(*shape: int) -> Layer[Any, Any]:
    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if x.shape[1:] != shape:
            raise ValueError(f"rows have shape {x.shape[1:]}, expected {shape}")
        return np.sin(x), own(x)

    return Layer(forward, lambda x, dout: (np.cos(x) * dout, ()))


def of_dtype(kind: type[np.floating[Any]]) -> Layer[Any, Any]:
    """A layer that takes one dtype alone."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if x.dtype != kind:
            raise TypeError(f"x is {x.dtype}, expected {kind.__name__}")
        return np.sin(x), own(x)

    return Layer(forward, lambda x, dout: (np.cos(x) * dout, ()))


def positive_only() -> Layer[Any, Any]:
    """A logarithm that refuses what has none."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if not (x > 0).all():
            raise ValueError("log: x must be positive")
        return np.log(x), own(x)

    return Layer(forward, lambda x, dout: (dout / x, ()))


def shares_only() -> Layer[Any, Any]:
    """A logit that refuses what is not between 0 and 1."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if not ((x > 0) & (x < 1)).all():
            raise ValueError("logit: x must be between 0 and 1")
        return np.log(x) - np.log1p(-x), own(x)

    return Layer(forward, lambda x, dout: (dout / (x * (1 - x)), ()))


def random_times(seed: int, *, by_feature: bool = False, gaussian: bool = False) -> Layer[Any, Any]:
    """Random factors that depend on the seed and the shape."""

    def factors(shape: tuple[int, ...], dtype: Any) -> Any:
        rng = np.random.default_rng(seed)
        drawn = rng.standard_normal(shape) + 1 if gaussian else 2 * (rng.random(shape) < 0.5)
        return read_only(np.asarray(drawn).astype(dtype))

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        m = factors(x.shape[1:] if by_feature else x.shape, x.dtype)
        return x * m, m

    return Layer(forward, lambda m, dout: (dout * m, ()), couples_rows=not by_feature)


def random_plus(seed: int) -> Layer[Any, Any]:
    """Noise is added to what is squared then."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        y = read_only(x + noise(seed, x.shape, x.dtype))
        return y * y, y

    return Layer(forward, lambda y, dout: (2 * y * dout, ()), couples_rows=True)


def random_choice(seed: int) -> Layer[Any, Any]:
    """A permutation of the features, drawn from a seed."""

    def order(d: int) -> Any:
        return np.random.default_rng(seed).permutation(d)

    return of_x(lambda x: x[..., order(x.shape[-1])], lambda x, d: d[..., np.argsort(order(x.shape[-1]))])


def sampled(p: Any, x: Any) -> Any:
    """The mean and a spread times noise of a bound seed, as variational layers have it."""
    if len(p[0]) != x.shape[-1]:
        raise ValueError("sampled: the features differ")
    return x * (p[0] + np.exp(p[1]) * noise(5, x.shape[1:], x.dtype))


def sampled_vjp(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    spread = np.exp(p[1]) * noise(5, x.shape[1:], x.dtype)
    return d * (p[0] + spread), ((d * x).sum(axis=0), (d * x).sum(axis=0) * spread)


def row_layers() -> list[Adversary]:
    members = [_coupled(name, f, vjp) for name, (f, vjp) in COUPLED.items()]
    mask = np.random.default_rng(2).random((5, 4)) < 0.7
    members += [
        member(
            "coupled: batch norm with scale and bias",
            "coupled",
            lambda: of_both(batch_norm, batch_norm_vjp, couples_rows=True),
            SOME,
            several(normal(4), normal(4)),
        ),
        member(
            "coupled: batch norm of equal rows",
            "coupled",
            _of_x(*COUPLED["batch norm without parameters"]),
            given(np.outer(np.ones(4), [1.0, -2, 3])),
        ),
        member("coupled: centring of one row", "coupled", _of_x(*COUPLED["centring"]), normal(1, 4)),
        member("shape: a mask for each row", "shape", lambda: masked(mask), SOME),
        member("shape: five rows and no others", "shape", lambda: of_rows(5), SOME),
        member("shape: one row and no more", "shape", lambda: of_rows(1), normal(1, 4)),
        member("shape: seven rows, of pictures", "shape", lambda: of_rows(7), normal(7, 3, 2)),
        member("shape: four columns and no others", "shape", lambda: of_shape(4), SOME),
        member("shape: one column and no more", "shape", lambda: of_shape(1), normal(5, 1)),
        member("shape: rows of 3 by 2", "shape", lambda: of_shape(3, 2), normal(5, 3, 2)),
        member("shape: rows that are numbers", "shape", of_shape, normal(6)),
        member("dtype: float64 and no other", "shape", lambda: of_dtype(np.float64), SOME),
        member("dtype: float32 and no other", "shape", lambda: of_dtype(np.float32), normal(5, 4, dtype=np.float32)),
        member("domain: log that refuses others", "shape", positive_only, lambda rng: rng.uniform(0.1, 2, (5, 4))),
        member("domain: logit that refuses others", "shape", shares_only, lambda rng: rng.uniform(0.1, 0.9, (5, 4))),
        member("seed: dropout", "seed", lambda: random_times(3), SOME),
        member("seed: dropout of whole features", "seed", lambda: random_times(3, by_feature=True), SOME),
        member("seed: Gaussian factors", "seed", lambda: random_times(4, gaussian=True), SOME),
        member(
            "seed: Gaussian factors of features",
            "seed",
            lambda: random_times(4, by_feature=True, gaussian=True),
            normal(3, 2, 4),
        ),
        member("seed: noise before a square", "seed", lambda: random_plus(6), SOME),
        member("seed: shuffled features", "seed", lambda: random_choice(7), SOME),
        member(
            "seed: sampled weights", "seed", lambda: of_both(sampled, sampled_vjp), SOME, several(normal(4), normal(4))
        ),
    ]
    return members


def _of_x(f: Function, vjp: Vjp) -> Any:
    return lambda: of_x(f, vjp, couples_rows=True)


def _coupled(name: str, f: Function, vjp: Vjp) -> Adversary:
    return member(f"coupled: {name}", "coupled", _of_x(f, vjp), SOME)
