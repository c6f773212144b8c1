"""The words of `Namespace` for libraries of the Array API standard, against what they mean in NumPy."""

import math
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array, dropout
from chainrule.arrays.hashing import hashed_integers
from chainrule.arrays.portable import Portable
from chainrule.arrays.types import Groups
from strategies import Floating, dtypes, generators, normal, sides
from untyped import untyped

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy
numpy: Any = np


class Library(ModuleType):
    """NumPy under another name, which takes what the standard promises and no more."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.devices: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def reshape(self, x: Array, shape: tuple[int, ...]) -> Array:
        assert min(shape, default=0) >= -1
        return np.reshape(x, shape)

    def zeros(self, shape: tuple[int, ...], *, dtype: Any, device: object) -> Any:
        self.devices.append(device)
        return np.zeros(shape, dtype).view(Scattered)


class Scattered(np.ndarray[Any, Any]):
    """An array with the scattered sums of JAX and of torch, and which of them were asked for."""

    asked: ClassVar[list[str]] = []

    @property
    def at(self) -> Any:
        array = self

        class At:
            def __getitem__(self, index: Any) -> Any:
                class Rows:
                    def add(self, rows: Array) -> Array:
                        Scattered.asked.append("at")
                        out = np.array(array)
                        np.add.at(out, index, rows)
                        return out

                return Rows()

        return At()

    def index_add(self, axis: int, index: Any, rows: Array) -> Array:
        assert axis == 0
        Scattered.asked.append("index_add")
        out = np.array(self)
        np.add.at(out, index, rows)
        return out


X = np.array([[0.25, 1.0, 4.0], [9.0, 0.5, 2.0]])
DEEP = np.arange(24.0).reshape(2, 3, 4) % 7
OF_GROUPS = DEEP.reshape(2, 3, 2, 2).mean(axis=(1, 3)).repeat(2, axis=1)[:, None]

WORDS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "clip": (lambda xp, x: xp.clip(x, 0.5, 2.0), np.clip(X, 0.5, 2)),
    "either": (lambda xp, x: xp.either(x > 0.75, 2.0, 0.5, x), np.where(X > 0.75, 2.0, 0.5)),
    "either, by columns": (
        lambda xp, x: xp.either(x > 0.75, 2.0, x[0, :], x),
        np.where(X > 0.75, 2.0, X[0]),
    ),
    "round": (lambda xp, x: xp.round(x), np.rint(X)),
    "decay_of": (lambda xp, x: xp.decay_of(x, (1.0, 0.0, 0.5)), np.exp(-X - X**3 / 2)),
    "concat": (lambda xp, x: xp.concat([x, x], axis=1), np.concatenate([X, X], axis=1)),
    "exp": (lambda xp, x: xp.exp(x), np.exp(X)),
    "expm1": (lambda xp, x: xp.expm1(x), np.expm1(X)),
    "gathered": (
        lambda xp, x: xp.concat(xp.gathered(range(2)[::-1], iter([(x, x + 5), (x - 1, x + 3)]))),
        np.array([X - 1, X, X + 3, X + 5]),
    ),
    "log": (lambda xp, x: xp.log(x), np.log(X)),
    "log1p": (lambda xp, x: xp.log1p(x), np.log1p(X)),
    "matmul": (lambda xp, x: xp.matmul(x, xp.reshape(x, (3, 2))), X @ X.reshape(3, 2)),
    "mean": (lambda xp, x: xp.mean(x), np.mean(X)),
    "mean_product": (lambda xp, x: xp.mean_product(x, x - 1), np.mean(X * (X - 1), axis=1, keepdims=True)),
    "one_hot": (
        lambda xp, x: xp.one_hot(xp.reshape(xp.xp.asarray([2, 0, 3, 1], dtype=xp.xp.uint64), (2, 2)), 3),
        np.array([[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]]], bool),
    ),
    "ones_like": (lambda xp, x: xp.ones_like(x), np.ones((2, 3))),
    "reshape": (lambda xp, x: xp.reshape(x, (6,)), X.reshape(6)),
    "sign": (lambda xp, x: xp.sign(x - 1), np.sign(X - 1)),
    "sqrt": (lambda xp, x: xp.sqrt(x), np.sqrt(X)),
    "hyperbolic tangent": (lambda xp, x: xp.tanh(x), np.tanh(X)),
    "times_in": (lambda xp, x: xp.times_in(x, x, x), X * X),
    "over_in": (lambda xp, x: xp.over_in(xp.room(x), x, x + 1), X / (X + 1)),
    "sqrt_in": (lambda xp, x: xp.sqrt_in(xp.room(x), x), np.sqrt(X)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (1, 0)), X.T),
    "row_by_row": (lambda xp, x: xp.row_by_row(xp.permute_dims(x, (1, 0))), X.T),
    "sigmoid": (lambda xp, x: xp.sigmoid(-x)[0], 1 / (1 + np.exp(X))),
    "stack": (lambda xp, x: xp.stack([x, x - 1]), np.array([X, X - 1])),
    "where": (lambda xp, x: xp.where(x > 1, x, -x), np.where(X > 1, X, -X)),
    "zeros_like": (lambda xp, x: xp.zeros_like(x), np.zeros((2, 3))),
    "a word of the library's": (lambda xp, x: xp.flip(x), np.flip(X)),
}


@pytest.mark.parametrize(("word", "expected"), WORDS.values(), ids=WORDS)
def test_a_word_means_in_any_library_what_it_means_in_numpy(word: Callable[[Any, Any], Any], expected: Any) -> None:
    found = word(Portable(strict), strict.asarray(X))
    assert isinstance(found, type(strict.asarray(X)))
    values: Any = np.asarray(found)
    np.testing.assert_allclose(values, expected, rtol=4e-16)


REDUCTIONS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "sum_last": (lambda xp, x: xp.sum_last(x), DEEP.sum(axis=-1)),
    "dot_last": (lambda xp, x: xp.dot_last(x, x + 1), (DEEP * (DEEP + 1)).sum(axis=-1, keepdims=True)),
    "exponentials": (lambda xp, x: xp.exponentials(x)[1], np.exp(DEEP - DEEP.max(axis=-1, keepdims=True))),
    "max_last": (lambda xp, x: xp.max_last(x), DEEP.max(axis=-1)),
    "argmax_last": (lambda xp, x: xp.argmax_last(x), DEEP.argmax(axis=-1)),
    "mean_along": (lambda xp, x: xp.mean_along(x, -1), DEEP.mean(axis=-1, keepdims=True)),
    "mean_weighted": (lambda xp, x: xp.mean_weighted(x, x), (DEEP * DEEP).mean(axis=-1, keepdims=True)),
    "sum_rows": (lambda xp, x: xp.sum_rows(x), DEEP.sum(axis=(0, 1))),
    "tame_mean": (lambda xp, x: xp.tame_mean(x, -1), DEEP.mean(axis=-1, keepdims=True)),
    "tame_mean groups": (lambda xp, x: xp.tame_mean(2.0**1021 * x, Groups(2)), 2.0**1021 * OF_GROUPS),
    "mean_along groups": (lambda xp, x: xp.mean_along(x, Groups(2)), OF_GROUPS),
    "mean_square": (lambda xp, x: xp.mean_square(x, 1), (DEEP * DEEP).mean(axis=1, keepdims=True)),
}


@pytest.mark.parametrize(("word", "expected"), REDUCTIONS.values(), ids=REDUCTIONS)
def test_reductions_of_three_axes_are_along_the_axis_that_they_name(
    word: Callable[[Any, Any], Any], expected: Array
) -> None:
    np.testing.assert_allclose(np.asarray(word(Portable(strict), strict.asarray(DEEP))), expected, rtol=1e-15)


def test_no_array_of_another_library_is_taken_for_ones_own() -> None:
    assert Portable(strict).mine(strict.asarray(X)) is False


@pytest.mark.parametrize(("dtype", "most", "unit"), [("f2", 12, -6), ("f4", 94, -34), ("f8", 990, -34)])
def test_what_is_too_large_along_an_axis_is_tamed_by_a_power_of_two(dtype: str, most: int, unit: int) -> None:
    largest = np.ldexp(np.asarray(1, dtype), most)
    x = np.array([[1, largest], [3, np.nextafter(largest, np.asarray(np.inf, dtype))], [-2 * largest, 5]], dtype)
    tame, units = Portable(numpy).tamed(x, 1)
    np.testing.assert_array_equal(units, np.array([[1], [2.0**unit], [2.0**unit]], dtype))
    np.testing.assert_array_equal(tame, x * np.asarray(units))
    assert np.asarray(tame).dtype == np.asarray(units).dtype == dtype
    across, units = Portable(numpy).tamed(x.T, 0)
    np.testing.assert_array_equal(np.asarray(across).T, tame)


@given(rng=generators, n=sides, dtype=dtypes, axis=st.sampled_from([0, 1]))
def test_centred_numbers_have_a_mean_of_nearly_zero(
    rng: np.random.Generator, n: int, dtype: Floating, axis: int
) -> None:
    x = (1000 + rng.random((n + 1, 7))).astype(dtype)
    exact = x.astype(np.longdouble)
    expected = exact.mean(axis=axis, keepdims=True)
    found, mean = (np.asarray(each) for each in Portable(strict).centred(strict.asarray(x), axis))
    assert found.dtype == mean.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(mean, expected, rtol=eps)
    # The first mean may be off by the rounding of a sum of 1000s; what is left is a mean of numbers below 1.
    np.testing.assert_allclose(found, exact - expected, rtol=0, atol=4 * eps)


def test_a_line_is_centred_by_its_own_mean_whatever_stands_beside_it() -> None:
    x = np.array([[1.25, 1.5, 1.75, 1.5], [1e15, 2e15, 3e15, 4e15]])
    for axis, lines in ((1, x), (0, x.T)):
        found, mean = (np.asarray(each) for each in Portable(strict).centred(strict.asarray(lines), axis))
        np.testing.assert_array_equal((found if axis else found.T)[0], [-0.25, 0, 0.25, 0])
        np.testing.assert_array_equal(np.ravel(mean), [1.5, 2.5e15])


def test_dropout_makes_its_numbers_where_its_input_is() -> None:
    there = strict.Device("device1")
    out, _ = dropout(0.5, seed=5).forward((), strict.asarray(np.ones((2, 3)), device=there))
    assert untyped(out).device == there


SIZES = {"f2": [0, 4, 7], "f4": [-40, 0, 30, 48, 60, 70, 120, 126], "f8": [-400, 0, 300, 500, 520, 1000, 1022]}


@pytest.mark.parametrize(("dtype", "exponent"), [(dtype, size) for dtype, sizes in SIZES.items() for size in sizes])
@pytest.mark.parametrize("unit", [0.25, "an array"])
def test_deviations_are_right_at_every_size(dtype: str, exponent: int, unit: Any) -> None:
    """`1 / sqrt(mean(x^2) + eps u^2)`, for numbers x whose squares may overflow."""
    eps, rounding, top = 0.5, 4 * float(np.finfo(dtype).eps), np.finfo(dtype).maxexp
    x = np.ldexp(np.array([[1, -1.5, 0.5, 1.25], [1, 1, 0.5, 0]], dtype), [[exponent], [0]]).astype(dtype)
    units = np.array([[0.5], [2.0]], dtype) if unit == "an array" else np.full((2, 1), unit, dtype)
    square = (x.astype(np.longdouble) ** 2).mean(axis=1, keepdims=True)
    expected = 1 / np.sqrt(square + eps * units.astype(np.longdouble) ** 2)
    with np.errstate(over="ignore"):  # other libraries give inf for a mean that is out of range, without a word
        mean, inverse = Portable(numpy).deviation(x, eps, units if unit == "an array" else unit, 1)
    assert mean.dtype == inverse.dtype == dtype
    # A mean of four, a root and a quotient; a float16 is rounded once, at the end.
    np.testing.assert_allclose(inverse.astype(np.longdouble), expected, rtol=rounding)
    for i in range(2):
        if square[i] < np.ldexp(np.longdouble(1), top - 1):  # else its square is out of range, as it should be
            np.testing.assert_allclose(mean[i].astype(np.longdouble), square[i], rtol=rounding)


def test_a_deviation_of_nothing_is_the_largest_that_a_dtype_can_turn_round() -> None:
    zeros = np.zeros((1, 3), np.float32)
    _, inverse = Portable(numpy).deviation(zeros, 0.0, 1.0, 1)
    assert inverse[0, 0] == 1 / np.sqrt(np.finfo(np.float32).smallest_normal)


def test_a_number_is_kept_by_dropout_if_its_word_is_below_the_share() -> None:
    word = hashed_integers(5, 1)[0] >> 8
    just_dropped, just_kept = 1 - word / 2**24, 1 - (word + 1) / 2**24
    x = strict.asarray(np.ones((1, 1)))
    assert float(dropout(just_dropped, seed=5).forward((), x)[0][0, 0]) == 0
    assert float(dropout(just_kept, seed=5).forward((), x)[0][0, 0]) == pytest.approx(1 / (1 - just_kept))


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_numbers_of_16_bits_are_widened_and_others_are_left(bits: int) -> None:
    x = np.array([1.5, -2.0], f"f{bits // 8}")
    wide = Portable(numpy).widened(x)
    assert wide.dtype == ("f4" if bits == 16 else x.dtype)
    assert (wide is x) == (bits > 16)
    np.testing.assert_array_equal(wide, x)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("jax.numpy", ["at"]),
        ("torch", ["index_add"]),
        ("array_api_compat.torch", ["index_add"]),
        ("another", []),  # by a product, which is all that the standard has
    ],
)
@given(rng=generators, n=sides, dtype=dtypes)
def test_rows_are_added_up_by_their_labels_in_the_words_of_each_library(
    name: str, by: list[str], rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    labels, values = rng.integers(-1, 4, (n, 2)), normal(rng, n, 2, 5, dtype=dtype)
    expected = np.zeros((3, 5))
    inside = (labels >= 0) & (labels < 3)
    np.add.at(expected, labels[inside], values[inside])
    library = Library(name)
    Scattered.asked.clear()
    found = Portable(library).add_rows(labels, values, 3)
    assert type(found) is np.ndarray
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=32 * float(np.finfo(dtype).eps))
    assert Scattered.asked == by
    assert library.devices == [None if name == "jax.numpy" else "cpu"]


@given(rng=generators, n=sides)
def test_rows_are_taken_by_labels_of_any_axes(rng: np.random.Generator, n: int) -> None:
    labels, rows = rng.integers(-1, 4, (n, 2)), normal(rng, 3, 5)
    expected = np.where(((labels >= 0) & (labels < 3))[..., None], rows[np.clip(labels, 0, 2)], math.nan)
    np.testing.assert_array_equal(Portable(Library("another")).take_rows(rows, untyped(labels)), expected)


def test_rows_of_very_different_sizes_are_centred_each_by_its_own_mean() -> None:
    xp = Portable(strict)
    large, small = 2.0**40, 2.0**-40
    out, mean = xp.centred(strict.asarray([[large + 1, large - 1], [3 * small, small]]), -1)
    np.testing.assert_array_equal(np.asarray(out), [[1, -1], [small, -small]])
    np.testing.assert_array_equal(np.asarray(mean), [[large], [2 * small]])
