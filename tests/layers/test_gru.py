"""The gated recurrent unit: its definition at extremes, time, axes, what it begins with and refuses, and types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Gru, gru, initializers, tree
from reference import gru_50_digits, recurrent_50_digits
from strategies import Floating, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Array, Gru, Layer, Lstm, Unit, gru, last_of, sequential
from chainrule.layers.recurrent.gru import GruCache
from chainrule.layers.recurrent.last import LastCache

def accepted(params: Gru, x: Array, dout: Array, rng: np.random.Generator) -> None:
    assert_type(gru, Layer[Gru, GruCache])
    cache = gru.forward(params, x)[1]
    assert_type(gru.backward(cache, dout), tuple[Array, Gru])
    assert_type(gru.grads(cache, dout).c, Array)
    assert_type(Gru.init(rng, 3, 4, std=0.1, dtype=np.float64), Gru)
    assert_type(sequential(gru, last_of(np.array([3, 2]))), Layer[tuple[Gru, Unit], tuple[GruCache, LastCache]])

def refused(params: Gru, other: Lstm, x: Array, rng: np.random.Generator) -> None:
    gru.forward(other, x)  # rejected: the parameters of lstm
    Gru(x, x, x)  # rejected: the second bias is missing
    Gru.init(rng, 3, 4, forget_bias=1.0)  # rejected: it has no forget gate
    params.c = x  # rejected: a record is frozen
"""


def draw(rng: np.random.Generator, d: int, h: int, dtype: Floating = np.float64) -> Gru:
    W, U, b, c = (normal(rng, *shape, dtype=dtype) for shape in ((d, 3 * h), (h, 3 * h), (3 * h,), (3 * h,)))
    return Gru(W, U, b, c)


EXTREMES = [
    (0.0, 0.0, 0.0),
    (1e4, 1e4, 1e4),
    (-1e4, 1e4, 1e4),
    (1e4, -1e4, -1e4),
    (1e-8, -1e-8, 1e-8),
    (-40.0, 40.0, 1e-300),
    (40.0, -40.0, 20.0),
    (40.0, 40.0, -20.0),
    (-300.0, 300.0, 300.0),
]


@pytest.mark.parametrize("gates", EXTREMES)
@pytest.mark.parametrize("x", [[1.0], [1.0, -0.5, 2.0]])
def test_outputs_and_gradients_are_those_of_the_definition(gates: tuple[float, ...], x: list[float]) -> None:
    W, U, c, dout = [0.5, -1.0, 0.25], [0.25, 0.5, -1.5], [0.5, 1.0, -0.25], [1.0, -2.0, 0.5][: len(x)]
    outs, gradients = recurrent_50_digits(gru_50_digits, [x, W, U, list(gates), c], dout)
    params = Gru(np.array([W]), np.array([U]), np.array(gates), np.array(c))
    with np.errstate(all="raise"):
        out, cache = gru.forward(params, np.array(x)[None, :, None])
        dx, grads = gru.backward(cache, np.array(dout)[None, :, None])
    # A gate of e^a is right to a times the rounding of a, up to 300; a sum over steps to that of its largest term.
    few = 4 * 2**-53 * max([8.0, *(abs(a) for a in gates if abs(a) < 1e4)])
    np.testing.assert_allclose(out[0, :, 0], outs, rtol=few, atol=1e-307)
    for found, expected in zip((dx, *tree.leaves(grads)), gradients, strict=True):
        size = float(np.abs(expected).max())
        np.testing.assert_allclose(found.ravel(), expected, rtol=few, atol=2**-50 * size * (len(x) > 1) + 1e-307)


def test_half_of_the_state_is_kept_by_an_update_gate_of_one_half() -> None:
    params = Gru(np.zeros((1, 3)), np.zeros((1, 3)), np.array([0.0, 0.0, 50.0]), np.zeros(3))
    out, cache = gru.forward(params, np.zeros((1, 3, 1)))
    assert out.tolist() == [[[0.5], [0.75], [0.875]]]
    # db of z: at each step (h - n) / 4, halved at each step back.
    assert gru.grads(cache, np.array([[[0.0], [0.0], [1.0]]])).b[1] == (-1 / 4) / 4 + (-1 / 2) / 8 + (-1) / 16


def test_the_reset_gate_multiplies_the_product_and_the_bias_beside_it() -> None:
    params = Gru(np.zeros((1, 3)), np.zeros((1, 3)), np.array([0.0, -50.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(gru.forward(params, np.zeros((1, 1, 1)))[0], np.tanh(0.5), rtol=1e-15)


def test_at_first_biases_are_zero_and_each_gate_turns_the_state() -> None:
    params = Gru.init(np.random.default_rng(0), 50, 16, dtype=np.float64)
    for bias in (params.b, params.c):
        np.testing.assert_array_equal(bias, np.zeros(48), strict=True)
    for U in np.split(params.U, 3, axis=1):
        np.testing.assert_allclose(U.T @ U, np.eye(16), rtol=0, atol=1e-14)
    assert params.W.std() == pytest.approx(50**-0.5, rel=0.1)  # of 2,400 numbers: seven deviations
    assert {leaf.dtype for leaf in tree.leaves(Gru.init(np.random.default_rng(0), 2, 3))} == {np.dtype(np.float32)}
    spread = Gru.init(np.random.default_rng(0), 50, 50, std=0.01)
    assert spread.W.std() == pytest.approx(0.01, rel=0.05)
    assert spread.U.std() == pytest.approx(0.01, rel=0.05)


def test_an_initializer_is_told_how_many_weights_meet_in_a_gate() -> None:
    asked: list[Any] = []

    def weights(rng: Any, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any) -> Array:
        asked.append((shape, fan_in, fan_out))
        return initializers.zeros(rng, shape, fan_in, fan_out, dtype)

    Gru.init(np.random.default_rng(0), 2, 3, weights=weights)
    assert asked == [((2, 3), 2, 3)] * 3 + [((3, 3), 3, 3)] * 3


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 5), "gru: x has 5 features (2, 4, 5) but W takes 2 (2, 9)"),
        ((2,), "gru: x must have an axis of steps and one of features, got shape (2,)"),
        ((3, 0, 2), "gru: x must have at least one step, got shape (3, 0, 2)"),
        ((), "gru: x must have an axis of features, got shape ()"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        gru.forward(draw(np.random.default_rng(0), 2, 3), np.ones(shape))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 9), (4, 9), (9,), (9,)), "Gru: U is (4, 9), but 4 units have 3 gates each, so 12 columns"),
        (((2, 6), (3, 9), (6,), (6,)), "Gru: W is (2, 6), so U must be (units, 6), got (3, 9)"),
        (((2, 9), (3, 9), (9,), (3,)), "Gru: W is (2, 9), so c must be (9,), got (3,)"),
        (((2, 9), (3, 9), (9, 1), (9,)), "Gru: W is (2, 9), so b must be (9,), got (9, 1)"),
        (((9,), (3, 9), (9,), (9,)), "Gru: W must be 2-D (inputs, gates) with at least 1 of each, got shape (9,)"),
    ],
)
def test_parameters_that_do_not_fit_each_other(shapes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Gru(*(np.ones(shape) for shape in shapes))


def test_bad_dtypes_and_arguments() -> None:
    params = draw(np.random.default_rng(0), 2, 3)
    with pytest.raises(TypeError, match=r"^gru: x is float32 but the parameters are float64"):
        gru.forward(params, np.ones((1, 4, 2), np.float32))
    with pytest.raises(TypeError, match=r"^Gru: W is f64\[2, 9\] but c is f32\[9\]"):
        Gru(params.W, params.U, params.b, np.ones(9, np.float32))
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"^Gru\.init: n_hidden must be an integer, got float$"):
        Gru.init(rng, 2, untyped(2.5))
    with pytest.raises(ValueError, match=r"^Gru\.init: n_hidden must be >= 1, got 0$"):
        Gru.init(rng, 2, 0)
    with pytest.raises(ValueError, match=r"^Gru\.init: n_in must be >= 1, got -1$"):
        Gru.init(rng, -1, 2)
    with pytest.raises(TypeError, match=r"^Gru\.init: give std or weights, not both$"):
        Gru.init(rng, 2, 2, std=0.1, weights=initializers.zeros)
    with pytest.raises(TypeError, match=r"^Gru\.init: rng must be"):
        Gru.init(untyped(0), 2, 2)


def test_traits() -> None:
    assert (repr(gru), gru.event_axes, gru.couples_rows, gru.elementwise) == ("Layer(gru)", 2, False, False)
