"""Faults that show in other calls alone: with other numbers, sizes, layouts and dtypes; and forms that are right."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own, read_only
from checking.planted import RNG, Planted, X, assert_found, squares, squares_back

W, SCALE = RNG(8).standard_normal((5, 3)), RNG(9).standard_normal(5)
X32 = X.astype(np.float32)
SERIES = RNG(7).standard_normal((3, 7, 4))

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def squares_but(backward: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    return Layer(squares, lambda x, d: (backward(x, d), ()))


def more_if(condition: Any, dx: Array) -> Array:
    return dx * dx.dtype.type(1.5 if condition else 1)


def products(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ w, (own(x), own(w))


def products_but(backward: Callable[[Array, Array, Array], tuple[Array, Array]]) -> Layer[Any, Any]:
    return Layer(products, lambda c, d: backward(c[0], c[1], d))


def products_if(condition: Callable[[Array], Any]) -> Layer[Any, Any]:
    """A product whose dx is wrong for some parameters."""
    return products_but(lambda x, w, d: (more_if(condition(w), d @ w.T), x.T @ d))


def scaled(s: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * s, (own(x), own(s))


def scaled_but(backward: Callable[[Array, Array, Array], tuple[Array, Array]]) -> Layer[Any, Any]:
    return Layer(scaled, lambda c, d: backward(c[0], c[1], d))


def in_place(change: Callable[[Array], Any], when: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares whose backward changes some dout in its own memory."""

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        if d.flags.writeable and when(d):
            change(d)
        return squares_back(x, d)

    return Layer(squares, backward)


def held_if(when: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Squares whose cache is x itself, sometimes."""
    return Layer(lambda p, x: (x * x, x if when(x) else own(x)), squares_back)


def first_matrix() -> Layer[Any, Any]:
    """A product that keeps its first matrix of float32 for good."""
    kept: list[Array] = []

    def backward(x: Array, w: Array, d: Array) -> tuple[Array, Array]:
        if w.dtype == np.float32:
            kept.append(w.copy())
            w = kept[0]
        return d @ w.T, x.T @ d

    return products_but(backward)


def is_fortran(a: Array) -> bool:
    return a.flags.f_contiguous and not a.flags.c_contiguous


def is_float32(a: Array) -> bool:
    return a.dtype == np.float32


def means_of_steps(p: Any, x: Array) -> tuple[Array, Any]:
    return x.mean(1), x.shape


def of_steps_but(condition: Callable[[int], bool]) -> Layer[Any, Any]:
    def backward(shape: Any, d: Array) -> tuple[Array, Any]:
        dx = np.repeat(d[:, None] / d.dtype.type(shape[1]), shape[1], axis=1)
        return more_if(condition(shape[1]), dx), ()

    return Layer(means_of_steps, backward)


FOUND = {
    "a matrix of zeros": Planted(
        products_but(lambda x, w, d: (d @ w.T, x.T @ d * w.any())), "other_values", "for params of zeros", params=W
    ),
    "a scale of ones": Planted(
        scaled_but(lambda x, s, d: (d * s, (d * x).sum(0) * (s != 1).any())),
        "other_values",
        "for params of ones",
        params=SCALE,
    ),
    "a large matrix": Planted(
        products_if(lambda w: np.abs(w).max() > 9), "other_values", "for parameters ten times", params=W
    ),
    "a tiny matrix": Planted(
        products_if(lambda w: np.abs(w).max() < 0.1), "other_values", "for parameters a thousandth", params=W
    ),
    "a positive matrix": Planted(
        products_if(lambda w: (w > 0).all() and np.ptp(w) > 0),
        "other_values",
        "for parameters that are positive",
        params=W,
    ),
    "a negative matrix": Planted(
        products_if(lambda w: (w < 0).all()), "other_values", "for parameters that are negative", params=W
    ),
    "a column of zeros": Planted(
        products_if(lambda w: not w.any(0).all() and w.any()),
        "other_values",
        "for parameters with a row and a column",
        params=W,
    ),
    "a positive scale beyond 2.5": Planted(
        scaled_but(lambda x, s, d: (d * np.minimum(s, 2.5), (d * x).sum(0))),
        "other_values",
        "for parameters of one sign",
        params=np.abs(SCALE) + 0.1,
    ),
    "one row of zeros": Planted(
        squares_but(lambda x, d: 2 * x * d + np.logical_and(~x.any(-1, keepdims=True), x.any()) * d),
        "other_values",
        "for x with a row of zeros",
    ),
    "columns beyond 64 beside a scale": Planted(
        scaled_but(lambda x, s, d: (d * s * (np.arange(s.size) < 64), (d * x).sum(0))),
        "other_sizes",
        "for x (6, 65) and parameters of 65",
        params=SCALE,
    ),
    "eleven columns": Planted(
        squares_but(lambda x, d: more_if(x.shape[-1] % 8 == 3 and x.shape[-1] > 8, 2 * x * d)),
        "other_sizes",
        "for x (6, 11)",
    ),
    "whole blocks of steps": Planted(of_steps_but(lambda t: t % 16 == 0), "other_sizes", "for x (3, 16, 4)", SERIES),
    "steps first in memory": Planted(
        squares_but(lambda x, d: more_if(d.strides[1] > d.strides[0] > d.strides[2] > 0, 2 * x * d)),
        "any_layout",
        "a time-major dout",
        SERIES,
    ),
    "dout that is equal along time": Planted(
        squares_but(lambda x, d: more_if(d.strides[1] == 0 < d.strides[0], 2 * x * d)),
        "any_layout",
        "a dout that is broadcast along axis 1",
        SERIES,
    ),
    "Fortran's order in float32": Planted(
        squares_but(lambda x, d: more_if(is_float32(d) and is_fortran(d), 2 * x * d)),
        "other_calls",
        "in float32, for a Fortran-ordered dout",
        X32,
    ),
    "x of zeros in float32": Planted(
        products_but(lambda x, w, d: (d @ w.T * (1 if x.any() or not is_float32(x) else 0), x.T @ d)),
        "other_calls",
        "in float32, for x of zeros",
        X32,
        W.astype(np.float32),
    ),
    "one entry in float32": Planted(
        squares_but(lambda x, d: more_if(is_float32(d) and np.count_nonzero(d) == 1, 2 * x * d)),
        "other_calls",
        "in float32, for a dout of one entry",
        X32,
    ),
    "zeros in float32": Planted(
        squares_but(lambda x, d: 2 * x * d + (np.float32(np.nan) if is_float32(d) and not d.any() else 0)),
        "other_calls",
        "in float32, for a dout of zeros",
        X32,
    ),
    "nan in float32": Planted(
        squares_but(lambda x, d: 2 * x * (np.nan_to_num(d) if is_float32(d) else d)),
        "other_calls",
        "in float32, for a dout with a nan",
        X32,
    ),
    "many steps in float32": Planted(
        squares_but(lambda x, d: more_if(is_float32(d) and d.shape[1] > 32, 2 * x * d)),
        "other_calls",
        "in float32, for x with 40 along axis 1",
        SERIES,
    ),
    "the first matrix in float32": Planted(first_matrix(), "other_calls", "in float32, for parameters", params=W),
    "many rows in float16": Planted(
        products_but(
            lambda x, w, d: (d @ w.T, x.T @ (d if d.dtype.itemsize > 2 else d * (np.arange(len(d)) < 64)[:, None]))
        ),
        "other_calls",
        "in float16, for x with 300 rows",
        params=W,
    ),
    "dout in Fortran's order, written": Planted(
        in_place(lambda d: np.multiply(d, 2, out=d), is_fortran),
        "other_calls",
        "in float64, for a Fortran-ordered dout: the call wrote to it",
    ),
    "nan of dout, written": Planted(
        in_place(lambda d: np.nan_to_num(d, copy=False), lambda d: np.isnan(d).any()),
        "other_calls",
        "in float64, for a dout with a nan: the call wrote to it",
    ),
    "large numbers of dout, written": Planted(
        in_place(lambda d: np.clip(d, -100, 100, out=d), lambda d: True),
        "other_calls",
        "in float64, for a dout that is large: the call wrote to it",
    ),
    "x in Fortran's order as out": Planted(
        Layer(lambda p, x: (x if is_fortran(x) else x.copy(), ()), lambda c, d: (d.copy(), ())),
        "other_calls",
        "in float64, for a Fortran-ordered x: it is writable",
    ),
    "small x as out": Planted(
        Layer(
            lambda p, x: (x if (np.abs(x) < 1).all() else np.clip(x, -1, 1), own(np.abs(x) < 1)),
            lambda c, d: (d * c, ()),
        ),
        "other_calls",
        "in float64, for x of zeros: it is writable",
    ),
    "a strided x, held": Planted(
        held_if(lambda x: not (x.flags.c_contiguous or x.flags.f_contiguous) and x.strides[0] > 0),
        "other_calls",
        "in float64, for a strided x: the cache shares",
    ),
    "grads beyond 256 rows": Planted(
        Layer(products, lambda c, d: (d @ c[1].T, c[0].T @ d), lambda c, d: c[0][:256].T @ d[:256]),
        "other_calls",
        "in float64, for x with 300 rows: grads",
        params=W,
    ),
    "grads of large x": Planted(
        Layer(products, lambda c, d: (d @ c[1].T, c[0].T @ d), lambda c, d: np.clip(c[0], -100, 100).T @ d),
        "other_calls",
        "in float64, for x a hundred times",
        params=W,
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    assert_found(FOUND[name])


# What is right


def sinc(p: Any, x: Array) -> tuple[Array, Array]:
    return np.sin(x) / x, own(x)


def sinc_back(x: Array, d: Array) -> tuple[Array, Any]:
    series = x * (-1 / 3 + x * x * (1 / 30 - x * x * (1 / 840 - x * x / 45360)))
    known = (np.cos(x) - np.sin(x) / x) / x
    return (d * np.where(np.abs(x) < 0.3, series, known)).astype(d.dtype), ()


def steep(p: Any, x: Array) -> tuple[Array, Array]:
    return np.tanh(20 * x), own(x)


def steep_back(x: Array, d: Array) -> tuple[Array, Any]:
    t = np.tanh(20 * x)
    return d * 20 * (1 - t * t), ()


class Once:
    """A cache that computes its slope when it is first asked for."""

    def __init__(self, x: Array) -> None:
        self.x = own(x)

    @cached_property
    def slope(self) -> Array:
        return read_only(2 * self.x)


def inverse(p: Any, x: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):  # of a singular matrix, what is left of the last pivot
        lower = x[:, 1, 1] - x[:, 1, 0] * (x[:, 0, 1] / x[:, 0, 0])
        lower = np.where(lower == 0, np.finfo(x.dtype).eps ** 4, lower)
        det = x[:, 0, 0] * lower
        turned = np.stack([x[:, 1, 1], -x[:, 0, 1], -x[:, 1, 0], x[:, 0, 0]], -1).reshape(-1, 2, 2)
        made: Array = read_only((turned / det[:, None, None]).astype(x.dtype))
    return made, made


def inverse_back(out: Array, d: Array) -> tuple[Array, Any]:
    turned = np.swapaxes(out, -1, -2)
    return -(turned @ d @ turned), ()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Layer(sinc, sinc_back), np.where(np.arange(30).reshape(6, 5) % 7 == 0, 1.6e-3, X)),
        (Layer(steep, steep_back), X),
        (Layer(lambda p, x: (x * x, Once(x)), lambda c, d: (c.slope * d, ())), X),
        (Layer(inverse, inverse_back), RNG(5).standard_normal((4, 2, 2)) + 2 * np.eye(2)),
        (Layer(lambda p, x: (np.arctan(1e-8 * x), own(x)), lambda x, d: (d * (1e-8 / (1 + 1e-16 * x * x)), ())), X),
    ],
    ids=["sinc near 0", "a steep tangent", "a slope that is made once", "inverses", "slopes that float16 has not"],
)
def test_a_right_layer_is_not_wrong(layer: Layer[Any, Any], x: Array, seed: int) -> None:
    report = check_layer(layer, (), x, rng=RNG(seed))
    assert not report.failures, str(report)
