"""Faults that show where several threads meet in the middle of a call, wherever its lines stand."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer
from checking.planted import RNG, X, tangent_in_a_box

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def tangent(p: Any, x: Array) -> tuple[Array, Array]:
    y = np.tanh(x)
    return y, y.copy()


def tangent_back(y: Array, d: Array) -> tuple[Array, Any]:
    return (1 - y * y) * d, ()


class Forward:
    """A callable object that keeps its arguments."""

    def __call__(self, p: Any, x: Array) -> tuple[Array, Array]:
        self.x = x
        y = np.stack([np.tanh(self.x[..., j]) for j in range(x.shape[-1])], -1)
        return y, y.copy()


class Backward:
    """A callable object that keeps its arguments."""

    def __call__(self, y: Array, d: Array) -> tuple[Array, Any]:
        self.y, self.d = y, d
        columns = [(1 - self.y[..., j] ** 2) * self.d[..., j] for j in range(d.shape[-1])]
        return np.stack(columns, -1), ()


class Pure:
    """A callable object that keeps nothing."""

    def __call__(self, y: Array, d: Array) -> tuple[Array, Any]:
        return tangent_back(y, d)


def through(f: Any, y: Array, d: Array) -> tuple[Array, Any]:
    dx, grads = f(y, d)
    return dx.copy(), grads


def by_name(y: Array, d: Array, f: Any) -> tuple[Array, Any]:
    result: tuple[Array, Any] = f(y, d)
    return result


MEETING: dict[str, Callable[[], Layer[Any, Any]]] = {
    "backward of another file": lambda: Layer(tangent, tangent_in_a_box),
    "a partial of that": lambda: Layer(tangent, partial(through, tangent_in_a_box)),
    "a partial of that by name": lambda: Layer(tangent, partial(by_name, f=tangent_in_a_box)),
    "an object for forward": lambda: Layer(Forward(), tangent_back),
    "an object for backward": lambda: Layer(tangent, Backward()),
    "objects for both": lambda: Layer(Forward(), Backward()),
    "methods of an object": lambda: Layer(Forward().__call__, Backward().__call__),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MEETING)
def test_what_is_kept_outside_the_cache_is_found_by_threads(name: str, seed: int) -> None:
    report = check_layer(MEETING[name](), (), X, rng=RNG(seed), only=["threads"])
    (wrong,) = report.failures
    assert "is something stored outside the cache?" in wrong.note


@pytest.mark.parametrize("seed", range(3))
def test_objects_that_are_called_are_accepted(seed: int) -> None:
    report = check_layer(Layer(tangent, Pure()), (), X, rng=RNG(seed))
    assert report.ok, str(report)
