"""Shards of a batch, even and uneven: their gradients combine to the whole batch's."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Thread
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Array, Labels, sgd, softmax_cross_entropy, tree, two_layer, value_and_grad
from chainrule.training.shards import combine
from strategies import Floating, dtypes, generators, normal
from untyped import untyped

GRADIENT = value_and_grad(two_layer.network, softmax_cross_entropy)


def batch(rng: np.random.Generator, n: int, dtype: Floating = np.float64) -> tuple[two_layer.Params, Array, Labels]:
    params = two_layer.init(rng, 4, 3, 2, std=1.0, dtype=dtype)
    return params, normal(rng, n, 4, dtype=dtype), rng.integers(0, 2, n)


def assert_close(a: object, b: object, dtype: Floating) -> None:
    """Equal but for other orders of sums of at most 24 products, relative to the largest entry, or to 1."""
    for (path, x), y in zip(tree.named_leaves(a), tree.leaves(b), strict=True):
        assert x.dtype == y.dtype == dtype, path
        atol = 32 * float(np.finfo(dtype).eps) * max(1.0, float(abs(y).max()))
        np.testing.assert_allclose(x, y, rtol=0, atol=atol, err_msg=path)


@given(rng=generators, sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), dtype=dtypes)
def test_shards_of_any_sizes_give_the_gradient_of_the_batch(
    rng: np.random.Generator, sizes: list[int], dtype: Floating
) -> None:
    params, x, labels = batch(rng, sum(sizes), dtype)
    ends = np.cumsum([0, *sizes])
    shards = [GRADIENT(params, x[a:b], labels[a:b]) for a, b in pairwise(ends)]
    assert_close(combine(shards, sizes), GRADIENT(params, x, labels), dtype)
    assert_close(combine([grads for _, grads in shards], sizes), GRADIENT(params, x, labels)[1], dtype)


def test_equal_shards_whose_number_is_a_power_of_two_combine_without_rounding() -> None:
    shards = [np.array([1.0, 3.0]), np.array([2.0, 5.0])]
    np.testing.assert_array_equal(combine(shards, [7, 7]), [1.5, 4.0])


def test_a_plain_mean_of_uneven_shards_would_be_another_gradient() -> None:
    params, x, labels = batch(np.random.default_rng(0), 10)
    shards = [GRADIENT(params, x[:1], labels[:1])[1], GRADIENT(params, x[1:], labels[1:])[1]]
    right = GRADIENT(params, x, labels)[1]
    assert_close(combine(shards, [1, 9]), right, np.float64)
    assert abs(combine(shards, [1, 1])[0].W - right[0].W).max() > 0.01


def test_combining_writes_to_nothing_and_shares_nothing() -> None:
    shards = [np.ones(3), np.full(3, 2.0)]
    combined = combine(shards, [1, 3])
    assert combined.tolist() == [1.75] * 3
    assert shards[0].tolist() == [1] * 3
    alone = combine(shards[:1], [5])
    assert not np.shares_memory(alone, shards[0])


@pytest.mark.parametrize(
    ("shards", "sizes", "error", "message"),
    [
        ([], [], ValueError, "combine: there are no shards"),
        ([np.ones(2)], [1, 2], ValueError, "combine: 1 shards need 1 sizes, got 2"),
        ([np.ones(2)] * 2, [3, 0], ValueError, "combine: the size of shard 1 must be at least 1, got 0"),
        ([np.ones(2)] * 2, [0.5, 0.5], TypeError, "combine: the size of shard 0 must be an integer, got float"),
        ([np.ones(2), np.ones(1)], [1, 1], ValueError, "combine: the shapes (2,), (1,) differ"),
        ([(np.ones(2),), np.ones(2)], [1, 1], ValueError, "trees differ at the root: a tuple of 1 and f64[2]"),
    ],
)
def test_bad_input(shards: Any, sizes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        combine(shards, sizes)
    assert str(caught.value) == message


class Communicator:
    """A stand-in for mpi4py's `COMM_WORLD`, between threads."""

    def __init__(self, rank: int, size: int, barrier: Barrier, board: list[object]) -> None:
        self.rank, self.size, self.barrier, self.board = rank, size, barrier, board

    def allgather(self, value: object) -> Sequence[object]:
        self.board[self.rank] = value
        self.barrier.wait(timeout=60)
        gathered = list(self.board)
        self.barrier.wait(timeout=60)
        return gathered


def test_the_five_lines_of_mpi_train_as_one_machine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines as the page shows them, on three ranks of which one has fewer rows: threads stand in for processes."""
    page = Path(__file__).parents[1] / "docs" / "how-to" / "several-machines-dask.md"
    (lines,) = re.findall(r"```text\n(comm = MPI.COMM_WORLD\n.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(lines.splitlines()) == 5
    params, x, labels = batch(np.random.default_rng(0), 11)
    optimizer = sgd(0.5)
    barrier, board = Barrier(3), [None] * 3
    ends: list[Any] = [None] * 3

    def train(rank: int) -> None:
        mpi: Any = ModuleType("MPI")
        mpi.COMM_WORLD = Communicator(rank, 3, barrier, untyped(board))
        names: dict[str, Any] = {"MPI": mpi, "gradient": GRADIENT, "combine": combine, "optimizer": optimizer}
        names |= {"params": params, "state": optimizer.init(params), "x": x, "labels": labels}
        for _ in range(3):
            exec(lines, names)  # noqa: S102  # the page's own lines
        ends[rank] = names["params"], names["loss"]

    threads = [Thread(target=train, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected, loss = params, normal(np.random.default_rng(0))
    for _ in range(3):
        loss, grads = GRADIENT(expected, x, labels)
        expected, _ = optimizer.step(optimizer.init(expected), expected, grads)
    for end in ends:
        assert_close(end, (expected, loss), np.float64)
