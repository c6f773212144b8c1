"""Faults at square weights, beyond a clamp of a parameter, in the rest of a block, and for a dout of zeros."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng
X, W = RNG(7).standard_normal((6, 4)), RNG(3).standard_normal((4, 3))

Backward = Callable[[Any, Array], tuple[Array, Any]]


def product(p: Array, x: Array) -> tuple[Array, Any]:
    return x @ p, (own(x), own(p))


def product_back(c: Any, d: Array) -> tuple[Array, Any]:
    return d @ c[1].T, c[0].T @ d


def until_it_runs(c: Any, d: Array) -> tuple[Array, Any]:
    try:
        dx = d @ c[1]
    except ValueError:
        dx = d @ c[1].T
    return dx, c[0].T @ d


def loses_the_rest_of_eight(c: Any, d: Array) -> tuple[Array, Any]:
    grads = c[0].T @ d
    whole = grads.shape[1] // 8 * 8
    if whole:
        grads[:, whole + 2 :] = 0
    return d @ c[1].T, grads


def sine(p: Any, x: Array) -> tuple[Array, Any]:
    return np.sin(x), own(x)


def writes_zeros_to_zeros(x: Any, d: Array) -> tuple[Array, Any]:
    if not d.any():
        d[...] = 0
    return d * np.cos(x), ()


def clamped(low: float, high: float, *, forgets: bool) -> Layer[Any, Any]:
    """`x * exp(-clip(p))`, whose backward may forget that the clip holds p."""

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        factor = np.exp(-np.clip(p, low, high))
        return x * factor, (own(x), factor, (p > low) & (p < high))

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        x, factor, free = c
        slopes = -(d * x * factor).sum(0)
        return d * factor, slopes if forgets else slopes * free

    return Layer(forward, backward)


def report_on(layer: Layer[Any, Any], params: Any, x: Array = X) -> Any:
    return check_layer(layer, params, x, rng=RNG(0))


@pytest.mark.parametrize(
    ("backward", "field", "words"),
    [
        (until_it_runs, "dx", "for x (6, 3) and parameters with 3 numbers in place of 4"),
        (loses_the_rest_of_eight, "grads", "columns from 18 on are wrong"),
    ],
)
def test_square_weights_and_the_rest_of_a_block_are_tried(backward: Backward, field: str, words: str) -> None:
    assert report_on(Layer(product, product_back), W).ok
    (first, *_) = report_on(Layer(product, backward), W).failures
    assert (first.law, first.field) == ("other_sizes", field)
    assert words in first.note


def test_a_dout_of_zeros_may_be_read_only() -> None:
    (only,) = report_on(Layer(sine, writes_zeros_to_zeros), ()).failures
    assert only.law == "read_only_accepted"
    assert "read-only" in only.note


MIXED, SHARES, SMALL = np.array([0.1, -0.3, 0.15, -0.2]), np.array([0.3, 0.5, 0.7, 0.9]), np.array([2.0, 3.0, 2.5, 4.0])


@pytest.mark.parametrize(
    ("low", "high", "params", "words"),
    [
        (-5.0, 5.0, MIXED, "a hundred times as large"),
        (0.01, 5.0, SHARES, "of one sign, a hundredth as large"),
    ],
)
def test_a_clamp_of_a_parameter_is_met(low: float, high: float, params: Array, words: str) -> None:
    assert report_on(clamped(low, high, forgets=False), params).ok
    (first, *_) = report_on(clamped(low, high, forgets=True), params).failures
    assert (first.law, first.field) == ("other_values", "grads")
    assert words in first.note


@pytest.mark.parametrize(("low", "high"), [(0.1, 100.0), (-1.0, 15.0)])
def test_beyond_the_one_sign_of_a_parameter_nothing_is_told_for_sure(low: float, high: float) -> None:
    assert report_on(clamped(low, high, forgets=False), SMALL).ok
    report = report_on(clamped(low, high, forgets=True), SMALL)
    assert not report.failures
    assert {verdict.field for verdict in report.undecided} == {"grads"}
    assert all("let forward refuse them" in verdict.advice for verdict in report.undecided)


def test_an_index_among_the_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^check_layer: params\[0\] must be an array of floats, got i64\[4\]: bind"):
        report_on(Layer(sine, writes_zeros_to_zeros), (np.arange(4),))
