"""Pools: windows by hand and by the definition, ties and special values, large numbers, what is refused, and types."""

import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array, Layer, global_max_pool, global_mean_pool, max_pool, mean_pool, tree
from chainrule.arrays.types import is_any_tuple
from strategies import Floating, all_dtypes, generators, layouts, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Array, Layer, Unit, global_max_pool, global_mean_pool, max_pool, mean_pool, relu, sequential
from chainrule.layers.pooling.global_pools import GlobalMaxPoolCache, GlobalMeanPoolCache
from chainrule.layers.pooling.max_pool import MaxPoolCache
from chainrule.layers.pooling.mean_pool import MeanPoolCache
from chainrule.rules.elementwise_layers import Saved

def accepted(x: Array, dout: Array) -> None:
    assert_type(max_pool(2), Layer[Unit, MaxPoolCache])
    assert_type(max_pool((2, 3), stride=1, padding=((0, 1), 2)).backward(max_pool(2).forward((), x)[1], dout)[1], Unit)
    assert_type(mean_pool(3, 2, 1), Layer[Unit, MeanPoolCache])
    assert_type(global_max_pool, Layer[Unit, GlobalMaxPoolCache])
    assert_type(global_mean_pool, Layer[Unit, GlobalMeanPoolCache])
    assert_type(sequential(relu, max_pool(2)), Layer[tuple[Unit, Unit], tuple[Saved, MaxPoolCache]])

def refused(x: Array) -> None:
    max_pool()  # rejected: the size is missing
    max_pool(2.0)  # rejected: a size is whole
    mean_pool([2, 2])  # rejected: a list is no tuple
    mean_pool(2, padding="same")  # rejected: padding is a number
    max_pool(2).forward(x, x)  # rejected: it has no parameters
    global_max_pool(2)  # rejected: it has no options
"""


ALL: list[Any] = [max_pool(3, 2, 1), mean_pool(3, 2, 1), global_max_pool, global_mean_pool]


def each_axis(option: Any, axes: int) -> Any:
    """An option as a tuple with a number for each axis."""
    return option if is_any_tuple(option) else (option,) * axes


def by_definition(kind: str, x: Array, dout: Any, size: Any, stride: Any, padding: Any) -> tuple[Array, Array]:
    """Output and dx, window by window: where dout is None, of ones."""
    axes = x.ndim - 2
    sizes, strides = (each_axis(option, axes) for option in (size, stride))
    ends: list[tuple[int, int]] = [(p, p) if isinstance(p, int) else p for p in each_axis(padding, axes)]
    lengths = [
        (length + sum(end) - k) // s + 1 for length, end, k, s in zip(x.shape[1:-1], ends, sizes, strides, strict=True)
    ]
    out = np.empty((len(x), *lengths, x.shape[-1]), x.dtype)
    dout = np.ones_like(out) if dout is None else dout
    dx = np.zeros_like(x)
    for row, channel, *place in product(range(len(x)), range(x.shape[-1]), *map(range, lengths)):
        corner = [p * s - end[0] for p, s, end in zip(place, strides, ends, strict=True)]
        window = [
            (row, *at, channel)
            for at in product(*(range(c, c + k) for c, k in zip(corner, sizes, strict=True)))
            if all(0 <= i < length for i, length in zip(at, x.shape[1:-1], strict=True))
        ]
        here = (row, *place, channel)
        if kind == "max":
            chosen = max(window, key=lambda at: (np.isnan(x[at]), 0 if np.isnan(x[at]) else x[at]))  # the first
            out[here] = x[chosen]
            dx[chosen] += dout[here]
        else:
            out[here] = math.fsum(x[at] for at in window) / math.prod(sizes)
            for at in window:
                dx[at] += dout[here] / math.prod(sizes)
    return out, dx


@st.composite
def drawn(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, Any, Any]]:
    """A shape of x, and a size, a stride and a padding that fit."""
    axes = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 4)) for _ in range(axes)]
    strides = [draw(st.integers(1, 4)) for _ in range(axes)]
    ends = [(draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in sizes]
    lengths = [draw(st.integers(max(1, k - sum(end)), 6)) for k, end in zip(sizes, ends, strict=True)]
    shape = (draw(st.integers(1, 2)), *lengths, draw(st.integers(1, 2)))
    padding = tuple(a if a == b else (a, b) for a, b in ends)
    one = sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
    return shape, (one, strides[0] if len(set(strides)) == 1 else tuple(strides), padding)


@given(rng=generators, case=drawn())
def test_output_and_dx_are_those_of_the_definition(
    rng: np.random.Generator, case: tuple[tuple[int, ...], tuple[Any, Any, Any]]
) -> None:
    shape, options = case
    x = rng.integers(-2, 3, shape).astype(np.float64)  # with many ties
    layers: dict[str, Any] = {"max": max_pool(*options), "mean": mean_pool(*options)}
    for kind, layer in layers.items():
        out, cache = layer.forward((), x)
        dout = normal(rng, *out.shape)
        dx, _ = layer.backward(cache, dout)
        right, right_dx = by_definition(kind, x, dout, *options)
        # Sums of at most 64 numbers below 4.
        np.testing.assert_allclose(out, right, rtol=1e-14, atol=0 if kind == "max" else 1e-14)
        np.testing.assert_allclose(dx, right_dx, rtol=1e-13, atol=1e-13)


def test_of_equal_numbers_the_first_in_row_major_order_has_the_derivative() -> None:
    x = np.array([[1.0, 2.0], [2.0, 2.0]]).reshape(1, 2, 2, 1)
    _, cache = max_pool(2).forward((), x)
    dx, _ = max_pool(2).backward(cache, np.full((1, 1, 1, 1), 3.0))
    np.testing.assert_array_equal(dx[0, ..., 0], [[0, 3], [0, 0]])
    _, of_all = global_max_pool.forward((), x)
    np.testing.assert_array_equal(global_max_pool.backward(of_all, np.array([[3.0]]))[0], dx)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_wins_and_the_first_of_several(dtype: Floating) -> None:
    x = np.array([[np.inf, 3.0, np.nan], [np.nan, -np.inf, 5.0], [1.0, 1.0, 1.0]], dtype).reshape(1, 3, 3, 1)
    for pool, dout in ((max_pool(3), np.ones((1, 1, 1, 1), dtype)), (global_max_pool, np.ones((1, 1), dtype))):
        out, cache = pool.forward((), x)
        assert np.isnan(out).all()
        np.testing.assert_array_equal(
            pool.backward(untyped(cache), dout)[0][0, ..., 0], [[0, 0, 1], [0, 0, 0], [0] * 3]
        )


def test_in_windows_of_minus_infinity_alone_padding_may_be_the_first() -> None:
    x = np.full((1, 3, 1), -np.inf)
    out, cache = max_pool(2, 1, 1).forward((), x)
    assert (out == -np.inf).all()
    dx, _ = max_pool(2, 1, 1).backward(cache, np.arange(1.0, 5).reshape(1, 4, 1))
    assert dx.ravel().tolist() == [2, 3, 4]


@pytest.mark.parametrize("dout", [np.inf, np.nan])
def test_no_derivative_comes_to_a_number_that_lost(dout: float) -> None:
    x = np.arange(4.0).reshape(1, 2, 2, 1)
    for pool, shape in ((max_pool(2), (1, 1, 1, 1)), (global_max_pool, (1, 1))):
        dx = pool.backward(untyped(pool.forward((), x)[1]), np.full(shape, dout))[0]
        np.testing.assert_array_equal(dx.ravel(), [0, 0, 0, dout])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_mean_of_large_numbers_is_finite(dtype: Floating) -> None:
    top = np.finfo(dtype).max
    x = np.full((1, 4, 4, 2), top, dtype)
    x[..., 1] = 1
    few = 4 * float(np.finfo(dtype).eps)
    with np.errstate(all="raise"):
        for out in (
            mean_pool(2).forward((), x)[0],
            mean_pool(3, 1).forward((), x)[0],
            global_mean_pool.forward((), x)[0],
        ):
            np.testing.assert_allclose(out[..., 0] / top, 1, rtol=few)
            np.testing.assert_allclose(out[..., 1], 1, rtol=few)


def test_a_mean_in_float16_is_rounded_once() -> None:
    x = np.array([2048, 1, 1, 1, 1, 1, 1, 1, 1], np.float16).reshape(1, 3, 3, 1)
    right = np.float16(2056 / 9)
    assert mean_pool(3).forward((), x)[0] == right
    assert global_mean_pool.forward((), x)[0] == right


def test_padding_counts_in_a_mean() -> None:
    out, _ = mean_pool(3, stride=2, padding=1).forward((), np.ones((1, 3, 3, 1)))
    np.testing.assert_allclose(out[0, ..., 0], np.full((2, 2), 4 / 9), rtol=1e-15)


def test_padding_before_and_after_may_differ() -> None:
    x = np.array([1.0, 5.0, 2.0]).reshape(1, 3, 1)
    assert max_pool(2, 1, ((0, 1),)).forward((), x)[0].ravel().tolist() == [5, 5, 2]
    assert max_pool(2, 1, ((1, 0),)).forward((), x)[0].ravel().tolist() == [1, 5, 5]
    assert mean_pool(2, 1, ((0, 1),)).forward((), x)[0].ravel().tolist() == [3, 3.5, 1]


def test_numbers_that_fill_no_window_are_left_out() -> None:
    x = np.arange(1.0, 6).reshape(1, 5, 1)
    out, cache = max_pool(2).forward((), x)
    assert out.ravel().tolist() == [2, 4]
    assert max_pool(2).backward(cache, np.ones((1, 2, 1)))[0].ravel().tolist() == [0, 1, 0, 1, 0]
    out, of_mean = mean_pool(2, stride=3).forward((), x)
    assert out.ravel().tolist() == [1.5, 4.5]
    dx, _ = mean_pool(2, stride=3).backward(of_mean, np.ones((1, 2, 1)))
    assert dx.ravel().tolist() == [0.5, 0.5, 0, 0.5, 0.5]


def test_a_window_of_one_number_takes_each_stride_th() -> None:
    x = normal(np.random.default_rng(0), 2, 5, 4, 3)
    for pool in (max_pool(1, 2), mean_pool(1, 2)):
        out, cache = pool.forward((), x)
        np.testing.assert_array_equal(out, x[:, ::2, ::2])
        dx, _ = pool.backward(untyped(cache), out)
        np.testing.assert_array_equal(dx[:, ::2, ::2], out)
        assert np.count_nonzero(dx) == out.size


def test_windows_of_more_numbers_than_a_byte_counts() -> None:
    x = normal(np.random.default_rng(0), 1, 300, 1)
    x[0, 290] = 9
    pool = max_pool(300)
    out, cache = pool.forward((), x)
    assert out.item() == 9
    assert pool.backward(cache, np.ones((1, 1, 1)))[0][0, 290, 0] == 1


@given(rng=generators, n=sides, dtype=all_dtypes)
def test_every_layout_and_dtype(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    x = normal(rng, n, 5, 4, 2, dtype=dtype)
    for pool in ALL:
        out, cache = pool.forward((), x)
        dx, _ = pool.backward(cache, out)
        assert out.dtype == dx.dtype == dtype
        # The global mean of another layout is summed in another order: of 20 numbers, which may cancel.
        order = 20 * float(np.finfo(dtype).eps) if pool is global_mean_pool else 0
        for name, laid in layouts(x).items():
            other, of_other = pool.forward((), laid)
            np.testing.assert_allclose(other, out, rtol=0, atol=order, err_msg=name)
            np.testing.assert_array_equal(pool.backward(of_other, out.astype(other.dtype))[0], dx, name)


def test_a_large_batch_is_pooled_as_a_small_one() -> None:
    x = normal(np.random.default_rng(0), 3, 150, 150, 4)  # each of them some 90,000 numbers
    for pool in ALL[:2]:
        out, cache = pool.forward((), x)
        dx, _ = pool.backward(cache, out)
        for i in range(3):
            alone, of_one = pool.forward((), x[i : i + 1])
            np.testing.assert_array_equal(out[i], alone[0])
            np.testing.assert_array_equal(dx[i], pool.backward(of_one, alone)[0][0])


def test_the_cache_of_a_maximum_is_a_byte_for_each_window_or_for_each_of_its_rows_where_they_overlap() -> None:
    x = np.zeros((1, 8, 8, 3), np.float32)
    assert repr(max_pool(2).forward((), x)[1]) == "MaxPoolCache(places=(u8[1, 4, 4, 3],), x=f32[0, 1, 8, 8, 3])"
    overlapped = max_pool(2, 1).forward((), x)[1]
    assert repr(overlapped) == "MaxPoolCache(places=(u8[1, 8, 7, 3], u8[1, 7, 7, 3]), x=f32[0, 1, 8, 8, 3])"


def test_what_they_are_called() -> None:
    assert repr(max_pool(2)) == "Layer(max_pool(size=2, stride=2, padding=0))"
    assert (
        repr(mean_pool((2, 3), (1, 2), (1, (0, 2))))
        == "Layer(mean_pool(size=(2, 3), stride=(1, 2), padding=(1, (0, 2))))"
    )
    assert repr(global_max_pool) == "Layer(global_max_pool)"
    for pool in ALL:
        assert not pool.couples_rows
        assert pool.event_axes is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ((0,), ValueError, "size must be >= 1, got 0"),
        ((2, 0), ValueError, "stride must be >= 1, got 0"),
        ((2, 2, -1), ValueError, "padding must be >= 0, got -1"),
        ((2.0,), TypeError, "size must be an integer or a tuple of them, got float"),
        ((True,), TypeError, "size must be an integer or a tuple of them, got bool"),
        (([2, 2],), TypeError, "size must be an integer or a tuple of them, got list"),
        ((2, 2, "same"), TypeError, "padding must be an integer or a tuple of them, got str"),
        (((2, 0),), ValueError, "size must be >= 1, got 0"),
        ((2, 2, 2), ValueError, "padding must be less than size, but a padding of 2 holds a window of 2"),
        (((3, 2), 1, 2), ValueError, "padding must be less than size, but a padding of 2 holds a window of 2"),
        (((2, 2), (2,)), ValueError, "options must be for one number of axes, got size=(2, 2), stride=(2,)"),
        (((2,) * 4,), ValueError, "there must be 1 to 3 spatial axes, got size=(2, 2, 2, 2)"),
        (((),), ValueError, "there must be 1 to 3 spatial axes, got size=()"),
        (
            (2, 2, ((0, 1, 0),)),
            ValueError,
            "padding of an axis must be one integer or two, before and after, got (0, 1, 0)",
        ),
        ((2, 2, ((0, -1),)), ValueError, "padding must be >= 0, got -1"),
    ],
)
def test_bad_options_are_refused_where_the_layer_is_made(options: Any, error: Any, message: str) -> None:
    for name, pool in (("max_pool", max_pool), ("mean_pool", mean_pool)):
        with pytest.raises(error, match=re.escape(message)) as caught:
            untyped(pool)(*options)
        assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ((2,), (3, 4), "x must have 1 to 3 spatial axes between the first and the last, got shape (3, 4)"),
        ((2,), (1, 2, 2, 2, 2, 1), "x must have 1 to 3 spatial axes between the first and the last, got shape"),
        (((2, 2),), (3, 4, 1), "x must have 2 spatial axes between the first and the last, got shape (3, 4, 1)"),
        ((2, 2, (1,)), (3, 4, 4, 1), "x must have 1 spatial axis between the first and the last, got shape"),
        ((3,), (2, 5, 2, 1), "a window of 3 does not fit into axis 2 of x (2, 5, 2, 1) with padding (0, 0)"),
        ((3, 1, 1), (2, 5, 0, 1), "a window of 3 does not fit into axis 2 of x (2, 5, 0, 1) with padding (1, 1)"),
    ],
)
def test_an_x_that_does_not_fit_is_refused(options: Any, shape: tuple[int, ...], message: str) -> None:
    for name, pool in (("max_pool", max_pool(*options)), ("mean_pool", mean_pool(*options))):
        with pytest.raises(ValueError, match=re.escape(f"{name}: {message}")):
            pool.forward((), np.zeros(shape))


@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 3), (2, 4, 0, 1)])
def test_global_pools_want_a_position(shape: tuple[int, ...]) -> None:
    for name, pool in (("global_max_pool", global_max_pool), ("global_mean_pool", global_mean_pool)):
        message = f"{name}: x must have an axis of examples, at least one position and channels, got shape {shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            pool.forward((), np.zeros(shape))


def test_an_example_that_is_a_row_of_channels_is_one_position() -> None:
    x = normal(np.random.default_rng(0), 3, 4)
    for pool in (global_max_pool, global_mean_pool):
        out, cache = pool.forward((), x)
        np.testing.assert_array_equal(out, x)
        np.testing.assert_array_equal(pool.backward(untyped(cache), x)[0], x)


@pytest.mark.parametrize("make", [max_pool, mean_pool])
def test_operations_are_those_of_windows_or_of_one_axis_after_the_other(make: Any) -> None:
    # 6 numbers for each of 2 x 2 windows.
    assert make((2, 3)).operations((), (1, 4, 6, 1), (1, 2, 2, 1)) == (24, 24)
    # Where they overlap, the last axis first: 3 numbers for each of 4 x 2 windows, and then 2 for each of 3 x 2.
    assert make((2, 3), (1, 3)).operations((), (1, 4, 6, 1), (1, 3, 2, 1)) == (24 + 12, 24 + 12)
    # So too where they are large: 6 numbers for each of 12 x 2, and then for each of 2 x 2.
    assert make(6).operations((), (1, 12, 12, 1), (1, 2, 2, 1)) == (144 + 24, 144 + 24)


@pytest.mark.parametrize("layer", [max_pool(2), mean_pool(2), global_max_pool, global_mean_pool], ids=str)
def test_of_a_memory_map_come_plain_arrays(layer: Layer[Any, Any], tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(2, 4, 4, 3))
    out, cache = layer.forward((), mapped)
    dx, _ = layer.backward(cache, np.ones(out.shape))
    assert {type(each) for each in (out, dx, *tree.leaves(cache))} == {np.ndarray}
