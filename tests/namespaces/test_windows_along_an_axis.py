"""The words of pools, in NumPy's form and in that of other libraries, against loops."""

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.portable import Portable
from chainrule.arrays.slices import Steps
from chainrule.arrays.tuned import BLOCK_ENTRIES, TUNED
from chainrule.checking.complex_step import LIFTED, lift
from strategies import Floating, all_dtypes, generators, normal
from untyped import untyped

FORMS: list[Namespace] = [TUNED, Portable(import_module("array_api_strict"))]
each_form = pytest.mark.parametrize("xp", FORMS, ids=["NumPy", "standard"])


def given_to(xp: Namespace, a: Any) -> Any:
    """A NumPy array as one of the form's library."""
    return a if xp is TUNED else import_module("array_api_strict").asarray(a)


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Steps, ...]]:
    """The numbers of windows along each of three axes, and those along some of them."""
    shape, steps = [2, 3, 2], list[Steps]()
    for axis in sorted(draw(st.sets(st.integers(0, 2), min_size=1))):
        shape[axis], size, stride = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
        steps.append(Steps(axis, size, stride, (shape[axis] - 1) * stride + size + draw(st.integers(0, 4))))
    return tuple(shape), tuple(steps)


def places(steps: tuple[Steps, ...]) -> list[tuple[int, ...]]:
    """The places in a window, in row-major order."""
    return list(product(*(range(each.size) for each in steps)))


def nothing(shape: tuple[int, ...], steps: tuple[Steps, ...], dtype: Floating = np.float64) -> Array:
    """Zeros along axes with windows."""
    lengths = {each.axis: each.length for each in steps}
    return np.zeros([lengths.get(axis, n) for axis, n in enumerate(shape)], dtype)


def at_place(window: tuple[int, ...], place: tuple[int, ...], steps: tuple[Steps, ...]) -> tuple[int, ...]:
    """The index in the array of a place of a window."""
    to = list(window)
    for k, each in zip(place, steps, strict=True):
        to[each.axis] = window[each.axis] * each.stride + k
    return tuple(to)


@each_form
@given(rng=generators, drawn=windows())
def test_overlapped_adds_each_part_at_its_places(
    xp: Namespace, rng: np.random.Generator, drawn: tuple[tuple[int, ...], tuple[Steps, ...]]
) -> None:
    shape, steps = drawn
    parts = [normal(rng, *shape) for _ in places(steps)]
    expected = nothing(shape, steps)
    for part, place in zip(parts, places(steps), strict=True):
        for window in np.ndindex(*shape):
            expected[at_place(window, place, steps)] += part[window]
    out = xp.overlapped([given_to(xp, part) for part in parts], *steps)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-14, atol=1e-14)  # sums in another order


@each_form
@given(rng=generators, drawn=windows(), dtype=st.sampled_from([np.float32, np.float64]))
def test_scattered_puts_each_number_at_its_place_in_a_window(
    xp: Namespace, rng: np.random.Generator, drawn: tuple[tuple[int, ...], tuple[Steps, ...]], dtype: Floating
) -> None:
    shape, steps = drawn
    all_places = places(steps)
    x, place = normal(rng, *shape, dtype=dtype), rng.integers(0, len(all_places), shape).astype(np.uint8)
    x.flat[0] = np.inf
    expected = nothing(shape, steps, dtype)
    for window in np.ndindex(*shape):
        expected[at_place(window, all_places[place[window]], steps)] += x[window]
    out = xp.scattered(given_to(xp, place), given_to(xp, x), *steps)
    rounded = 8 * float(np.finfo(dtype).eps)  # a few sums in another order
    np.testing.assert_allclose(np.asarray(out), expected, rtol=rounded, atol=rounded)


@each_form
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_padded_has_a_number_at_both_ends(xp: Namespace, axis: int) -> None:
    x = normal(np.random.default_rng(0), 2, 3, 4, dtype=np.float32)
    for before, after in ((0, 0), (1, 0), (0, 2), (2, 3)):
        ends = [(0, 0)] * 3
        ends[axis] = (before, after)
        out = np.asarray(xp.padded(given_to(xp, x), axis, before, after, -np.inf))
        np.testing.assert_array_equal(out, np.pad(x, ends, constant_values=-np.inf))
        assert out.dtype == np.float32


def of_equal_and_special_numbers(rng: np.random.Generator, *shape: int, dtype: Floating) -> Array:
    x: Array = rng.integers(-2, 3, shape).astype(dtype)
    for value in (np.nan, np.inf, -np.inf):
        x[rng.random(shape) < 0.2] = value
    return x


def first(values: list[float]) -> int:
    """The first place of the largest number, or of a nan."""
    ranks = [(np.isnan(value), 0.0 if np.isnan(value) else value) for value in values]
    return ranks.index(max(ranks))


@each_form
@pytest.mark.parametrize("n", [256, 257, 300])  # places up to 255 take a byte each
def test_the_first_largest_of_very_many_arrays(xp: Namespace, n: int) -> None:
    last = [given_to(xp, np.asarray([k, -k], np.float32)) for k in range(n)]
    out, place = xp.first_largest(last)
    assert np.asarray(out).tolist() == [n - 1, 0]
    assert np.asarray(place).tolist() == [n - 1, 0]


@each_form
@given(rng=generators, n=st.integers(1, 5), dtype=all_dtypes)
def test_the_first_largest_of_arrays_and_of_positions(
    xp: Namespace, rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    if xp is not TUNED and dtype not in (np.float32, np.float64):
        return  # the standard has no others
    x = of_equal_and_special_numbers(rng, 3, n, 4, dtype=dtype)
    out, place = xp.first_largest([given_to(xp, x[:, k]) for k in range(n)])
    of_all, position = xp.first_position(given_to(xp, x))
    put = np.asarray(xp.at_position(position, of_all, n))
    assert all(np.asarray(found).dtype == dtype for found in (out, of_all, put))
    for row, channel in product(range(3), range(4)):
        column = [float(value) for value in x[row, :, channel]]
        k = first(column)
        for found in (out, of_all):
            np.testing.assert_array_equal(float(found[row, channel]), column[k])
        assert int(place[row, channel]) == int(position[row, channel]) == k
        np.testing.assert_array_equal(put[row, :, channel], np.where(np.arange(n) == k, column, 0))


@each_form
@given(rng=generators, n=st.integers(1, 6))
def test_the_mean_of_arrays(xp: Namespace, rng: np.random.Generator, n: int) -> None:
    x = normal(rng, n, 3, 2)
    x[:, 0] = np.finfo(np.float64).max
    x[:, 1] = np.inf
    out = np.asarray(xp.quietly(xp.mean_of, [given_to(xp, each) for each in x]))
    np.testing.assert_allclose(out[2], x[:, 2].mean(axis=0), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(out[0] / x[0, 0], 1, rtol=1e-15)
    np.testing.assert_array_equal(out[1], np.inf)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_many_examples_in_blocks_give_what_they_give_at_once(n: int) -> None:
    x = normal(np.random.default_rng(0), n, BLOCK_ENTRIES // 3, dtype=np.float32)  # three of them fill a block
    seen: list[int] = []

    def twice_and_a_sum(x: Array, y: Array) -> tuple[Array, Array]:
        seen.append(len(x))
        return 2 * x, (x + y).sum(axis=1)

    twice, total = TUNED.by_examples(twice_and_a_sum, x, x[:, :1])
    assert seen == [3] * (n // 3) + ([n % 3] if n % 3 else [])
    np.testing.assert_array_equal(twice, 2 * x)
    np.testing.assert_array_equal(total, (x + x[:, :1]).sum(axis=1))


@each_form
def test_what_returns_one_array_returns_no_view_of_it(xp: Namespace) -> None:
    x = np.arange(6.0).reshape(2, 3)
    for out in (xp.first_largest([given_to(xp, x)])[0], xp.mean_of([given_to(xp, x)])):
        np.testing.assert_array_equal(np.asarray(out), x)
        assert xp is not TUNED or not np.shares_memory(out, x)


@each_form
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_only_what_a_condition_holds_for(xp: Namespace, dtype: Floating) -> None:
    if xp is not TUNED and dtype not in (np.float32, np.float64):
        return  # the standard has no others
    x = np.array([np.inf, np.nan, -1.5, -np.inf, np.nan, 2, 0], dtype)
    holds = np.array([True, True, True, False, False, False, True])
    laid = [x, x.repeat(2)[::2], *([x.astype(x.dtype.newbyteorder())] if xp is TUNED else [])]
    for each in laid:
        out = np.asarray(xp.only(given_to(xp, holds), given_to(xp, each)))
        np.testing.assert_array_equal(out, [np.inf, np.nan, -1.5, 0, 0, 0, 0])


def test_a_complex_step_goes_with_the_largest_real_part() -> None:
    x = lift(np.array([[1.0, 2.0], [1.0, 1.0]]))
    moved = untyped(x + 1e-200j * np.array([[0, 3], [5, 7]]))
    out, place = LIFTED.first_largest([moved[0], moved[1]])
    np.testing.assert_array_equal(place, [0, 0])  # equal, whatever the step
    np.testing.assert_array_equal(out.imag, [0, 3e-200])
    _, position = LIFTED.first_position(moved[None])
    np.testing.assert_array_equal(position, [[0, 0]])
