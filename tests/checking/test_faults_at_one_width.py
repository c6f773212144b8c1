"""Faults of a product that show at one width of its parameters alone, or beyond one in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, laws, own
from checking.planted import RNG, X

Pair = tuple[Array, Array]

W, B = RNG(1).standard_normal((5, 3)), RNG(2).standard_normal(3)


def same(array: Array) -> Array:
    return array


def product(
    of_dx: Callable[[Array], Array] = same, of_W: Callable[[Array], Array] = same, of_b: Callable[[Array], Array] = same
) -> Layer[Any, Any]:
    """`x W + b`, with a fault in dx, dW or db."""

    def forward(params: Pair, x: Array) -> tuple[Array, Pair]:
        return x @ params[0] + params[1], (own(x), own(params[0]))

    def backward(cache: Pair, d: Array) -> tuple[Array, Pair]:
        x, W = cache
        return of_dx(d @ W.T), (of_W(x.T @ d), of_b(d.sum(axis=0)))

    return Layer(forward, backward)


def without_a_single_column(dx: Array) -> Array:
    return dx if dx.shape[1] > 1 else dx[:, 0]


def wide_if_single(db: Array) -> Array:
    return db if db.size > 1 else db.astype(np.float64)


def from_256_on(array: Array) -> Array:
    kept = array.copy()
    kept[..., 256:] = 0
    return kept


def twice_at(columns: int) -> Callable[[Array], Array]:
    return lambda db: 2 * db if db.size == columns else db


def twice_in_float32_beyond(columns: int) -> Callable[[Array], Array]:
    return lambda array: 2 * array if array.dtype == np.float32 and array.shape[-1] > columns else array


OF_SIZES: dict[str, tuple[Layer[Any, Any], str]] = {
    "squeezed b": (product(of_b=np.squeeze), "grads[1]"),
    "squeezed W": (product(of_W=np.squeeze), "grads[0]"),
    "squeezed dx": (product(without_a_single_column), "dx"),
    **{f"b at {n}": (product(of_b=twice_at(n)), "grads[1]") for n in (16, 64, 256, 257)},
    "dx from 256 on": (product(from_256_on), "dx"),
    "W from 256 on": (product(of_W=from_256_on), "grads[0]"),
}

OF_DTYPES: dict[str, tuple[Layer[Any, Any], str]] = {
    "wide b": (product(of_b=wide_if_single), "grads[1]"),
    **{f"dx beyond {n}": (product(twice_in_float32_beyond(n)), "dx") for n in (8, 32, 64, 128)},
    **{f"W beyond {n}": (product(of_W=twice_in_float32_beyond(n)), "grads[0]") for n in (8, 64)},
}


@pytest.mark.parametrize("name", OF_SIZES)
def test_other_sizes_find_it(name: str) -> None:
    layer, field = OF_SIZES[name]
    wrong = {each.field for each in laws.other_sizes(layer, (W, B), X, RNG(0)) if each.wrong}
    assert wrong == {field}


@pytest.mark.parametrize("name", OF_DTYPES)
def test_other_lengths_in_float32_find_it(name: str) -> None:
    layer, field = OF_DTYPES[name]
    wrong = {each.field for each in laws.precision(layer, (W, B), X, RNG(0)) if each.wrong}
    assert wrong == {field}


def test_a_squeezed_gradient_is_said_to_be_one() -> None:
    found = laws.other_sizes(product(of_b=np.squeeze), (W, B), X, RNG(0))
    note = "parameters with 1 number in place of 3: has shape (), expected (1,): is an axis of 1 squeezed away?"
    assert [each.note for each in found if each.wrong] == [f"for x (6, 5) and {note}"]


def one_output_is_a_number(flat_as_well: bool) -> Layer[Any, Any]:
    """`x W`, of which a single column comes without its axis; dW may come so as well."""

    def forward(W: Array, x: Array) -> tuple[Array, Pair]:
        out = x @ W
        return (out[:, 0] if W.shape[1] == 1 else out), (own(x), own(W))

    def backward(cache: Pair, d: Array) -> Pair:
        x, W = cache
        columns = d.reshape(len(x), -1)
        return columns @ W.T, x.T @ (d if flat_as_well else columns)

    return Layer(forward, backward)


def test_nothing_can_be_told_where_forward_squeezes_too() -> None:
    found = laws.other_sizes(one_output_is_a_number(True), W, X, RNG(0))
    assert [(each.field, each.undecided) for each in found if not each.ok] == [("grads", True)]


@pytest.mark.parametrize("layer", [product(), one_output_is_a_number(False)], ids=["a product", "flat if single"])
@pytest.mark.parametrize("law", [laws.other_sizes, laws.precision])
def test_a_right_one_is_accepted(layer: Layer[Any, Any], law: Callable[..., Any]) -> None:
    params = (W, B) if layer.forward.__qualname__.startswith("product") else W
    for seed in range(3):
        assert [str(each) for each in law(layer, params, X, RNG(seed)) if not each.ok] == []


def test_numbers_of_more_digits_are_taken() -> None:
    params, x = (W.astype(np.longdouble), B.astype(np.longdouble)), X.astype(np.longdouble)
    assert [str(each) for each in laws.precision(product(), params, x, RNG(0)) if not each.ok] == []
