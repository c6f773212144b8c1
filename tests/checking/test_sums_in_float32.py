"""Layers that sum in float32 whatever they are given, and parameters of several dtypes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from chainrule import Array, Layer, check_layer, own
from checking.planted import RNG

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

X = RNG(0).standard_normal((6, 4))


def gated(sums: DTypeLike) -> Layer[Any, Any]:
    """A factor for each column, whose gradient is summed in a dtype."""

    def backward(cache: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        x, factors = cache
        return d * factors, (d * x).sum(0, dtype=sums).astype(d.dtype)

    return Layer(lambda p, x: (x * p, (own(x), own(p))), backward)


def product(sums: DTypeLike) -> Layer[Any, Any]:
    """A product, whose gradient of the weights is made in a dtype."""

    def backward(cache: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
        x, W = cache
        return d @ W.T, (x.T.astype(sums) @ d.astype(sums)).astype(d.dtype)

    return Layer(lambda p, x: (x @ p, (own(x), own(p))), backward)


LAYERS = {gated: RNG(1).standard_normal(4), product: RNG(1).standard_normal((4, 3))}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("given", [np.float16, np.float32])
@pytest.mark.parametrize("made", LAYERS, ids=lambda made: made.__name__)
def test_whoever_gives_fewer_digits_may_sum_in_float32(made: Any, given: Any, seed: int) -> None:
    report = check_layer(made(np.float32), LAYERS[made].astype(given), X.astype(given), rng=RNG(seed))
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("given", "sums"), [(np.float64, np.float32), (np.float32, np.float16), (np.float16, np.float16)]
)
@pytest.mark.parametrize("made", LAYERS, ids=lambda made: made.__name__)
def test_sums_in_fewer_digits_than_were_given_or_in_float16_are_wrong(made: Any, given: Any, sums: Any) -> None:
    report = check_layer(made(sums), LAYERS[made].astype(given), X.astype(given), rng=RNG(0))
    assert "grads" in {each.field for each in report.failures}


@pytest.mark.parametrize("seed", range(3))
def test_gradients_keep_the_range_of_their_own_dtype(seed: int) -> None:
    """Of a parameter in float32 beside an x in float64, whose smallest dout are 0 in float32."""

    def backward(cache: tuple[Array, Array], d: Array) -> tuple[Array, tuple[Array, Array]]:
        x, factors = cache
        return d * factors.astype(d.dtype), ((d * x).sum(0).astype(factors.dtype), d.sum(0))

    layer: Layer[Any, Any] = Layer(lambda p, x: (x * p[0].astype(x.dtype) + p[1], (own(x), own(p[0]))), backward)
    factors, shifts = LAYERS[gated].astype(np.float32), RNG(2).standard_normal(4)
    report = check_layer(layer, (factors, shifts), X, rng=RNG(seed))
    assert report.ok, str(report)
