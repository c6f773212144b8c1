import pickle
import re
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    Array,
    Layer,
    Network,
    Unit,
    add,
    affine,
    check_layer,
    check_network,
    draw,
    dropout,
    embedding,
    encoded,
    fixed,
    inference,
    layer_norm,
    prediction,
    recomputed,
    repeated,
    residual,
    sequential,
    sgd,
    softmax_cross_entropy,
    split_seed,
    statistics,
    trace,
    training_step,
    tree,
    value_and_grad,
)
from strategies import Floating, all_dtypes
from untyped import untyped

TYPED = """
from collections.abc import Callable
from typing import assert_type

from chainrule import (
    Affine,
    Array,
    Layer,
    Network,
    Targets,
    Unit,
    affine,
    dropout,
    identity,
    prediction,
    sequential,
    sgd,
    softmax_cross_entropy,
    split_seed,
    training_step,
    value_and_grad,
)
from chainrule.layers.affine import AffineCache
from chainrule.layers.dropout import DropoutCache
from chainrule.layers.identity import IdentityCache
from chainrule.optimizer import State

Params = tuple[Affine, Unit]


def network(seed: int) -> Layer[Params, tuple[AffineCache, DropoutCache]]:
    return sequential(affine, dropout(0.5, seed))


def accepted(params: Params, x: Array, labels: Targets) -> None:
    assert_type(dropout(0.5, 1), Layer[Unit, DropoutCache])
    assert_type(dropout(0.5, seed=x), Layer[Unit, DropoutCache])
    assert_type(split_seed(1, 3), tuple[int, ...])
    assert_type(identity, Layer[Unit, IdentityCache])
    any_network: Network[Params] = network(1)
    optimizer = sgd(0.1)
    step = training_step(network, softmax_cross_entropy, optimizer)
    assert_type(step, Callable[[Params, State[Params], Array, Targets, int], tuple[Params, State[Params], Array]])
    params, state, loss = step(params, optimizer.init(params), x, labels, 7)
    assert_type(params, Params)
    assert_type(loss, Array)
    print(any_network, state)


def without_the_type_of_its_cache(seed: int) -> Network[Params]:
    return sequential(affine, dropout(0.5, seed))


def as_good(params: Params, x: Array, labels: Targets) -> None:
    optimizer = sgd(0.1)
    step = training_step(without_the_type_of_its_cache, softmax_cross_entropy, optimizer)
    params, state, _ = step(params, optimizer.init(params), x, labels, 7)
    assert_type(state, State[Params])
    assert_type(value_and_grad(without_the_type_of_its_cache(1), softmax_cross_entropy)(params, x, labels)[1], Params)
    assert_type(prediction(without_the_type_of_its_cache(1))(params, x), Array)


def refused(params: Params, x: Array, labels: Targets) -> None:
    dropout(0.5)  # rejected: a mask needs a seed
    dropout("0.5", 1)  # rejected: a rate is a number
    split_seed(1)  # rejected: of how many
    step = training_step(network, softmax_cross_entropy, sgd(0.1))
    step(params, sgd(0.1).init(params), x, labels)  # rejected: the seed is missing
    step(params, sgd(0.1).init(params), x, labels, "7")  # rejected: the seed of this network is an int
    other: Network[tuple[Affine, Affine]] = network(1)  # rejected: parameters of another network
    value_and_grad(network, softmax_cross_entropy)  # rejected: give it network(seed)
    prediction(network)  # rejected: give it network(seed)
"""

seeds = st.integers(0, 2**40)


def mask(rate: float, seed: int, shape: tuple[int, ...], dtype: Floating = np.float64) -> Any:
    return dropout(rate, seed).forward((), np.ones(shape, dtype))[0]


@given(seed=seeds, dtype=all_dtypes)
def test_the_mask_is_a_function_of_seed_and_shape_and_not_of_the_dtype(seed: int, dtype: Floating) -> None:
    found = mask(0.25, seed, (3, 5), dtype)
    np.testing.assert_array_equal(found != 0, mask(0.25, seed, (3, 5)) != 0)
    assert set(found.ravel()) <= {dtype(0), dtype(1 / 0.75)}
    assert found.dtype == dtype


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate_and_the_mean_is_kept(rate: float) -> None:
    found = mask(rate, 0, (1000, 1000))
    # A million draws: a standard deviation of at most 0.0005.
    assert np.mean(found == 0) == pytest.approx(rate, abs=0.003)
    assert found.mean() == pytest.approx(1, abs=0.015)


def test_neighbouring_entries_and_neighbouring_seeds_have_nothing_to_do_with_each_other() -> None:
    kept = [mask(0.5, seed, (300, 300)) != 0 for seed in range(4)]
    first: Any = kept[0]
    for a, b in [(kept[0], kept[1]), (kept[2], kept[3]), (first[1:], first[:-1]), (first.T[1:], first.T[:-1])]:
        assert np.mean(a == b) == pytest.approx(0.5, abs=0.01)


def test_its_traits() -> None:
    layer = dropout(0.5, 3)
    assert (layer.couples_rows, layer.event_axes, layer.elementwise) == (True, 0, False)
    assert layer.operations is not None
    assert layer.operations((), (4, 3), (4, 3)) == (12, 12)


def test_infinity_that_is_dropped_is_nan_without_a_warning() -> None:
    with np.errstate(all="raise"):
        out = dropout(0.5, 3).forward((), np.full((2, 3), np.inf))[0]
    np.testing.assert_array_equal(out, [[np.nan, np.inf, np.nan], [np.nan, np.inf, np.nan]])


def test_seeds_of_a_device_are_split_there() -> None:
    strict: Any = import_module("array_api_strict")
    device = strict.Device("device1")
    found = untyped(split_seed)(strict.asarray(3, dtype=strict.uint32, device=device), 2)
    assert [each.device for each in found] == [device, device]


def test_a_rate_nearer_to_one_than_half_a_part_of_65536_drops_all() -> None:
    x = np.ones(2**20)
    assert not dropout(1 - 2**-18, seed=3).forward((), x)[0].any()
    assert dropout(1 - 2**-16, seed=3).forward((), x)[0].any()


def test_rate_zero_drops_nothing() -> None:
    assert mask(0.0, 3, (4, 5)).all()
    assert (mask(0, 3, (4, 5)) == 1).all()


@given(seed=seeds, n=st.integers(0, 20))
def test_split_seeds_differ_and_begin_alike(seed: int, n: int) -> None:
    found = split_seed(seed, n)
    assert len(set(found)) == n
    assert all(type(each) is int and 0 <= each < 2**31 for each in found)
    assert split_seed(seed, n + 3)[:n] == found
    assert split_seed(np.int64(seed), n) == found


def test_seeds_larger_than_a_word_count_as_a_whole() -> None:
    many = [0, 1, 2**32, 2**32 + 1, 2**33, 2**64, 2**100]
    assert len({split_seed(seed, 1) for seed in many}) == len(many)


def network(seed: int) -> Layer[tuple[Affine, Unit, Affine, Unit], Any]:
    first, second = split_seed(seed, 2)
    return sequential(affine, dropout(0.2, first), affine, dropout(0.5, second))


def batch() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    params = (Affine.init(rng, 4, 30), (), Affine.init(rng, 30, 3), ())
    return params, rng.standard_normal((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])


def test_a_step_of_a_function_of_a_seed_takes_the_seed_last() -> None:
    params, x, labels = batch()
    optimizer = sgd(0.1)
    step = training_step(network, softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    once, again, other = (step(params, state, x, labels, seed) for seed in (1, 1, 2))
    assert tree.equal(once, again)
    assert not tree.equal(once[0], other[0])
    of_one = training_step(network(1), softmax_cross_entropy, optimizer)(params, state, x, labels)
    assert tree.equal(once, of_one)
    assert tree.equal(pickle.loads(pickle.dumps(step))(params, state, x, labels, 1), once)


def test_everything_else_asks_for_network_of_seed() -> None:
    rng, x, labels = np.random.default_rng(0), np.ones((2, 4), np.float32), np.array([0, 1])
    on_x: dict[str, Any] = {"params": (), "x": x, "rng": rng}
    functions: list[Any] = [
        prediction,
        partial(value_and_grad, loss=softmax_cross_entropy),
        partial(trace, params=(), x=x),
        partial(inference, params=()),
        partial(statistics, params=(), batches=[x]),
        partial(check_layer, **on_x),
        partial(check_network, loss=softmax_cross_entropy, targets=labels, **on_x),
        *(draw, sequential, residual, add, fixed, recomputed, partial(encoded, embedding)),
    ]
    for function in functions:
        with pytest.raises(TypeError, match=re.escape("got function: give it network(seed)")):
            untyped(function)(network)


def test_what_makes_a_layer_and_a_half_of_a_pair_are_refused_with_what_helps() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return x, ()

    on_x: dict[str, Any] = {"params": (), "x": np.ones((2, 4)), "rng": np.random.default_rng(0)}
    with pytest.raises(TypeError, match=re.escape("got function: call it first, as layer_norm(...)")):
        check_layer(untyped(layer_norm), **on_x)
    with pytest.raises(TypeError, match=re.escape("give it network(seed), or Layer(forward, backward)")):
        check_layer(untyped(forward), **on_x)


def test_what_cannot_be_a_function_of_a_seed_is_not_called_one() -> None:
    with pytest.raises(TypeError, match=r"^sequential: argument 2 must be a Layer, got ufunc$"):
        untyped(sequential)(affine, np.tanh)


def test_a_function_that_returns_no_layer_is_refused() -> None:
    params, x, labels = batch()

    def named(seed: int) -> str:
        return "network"

    step: Any = untyped(training_step)(named, softmax_cross_entropy, sgd(0.1))
    with pytest.raises(
        TypeError, match=re.escape("training_step: network(seed) must be a Layer or an Encoder, got str")
    ):
        step(params, sgd(0.1).init(params), x, labels, 1)


def test_a_block_of_each_index_has_a_mask_of_its_own() -> None:
    def blocks(seed: int) -> Network[tuple[Unit, ...]]:
        each = split_seed(seed, 3)
        return repeated(lambda i: dropout(0.5, each[i]), 3)

    made: Any = blocks(0)
    out, _ = made.forward(((), (), ()), np.ones((100, 100)))
    assert np.mean(out != 0) == pytest.approx(0.125, abs=0.01)


def test_bad_input() -> None:
    for rate, shown in ((1, "1.0"), (-0.1, "-0.1"), (np.nan, "nan")):
        with pytest.raises(
            ValueError, match=re.escape(f"dropout: rate must be a finite number in [0, 1), got {shown}")
        ):
            dropout(rate, 0)
    with pytest.raises(ValueError, match="dropout: seed must be >= 0, got -1"):
        dropout(0.5, -1)
    bad: list[tuple[Any, str]] = [
        (0.5, "float"),
        (None, "NoneType"),
        (True, "bool"),
        (np.array([1, 2]), "i64[2]"),
        (np.array(0.5), "f64[]"),
        (np.random.default_rng(0), "Generator: take rng.integers(2**31)"),
    ]
    for seed, shown in bad:
        for call in (partial(dropout, 0.5), partial(split_seed, n=2)):
            with pytest.raises(TypeError, match=re.escape(f"seed must be a whole number, got {shown}")):
                call(seed)
    for call, name in ((partial(dropout, 0.5), "dropout"), (partial(split_seed, n=2), "split_seed")):
        for negative in (-1, np.int64(-1), np.array(-1)):
            with pytest.raises(ValueError, match="seed") as raised:
                call(negative)
            assert str(raised.value) == f"{name}: seed must be >= 0, got -1"
    with pytest.raises(ValueError, match="split_seed: n must be >= 0, got -1"):
        split_seed(0, -1)
