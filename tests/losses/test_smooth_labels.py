import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import smooth_labels, softmax_cross_entropy
from libraries.installed import LIBRARIES, Library
from strategies import generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Labels, smooth_labels, softmax_cross_entropy


def accepted(logits: Array, labels: Labels) -> None:
    assert_type(smooth_labels(labels, 10, 0.1), Array)
    assert_type(softmax_cross_entropy.forward(logits, smooth_labels(labels, 10, 0.1))[0], Array)


def refused(labels: Labels, probabilities: Array) -> None:
    smooth_labels(probabilities, 10, 0.1)  # rejected: labels are integers
    smooth_labels([1, 2], 10, 0.1)  # rejected: a list is no array
    smooth_labels(labels, 0.1)  # rejected: the number of classes is missing
"""

amounts = st.sampled_from([0.0, 0.1, 0.5, 0.99])


@given(rng=generators, n=sides, k=sides, amount=amounts)
def test_a_share_goes_to_all_classes(rng: np.random.Generator, n: int, k: int, amount: float) -> None:
    labels = rng.integers(0, k, (n, 2))
    smooth = smooth_labels(labels, k, amount)
    np.testing.assert_allclose(smooth, (1 - amount) * np.eye(k)[labels] + amount / k, rtol=4e-16)
    np.testing.assert_allclose(smooth.sum(axis=-1), 1, rtol=1e-15)
    assert smooth.dtype == np.float64
    assert not smooth.flags.writeable


@given(rng=generators, n=sides, k=sides, amount=amounts)
def test_loss_and_gradient_are_means_of_those_of_the_label_and_of_all_classes(
    rng: np.random.Generator, n: int, k: int, amount: float
) -> None:
    z, labels = normal(rng, n, k), rng.integers(0, k, n)

    def both(targets: Any) -> Any:
        loss, cache = softmax_cross_entropy.forward(z, targets)
        return loss, softmax_cross_entropy.backward(cache, 1.0)

    of_labels, of_all = both(labels), both(np.full((n, k), 1 / k))
    for smooth, one, other in zip(both(smooth_labels(labels, k, amount)), of_labels, of_all, strict=True):
        np.testing.assert_allclose(smooth, (1 - amount) * one + amount * other, rtol=1e-13, atol=1e-15)  # of size 1


def test_the_gradient_is_zero_where_the_lead_is_as_the_page_says() -> None:
    k, amount = 5, 0.1
    lead = np.log(1 + (1 - amount) * k / amount)
    slopes: list[float] = []
    for z in (lead - 0.1, lead, lead + 0.1):
        _, cache = softmax_cross_entropy.forward(z * np.eye(k)[[2]], smooth_labels(np.array([2]), k, amount))
        slopes.append(float(softmax_cross_entropy.backward(cache, 1.0)[0, 2]))
    assert slopes[1] == pytest.approx(0, abs=1e-15)
    assert slopes[0] < 0 < slopes[2]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_it_is_the_same_in_every_library(library: Library, shape: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).integers(0, 4, shape)
    smooth = smooth_labels(library.put(labels), 4, 0.2)
    assert isinstance(smooth, type(library.put(labels)))
    np.testing.assert_allclose(library.get(smooth), smooth_labels(labels, 4, 0.2), rtol=2e-7)  # some in float32


def test_a_label_out_of_range_gives_nan_where_values_are_not_read() -> None:
    strict: Any = import_module("array_api_strict")
    smooth = np.asarray(smooth_labels(strict.asarray([3, -1, 0]), 3, 0.3))
    np.testing.assert_allclose(smooth, [[np.nan] * 3, [np.nan] * 3, [0.8, 0.1, 0.1]], rtol=4e-16)


def test_bad_input() -> None:
    labels = np.array([0, 1, 2])
    for amount in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match=re.escape("smooth_labels: amount must be a finite number in [0, 1), got")):
            smooth_labels(labels, 3, amount)
    with pytest.raises(ValueError, match=re.escape("smooth_labels: labels must be in [0, 2), got 2 at row 2")):
        smooth_labels(labels, 2, 0.1)
    with pytest.raises(ValueError, match=re.escape("smooth_labels: labels must be in [0, 3), got -1 at row 0")):
        smooth_labels(labels - 1, 3, 0.1)
    with pytest.raises(ValueError, match=r"^smooth_labels: k must be >= 1, got -1$"):
        smooth_labels(np.array([0]), -1, 0.1)
    with pytest.raises(ValueError, match=r"^smooth_labels: k must be >= 1, got 0$"):
        smooth_labels(labels[:0], 0, 0.1)
    for given_labels, message in (
        ([0, 1], r"smooth_labels: labels must be an array, got list: convert it with np\.asarray"),
        (labels * 1.0, "smooth_labels: labels must be integers, got float64"),
        (labels > 0, "smooth_labels: labels must be integers, got bool"),
    ):
        with pytest.raises(TypeError, match=message):
            smooth_labels(untyped(given_labels), 3, 0.1)
    with pytest.raises(TypeError, match="smooth_labels: k must be an integer, got float"):
        smooth_labels(labels, untyped(3.0), 0.1)
