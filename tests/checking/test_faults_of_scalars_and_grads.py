"""Faults of layers with one number for a parameter, of `grads` at other lengths, and in a `dout` of few numbers."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own
from checking.planted import RNG, Planted, X, assert_found, squares, squares_back

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

Scaled = tuple[Array, Array]

SCALE = np.array(1.5)
SCALES = RNG(1).standard_normal(5)
W = RNG(8).standard_normal((5, 3))


def scaled(p: Array, x: Array) -> tuple[Array, Scaled]:
    return x * p, (own(x), own(p))


def scaled_back(c: Scaled, d: Array) -> tuple[Array, Array]:
    return d * c[1], (d * c[0]).sum(0)


def by_one_number(dx: Callable[[Array], Any], grad: Callable[[Array], Array]) -> Layer[Any, Any]:
    """`x * p`, with a factor of dx and a way to see the products that are summed."""

    def backward(c: Scaled, d: Array) -> tuple[Array, Array]:
        return d * c[1] * dx(d), np.asarray(grad(d * c[0]).sum())

    return Layer(scaled, backward)


def as_it_is(products: Array) -> Array:
    return products


def products(w: Array, x: Array) -> tuple[Array, Scaled]:
    return x @ w, (own(x), own(w))


def products_back(c: Scaled, d: Array) -> tuple[Array, Array]:
    return d @ c[1].T, c[0].T @ d


def transposed_if_square(c: Scaled, d: Array) -> Array:
    grad = products_back(c, d)[1]
    return grad.T if grad.shape[0] == grad.shape[1] else grad


def twice_from_65(c: Scaled, d: Array) -> Array:
    return products_back(c, d)[1] * (2 if d.shape[1] >= 65 else 1)


def only_for_five(c: Scaled, d: Array) -> Array:
    return scaled_back(c, d)[1] * (1 if d.shape[1] == 5 else 2)


def squares_but(seen: Callable[[Array], Array]) -> Layer[Any, Any]:
    """Squares whose backward sees another `dout`."""
    return Layer(squares, lambda x, d: squares_back(x, seen(d)))


def signs_of_one(d: Array) -> Array:
    return np.sign(d) if np.count_nonzero(d) == 1 else d


def half_of_one_large_row(d: Array) -> Array:
    alone = d.ndim == 2 and np.count_nonzero(np.abs(d).sum(1)) == 1 < len(d)
    return d / 2 if alone and np.abs(d).max() > 3 else d


def silenced(p: Any, x: Array) -> tuple[Array, Array]:
    warnings.simplefilter("ignore", RuntimeWarning)
    return squares(p, x)


FAULTS = {
    "dx of 0 from 8 columns on": Planted(
        by_one_number(lambda d: d.shape[1] < 8, as_it_is), "other_sizes", "for x (6, 8)", params=SCALE
    ),
    "dx of 0 for one column": Planted(
        by_one_number(lambda d: d.shape[1] > 1, as_it_is), "other_sizes", "for x (6, 1)", params=SCALE
    ),
    "a sum over 33 columns": Planted(
        by_one_number(np.ones_like, lambda each: each[:, :33]), "other_sizes", "for x", params=SCALE
    ),
    "grads that are right for five numbers": Planted(
        Layer(scaled, scaled_back, only_for_five),
        "grads_without_dx",
        "for parameters with 33 numbers in place of 5",
        params=SCALES,
    ),
    "grads that are transposed for a square": Planted(
        Layer(products, products_back, transposed_if_square),
        "grads_without_dx",
        "for parameters with 3 numbers in place of 5",
        params=W,
    ),
    "grads that are twice as large from 65 columns on": Planted(
        Layer(products, products_back, twice_from_65),
        "grads_without_dx",
        "for parameters with 65 numbers in place of 3",
        params=W,
    ),
    "the sign of a dout of one entry": Planted(squares_but(signs_of_one), "any_dout", "for dout of one entry"),
    "half of a dout of one row": Planted(squares_but(half_of_one_large_row), "any_dout", "for dout of row 5 alone"),
    "a filter of warnings": Planted(
        Layer(silenced, squares_back), "process_unchanged", "a call changes the filters of warnings"
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    assert_found(FAULTS[name])


def constant_of_its_own(p: Array, x: Array) -> tuple[Array, Scaled]:
    return x * p * np.arange(1.0, 6.0, dtype=x.dtype), (own(x), own(p))


def constant_of_its_own_back(c: Scaled, d: Array) -> tuple[Array, Array]:
    by = np.arange(1.0, 6.0, dtype=d.dtype)
    return d * c[1] * by, np.asarray((d * c[0] * by).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("layer", "params"),
    [
        (by_one_number(np.ones_like, as_it_is), SCALE),
        (Layer(constant_of_its_own, constant_of_its_own_back), SCALE),
        (Layer(scaled, scaled_back, lambda c, d: scaled_back(c, d)[1]), SCALES),
        (Layer(products, products_back, lambda c, d: products_back(c, d)[1]), W),
    ],
    ids=["one number", "one number and a constant of five columns", "a vector", "a matrix"],
)
def test_right_ones_are_called_right(layer: Layer[Any, Any], params: Any, seed: int) -> None:
    report = check_layer(layer, params, X, rng=RNG(seed))
    assert report.ok, str(report)
