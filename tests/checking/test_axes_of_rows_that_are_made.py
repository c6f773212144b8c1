"""Right layers of one axis of rows that say `event_axes`: two of them are of the checker's making."""

from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, laws, own
from checking.planted import RNG, X


def mean_of_images(p: Any, x: Array) -> tuple[Array, tuple[int, ...]]:
    return x.mean((2, 3, 4)), x.shape


def of_images(shape: tuple[int, ...], d: Array) -> tuple[Array, Any]:
    spread = np.broadcast_to(d[:, :, None, None, None], shape)
    return np.ascontiguousarray(spread) / d.dtype.type(np.prod(shape[2:])), ()


def product(W: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ W, (own(x), own(W))


def of_product(cache: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    return d @ cache[1].T, cache[0].T @ d


@pytest.mark.parametrize(
    ("layer", "params", "x"),
    [
        (Layer(mean_of_images, of_images, event_axes=4), (), RNG(0).standard_normal((2, 3, 2, 3, 2))),
        (Layer(product, of_product, event_axes=1), RNG(1).standard_normal((5, 3)), X),
    ],
    ids=["a mean of images", "a product"],
)
def test_what_is_wrong_there_alone_cannot_be_told_of_a_pair(layer: Layer[Any, Any], params: Any, x: Array) -> None:
    (verdict,) = (each for each in laws.other_sizes(layer, params, x, RNG(0)) if not each.ok)
    assert verdict.undecided
    assert "which has two axes of rows" in verdict.note
    assert verdict.advice
