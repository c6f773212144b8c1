"""The long short-term memory: its definition at extremes, time, axes, what it begins with and refuses, and types."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Lstm, initializers, lstm, tree
from reference import lstm_50_digits, recurrent_50_digits
from strategies import Floating, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Layer, Lstm, Unit, affine, initializers, last, lstm, sequential, training_step
from chainrule import mean_squared_error, sgd
from chainrule.layers.affine import AffineCache
from chainrule.layers.recurrent.last import LastCache
from chainrule.layers.recurrent.lstm import LstmCache

def accepted(params: Lstm, W: Affine, x: Array, dout: Array, rng: np.random.Generator) -> None:
    assert_type(lstm, Layer[Lstm, LstmCache])
    cache = lstm.forward(params, x)[1]
    assert_type(lstm.backward(cache, dout), tuple[Array, Lstm])
    assert_type(lstm.grads(cache, dout).U, Array)
    assert_type(Lstm.init(rng, 3, 4, forget_bias=0.0, weights=initializers.glorot_uniform, dtype=np.float64), Lstm)
    network = sequential(lstm, last, affine)
    assert_type(network, Layer[tuple[Lstm, Unit, Affine], tuple[LstmCache, LastCache, AffineCache]])
    step = training_step(network, mean_squared_error, sgd(0.1))
    step((params, (), W), sgd(0.1).init((params, (), W)), x, x)

def refused(params: Lstm, W: Affine, x: Array, rng: np.random.Generator) -> None:
    lstm.forward(W, x)  # rejected: the parameters of affine
    lstm(params, x)  # rejected: a layer is no function
    Lstm(x, x)  # rejected: the bias is missing
    Lstm.init(rng, 3)  # rejected: the number of units is missing
    params.b = x  # rejected: a record is frozen
"""


def draw(rng: np.random.Generator, d: int, h: int, dtype: Floating = np.float64) -> Lstm:
    W, U, b = (normal(rng, *shape, dtype=dtype) for shape in ((d, 4 * h), (h, 4 * h), (4 * h,)))
    return Lstm(W, U, b)


EXTREMES = [
    (0.0, 0.0, 0.0, 0.0),
    (1e4, 1e4, 1e4, 1e4),
    (-1e4, 1e4, 1e4, 1e4),
    (1e4, -1e4, -1e4, 1e4),
    (1e4, 1e4, 1e4, -1e4),
    (1e-8, -1e-8, 1e-8, 1e-8),
    (-40.0, 40.0, 1e-300, 40.0),
    (40.0, -40.0, 20.0, -40.0),
    (40.0, 40.0, -20.0, 40.0),
    (-300.0, 300.0, 300.0, -300.0),
]


@pytest.mark.parametrize("gates", EXTREMES)
@pytest.mark.parametrize("x", [[1.0], [1.0, -0.5, 2.0]])
def test_outputs_and_gradients_are_those_of_the_definition(gates: tuple[float, ...], x: list[float]) -> None:
    W, U, dout = [0.5, -1.0, 0.25, 1.0], [0.25, 0.5, -1.5, 1.0], [1.0, -2.0, 0.5][: len(x)]
    outs, gradients = recurrent_50_digits(lstm_50_digits, [x, W, U, list(gates)], dout)
    params = Lstm(np.array([W]), np.array([U]), np.array(gates))
    with np.errstate(all="raise"):
        out, cache = lstm.forward(params, np.array(x)[None, :, None])
        dx, grads = lstm.backward(cache, np.array(dout)[None, :, None])
    # A gate of e^a is right to a times the rounding of a, up to 300; a sum over steps to that of its largest term.
    few = 4 * 2**-53 * max([8.0, *(abs(a) for a in gates if abs(a) < 1e4)])
    np.testing.assert_allclose(out[0, :, 0], outs, rtol=few, atol=1e-307)
    for found, expected in zip((dx, *tree.leaves(grads)), gradients, strict=True):
        size = float(np.abs(expected).max())
        np.testing.assert_allclose(found.ravel(), expected, rtol=few, atol=2**-50 * size * (len(x) > 1) + 1e-307)


def test_what_is_taken_in_is_added_up_while_all_gates_are_open() -> None:
    params = Lstm(np.zeros((1, 4)), np.zeros((1, 4)), np.array([50.0, 50.0, 0.5, 50.0]))
    out, cache = lstm.forward(params, np.zeros((1, 4, 1)))
    np.testing.assert_allclose(out[0, :, 0], np.tanh(np.tanh(0.5) * np.arange(1, 5)), rtol=1e-15)
    # db of g: each of four steps adds 1 - g^2 to the cell, whose tanh is shown.
    dg = lstm.grads(cache, np.array([0.0, 0, 0, 1]).reshape(1, 4, 1)).b[2]
    np.testing.assert_allclose(dg, 4 * (1 - np.tanh(0.5) ** 2) * (1 - np.tanh(4 * np.tanh(0.5)) ** 2), rtol=1e-14)


@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_the_derivative_of_a_cell_is_multiplied_by_the_forget_gate_at_each_step_back(kept: float) -> None:
    forget = float(np.log(kept / (1 - kept)))
    params = Lstm(np.array([[0.0, 0.0, 1.0, 0.0]]), np.zeros((1, 4)), np.array([0.0, forget, 0.0, 0.0]))
    out, cache = lstm.forward(params, np.zeros((1, 9, 1)))
    dout = np.zeros_like(out)
    dout[:, -1] = 1
    dx, _ = lstm.backward(cache, dout)
    np.testing.assert_allclose(dx[0, :-1, 0] / dx[0, 1:, 0], kept, rtol=1e-14)


def test_at_first_the_forget_gates_are_open_and_each_gate_turns_the_state() -> None:
    params = Lstm.init(np.random.default_rng(0), 50, 16, dtype=np.float64)
    np.testing.assert_array_equal(params.b, np.repeat([0.0, 1.0, 0.0, 0.0], 16), strict=True)
    for U in np.split(params.U, 4, axis=1):
        np.testing.assert_allclose(U.T @ U, np.eye(16), rtol=0, atol=1e-14)
    assert params.W.std() == pytest.approx(50**-0.5, rel=0.1)  # of 3,200 numbers: six deviations
    assert Lstm.init(np.random.default_rng(0), 2, 3).W.dtype == np.float32
    other = Lstm.init(np.random.default_rng(0), 2, 3, forget_bias=-2, weights=initializers.zeros)
    assert other.b.tolist() == [0.0] * 3 + [-2.0] * 3 + [0.0] * 6
    assert not other.W.any()
    assert not other.U.any()
    spread = Lstm.init(np.random.default_rng(0), 50, 50, std=0.01)
    assert spread.W.std() == pytest.approx(0.01, rel=0.05)
    assert spread.U.std() == pytest.approx(0.01, rel=0.05)


def test_an_initializer_is_told_how_many_weights_meet_in_a_gate() -> None:
    asked: list[Any] = []

    def weights(rng: Any, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any) -> Array:
        asked.append((shape, fan_in, fan_out))
        return initializers.zeros(rng, shape, fan_in, fan_out, dtype)

    Lstm.init(np.random.default_rng(0), 2, 3, weights=weights)
    assert asked == [((2, 3), 2, 3)] * 4 + [((3, 3), 3, 3)] * 4


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 5), "lstm: x has 5 features (2, 4, 5) but W takes 2 (2, 12)"),
        ((2,), "lstm: x must have an axis of steps and one of features, got shape (2,)"),
        ((3, 0, 2), "lstm: x must have at least one step, got shape (3, 0, 2)"),
        ((), "lstm: x must have an axis of features, got shape ()"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        lstm.forward(draw(np.random.default_rng(0), 2, 3), np.ones(shape))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 12), (4, 12), (12,)), "Lstm: U is (4, 12), but 4 units have 4 gates each, so 16 columns"),
        (((2, 8), (3, 12), (8,)), "Lstm: W is (2, 8), so U must be (units, 8), got (3, 12)"),
        (((2, 12), (12,), (12,)), "Lstm: W is (2, 12), so U must be (units, 12), got (12,)"),
        (((2, 8), (0, 8), (8,)), "Lstm: U must be 2-D (units, 8) with at least 1 of each, got shape (0, 8)"),
        (((2, 12), (3, 12), (3,)), "Lstm: W is (2, 12), so b must be (12,), got (3,)"),
        (((12,), (3, 12), (12,)), "Lstm: W must be 2-D (inputs, gates) with at least 1 of each, got shape (12,)"),
        (((2, 0), (0, 0), (0,)), "Lstm: W must be 2-D (inputs, gates) with at least 1 of each, got shape (2, 0)"),
    ],
)
def test_parameters_that_do_not_fit_each_other(shapes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Lstm(*(np.ones(shape) for shape in shapes))


def test_bad_dtypes_and_arguments() -> None:
    params = draw(np.random.default_rng(0), 2, 3)
    with pytest.raises(TypeError, match=r"^lstm: x is float32 but the parameters are float64"):
        lstm.forward(params, np.ones((1, 4, 2), np.float32))
    with pytest.raises(TypeError, match=r"^Lstm: W is f64\[2, 12\] but b is f32\[12\]"):
        Lstm(params.W, params.U, np.ones(12, np.float32))
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"^Lstm\.init: n_hidden must be an integer, got float$"):
        Lstm.init(rng, 2, untyped(2.5))
    with pytest.raises(ValueError, match=r"^Lstm\.init: n_hidden must be >= 1, got 0$"):
        Lstm.init(rng, 2, 0)
    with pytest.raises(ValueError, match=r"^Lstm\.init: n_in must be >= 1, got -1$"):
        Lstm.init(rng, -1, 2)
    with pytest.raises(TypeError, match=r"^Lstm\.init: give std or weights, not both$"):
        Lstm.init(rng, 2, 2, std=0.1, weights=initializers.zeros)
    with pytest.raises(ValueError, match=r"^Lstm\.init: forget_bias must be a finite number, got inf$"):
        Lstm.init(rng, 2, 2, forget_bias=np.inf)
    with pytest.raises(TypeError, match=r"^Lstm\.init: rng must be"):
        Lstm.init(untyped(0), 2, 2)


def test_traits() -> None:
    assert (repr(lstm), lstm.event_axes, lstm.couples_rows, lstm.elementwise) == ("Layer(lstm)", 2, False, False)
