"""All public layers, with parameters and inputs for them: laws are tested over this list."""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

import chainrule
from chainrule import Affine, Array, Layer, affine, relu, sequential, sigmoid
from strategies import Floating


@frozen
class Subject:
    """A layer under test."""

    name: str
    layer: Layer[Any, Any]
    make: Callable[[np.random.Generator, int, Floating], tuple[Any, Array]]
    """`(rng, n, dtype) -> (params, x)` with n rows."""


def _affine(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, m = rng.integers(1, 6, 2)
    return _params(rng, d, m, dtype), rng.standard_normal((n, d)).astype(dtype)


def _elementwise(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return (), rng.standard_normal((n, rng.integers(1, 6))).astype(dtype)


def _network(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, h, m = rng.integers(1, 6, 3)
    params = (_params(rng, d, h, dtype), (), _params(rng, h, m, dtype))
    return params, rng.standard_normal((n, d)).astype(dtype)


def _nested(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    params, x = _network(rng, n, dtype)
    return (params[:2], params[2]), x


def _params(rng: np.random.Generator, d: int, m: int, dtype: Floating) -> Affine:
    return Affine(rng.standard_normal((d, m)).astype(dtype), rng.standard_normal(m).astype(dtype))


def _identity(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return _elementwise(rng, n, dtype)


SUBJECTS = [
    Subject("affine", affine, _affine),
    Subject("relu", relu, _elementwise),
    Subject("sigmoid", sigmoid, _elementwise),
    Subject("sequential()", sequential(), _identity),
    Subject("sequential(affine, relu, affine)", chainrule.two_layer.network, _network),
    Subject("sequential(affine, sigmoid, affine)", sequential(affine, sigmoid, affine), _network),
    Subject("nested sequential", sequential(sequential(affine, relu), affine), _nested),
]
