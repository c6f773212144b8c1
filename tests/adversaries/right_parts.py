"""The parts of right layers: draws of arguments, and layers from functions of arrays."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from adversaries.case import Adversary, LayerCase
from chainrule import Labels, Layer, own
from strategies import Floating

Draw: TypeAlias = Callable[[np.random.Generator], Any]
"""Parameters or an input, from a generator."""

Function: TypeAlias = Callable[[Any], Any]
Vjp: TypeAlias = Callable[[Any, Any], Any]
"""`(x, dout) -> dx`."""

OfThree: TypeAlias = Callable[[Any, Any, Any], Any]
"""`(params, x, dout) -> (dx, grads)`, or another function of three arrays."""


where: OfThree = np.where
"""With the types of any arrays: NumPy's own are not known where those of its arguments are not."""


def member(
    name: str, kind: str, layer: Callable[[], Any], x: Draw, params: Draw | None = None, *, surrogate: bool = False
) -> Adversary:
    """A right layer, with draws of its arguments: the same ones each time."""

    def make() -> LayerCase:
        rng = np.random.default_rng(1)
        return LayerCase(layer(), params(rng) if params else (), x(rng), surrogate)

    return Adversary(name, kind, make)


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0, dtype: Floating = np.float64) -> Draw:
    return lambda rng: np.asarray(scale * rng.standard_normal(shape) + shift).astype(dtype)


def uniform(low: float, high: float, *shape: int, dtype: Floating = np.float64) -> Draw:
    return lambda rng: np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def powers(low: float, high: float, *shape: int, dtype: Floating = np.float64) -> Draw:
    """Powers of ten: positive numbers of all sizes between two."""
    return lambda rng: (10 ** rng.uniform(low, high, shape)).astype(dtype)


def signed_powers(low: float, high: float, *shape: int, dtype: Floating = np.float64) -> Draw:
    return lambda rng: (rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(low, high, shape)).astype(dtype)


def given(values: Any, dtype: Floating = np.float64) -> Draw:
    return lambda rng: np.array(values, dtype)


def with_values(draw: Draw, *values: float) -> Draw:
    """A draw whose first entries, row by row, are these values."""

    def put(rng: np.random.Generator) -> Any:
        x = draw(rng)
        x.flat[: len(values)] = values
        return x

    return put


def several(*draws: Draw) -> Draw:
    return lambda rng: tuple(draw(rng) for draw in draws)


def pointwise(f: Function, slope: Function) -> Layer[Any, Any]:
    """A layer that takes each number alone."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return f(x), own(x)

    def backward(x: Any, dout: Any) -> tuple[Any, Any]:
        return dout * np.asarray(slope(x), x.dtype), ()

    return Layer(forward, backward)


def of_x(f: Function, vjp: Vjp, *, couples_rows: bool = False) -> Layer[Any, Any]:
    """A layer without parameters."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return f(x), own(x)

    def backward(x: Any, dout: Any) -> tuple[Any, Any]:
        return vjp(x, dout), ()

    return Layer(forward, backward, couples_rows=couples_rows)


def of_both(f: Callable[[Any, Any], Any], vjp: OfThree, *, couples_rows: bool = False) -> Layer[Any, Any]:
    """A layer of `f(params, x)` and `vjp(params, x, dout) -> (dx, grads)`; the parameters are an array or a tuple."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return f(params, x), own((params, x))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        params, x = cache
        result: tuple[Any, Any] = vjp(params, x, dout)
        return result

    return Layer(forward, backward, couples_rows=couples_rows)


def fit(x: Any, features: int) -> None:
    """Refuse an x with another number of features: it would be broadcast."""
    if x.shape[-1] != features:
        raise ValueError(f"x has {x.shape[-1]} features, expected {features}")


def dot(a: Any, b: Any) -> Any:
    """The inner products of rows: one more axis of length 1."""
    return (a * b).sum(axis=-1, keepdims=True)


def noise(seed: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """The same normal numbers each time."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def places(n: int) -> Labels:
    return np.arange(n)


def sum_rows(a: Any) -> Any:
    """The sum over all axes but the last."""
    return a.reshape(-1, a.shape[-1]).sum(axis=0)


def rows_of(a: Any) -> Any:
    return a.reshape(-1, a.shape[-1])


def sigmoid_of(x: Any) -> Any:
    """To the last digits in both tails."""
    return np.exp(-np.logaddexp(0, -x))


def sigmoid_slope(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -x) - np.logaddexp(0, x))


def tanh_slope(x: Any) -> Any:
    tail = np.exp(-2 * np.abs(x))
    return 4 * tail / (1 + tail) ** 2


def softmax_of(x: Any) -> Any:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_vjp(p: Any, dout: Any) -> Any:
    """By the output p."""
    return p * (dout - dot(p, dout))
