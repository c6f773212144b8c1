"""Training runs: the explicit loop to the last bit, and each record all that it takes to go on."""

import math
import pickle
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Embedding,
    Labels,
    Layer,
    Run,
    Weighted,
    accuracy,
    adam,
    affine,
    batch_norm,
    clip_by_global_norm,
    dropout,
    embedding,
    encoded,
    inference,
    last_of,
    mean_squared_error,
    minibatches,
    prediction,
    record,
    relu,
    sequential,
    sgd,
    softmax_cross_entropy,
    split,
    standardise,
    statistics,
    train,
    training_step,
    tree,
    two_layer,
    weighted,
)
from chainrule.encoder import Encoder
from chainrule.training.held_out import PIECE
from chainrule.training.run import Metrics
from strategies import few, generators, normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Embedding, Labels, Network, Run, Unit, accuracy, affine, dropout, embedding
from chainrule import mean_squared_error, sequential, sgd, softmax_cross_entropy, train, two_layer
from chainrule.optimizer import State
from chainrule.training.generator_state import GeneratorState
from chainrule.training.inference import StatisticsTree
from chainrule.training.progress import progress
from chainrule.training.run import Metrics
from chainrule.training.train import Runs
from chainrule.two_layer import Params

Two = tuple[Affine, Unit]


def random(seed: int) -> Network[Two]:
    return sequential(affine, dropout(0.5, seed))


def error(out: Array, labels: Labels) -> float:
    return 1 - accuracy(out, labels)


def accepted(params: Params, two: Two, x: Array, labels: Labels, rng: np.random.Generator) -> None:
    network, loss, optimizer, data = two_layer.network, softmax_cross_entropy, sgd(0.1), (x, labels)
    runs = train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=10)
    assert_type(runs, Runs[Params, State[Params]])
    assert_type(runs.start, Run[Params, State[Params]])
    for run in progress(runs):
        assert_type(run, Run[Params, State[Params]])
        assert_type(run.params, Params)
        assert_type(run.best, Params)
        assert_type(run.state, State[Params])
        assert_type(run.metrics, Metrics)
        assert_type(run.metrics["accuracy"], float)
        assert_type((run.step, run.epoch, run.loss), tuple[int, int, float])
        assert_type(run.rng, GeneratorState)
        assert_type(run.rng.generator(), np.random.Generator)
        assert_type(run.statistics, StatisticsTree)
        train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=20, start=run)
    out = (accuracy, error)
    train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=1, held_out=data, metrics=out, patience=3)
    train(random, loss, optimizer, two, data, rng=rng, size=32, epochs=10, every=100)
    tokens = train(embedding, mean_squared_error, sgd(0.1), Embedding(x), (labels, x), rng=rng, size=2, epochs=1)
    assert_type(next(tokens).params, Embedding)


def refused(params: Params, two: Two, x: Array, labels: Labels, run: Run[Two, State[Two]]) -> None:
    rng = run.rng.generator()
    network, loss, optimizer, data = two_layer.network, softmax_cross_entropy, sgd(0.1), (x, labels)
    train(network, loss, optimizer, two, data, rng=rng, size=32, epochs=1)  # rejected: parameters of another network
    train(network, loss, optimizer, params, x, labels, rng=rng, size=32, epochs=1)  # rejected: data is a pair
    train(network, loss, optimizer, params, data, rng=0, size=32, epochs=1)  # rejected: a seed is no Generator
    train(network, loss, optimizer, params, data, rng=rng, size=32)  # rejected: for ever
    train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=1, start=run)  # rejected: of another network
    train(network, loss, optimizer, params, data, rng=rng, size=32, epochs=1, metrics=accuracy)  # rejected: no tuple
    train(network, loss, sgd, params, data, rng=rng, size=32, epochs=1)  # rejected: sgd makes an optimizer
    run.metrics["accuracy"] = 1.0  # rejected: nobody can change it
    run.step = 3  # rejected: @frozen
"""


trained: Any = train  # options are drawn, and no type checker follows them


def table(rng: np.random.Generator, n: int, d: int = 3) -> tuple[Array, Labels]:
    x = normal(rng, n, d, dtype=np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def plain(rng: np.random.Generator) -> tuple[Any, Any]:
    return two_layer.network, two_layer.init(rng, 3, 4, 2)


def with_modes(rng: np.random.Generator) -> tuple[Any, Any]:
    """A network with dropout and a batch norm, as a function of a seed."""

    def network(seed: int) -> Layer[Any, Any]:
        return sequential(affine, batch_norm(), relu, dropout(0.3, seed), affine)

    return network, (Affine.init(rng, 3, 4), BatchNorm.init(4), (), (), Affine.init(rng, 4, 2))


def going(network: Any, params: Any, data: Any, **options: Any) -> Any:
    """A training run, by default of two epochs of three batches."""
    usual: dict[str, Any] = {"rng": np.random.default_rng(0), "size": 4, "epochs": 2}
    optimizer = options.pop("optimizer", sgd(0.1))
    return trained(network, softmax_cross_entropy, optimizer, params, data, **(usual | options))


def looped(network: Any, optimizer: Any, params: Any, data: Any, rng: np.random.Generator, size: int) -> Iterator[Any]:
    """The explicit loop, and what it has after each epoch."""
    step = untyped(training_step)(network, softmax_cross_entropy, optimizer)
    now: list[Any] = [params, optimizer.init(params)]

    def seeds() -> list[int]:
        return [] if hasattr(network, "forward") else [int(rng.integers(2**31))]

    while True:
        for x, labels in untyped(minibatches)(rng, *data, size):
            now = list[Any](step(*now, x, labels, *seeds()))[:2]
        yield tuple(now)


@pytest.mark.parametrize("make", [plain, with_modes])
@few
@given(rng=generators, n=st.integers(2, 30), size=st.integers(2, 8))
def test_it_is_the_explicit_loop_to_the_last_bit(make: Any, rng: np.random.Generator, n: int, size: int) -> None:
    network, params = make(rng)
    data, before = table(rng, n), rng.bit_generator.state
    runs = going(network, params, data, optimizer=adam(0.1), rng=rng, size=size, epochs=3)
    found = list(runs)
    assert rng.bit_generator.state == before  # the caller's generator is copied
    expected = list(islice(looped(network, adam(0.1), params, data, rng, size), 3))
    assert tree.equal(tuple((run.params, run.state) for run in found), tuple(expected))
    steps = -(-n // size)
    assert [(run.step, run.epoch, run.place) for run in found] == [(steps * e, e, 0) for e in (1, 2, 3)]


@pytest.mark.parametrize("make", [plain, with_modes])
@few
@given(
    rng=generators,
    n=st.integers(4, 20),
    size=st.integers(2, 7),
    every=st.none() | st.integers(1, 7),
    patience=st.none() | st.integers(1, 2),
    data=st.data(),
)
def test_a_run_that_goes_on_from_any_record_is_the_unbroken_one_bitwise(
    make: Any, rng: np.random.Generator, n: int, size: int, every: int | None, patience: int | None, data: Any
) -> None:
    network, params = make(rng)
    rows, held_out = table(rng, n), table(rng, 6)
    held_out = held_out[0], np.where(np.isin(held_out[1], rows[1]), held_out[1], rows[1][0])

    def runs(start: Any = None, seed: int = 3) -> list[Any]:
        return list(
            going(
                network,
                params,
                rows,
                optimizer=adam(0.1),
                rng=np.random.default_rng(seed),
                size=size,
                epochs=4,
                held_out=held_out,
                metrics=(accuracy,),
                every=every,
                patience=patience,
                start=start,
            )
        )

    unbroken = runs()
    k = data.draw(st.integers(0, len(unbroken) - 1))
    resumed = runs(pickle.loads(pickle.dumps(unbroken[k])), 99)
    assert len(resumed) == len(unbroken) - k - 1
    assert tree.equal(tuple(resumed), tuple(unbroken[k + 1 :]))


def test_it_is_lazy_and_silent_and_a_break_leaves_the_last_record(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def counted(out: Array, targets: Any) -> float:
        seen.append(len(out))
        return 0.0

    rng = np.random.default_rng(0)
    network, params = plain(rng)
    data = table(rng, 10)
    runs = going(network, params, data, rng=rng, epochs=100, held_out=data, metrics=(counted,))
    assert seen == []
    run = runs.start
    for run in runs:
        if run.epoch == 3:
            break
    assert seen == [10] * 3
    assert run.step == 9
    assert next(runs).epoch == 4  # the iterator can go on too
    assert capfd.readouterr() == ("", "")


def interrupting(at: int) -> Layer[Any, Any]:
    """A layer like relu, during whose call of that number somebody presses Ctrl-C."""
    calls = 0

    def forward(params: Any, x: Array) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return relu.forward(params, x)

    return Layer(forward, relu.backward)


@pytest.mark.parametrize("at", [1, 4, 6, 8])
def test_ctrl_c_leaves_the_last_whole_record_from_which_the_run_goes_on(at: int) -> None:
    rng = np.random.default_rng(0)
    _, params = plain(rng)
    data = table(rng, 10)

    def runs(middle: Layer[Any, Any], start: Any = None) -> Any:
        network: Any = sequential(affine, middle, affine)
        return going(network, params, data, rng=rng, epochs=3, start=start)

    last: Any = None
    try:
        for run in runs(interrupting(at)):
            last = run
    except KeyboardInterrupt:
        pass
    assert (0 if last is None else last.step) == 3 * ((at - 1) // 3)
    assert tree.equal(list(runs(interrupting(99), last))[-1], list(runs(interrupting(99)))[-1])


@pytest.mark.parametrize("make", [plain, with_modes])
def test_held_out_figures_are_those_of_the_network_as_it_is_used(make: Any) -> None:
    rng = np.random.default_rng(0)
    network, params = make(rng)
    data, held_out = table(rng, 40), table(rng, 25)
    (run,) = going(
        network, params, data, optimizer=adam(0.1), rng=rng, size=7, epochs=1, held_out=held_out, metrics=(accuracy,)
    )
    used = untyped(inference)(network if make is plain else network(5), run.params, statistics=run.statistics)
    out = prediction(used)(run.params, held_out[0])
    loss = float(softmax_cross_entropy.forward(out, held_out[1])[0])
    assert dict(run.metrics) == {"loss": loss, "accuracy": accuracy(out, held_out[1])}
    assert list(run.metrics) == ["loss", "accuracy"]


def test_statistics_are_of_the_batches_of_the_epoch_and_of_no_single_row() -> None:
    rng = np.random.default_rng(0)
    network, params = with_modes(rng)
    data = table(rng, 7)
    runs = going(network, params, data, rng=rng, size=3, epochs=1, every=1)
    order = rng.permutation(7)
    parts = [data[0][order[:4]], data[0][order[4:]]]  # in threes a row would be left over
    runs_ = list(runs)
    for run in runs_:
        assert tree.equal(run.statistics, statistics(network(0), run.params, parts))
    assert len(runs_) == 3


def test_a_network_that_needs_no_statistics_is_not_run_for_them() -> None:
    calls: list[int] = []

    def forward(params: Any, x: Array) -> Any:
        calls.append(len(x))
        return relu.forward(params, x)

    rng = np.random.default_rng(0)
    data, network = table(rng, 10), sequential(affine, Layer(forward, relu.backward), dropout(0.5, 3))
    params = (Affine.init(rng, 3, 2), (), ())
    runs = list(going(network, params, data, rng=rng))
    assert calls == [4, 4, 2, 4, 4, 2]
    assert runs[-1].statistics == ((), (), ())


@frozen
class Falling:
    """An optimizer that walks down from 3: its parameter after step i is 3 - i."""

    def init(self, params: Any) -> Any:
        return np.zeros(())

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return tree.map(lambda leaf: leaf - 1, params), state + 1


def walk(**options: Any) -> list[Run[Any, Any]]:
    """Runs whose held-out loss after epochs 1, 2, ... is 4, 1, 0, 1, 4, 9, ..."""
    params = Affine(np.array([[3.0]]), np.zeros(1))
    one = np.ones((1, 1))

    def still(params: Affine, x: Array) -> Any:
        return x @ params.W, ()

    layer: Any = Layer(still, lambda cache, dout: (dout, params))
    options = {"held_out": (one, 0 * one), "rng": np.random.default_rng(0), "size": 1, "epochs": 9} | options
    return list(trained(layer, mean_squared_error, Falling(), params, (one, one), **options))


@pytest.mark.parametrize(("patience", "epochs"), [(1, 4), (3, 6), (6, 9), (100, 9), (None, 9)])
def test_a_run_ends_when_the_held_out_loss_has_not_been_the_least_for_some_epochs(
    patience: int | None, epochs: int
) -> None:
    runs = walk(patience=patience)
    assert [run.metrics["loss"] for run in runs] == [4, 1, 0, 1, 4, 9, 16, 25, 36][:epochs]
    assert [(run.best_step, run.best_loss) for run in runs] == [(1, 4), (2, 1), *[(3, 0)] * 7][:epochs]
    assert [run.best.W.item() for run in runs] == [2, 1, *[0] * 7][:epochs]
    assert walk(patience=patience, start=runs[-1]) == []


def test_patience_counts_epochs_whatever_comes_between_them() -> None:
    x = np.ones((2, 1))
    runs = walk(patience=1, every=1, held_out=(x[:1], 0 * x[:1]))
    assert [run.step for run in runs] == [1, 2, 3, 4]


def test_a_loss_that_is_not_a_number_is_never_the_best() -> None:
    params = Affine(np.array([[1e200]]), np.zeros(1))
    one = np.ones((1, 1))
    with np.errstate(all="ignore"):
        runs = list(
            trained(
                affine,
                mean_squared_error,
                sgd(1e300),
                params,
                (one, one),
                rng=np.random.default_rng(0),
                size=1,
                epochs=3,
                held_out=(one, one),
            )
        )
    assert len(runs) == 3
    assert not math.isfinite(runs[-1].metrics["loss"])
    assert runs[-1].best_loss == math.inf
    assert tree.equal(runs[-1].best, params)


def test_without_held_out_data_the_best_are_the_last() -> None:
    runs = walk(held_out=None)
    assert [run.best.W.item() for run in runs] == [run.params.W.item() for run in runs]
    assert [len(run.metrics) for run in runs] == [0] * 9


def test_the_loss_is_the_mean_of_the_rows_since_the_record_before() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    data = table(rng, 10)
    step = untyped(training_step)(network, softmax_cross_entropy, sgd(0.1))
    state, losses = sgd(0.1).init(params), list[tuple[float, int]]()
    runs = list(going(network, params, data, rng=rng, epochs=1))
    for x, labels in minibatches(rng, data[0], data[1], 4):
        params, state, loss = step(params, state, x, labels)
        losses.append((float(loss), len(x)))
    assert runs[0].loss == sum(loss * n for loss, n in losses) / 10


def test_records_come_after_so_many_steps_and_after_the_last() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    data = table(rng, 10)
    runs = going(network, params, data, rng=rng, epochs=3, every=4)
    assert [(run.step, run.epoch, run.place) for run in runs] == [(4, 1, 1), (8, 2, 2), (9, 3, 0)]


def test_epochs_are_those_in_all_and_more_of_them_may_follow() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    data = table(rng, 10)

    def runs(epochs: int, start: Any = None) -> list[Any]:
        return list(going(network, params, data, rng=rng, epochs=epochs, start=start))

    assert tree.equal(tuple(runs(5, runs(2)[-1])), tuple(runs(5)[2:]))
    assert runs(2, runs(2)[-1]) == runs(0) == []


def test_the_record_before_the_first_step_has_the_form_of_all_others() -> None:
    rng = np.random.default_rng(0)
    network, params = with_modes(rng)
    data = table(rng, 10)
    runs = going(network, params, data, optimizer=adam(0.1), rng=rng, epochs=1, held_out=data, metrics=(accuracy,))
    begun = runs.start
    (run,) = runs
    assert (begun.step, begun.epoch, begun.params) == (0, 0, params)
    assert math.isnan(begun.loss)
    forms = [[(path, leaf.shape, leaf.dtype) for path, leaf in tree.named_leaves(each)] for each in (begun, run)]
    assert forms[0] == forms[1]
    assert list(begun.metrics) == list(run.metrics)


def test_nobody_can_change_a_record() -> None:
    run = walk()[0]
    with pytest.raises(FrozenInstanceError):
        untyped(run).step = 3
    with pytest.raises(TypeError):
        untyped(run.metrics)["loss"] = 0.0
    assert not any(leaf.flags.writeable for leaf in tree.leaves(run))


def test_metrics_are_a_mapping_that_pickles_and_goes_through_trees() -> None:
    metrics = Metrics({"loss": 0.5, "accuracy": 0.75})
    assert metrics == Metrics((("loss", 0.5), ("accuracy", 0.75)))
    assert metrics == {"loss": 0.5, "accuracy": 0.75}
    assert (metrics["loss"], list(metrics), len(metrics), "accuracy" in metrics, metrics.get("f1")) == (
        0.5,
        ["loss", "accuracy"],
        2,
        True,
        None,
    )
    with pytest.raises(KeyError, match="f1"):
        metrics["f1"]
    assert pickle.loads(pickle.dumps(metrics)) == metrics
    assert tree.map(np.copy, (metrics, np.ones(2)))[0] == metrics


def test_a_history_goes_into_pandas_in_a_line() -> None:
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame([run.metrics for run in walk()])
    assert frame["loss"].tolist() == [4, 1, 0, 1, 4, 9, 16, 25, 36]


def test_gradients_are_adjusted() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    data, clip = table(rng, 4), clip_by_global_norm(1e-3)
    (run,) = going(network, params, data, optimizer=sgd(1.0), rng=rng, epochs=1, adjust=clip)
    moved = tree.map(np.subtract, run.params, params)
    np.testing.assert_allclose(math.sqrt(tree.dot(moved, moved)), 1e-3, rtol=1e-5)  # of numbers of float32


@frozen(eq=False)
@record
class Sentences:
    """Tokens, and how many of them there are in each row."""

    tokens: Labels
    lengths: Labels


def read(params: Embedding, x: Sentences) -> Any:
    out, cache = embedding.forward(params, x.tokens)
    last, at = last_of(x.lengths).forward((), out)
    return last, (cache, at, x.lengths)


def read_back(cache: Any, dout: Array) -> Embedding:
    return embedding.grads(cache[0], last_of(cache[2]).backward(cache[1], dout)[0])


def test_inputs_and_targets_may_be_records_and_tuples_of_arrays() -> None:
    rng = np.random.default_rng(0)
    x = Sentences(rng.integers(0, 5, (12, 3)), rng.integers(1, 4, 12))
    labels = x.tokens[np.arange(12), x.lengths - 1] % 2
    targets = Weighted(labels, np.arange(1.0, 13.0))
    params, network = Embedding(np.zeros((5, 2))), Encoder(read, read_back)
    held_out = Sentences(x.tokens[:4], x.lengths[:4]), Weighted(labels[:4], np.ones(4))
    *_, run = trained(
        network,
        weighted(softmax_cross_entropy),
        sgd(1.0),
        params,
        (x, targets),
        rng=rng,
        size=5,
        epochs=30,
        held_out=held_out,
    )
    out = prediction(network)(run.best, x)
    assert accuracy(out, labels) == 1

    def pair(params: Affine, x: tuple[Array, Array]) -> Any:
        return affine.forward(params, x[0] + x[1])

    both = Encoder(pair, affine.grads)
    ones, line = np.ones((4, 2)), Affine(np.ones((2, 1)), np.zeros(1))
    data = (ones, ones), ones[:, :1]
    (second,) = trained(both, mean_squared_error, sgd(0.1), line, data, rng=rng, size=4, epochs=1)
    assert second.loss == 9


def test_a_memory_map_is_read_a_batch_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, labels = table(rng, 20)
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=x.shape)
    mapped[:] = x
    network, params = plain(rng)
    found = [list(going(network, params, (each, labels), rng=rng))[-1] for each in (x, mapped)]
    assert tree.equal(*found)


def test_an_encoder_trains_on_tokens() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 6, 30)
    network = encoded(embedding, affine)
    params = (Embedding.init(rng, 6, 4), Affine.init(rng, 4, 2))
    *_, run = going(network, params, (tokens, tokens % 2), optimizer=adam(0.1), rng=rng, size=8, epochs=20)
    assert accuracy(prediction(network)(run.params, tokens), tokens % 2) == 1


def test_many_held_out_rows_are_predicted_some_at_a_time_unless_rows_are_coupled() -> None:
    seen: list[int] = []

    def forward(params: Any, x: Array) -> Any:
        seen.append(len(x))
        return relu.forward(params, x)

    rng = np.random.default_rng(0)
    x = normal(rng, PIECE + 5, 2)
    for coupled, pieces in ((False, [PIECE, 5]), (True, [PIECE + 5])):
        layer: Any = Layer(forward, relu.backward, couples_rows=coupled)
        seen.clear()
        (run,) = trained(
            sequential(affine, layer),
            mean_squared_error,
            sgd(0.1),
            (Affine.init(rng, 2, 2, dtype=np.float64), ()),
            (x[:4], x[:4]),
            rng=rng,
            epochs=1,
            held_out=(x, x),
            size=4,
        )
        assert seen == [4, *pieces]
        out = prediction(sequential(affine, relu))(run.params, x)
        # The products of pieces may be rounded otherwise than those of the whole.
        np.testing.assert_allclose(run.metrics["loss"], mean_squared_error.forward(out, x)[0], rtol=1e-14)


def test_the_caller_may_change_what_was_handed_over() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    x, labels = table(rng, 10)
    runs = going(network, params, (x, labels), rng=rng)
    first = next(runs)
    saved = pickle.dumps(first)
    rng.random(100)
    next(runs)
    assert pickle.dumps(first) == saved


class Column:
    """A column of a table, as pandas has it."""

    def __init__(self, numbers: Any) -> None:
        self.shape, self.dtype = numbers.shape, numbers.dtype


Column.__module__ = "pandas.core.series"
RNG = np.random.default_rng(0)
X, T = table(np.random.default_rng(1), 10)
GOOD: dict[str, Any] = {"data": (X, T), "rng": RNG, "size": 4, "epochs": 2}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rng": 0}, TypeError, "train: rng must be a numpy.random.Generator, got int"),
        ({"data": X}, TypeError, "train: data must be a tuple (x, targets), got f32[10, 3]"),
        ({"data": (X, T, T)}, TypeError, "train: data must be a tuple (x, targets), got a tuple of 3"),
        ({"data": (X, T[:9])}, ValueError, "train: x has 10 rows, but targets have 9"),
        ({"data": ((X, X[:3]), T)}, ValueError, "train: x[0] has 10 rows, but x[1] has 3"),
        ({"data": (X, Weighted(T, np.ones(9)))}, ValueError, "train: x has 10 rows, but targets.weights has 9"),
        ({"data": (X[:0], T[:0])}, ValueError, "train: data has no rows"),
        ({"data": (X.tolist(), T)}, TypeError, "train: x must be a NumPy array, got list: convert it with np.asarray"),
        (
            {"data": (X, Column(T))},
            TypeError,
            "train: targets must be a NumPy array, got Column: convert it with .to_numpy()",
        ),
        (
            {"data": (Column(X), T)},
            TypeError,
            "train: x must be a NumPy array, got Column: convert it with .to_numpy(np.float32)",
        ),
        ({"held_out": (X, T[:9])}, ValueError, "train: held_out: x has 10 rows, but targets have 9"),
        ({"held_out": (X[:0], T[:0])}, ValueError, "train: held_out has no rows"),
        ({"held_out": X}, TypeError, "train: held_out must be a tuple (x, targets), got f32[10, 3]"),
        (
            {"held_out": (X[:2], np.array([0, 5]))},
            ValueError,
            "train: held_out targets have the label 5 at row 1, which no target to train on has",
        ),
        (
            {
                "data": (X, Weighted(T, np.ones(10))),
                "held_out": (X[:3], Weighted(np.array([0, 6, 5]), np.array([1, 0, 1]))),
            },
            ValueError,
            "train: held_out targets have the label 5 at row 2, which no target to train on has",
        ),
        ({"size": 0}, ValueError, "train: size must be >= 1, got 0"),
        ({"size": 2.5}, TypeError, "train: size must be an integer, got float"),
        ({"epochs": -1}, ValueError, "train: epochs must be >= 0, got -1"),
        ({"every": 0}, ValueError, "train: every must be >= 1, got 0"),
        ({"held_out": (X, T), "patience": 0}, ValueError, "train: patience must be >= 1, got 0"),
        ({"patience": 3}, ValueError, "train: patience needs held_out data, whose loss it waits for"),
        ({"metrics": (accuracy,)}, ValueError, "train: metrics need held_out data to be measured on"),
        (
            {"held_out": (X, T), "metrics": accuracy},
            TypeError,
            "train: metrics must be a tuple of functions, got function: write (accuracy,)",
        ),
        (
            {"held_out": (X, T), "metrics": ("accuracy",)},
            TypeError,
            "train: metrics must be functions with names, got str",
        ),
        (
            {"held_out": (X, T), "metrics": (re,)},
            TypeError,
            "train: metrics must be functions with names, got module",
        ),
        (
            {"held_out": (X, T), "metrics": (accuracy, accuracy)},
            ValueError,
            "train: two metrics are called accuracy: give one of them another name",
        ),
        ({"start": (1, 2)}, TypeError, "train: start must be a Run, got a tuple of 2"),
    ],
)
def test_bad_arguments_are_refused_at_once(options: Any, error: type[Exception], message: str) -> None:
    params = two_layer.init(np.random.default_rng(0), 3, 4, 2)
    with pytest.raises(error) as raised:
        trained(two_layer.network, softmax_cross_entropy, sgd(0.1), params, **(GOOD | options))
    assert str(raised.value) == message


def test_parameters_of_another_library_are_refused_by_name() -> None:
    strict: Any = import_module("array_api_strict")
    params = (untyped(strict).ones((3, 2)),)
    with pytest.raises(TypeError, match="train") as raised:
        trained(two_layer.network, softmax_cross_entropy, sgd(0.1), untyped(params), **GOOD)
    assert str(raised.value) == "train: params[0] must be a NumPy array, got f64[3, 2] of array_api_strict"


def test_a_record_of_another_run_is_refused() -> None:
    rng = np.random.default_rng(0)
    network, params = plain(rng)
    (*_, run) = trained(network, softmax_cross_entropy, sgd(0.1), params, **(GOOD | {"every": 2, "epochs": 1}))
    other = two_layer.init(rng, 3, 5, 2)
    with pytest.raises(ValueError, match=re.escape("params are f32[3, 5], but those of start f32[3, 4]")) as raised:
        trained(network, softmax_cross_entropy, sgd(0.1), other, **(GOOD | {"start": run}))
    assert raised.value.__notes__ == ["at [0].W"]
    first = next(trained(network, softmax_cross_entropy, sgd(0.1), params, **(GOOD | {"every": 2})))
    with pytest.raises(ValueError, match="train: start") as raised:
        trained(network, softmax_cross_entropy, sgd(0.1), params, **(GOOD | {"start": first, "size": 5}))
    assert str(raised.value) == (
        "train: start is at step 2 of an epoch, but 10 rows in batches of 5 have 2: "
        "give the data and the size that it was made with"
    )


def test_what_is_not_finite_in_the_data_is_named_with_its_row_and_column() -> None:
    params = two_layer.init(np.random.default_rng(0), 3, 4, 2)

    def on(**options: Any) -> None:
        list(trained(two_layer.network, softmax_cross_entropy, sgd(0.1), params, **(GOOD | options)))

    x = X.copy()
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match="train") as raised:
        on(data=(x, T))
    assert str(raised.value) == "train: x has nan at row 7, column 1"
    with pytest.raises(ValueError, match="train") as raised:
        on(held_out=(x, T))
    assert str(raised.value) == "train: held_out x has nan at row 7, column 1"
    norm = BatchNorm.init(3), Affine.init(np.random.default_rng(0), 3, 2)  # whose statistics are of x
    with pytest.raises(ValueError, match=r"^train: x has nan at row 7, column 1$"):
        list(
            trained(
                sequential(batch_norm(), affine), softmax_cross_entropy, sgd(0.1), norm, **(GOOD | {"data": (x, T)})
            )
        )
    line = Affine(np.zeros((3, 1)), np.zeros(1))
    targets = X[:, :1].astype(float)
    targets[4, 0] = np.inf
    with pytest.raises(ValueError, match="train") as raised:
        list(trained(affine, mean_squared_error, sgd(0.1), line, **(GOOD | {"data": (np.float64(X), targets)})))
    assert str(raised.value) == "train: targets have inf at row 4, column 0"


def test_where_a_step_or_a_figure_fails_the_rows_of_the_data_are_named() -> None:
    params = two_layer.init(np.random.default_rng(0), 3, 4, 2)
    labels = T.copy()
    labels[7] = 2
    order = np.random.default_rng(3).permutation(10)
    step, row = divmod(int(np.flatnonzero(order == 7)[0]), 4)
    with pytest.raises(ValueError, match=re.escape(f"labels must be in [0, 2), got 2 at row {row}")) as raised:
        list(going(two_layer.network, params, (X, labels), rng=np.random.default_rng(3)))
    rows = ", ".join(map(str, order[4 * step : 4 * step + 4]))
    assert raised.value.__notes__ == [f"train: in a batch of the rows {rows} of the data"]

    def fails(out: Array, targets: Any) -> float:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as raised:
        list(going(two_layer.network, params, (X, T), held_out=(X, T), metrics=(fails,)))
    assert raised.value.__notes__ == ["train: on the rows that are held out, after step 3"]

    def says_nothing(out: Array, targets: Any) -> None: ...

    with pytest.raises(TypeError, match=r"^train: the metric says_nothing must give a number, got NoneType"):
        list(going(two_layer.network, params, (X, T), held_out=(X, T), metrics=(says_nothing,)))


def test_a_function_of_a_seed_that_returns_no_network_is_refused() -> None:
    def network(seed: int) -> int:
        return seed

    with pytest.raises(TypeError, match=re.escape("train: network(seed) must be a Layer or an Encoder, got int")):
        trained(network, softmax_cross_entropy, sgd(0.1), (), **GOOD)


def test_standardised_columns_stand_first_in_a_network() -> None:
    rng = np.random.default_rng(0)
    x, labels = table(rng, 200)
    x = 1000 + x * np.array([0.01, 1, 100], np.float32)
    data, held_out = split(rng, 0.8, x, labels)
    network = sequential(standardise(data[0]), affine, relu, affine)
    params = ((), Affine.init(rng, 3, 8), (), Affine.init(rng, 8, 2))
    *_, run = going(
        network,
        params,
        data,
        optimizer=adam(0.05),
        rng=rng,
        size=16,
        epochs=30,
        held_out=held_out,
        metrics=(accuracy,),
        patience=5,
    )
    assert run.metrics["accuracy"] > 0.9
