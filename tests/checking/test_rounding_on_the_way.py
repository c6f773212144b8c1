"""Right layers that lose digits on the way, in what cancels, and wrong ones like them."""

from collections.abc import Callable

import numpy as np
import pytest

from chainrule import Array, Layer, check_layer, own

Function = Callable[[Array], Array]


def pointwise(f: Function, slope: Function) -> Layer[tuple[()], Array]:
    return Layer(lambda params, x: (f(x), own(x)), lambda x, dout: (dout * slope(x), ()))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def mapped(x: Array, times: int) -> list[Array]:
    """The logistic map, each time, of a sigmoid: an error of the first grows to some thousand times as much."""
    values = [sigmoid(x)]
    for _ in range(times):
        values.append(3.9 * values[-1] * (1 - values[-1]))
    return values


def slope_of_map(x: Array, times: int) -> Array:
    *before, _ = mapped(x, times)
    slope = before[0] * (1 - before[0])
    for each in before:
        slope = slope * 3.9 * (1 - 2 * each)
    return slope


def of_map(times: int, factor: Function = np.ones_like) -> Layer[tuple[()], Array]:
    return pointwise(lambda x: mapped(x, times)[-1], lambda x: slope_of_map(x, times) * factor(x))


def quotient(x: Array) -> Array:
    return (np.exp(x) - 1) / x


def slope_of_quotient(x: Array) -> Array:
    return (np.exp(x) * (x - 1) + 1) / (x * x)


def log_of_rest(x: Array) -> Array:
    return np.log(1 - sigmoid(x))


@pytest.mark.parametrize(
    ("layer", "seed"),
    [
        (of_map(8), 4),
        (of_map(8), 3),
        (of_map(10), 6),
        (pointwise(quotient, slope_of_quotient), 0),
        (pointwise(quotient, slope_of_quotient), 1),
        (pointwise(log_of_rest, lambda x: -sigmoid(x)), 1),
        (pointwise(log_of_rest, lambda x: -sigmoid(x)), 2),
    ],
    ids=["map far out", "map in float32", "ten times", "quotient", "another", "logarithm", "farther out"],
)
def test_what_is_lost_on_the_way_is_no_fault(layer: Layer[tuple[()], Array], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((5, 4))
    report = check_layer(layer, (), x, rng=np.random.default_rng(seed))
    assert not report.failures, str(report)
    assert all("in float16" in verdict.note for verdict in report.undecided), str(report)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "layer",
    [
        of_map(8, lambda x: np.where(np.abs(x) > 20, 2.0, 1.0)),
        of_map(8, lambda x: np.full_like(x, 1.001 if x.dtype == np.float32 else 1)),
        pointwise(quotient, lambda x: slope_of_quotient(x) * (1.001 if x.dtype == np.float32 else 1)),
    ],
    ids=["far out", "in float32", "a quotient in float32"],
)
def test_a_fault_beside_it_is_found(layer: Layer[tuple[()], Array], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((5, 4))
    report = check_layer(layer, (), x, rng=np.random.default_rng(seed))
    assert {"dx"} == {verdict.field for verdict in report.failures}, str(report)


def bfloat16(x: Array) -> Array:
    """The nearest numbers of 8 binary digits."""
    mantissa, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8), x.dtype)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_few_numbers_of_bfloat16_are_known(seed: int) -> None:
    """Of six numbers, one may need the last digit."""

    def forward(params: tuple[()], x: Array) -> tuple[Array, Array]:
        return bfloat16(np.tanh(bfloat16(x))), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, tuple[()]]:
        return bfloat16((1 - np.tanh(bfloat16(x)) ** 2) * bfloat16(dout)), ()

    x = np.random.default_rng(seed).standard_normal((3, 2))
    report = check_layer(Layer(forward, backward), (), x, rng=np.random.default_rng(seed))
    assert report.ok, str(report)
