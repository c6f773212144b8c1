import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import minibatches
from strategies import generators
from untyped import untyped


@given(rng=generators, n=st.integers(0, 40), size=st.integers(1, 50))
def test_an_epoch_visits_every_row_once(rng: np.random.Generator, n: int, size: int) -> None:
    x, t = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    batches = list(minibatches(rng, x, t, size))
    assert [len(batch_x) for batch_x, _ in batches] == [size] * (n // size) + [n % size] * (n % size > 0)
    rows = np.concatenate([batch_t for _, batch_t in batches]) if batches else np.array([], int)
    assert sorted(rows) == list(range(n))
    for batch_x, batch_t in batches:
        np.testing.assert_array_equal(batch_x, x[batch_t])


def test_order_comes_from_the_generator_alone() -> None:
    x, t = np.ones((50, 1)), np.arange(50)

    def order(seed: int) -> list[int]:
        return [int(row) for _, batch in minibatches(np.random.default_rng(seed), x, t, 7) for row in batch]

    assert order(0) == order(0) != order(1)
    assert order(0) != sorted(order(0))
    rng = np.random.default_rng(0)
    first = next(minibatches(rng, x, t, 50))[1].tolist()
    assert first != next(minibatches(rng, x, t, 50))[1].tolist()


def test_batches_are_fresh_and_read_only() -> None:
    x, t = np.ones((4, 2), np.float32), np.eye(4)
    for batch_x, batch_t in minibatches(np.random.default_rng(0), x, t, 2):
        assert not batch_x.flags.writeable
        assert not batch_t.flags.writeable
        assert not np.shares_memory(batch_x, x)
        assert batch_x.dtype == np.float32
        assert batch_t.dtype == np.float64


RNG, X, T = np.random.default_rng(0), np.ones((3, 2)), np.arange(3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, X, T, 2), TypeError, "rng must be a numpy.random.Generator, got int"),
        ((RNG, X.tolist(), T, 2), TypeError, "x must be a NumPy array, got list"),
        ((RNG, X, [1, 2, 3], 2), TypeError, "targets must be a NumPy array, got list"),
        ((RNG, X, np.array(1), 2), ValueError, "targets must have rows, got a 0-d array"),
        ((RNG, X, T[:2], 2), ValueError, "x has 3 rows, but targets have 2"),
        ((RNG, X, T, 0), ValueError, "size must be at least 1, got 0"),
        ((RNG, X, T, 2.5), TypeError, "size must be an integer, got 2.5"),
        ((RNG, X, T, True), TypeError, "size must be an integer, got True"),
        ((RNG, X, T, "2"), TypeError, "size must be an integer, got '2'"),
        ((RNG, X, T, None), TypeError, "size must be an integer, got None"),
    ],
)
def test_bad_input_is_refused_before_the_first_batch(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match="minibatches: " + re.escape(message)):
        minibatches(*arguments)


def test_the_size_may_be_an_integer_of_numpy() -> None:
    sizes = [len(batch) for _, batch in minibatches(RNG, np.ones((300, 1)), np.arange(300), untyped(np.uint8(200)))]
    assert sizes == [200, 100]
