"""Positions: rows of places, sequences of every length, which sizes are refused, and types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Positions, check_layer, embedding, encoded, positions
from chainrule import Embedding as Rows
from chainrule.initializers import he_normal
from strategies import Floating, layouts, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Embedding, Labels, Layer, Positions, embedding, encoded, positions, sequential
from chainrule.layers.positions import PositionsCache

def accepted(params: Positions, x: Array, dout: Array, rng: np.random.Generator) -> None:
    assert_type(positions, Layer[Positions, PositionsCache])
    assert_type(positions.backward(positions.forward(params, x)[1], dout)[1], Positions)
    assert_type(Positions.init(rng, 128, 64, std=0.02, dtype=np.float64).P, Array)
    assert_type(sequential(positions, positions).forward((params, params), x)[0], Array)

def a_network(E: Embedding, params: Positions, labels: Labels) -> Array:
    return encoded(embedding, positions).forward((E, params), labels)[0]

def refused(params: Positions, other: Affine, x: Array, rng: np.random.Generator) -> None:
    positions.forward(other, x)  # rejected: the parameters of affine
    positions()  # rejected: a value, and no function of options
    Positions.init(rng, 128)  # rejected: the number of features is missing
    params.P = x  # rejected: a record is frozen
"""

PARAMS = Positions(np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))


@pytest.mark.parametrize("shape", [(3, 2), (1, 2), (5, 3, 2), (5, 2, 2), (2, 4, 1, 2), (0, 3, 2), (4, 0, 2), (0, 0, 2)])
def test_each_place_gets_its_row_and_its_row_the_sum(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, dout = normal(rng, *shape), normal(rng, *shape)
    out, cache = positions.forward(PARAMS, x)
    dx, grads = positions.backward(cache, dout)
    expected = np.zeros((3, 2))
    for place in range(shape[-2]):
        np.testing.assert_array_equal(out[..., place, :], x[..., place, :] + PARAMS.P[place])
        expected[place] = dout[..., place, :].reshape(-1, 2).sum(axis=0)
    np.testing.assert_array_equal(dx, dout)
    np.testing.assert_allclose(grads.P, expected, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtypes_and_layouts_do_not_matter(dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params = Positions(PARAMS.P.astype(dtype))
    x, dout = normal(rng, 4, 2, 2, dtype=dtype), np.ones((4, 2, 2), dtype)
    expected, cache = positions.forward(params, x)
    dx, grads = positions.backward(cache, dout)
    assert {each.dtype for each in (expected, dx, grads.P)} == {np.dtype(dtype)}
    for given in layouts(x).values():
        np.testing.assert_array_equal(positions.forward(params, given)[0], expected)
    for given in layouts(dout).values():
        np.testing.assert_array_equal(positions.backward(cache, given)[1].P, grads.P)


def test_one_sequence_of_full_length_shares_no_memory_with_its_gradients() -> None:
    x = np.ones((1, 3, 2))
    _, cache = positions.forward(PARAMS, x)
    dx, grads = positions.backward(cache, x)
    assert not np.shares_memory(grads.P, x)
    assert not np.shares_memory(dx, grads.P)


def test_ones_of_a_batch_in_float16_are_counted_in_more_bits() -> None:
    params = Positions(np.zeros((1, 1), np.float16))
    _, cache = positions.forward(params, np.zeros((4096, 1, 1), np.float16))
    assert positions.grads(cache, np.ones((4096, 1, 1), np.float16)).P.item() == 4096  # 2048 + 1 is 2048 there


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 2), "positions: x has 4 positions (2, 4, 2) but P has 3 (3, 2)"),
        ((2, 3, 5), "positions: x has 5 features (2, 3, 5) but P has 2 (3, 2)"),
        ((2,), "positions: x must have an axis of positions and one of features, got shape (2,)"),
        ((), "positions: x must have an axis of positions and one of features, got shape ()"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        positions.forward(PARAMS, np.ones(shape))


@pytest.mark.parametrize(
    ("params", "x", "message"),
    [
        (Affine(np.ones((3, 2)), np.ones(2)), np.ones((1, 3, 2)), "positions: params must be Positions, got Affine"),
        (PARAMS, np.ones((1, 3, 2), np.float32), "positions: x is float32 but the parameters are float64"),
        (PARAMS, np.ones((1, 3, 2), np.int64), "positions: x is int64, not floating-point"),
    ],
)
def test_what_is_of_another_kind_is_refused(params: Any, x: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        untyped(positions.forward)(params, x)


def test_parameters_are_checked_and_drawn() -> None:
    with pytest.raises(ValueError, match=r"^Positions: P must be 2-D \(positions, features\), got shape \(3,\)$"):
        Positions(np.ones(3))
    with pytest.raises(TypeError, match=r"^Positions: P is int64, not floating-point"):
        Positions(untyped(np.ones((3, 2), np.int64)))
    with pytest.raises(ValueError, match=r"^Positions\.init: n_positions must be >= 0, got -1$"):
        Positions.init(np.random.default_rng(0), -1, 2)
    with pytest.raises(TypeError, match=r"^Positions\.init: give std or weights, not both$"):
        Positions.init(np.random.default_rng(0), 1, 2, std=1.0, weights=he_normal)
    by_default = Positions.init(np.random.default_rng(0), 4, 3)
    expected = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(by_default.P, expected, strict=True)
    np.testing.assert_array_equal(
        Positions.init(np.random.default_rng(0), 4, 3, std=0.5, dtype=np.float64).P,
        0.5 * np.random.default_rng(0).standard_normal((4, 3)),
        strict=True,
    )


def test_it_may_stand_behind_an_embedding_and_one_sequence_alone_is_checked_too() -> None:
    rng = np.random.default_rng(0)
    params = Rows(normal(rng, 5, 2)), PARAMS
    tokens = np.array([[4, 0], [1, 1]])
    out, _ = encoded(embedding, positions).forward(params, tokens)
    np.testing.assert_array_equal(out, params[0].E[tokens] + PARAMS.P[:2])
    x: Array = normal(rng, 3, 2)
    report = check_layer(positions, PARAMS, x, rng=rng)
    assert report.ok, str(report)
    assert not report.undecided
    assert positions.event_axes == 2
    assert not positions.couples_rows
