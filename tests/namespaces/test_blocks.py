"""Functions of each number alone, on large arrays: block by block, which nobody can tell from the results."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from chainrule import Array, read_only, rules, silu
from chainrule.arrays.blocks import BLOCK_BYTES
from chainrule.arrays.ownership import borrowed
from chainrule.arrays.tuned import IN_PASS, MANY, TUNED, Tuned
from chainrule.checking.complex_step import LIFTED, lift
from strategies import normal

X = read_only(normal(np.random.default_rng(0), MANY + 8))
"""Some blocks, of which the last is short."""


def squares(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x * x, xp.own(x)


def ups(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    out = xp.times(x, 2.0)
    return out, out


def rounded(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x + 1, x.astype(np.float32)


@pytest.mark.parametrize("f", [squares, ups, rounded])
@pytest.mark.parametrize("xp", [TUNED, IN_PASS])
@pytest.mark.parametrize("x", [X, X.reshape(2, -1, 4), X.reshape(-1, 4).T, X[::-1]])
def test_results_are_those_of_all_at_once(f: Any, xp: Tuned, x: Array) -> None:
    for found, expected in zip(xp.by_blocks(f, x), f(TUNED, x), strict=True):
        assert found.dtype == expected.dtype
        assert found.strides == expected.strides
        np.testing.assert_array_equal(found, expected)


def test_complex_steps_go_along() -> None:
    x: Any = lift(X)
    x += 1e-200j
    for found, expected in zip(LIFTED.by_blocks(squares, x), squares(LIFTED, x), strict=True):
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)


def test_x_is_saved_as_without_blocks() -> None:
    mine = X.copy()
    assert TUNED.by_blocks(squares, X)[1] is X
    assert IN_PASS.by_blocks(squares, mine)[1] is mine
    copy = TUNED.by_blocks(squares, mine)[1]
    assert not np.shares_memory(copy, mine)
    assert not copy.flags.writeable
    np.testing.assert_array_equal(copy, X)


@pytest.mark.parametrize("f", [ups, rounded])
def test_the_output_replaces_what_is_mine_and_nothing_else(f: Any) -> None:
    mine, lent = X.copy(), X.copy()
    out, saved = IN_PASS.by_blocks(f, mine)
    assert out is mine
    other, _ = IN_PASS.by_blocks(f, borrowed(lent))
    assert other.flags.writeable
    assert not np.shares_memory(other, lent)
    np.testing.assert_array_equal(lent, X)
    for found, expected in zip((out, saved, other), (*f(TUNED, X), f(TUNED, X)[0]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_one_array_stays_one() -> None:
    out, saved = TUNED.by_blocks(ups, X)
    assert saved is out


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_memory_is_that_of_the_results_and_some_blocks(dtype: type[np.floating[Any]]) -> None:
    x = read_only(X.astype(dtype))
    silu.forward((), x)
    tracemalloc.start()
    try:
        out, _cache = silu.forward((), x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Of float32, silu holds ten arrays at a time, and there are two results of the block before.
    assert peak < 2 * out.nbytes + 12.5 * BLOCK_BYTES
