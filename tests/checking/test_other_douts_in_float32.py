"""Faults in float32 alone for some kind of dout or of x, and norms whose derivative there is nothing but rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Unit, check_layer, own, read_only
from checking.planted import RNG

X = RNG(1).standard_normal((6, 4)).astype(np.float32)

Where = Callable[[Array, Array], Any]


def sine(wrong: Where) -> Layer[Any, Any]:
    """A sine whose derivative is 0 in float32 in some places."""

    def backward(x: Array, d: Array) -> tuple[Array, Unit]:
        left = np.where((x.dtype == np.float32) & np.asarray(wrong(x, d)), 0, 1)
        return (d * np.cos(x) * left).astype(d.dtype), ()

    return Layer(lambda p, x: (np.sin(x), own(x)), backward)


WRONG: dict[str, tuple[Where, str]] = {
    "ones": (lambda x, d: (d == 1).all(), "for a dout of ones"),
    "few that are not zero": (lambda x, d: 1 < np.count_nonzero(d) < d.size / 4, "for a dout mostly of zeros"),
    "rows that sum to 0": (
        lambda x, d: (d.sum(-1) == 0).all() and (d != 0).sum() > d.size / 2,
        "for a dout with rows that sum to 0",
    ),
    "large x": (lambda x, d: np.abs(x) > 20, "for x twenty times as large"),
    "as many rows as columns": (lambda x, d: x.shape[0] == x.shape[1], "for x with 4 rows"),
    "more than 500 rows": (lambda x, d: len(x) > 500, "for x with 520 rows"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("without_lines_to_paste")
def test_kinds_of_dout_and_of_x_are_tried_in_float32(name: str) -> None:
    wrong, words = WRONG[name]
    (verdict, *_) = check_layer(sine(wrong), (), X, rng=RNG(0), only=["other_calls"]).failures
    assert verdict.note.startswith(f"in float32, {words} it is off by")


def test_the_lines_show_a_fault_of_other_calls_in_its_dtype() -> None:
    layer = sine(lambda x, d: (x == 0).any())
    example = check_layer(layer, (), X.astype(np.float64), rng=RNG(0), only=["other_calls"]).example
    assert example.splitlines()[-1] == "print(result(np.float32), result(np.float64))"


def normed(p: Unit, x: Array) -> tuple[Array, Any]:
    centred = x - x.mean(-1, keepdims=True)
    r = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    out = read_only(centred * r)
    return out, (out, own(r))


def normed_back(cache: Any, d: Array) -> tuple[Array, Unit]:
    out, r = cache
    return r * (d - d.mean(-1, keepdims=True) - out * (d * out).mean(-1, keepdims=True)), ()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("mean", "deviation"), [(3e4, 1.0), (1e5, 1.0), (1e4, 0.1), (1e3, 0.01)])
def test_the_derivative_of_a_norm_for_equal_douts_may_be_what_rounding_leaves_of_x(
    mean: float, deviation: float, seed: int
) -> None:
    layer: Layer[Any, Any] = Layer(normed, normed_back)
    x = mean + deviation * RNG(1).standard_normal((6, 4))
    report = check_layer(layer, (), x, rng=RNG(seed), only=["other_calls"])
    assert report.ok, str(report)


def test_a_derivative_of_numbers_beyond_what_is_compared_is_not_called_right() -> None:
    def forward(p: Unit, x: Array) -> tuple[Array, Array]:
        out = read_only(np.exp(x))
        return out, out

    wrong: Layer[Any, Any] = Layer(forward, lambda out, d: (1.5 * d * out, ()))
    report = check_layer(wrong, (), 400 + X.astype(np.float64), rng=RNG(0), only=["derivative"])
    assert not report.ok
    assert report.undecided[0].note.startswith("nothing could be checked: numbers of this size are beyond")


def test_a_cache_may_be_an_array_of_arrays() -> None:
    def forward(p: Unit, x: Array) -> tuple[Array, Any]:
        rows = np.empty(len(x), object)
        for i, row in enumerate(x):
            rows[i] = own(row)
        return np.sin(x), rows

    layer: Layer[Any, Any] = Layer(forward, lambda rows, d: ((d * np.cos(np.stack([*rows]))).astype(d.dtype), ()))
    report = check_layer(layer, (), X.astype(np.float64), rng=RNG(0))
    assert report.ok, str(report)
