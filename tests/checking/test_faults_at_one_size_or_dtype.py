"""Faults that show at one size, in one dtype or one kind of memory alone; and layers that refuse what is beyond."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own, read_only
from checking.planted import RNG, Planted, X, assert_found, squares, squares_back

W = RNG(8).standard_normal((5, 3))

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def squares_but(backward: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    return Layer(squares, lambda x, d: (backward(x, d), ()))


def products(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ w, (own(x), own(w))


def products_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    return d @ c[1].T, c[0].T @ d


def products_but(grads: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    """A product whose `grads` are others than those of its backward."""
    return Layer(products, products_back, lambda c, d: grads(c[0], d))


def kept_aside(when: Callable[[Array], bool]) -> Layer[Any, Any]:
    """Squares that keep x in a global, sometimes."""
    aside: dict[Any, Array] = {}

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        aside[x.shape, x.dtype] = x.copy()
        return squares(p, x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return squares_back(aside[d.shape, d.dtype] if when(d) else x, d)

    return Layer(forward, backward)


def doubled_for_a_while(p: Any, x: Array) -> tuple[Array, Array]:
    if x.flags.writeable:
        x *= 2
        out = x * x / 4
        x /= 2
        return out, own(x)
    return squares(p, x)


def without_zeros(p: Any, x: Array) -> tuple[Array, Array]:
    if x.flags.writeable:
        x[x == 0] = 1e-12
    return squares(p, x)


def made_constant(p: Any, x: Array) -> tuple[Array, Array]:
    return x * x, read_only(x)


def made_writable(array: Array) -> Array:
    if array.base is None:  # a view of read-only memory can't be
        array.flags.writeable = True
    return array


def spoils_its_cache(x: Array, d: Array) -> tuple[Array, Any]:
    dx = 2 * x * d
    if not d.any():
        x[...] = 0
    return dx, ()


def writes_rows_with_numbers(x: Array, d: Array) -> Array:
    dx, some = np.empty_like(d), (x != 0).any(-1)
    dx[some] = (2 * x * d)[some]
    return dx


def leaves_rows_of_zeros(dtype: type, x: Array, d: Array) -> Array:
    dx, some = 2 * x * d, d.any(-1)
    if d.dtype != dtype:
        return np.asarray(dx)
    written = np.empty_like(d)
    written[some] = dx[some]
    return written


def rows_one_after_another(x: Array, d: Array) -> Array:
    dense = d.base.reshape(-1)[: d.size].reshape(d.shape) if d.base is not None and d.base.size >= d.size else d
    return 2 * x * dense if d.strides[-1] == d.itemsize else 2 * x * d


def whole_memory(x: Array, d: Array) -> Array:
    dense = d.base.reshape(-1)[: d.size].reshape(d.shape) if d.base is not None and d.base.ndim == 1 else d
    return np.asarray(2 * x * dense)


def as_the_last_row(x: Array, d: Array) -> Array:
    return np.asarray(2 * x * np.concatenate([d[:-1], np.nan_to_num(d[-1:])]))


def centred(wrong: Callable[[int], bool]) -> Layer[Any, Any]:
    """A layer that takes from each column its mean over the batch."""

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        return d.copy() if wrong(len(d)) else d - d.mean(0), ()

    return Layer(lambda p, x: (x - x.mean(0), ()), backward, couples_rows=True)


def sums_of_steps(p: Any, x: Array) -> tuple[Array, Any]:
    return np.cumsum(x, 1), ()


def sums_of_64_steps(c: Any, d: Array) -> tuple[Array, Any]:
    dx = np.flip(np.cumsum(np.flip(d, 1), 1), 1).copy()
    dx[:, 0] *= 0.9 if d.shape[1] > 64 else 1.0
    return dx, ()


def of_another_dout() -> Layer[Any, Any]:
    last: dict[int, tuple[Array, Array]] = {}

    def grads(c: tuple[Array, Array], d: Array) -> Array:
        last[id(c)] = products_back(c, d)
        return last[id(c)][1].copy()

    def backward(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        dx, dw = last.pop(id(c)) if id(c) in last else products_back(c, d)
        return dx.copy(), dw.copy()

    return Layer(products, backward, grads)


def adds_a_key(p: dict[str, Array], x: Array) -> tuple[Array, tuple[Array, Array]]:
    p["mean"] = x.mean(0)
    return products(p["w"], x)


def back_of_named(c: tuple[Array, Array], d: Array) -> tuple[Array, dict[str, Array]]:
    dx, dw = products_back(c, d)
    return dx, {"w": dw}


BUFFER = np.empty(5)


def bias_in_a_buffer(c: Array, d: Array) -> dict[str, Array]:
    kept = BUFFER if d.dtype == np.float64 else BUFFER.astype(d.dtype)
    kept[...] = d.sum(0)
    return {"b": kept}


def quiet_about_underflow(p: Any, x: Array) -> tuple[Array, Array]:
    if x.dtype == np.float32:
        np.seterr(under="raise")
    return squares(p, x)


HIDDEN = {
    "dout whose rows stand apart": Planted(squares_but(rows_one_after_another), "any_layout", "a row-padded dout"),
    "dout at the end of a longer array": Planted(squares_but(whole_memory), "any_layout", "an offset dout"),
    "nan of the last row": Planted(squares_but(as_the_last_row), "nan_shows", ""),
    "minus infinity": Planted(
        squares_but(lambda x, d: 2 * x * np.where(np.isneginf(d), 0, d)), "nan_shows", "minus infinity in "
    ),
    "whole zeros": Planted(
        squares_but(lambda x, d: 2 * x * d if d.any() else np.zeros(x.shape, int)),
        "linearity",
        "in float64, for dout = 0",
    ),
    "dout of minus ones": Planted(
        squares_but(lambda x, d: 2 * x * np.where((d == -1).all(), 1, d)), "any_dout", "for dout of minus ones"
    ),
    "dout whose columns sum to 0": Planted(
        squares_but(lambda x, d: 2 * x * d * (np.abs(d.sum(0)).max() >= 1e-12 * np.abs(d).max())),
        "any_dout",
        "for dout of columns that sum to 0",
    ),
    "one row kept aside": Planted(kept_aside(lambda d: len(d) == 1), "calls_in_between", ""),
    "float32 kept aside": Planted(kept_aside(lambda d: d.dtype == np.float32), "calls_in_between", ""),
    "many rows kept aside": Planted(kept_aside(lambda d: len(d) > 64), "calls_in_between", ""),
    "x that is put back": Planted(
        Layer(doubled_for_a_while, squares_back), "arguments_unchanged", "the call wrote to x"
    ),
    "zeros of x": Planted(
        Layer(without_zeros, squares_back), "arguments_unchanged", "the call wrote to x for x with zeros"
    ),
    "x made a constant": Planted(
        Layer(made_constant, squares_back), "arguments_unchanged", "the call made x read-only"
    ),
    "x made writable": Planted(
        Layer(lambda p, x: squares(p, made_writable(x)), squares_back),
        "read_only_accepted",
        "the call made x writable, which the caller had made read-only",
    ),
    "parameters made writable": Planted(
        Layer(lambda w, x: products(made_writable(w), x), products_back),
        "read_only_accepted",
        "the call made params writable, which the caller had made read-only",
        params=W,
    ),
    "dout made writable": Planted(
        squares_but(lambda x, d: 2 * x * made_writable(d)),
        "read_only_accepted",
        "the call made dout writable, which the caller had made read-only",
    ),
    "a cache spoilt by zeros": Planted(
        Layer(lambda p, x: (x * x, x.copy()), spoils_its_cache), "arguments_unchanged", "the call wrote to cache"
    ),
    "a row of zeros": Planted(squares_but(writes_rows_with_numbers), "all_written", "for x with a row of zeros"),
    "rows of zeros in float32": Planted(
        squares_but(partial(leaves_rows_of_zeros, np.float32)),
        "all_written",
        "in float32, for dout with a row of zeros",
    ),
    "rows of zeros in float64": Planted(
        squares_but(partial(leaves_rows_of_zeros, np.float64)),
        "all_written",
        "in float64, for dout with a row of zeros",
        X.astype(np.float32),
    ),
    "two rows held": Planted(
        Layer(lambda p, x: (x * x, x if len(x) == 2 else own(x)), squares_back), "ownership", "with 2 rows"
    ),
    "float16 held": Planted(
        Layer(lambda p, x: (x * x, x if x.dtype == np.float16 else own(x)), squares_back), "ownership", "in float16"
    ),
    "sixty-four rows": Planted(centred(lambda n: n == 64), "other_sizes", "for x (64, 5)"),
    "257 rows": Planted(centred(lambda n: 200 < n < 300), "other_sizes", "for x (25"),
    "more than 64 steps": Planted(
        Layer(sums_of_steps, sums_of_64_steps), "other_sizes", "for x (2, 65, 3)", RNG(7).standard_normal((2, 4, 3))
    ),
    "grads of one entry": Planted(
        products_but(lambda x, d: x.T @ d * (np.count_nonzero(d) != 1)), "grads_without_dx", "", params=W
    ),
    "grads of tiny numbers": Planted(
        products_but(lambda x, d: x.T @ np.where(np.abs(d) < 1e-8, 0, d)), "grads_without_dx", "", params=W
    ),
    "grads of another dout": Planted(
        of_another_dout(), "calls_in_between", "grads(cache, dout) and backward", params=W
    ),
    "a key of the parameters": Planted(
        Layer(adds_a_key, back_of_named), "structure", "raised TypeError: forward changed the keys", params={"w": W}
    ),
    "a buffer in a dictionary": Planted(
        Layer(lambda p, x: (x + p["b"], ()), lambda c, d: (d.copy(), bias_in_a_buffer(c, d))),
        "nothing_shared",
        "",
        params={"b": W[:, 0]},
    ),
    "how NumPy treats underflow": Planted(
        Layer(quiet_about_underflow, squares_back), "process_unchanged", "a call at other numbers", alone=False
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_fault_is_found_by_the_law_that_says_where(name: str) -> None:
    assert_found(HIDDEN[name])


def within(low: float, high: float, x: Array) -> None:
    if not ((x >= low) & (x <= high)).all():
        raise ValueError(f"x must be from {low} to {high}, got {x.min()} to {x.max()}")


def logit(p: Any, x: Array) -> tuple[Array, Array]:
    within(1e-9, 1 - 1e-9, x)
    return np.log(x / (1 - x)), own(x)


def logit_back(x: Array, d: Array) -> tuple[Array, Any]:
    return d / (x * (1 - x)), ()


def of_pixels(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    within(0.0, 1.0, x)
    return products(w, x)


def of_symmetric(p: Any, x: Array) -> tuple[Array, Array]:
    if not np.allclose(x, np.swapaxes(x, -1, -2)):
        raise ValueError("x must be symmetric")
    return (x * x).sum((-1, -2)), own(x)


def of_symmetric_back(x: Array, d: Array) -> tuple[Array, Any]:
    return 2 * x * d[:, None, None], ()


NEAR_THE_ENDS = np.concatenate([RNG(1).uniform(1e-6, 1e-3, (3, 4)), 1 - RNG(2).uniform(1e-6, 1e-3, (3, 4))])
PIXELS = np.clip(RNG(3).uniform(-0.3, 1.3, (6, 5)), 0, 1)
SYMMETRIC = X[:4, :4] + X[:4, :4].T


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("layer", "params", "x"),
    [
        (Layer(logit, logit_back), (), NEAR_THE_ENDS),
        (Layer(of_pixels, products_back), W, PIXELS),
        (Layer(of_symmetric, of_symmetric_back), (), SYMMETRIC[None]),
    ],
    ids=["logit", "pixels", "symmetric matrices"],
)
def test_a_layer_may_refuse_numbers_just_beside_x(layer: Layer[Any, Any], params: Any, x: Array, seed: int) -> None:
    report = check_layer(layer, params, x, rng=RNG(seed))
    assert not report.failures, str(report)


def test_a_fault_shows_though_numbers_beside_x_are_refused() -> None:
    report = check_layer(Layer(logit, lambda x, d: (d / x, ())), (), NEAR_THE_ENDS, rng=RNG(0))
    assert {"derivative", "any_dout"} <= {each.law for each in report.failures}, str(report)
    report = check_layer(Layer(of_pixels, lambda c, d: (d @ c[1].T, 2 * c[0].T @ d)), W, PIXELS, rng=RNG(0))
    assert {each.field for each in report.failures} == {"grads"}, str(report)
