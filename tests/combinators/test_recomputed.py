"""A layer that keeps its input alone: the same bits, less memory, and forward twice."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Layer,
    Unit,
    affine,
    batch_norm,
    dropout,
    embedding,
    inference,
    mean_squared_error,
    prediction,
    recomputed,
    relu,
    repeated,
    sequential,
    sigmoid,
    statistics,
    trace,
    tree,
    value_and_grad,
)
from chainrule.parts import Around
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, embedding, recomputed, relu, sequential
from chainrule.combinators.recomputed import Arguments

def accepted(params: Affine, x: Array) -> None:
    block = recomputed(sequential(affine, relu))
    assert_type(block, Layer[tuple[Affine, Unit], tuple[Arguments[tuple[Affine, Unit]]]])
    assert_type(block.backward(block.forward((params, ()), x)[1], x)[1], tuple[Affine, Unit])
    assert_type(recomputed(affine).forward(params, x)[1][0].x, Array)

def mistakes(params: Affine, x: Array) -> None:
    recomputed(affine, relu)  # rejected: it is around one layer
    recomputed(embedding)  # rejected: an encoder has no x to keep
    recomputed(affine).forward((params,), x)  # rejected: its parameters are those of the layer
"""


def deep(rng: np.random.Generator, wide: int, groups: int, each: int) -> tuple[Any, Any, Any]:
    """A chain in groups, the same with each group recomputed, and parameters of both."""
    group = repeated(sequential(affine, sigmoid), each)
    blocks = [(Affine.init(rng, wide, wide), ()) for _ in range(groups * each)]
    params = tuple(tuple(blocks[each * i : each * (i + 1)]) for i in range(groups))
    return repeated(group, groups), repeated(recomputed(group), groups), params


def test_it_gives_the_bits_of_the_layer_and_keeps_its_arguments_alone() -> None:
    rng = np.random.default_rng(0)
    whole, parts, params = deep(rng, 4, 3, 2)
    x, dout = normal(rng, 5, 4, dtype=np.float32), normal(rng, 5, 4, dtype=np.float32)
    out, caches = parts.forward(params, x)
    right, right_caches = whole.forward(params, x)
    assert tree.equal(out, right)
    assert tree.equal(parts.backward(caches, dout), whole.backward(right_caches, dout))
    assert tree.equal(parts.grads(caches, dout), whole.grads(right_caches, dout))
    assert [len(tree.leaves(each)) for each in caches] == [5, 5, 5]  # two affine layers, and x
    f, g = (value_and_grad(network, mean_squared_error) for network in (parts, whole))
    assert tree.equal(f(params, x, dout), g(params, x, dout))
    assert tree.equal(prediction(parts)(params, x), right)


def test_forward_runs_again_in_backward_and_not_before() -> None:
    calls: list[str] = []

    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        calls.append("forward")
        return 2 * x, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        calls.append("backward")
        return 2 * dout, ()

    layer = recomputed(Layer(forward, backward))
    _, cache = layer.forward((), np.ones((1, 2)))
    assert calls == ["forward"]
    layer.backward(cache, np.ones((1, 2)))
    assert calls == ["forward", "forward", "backward"]


def test_a_deep_network_takes_as_much_memory_as_its_groups_and_one_of_them() -> None:
    rng = np.random.default_rng(0)
    whole, parts, params = deep(rng, 32, 8, 8)
    x = normal(rng, 1024, 32, dtype=np.float32)
    peaks: list[int] = []
    for network in (whole, parts):
        f = value_and_grad(network, mean_squared_error)
        f(params, x, x)
        tracemalloc.start()
        f(params, x, x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Of 64 blocks two arrays each, what affine and sigmoid keep; in groups 8 inputs, and the 16 arrays of one group.
    assert peaks[0] > 2 * 64 * x.nbytes
    assert peaks[1] < (8 + 16 + 8) * x.nbytes


def test_what_the_caller_writes_later_changes_no_gradient() -> None:
    def forward(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return params * x, (params, x)

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        params, x = cache
        return params * dout, np.asarray((x * dout).sum(axis=0))

    layer, params, x = recomputed(Layer(forward, backward)), np.array([1.0, 2.0]), np.array([[3.0, 4.0]])
    _, cache = layer.forward(params, x)
    params[:], x[:] = 7.0, 9.0
    dx, grads = layer.backward(cache, np.ones((1, 2)))
    np.testing.assert_array_equal(dx, [[1, 2]])
    np.testing.assert_array_equal(grads, [3, 4])


def test_a_mask_is_the_same_the_second_time() -> None:
    x = np.ones((4, 8))
    layer = recomputed(dropout(0.5, seed=3))
    out, cache = layer.forward((), x)
    np.testing.assert_array_equal(layer.backward(cache, x)[0], out)


def test_statistics_and_the_form_for_use_are_those_of_the_layer() -> None:
    rng = np.random.default_rng(0)
    inside = sequential(batch_norm(), dropout(0.5, seed=0), relu)
    params, x = (BatchNorm.init(3, dtype=np.float64), (), ()), normal(rng, 8, 3)
    found = statistics(recomputed(inside), params, [x])
    assert tree.equal(found, statistics(inside, params, [x]))
    in_use = inference(recomputed(inside), params, statistics=found)
    assert repr(in_use).startswith("Layer(recomputed(sequential(batch_norm(statistics=")
    assert tree.equal(in_use.forward(params, x)[0], inference(inside, params, statistics=found).forward(params, x)[0])


def test_it_is_traced_as_one_layer_that_keeps_its_input() -> None:
    rng = np.random.default_rng(0)
    params, x = (Affine(normal(rng, 3, 5), normal(rng, 5)), ()), normal(rng, 4, 3)
    (step,) = trace(recomputed(sequential(affine, sigmoid)), params, x, dout=np.ones((4, 5))).layers
    assert step.cache_bytes == x.nbytes
    assert [each.name for each in step.grads] == ["d[0].W", "d[0].b"]


def test_an_error_of_the_layer_says_where() -> None:
    params: Any = (Affine(np.ones((3, 3)), np.ones(3)), ())
    with pytest.raises(ValueError, match="affine: x has 4 features") as raised:
        recomputed(sequential(affine, relu)).forward(params, np.ones((2, 4)))
    assert raised.value.__notes__ == ["in layer 1 of 2"]
    _, cache = recomputed(sequential(affine, relu)).forward(params, np.ones((2, 3)))
    with pytest.raises(ValueError, match="dout has shape") as raised:
        recomputed(sequential(affine, relu)).backward(cache, np.ones((2, 4)))
    assert raised.value.__notes__ == ["in layer 2 of 2"]


def test_only_a_layer_can_be_recomputed() -> None:
    with pytest.raises(TypeError, match="recomputed: argument 1 must be a Layer, got method"):
        untyped(recomputed)(affine.forward)
    with pytest.raises(TypeError, match="recomputed: argument 1 must be a Layer, got Encoder"):
        untyped(recomputed)(embedding)


def test_its_traits_are_those_of_the_layer() -> None:
    parts = recomputed(relu).parts
    assert isinstance(parts, Around)
    assert (parts.layer, parts.recomputed, parts.is_whole, parts.skip) == (relu, True, True, False)
    assert recomputed(relu).elementwise
    assert recomputed(batch_norm()).couples_rows
    assert recomputed(affine).event_axes == 1
    counts = recomputed(relu).operations
    assert counts is not None
    assert counts((), (4, 3), (4, 3)) == (12, 24)

    def count(params: Unit, x: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, int]:
        asked.append((params, x, out))
        return 5, 7

    asked: list[Any] = []
    counts = recomputed(Layer(relu.forward, relu.backward, operations=count)).operations
    assert counts is not None
    assert counts((), (4, 3), (4, 5)) == (5, 12)
    assert asked == [((), (4, 3), (4, 5))]
    assert recomputed(sequential(relu)).operations is None  # those of its layers are not its own
