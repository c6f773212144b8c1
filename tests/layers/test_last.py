"""The last step, and each sequence's own: slices, their padding, what is refused, and types."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array, Lstm, Unit, last, last_of, lstm, mean_squared_error, sequential, sgd, training_step
from strategies import Floating, all_dtypes, generators, layouts, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Labels, Layer, Unit, last, last_of
from chainrule.layers.recurrent.last import LastCache

def accepted(lengths: Labels, x: Array, dout: Array) -> None:
    assert_type(last, Layer[Unit, LastCache])
    assert_type(last_of(lengths), Layer[Unit, LastCache])
    cache = last_of(np.array([3, 2])).forward((), x)[1]
    assert_type(last_of(lengths).backward(cache, dout), tuple[Array, Unit])

def refused(params: Affine, x: Array) -> None:
    last.forward(params, x)  # rejected: it has no parameters
    last_of()  # rejected: the lengths are missing
    last_of(x)  # rejected: floats are no lengths
    last_of([3, 2])  # rejected: a list is no array
"""


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_the_last_step_and_zeros_before_its_derivative(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x, dout = normal(rng, n, 3, 2, dtype=dtype), normal(rng, n, 2, dtype=dtype)
    out, cache = last.forward((), x)
    np.testing.assert_array_equal(out, x[:, 2], strict=True)
    dx, grads = last.backward(cache, dout)
    assert grads == ()
    np.testing.assert_array_equal(dx[:, 2], dout, strict=True)
    assert not dx[:, :2].any()


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_each_sequence_has_its_own_last_step(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x, dout, lengths = normal(rng, n, 5, 2, dtype=dtype), normal(rng, n, 2, dtype=dtype), rng.integers(1, 6, n)
    for i, length in enumerate(lengths):
        x[i, length:] = np.nan
    layer = last_of(lengths)
    out, cache = layer.forward((), x)
    dx, _ = layer.backward(cache, dout)
    expected = np.zeros_like(x)
    for i, length in enumerate(lengths):
        np.testing.assert_array_equal(out[i], x[i, length - 1])
        expected[i, length - 1] = dout[i]
    np.testing.assert_array_equal(dx, expected, strict=True)


def test_full_lengths_give_the_last_step() -> None:
    x = normal(np.random.default_rng(0), 4, 3, 2)
    np.testing.assert_array_equal(last_of(np.full(4, 3)).forward((), x)[0], last.forward((), x)[0], strict=True)


@pytest.mark.parametrize("shape", [(3, 2), (2, 4, 3, 2), (4, 3, 0), (0, 3, 2), (4, 1, 2), (4, 3, 1)])
def test_axes_before_the_steps_and_single_ones(shape: tuple[int, ...]) -> None:
    x = normal(np.random.default_rng(0), *shape)
    axes = shape[:-2]
    for layer in (last, last_of(np.full(axes, shape[-2])), last_of(np.full(axes[-1:], shape[-2]))):
        out, cache = layer.forward((), x)
        np.testing.assert_array_equal(out, x[..., -1, :], strict=True)
        assert layer.backward(cache, out)[0].shape == shape


def test_lengths_of_any_integer_dtype_and_every_layout() -> None:
    x = normal(np.random.default_rng(0), 4, 3, 2)
    for kind in (np.int8, np.uint8, np.int32, np.uint64):
        for lengths in layouts(np.array([2, 3, 1, 2], kind)).values():
            np.testing.assert_array_equal(last_of(lengths).forward((), x)[0], x[np.arange(4), [1, 2, 0, 1]])


def test_lengths_are_the_layers_own() -> None:
    x, lengths = normal(np.random.default_rng(0), 2, 3, 1), np.array([3, 1])
    layer = last_of(lengths)
    lengths[:] = 2
    np.testing.assert_array_equal(layer.forward((), x)[0], [x[0, 2], x[1, 0]])


def test_padding_of_a_sequence_does_not_change_what_is_learned_from_it() -> None:
    rng = np.random.default_rng(0)
    params, x, targets = (Lstm.init(rng, 2, 3, dtype=np.float64), ()), normal(rng, 2, 4, 2), normal(rng, 2, 3)
    x[1, 2:] = 1e6

    def stepped(x: Array) -> Array:
        step = training_step(sequential(lstm, last_of(np.array([4, 2]))), mean_squared_error, sgd(0.5))
        return step(params, sgd(0.5).init(params), x, targets)[0][0].U

    other = x.copy()
    other[1, 2:] = -5
    np.testing.assert_array_equal(stepped(x), stepped(other))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (last, (2, 0, 3), "last: x must have at least one step, got shape (2, 0, 3)"),
        (last, (3,), "last: x must have an axis of steps and one of features, got shape (3,)"),
        (last_of(np.array([1])), (1, 0, 3), "last_of: x must have at least one step, got shape (1, 0, 3)"),
        (last_of(np.array([1, 2])), (3, 2, 3), "last_of: lengths must be (3,), for x (3, 2, 3), got (2,)"),
        (last_of(np.array([[1, 2]])), (2, 2, 3), "last_of: lengths must be (2,), for x (2, 2, 3), got (1, 2)"),
        (
            last_of(np.array([2, 3])),
            (2, 2, 3),
            "last_of: lengths must be at most 2, the number of steps of x (2, 2, 3), got 3 at row 1",
        ),
        (
            last_of(np.array([[1, 2], [4, 1]])),
            (2, 2, 2, 3),
            "last_of: lengths must be at most 2, the number of steps of x (2, 2, 2, 3), got 4 at row (1, 0)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer.forward((), np.ones(shape))


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([3, 2], TypeError, "last_of: lengths must be an array of integers, got list: convert it with np.asarray"),
        (np.array([3.0]), TypeError, "last_of: lengths must be integers, got f64[1]"),
        (np.array([True]), TypeError, "last_of: lengths must be integers, got bool[1]"),
        (
            np.ma.masked_array([1]),
            TypeError,
            "last_of: lengths must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (np.array([1, 0]), ValueError, "last_of: lengths must be at least 1, got 0 at row 1"),
        (np.array(-1), ValueError, "last_of: lengths must be at least 1, got -1"),
    ],
)
def test_what_is_no_length_is_refused_where_the_layer_is_made(lengths: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        untyped(last_of)(lengths)


def test_lengths_of_another_library_are_refused() -> None:
    strict: Any = import_module("array_api_strict")
    message = "last_of: x is an array of array_api_strict but the lengths are of numpy: convert one of them"
    with pytest.raises(TypeError, match=f"^{message}$"):
        last_of(np.array([1])).forward((), strict.asarray(np.ones((1, 2, 1))))


def test_traits() -> None:
    none: Unit = ()
    assert (repr(last), last.event_axes, last.couples_rows) == ("Layer(last)", 2, False)
    layer = last_of(np.array([3, 2]))
    assert (layer.event_axes, layer.couples_rows) == (2, True)
    assert repr(layer) == "Layer(last_of(lengths=i64[2]))"
    assert layer.operations is not None
    assert layer.operations(none, (2, 3, 4), (2, 4)) == (0, 0)
