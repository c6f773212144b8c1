import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array, Labels, Weighted, minibatches, own, record, tree
from chainrule.training.generator_state import GeneratorState
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


@frozen(eq=False)
@record
class Reading:
    """Several inputs of a network, and a number that is no array."""

    tokens: Labels
    others: tuple[Array, ...]
    rate: float


@given(rng=generators, n=st.integers(0, 20), size=st.integers(1, 8))
def test_rows_of_records_and_tuples_stay_together(rng: np.random.Generator, n: int, size: int) -> None:
    t = np.arange(n)
    x = Reading(t, (np.arange(2.0 * n).reshape(n, 2), np.ones((n, 0))), 0.5)
    for batch_x, batch_t in minibatches(rng, x, (t, Weighted(t, 1.0 * t)), size):
        chosen = batch_t[0]
        assert tree.equal(batch_x, Reading(chosen, (x.others[0][chosen], x.others[1][chosen]), 0.5))
        assert tree.equal(batch_t[1], Weighted(chosen, 1.0 * chosen))
        assert not any(leaf.flags.writeable for leaf in tree.leaves((batch_x, batch_t)))


@given(rng=generators, n=st.integers(0, 20), size=st.integers(1, 8), skip=st.integers(0, 30))
def test_an_epoch_that_was_broken_off_goes_on_in_its_order(
    rng: np.random.Generator, n: int, size: int, skip: int
) -> None:
    x, t, begun = np.ones((n, 1)), np.arange(n), GeneratorState.of(rng)
    whole = [batch.tolist() for _, batch in minibatches(rng, x, t, size)]
    rest = [batch.tolist() for _, batch in minibatches(begun.generator(), x, t, size, skip=skip)]
    assert rest == whole[skip:]


def test_rows_of_a_memory_map_are_read_and_the_map_stays_as_it_is(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(10, 2))
    mapped[:] = np.arange(20).reshape(10, 2)
    for batch_x, batch_t in minibatches(np.random.default_rng(0), mapped, np.arange(10), 4):
        assert type(batch_x) is np.ndarray
        assert own(batch_x) is batch_x  # a constant, which a network shares
        np.testing.assert_array_equal(batch_x[:, 0], 2 * batch_t)
    mapped[0] = 7.0


def test_a_batch_takes_no_memory_of_the_size_of_the_data_set() -> None:
    x, t = np.zeros((1000, 1000)), np.arange(1000)
    batches = minibatches(np.random.default_rng(0), (x, x), t, 10)
    tracemalloc.start()
    next(batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 10


@pytest.mark.parametrize(
    ("x", "targets", "error", "message"),
    [
        ((X, X[:2]), T, ValueError, "x[0] has 3 rows, but x[1] has 2"),
        ((X, 1.0), T[:2], ValueError, "x[0] has 3 rows, but targets have 2"),
        (X, Weighted(T, np.ones(2)), ValueError, "x has 3 rows, but targets.weights has 2"),
        ((X, [1, 2, 3]), T, TypeError, "a tree is made of attrs records, tuples and arrays, but [1] is a list"),
        ((), T, ValueError, "x must have rows, got a tuple of 0"),
        ((X, np.array(1.0)), T, ValueError, "x[1] must have rows, got a 0-d array"),
        ("abc", T, TypeError, "x must be a NumPy array, got str"),
    ],
)
def test_parts_that_do_not_fit_are_named_by_their_paths(
    x: Any, targets: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        minibatches(RNG, x, targets, 2)


@pytest.mark.parametrize(("skip", "error"), [(-1, ValueError), (1.5, TypeError)])
def test_what_is_skipped_is_a_number_of_batches(skip: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="minibatches: skip must be"):
        minibatches(RNG, X, T, 2, skip=skip)
