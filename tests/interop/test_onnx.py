"""ONNX: what onnxruntime computes of an exported network is what `prediction` gives."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue import ENCODERS, LAYERS, PARTLY_FIXED, Subject, summed, twice
from chainrule import (
    Affine,
    Attention,
    BatchNorm,
    Convolution,
    Embedding,
    GroupNorm,
    Gru,
    LayerNorm,
    Lstm,
    Positions,
    PRelu,
    RmsNorm,
    Unit,
    add,
    affine,
    attention,
    batch_norm,
    concatenate,
    convolution,
    convolution_transpose,
    dropout,
    embedding,
    encoded,
    flatten,
    gelu,
    global_mean_pool,
    group_norm,
    gru,
    identity,
    inference,
    last,
    last_of,
    layer_norm,
    lstm,
    max_pool,
    mean_pool,
    multiply,
    positions,
    prelu,
    relu,
    repeated,
    reshape,
    residual,
    rms_norm,
    rotary,
    sequential,
    sigmoid,
    silu,
    softmax,
    tied,
    tree,
)
from chainrule.interop.onnx import export
from networks import drawn
from served import CLOSE, agrees, bits, difference, exported, first_axis, other_rows
from untyped import untyped

SUBJECTS = [*LAYERS, *PARTLY_FIXED, *ENCODERS]

ONLY_FLOAT32 = {
    *("Conv", "ConvTranspose", "AveragePool", "LSTM", "GRU", "PRelu", "LeakyRelu", "Elu", "Selu", "Mish", "Gelu"),
    *("Softplus", "Softsign", "HardSigmoid", "HardSwish"),
}
"""Operators for which onnxruntime 1.32 has no kernel in float64 on a CPU; of Gelu one of both forms."""


def layer_of(subject: Subject, seed: int) -> tuple[Any, Any, Any]:
    """A layer of the catalogue in its form for use, its parameters and an input."""
    params, x = subject.make(np.random.default_rng(seed), 4, np.float32)
    return in_use(subject, params, x), params, x


def in_use(subject: Subject, params: Any, x: Any) -> Any:
    """The layer in its form for use."""
    needs = subject.layer.inference is not None and subject.layer.inference.moments is not None
    return untyped(inference)(subject.layer, params, [x] if needs else None)


def as_float32(value: Any) -> Any:
    """The same numbers in 32 bits; labels as they are."""
    return tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype.kind == "f" else leaf, value)


def like(params: Any, seed: int = 0) -> Any:
    """Parameters with random numbers in the place of theirs, biases and scales too."""
    rng = np.random.default_rng(seed)
    return tree.map(lambda leaf: (leaf + 0.3 * rng.standard_normal(leaf.shape)).astype(leaf.dtype), params)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_every_layer_of_the_catalogue_has_the_trait_in_its_form_for_use(subject: Subject) -> None:
    assert in_use(subject, *subject.make(np.random.default_rng(0), 4, np.float32)).onnx is not None


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_onnxruntime_gives_what_prediction_gives(subject: Subject) -> None:
    for seed in range(5):
        agrees(*layer_of(subject, seed))


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_a_model_takes_batches_of_any_size_where_rows_stand_alone(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float32)
    network = in_use(subject, params, x)
    model = export(network, params, x)
    ends = {first_axis(end) for end in (*model.graph.input, *model.graph.output)}
    if network.couples_rows:
        assert ends == {4}
        return
    assert ends == {"batch"}
    assert all(difference(model, network, params, other_rows(x, n)) <= CLOSE for n in (1, 3, 9))


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_float64_is_exported_and_runs_where_onnxruntime_has_kernels(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float64)
    network = in_use(subject, params, x)
    model = exported(network, params, x)
    if not {node.op_type for node in model.graph.node} & ONLY_FLOAT32:
        # Attributes such as epsilon have 32 bits.
        assert difference(model, network, params, x) <= 1e-9


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_float16_is_exported_and_runs(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float16)
    network = in_use(subject, params, x)
    # Both compute in float32 and round at the end of a layer, ours in other places than theirs.
    assert difference(exported(network, params, x), network, params, x) <= 4 * np.finfo(np.float16).eps


def random_network(seed: int) -> tuple[Any, Any, Any]:
    """A drawn network in its form for use, its parameters and an input."""
    rng = np.random.default_rng(seed)
    network = drawn(rng)
    while len(network.x) < 2:  # a batch norm has no statistics of one row
        network = drawn(rng)
    params, x = as_float32((network.part.params, network.x))
    return untyped(inference)(network.layer(), params, [x]), params, x


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_give_what_prediction_gives(seed: int) -> None:
    agrees(*random_network(seed))


def classifier(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Two affine layers with dropout."""
    network = sequential(affine, relu, dropout(0.5, seed=0), affine, softmax)
    return network, (Affine.init(rng, 64, 50), (), (), Affine.init(rng, 50, 10), ()), bits(4, 64)


def images(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Convolutions, with batch norm, pools and an affine layer at the end."""
    block = sequential(convolution(), batch_norm(), relu, max_pool(2))
    network = sequential(block, block, flatten, affine)
    kernels = [Convolution.init(rng, c, m, 3) for c, m in ((1, 8), (8, 12))]
    blocks = [(kernel, BatchNorm.init(len(kernel.b)), (), ()) for kernel in kernels]
    return network, (*blocks, (), Affine.init(rng, 7 * 7 * 12, 10)), bits(4, 28, 28, 1)


def residual_images(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Residual blocks with group norm, a stride, and a mean of all positions at the end."""
    block = residual(sequential(group_norm(4), silu, convolution()))
    network = sequential(convolution(2), block, block, global_mean_pool, affine)
    norm, kernel = GroupNorm.init(8), Convolution.init(rng, 8, 8, 3)
    params = (Convolution.init(rng, 3, 8, 5), *[(norm, (), kernel)] * 2, (), Affine.init(rng, 8, 10))
    return network, params, bits(4, 17, 19, 3)


def autoencoder(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Down by a stride, and up by a transpose."""
    network = sequential(convolution(2), gelu, convolution_transpose(2), sigmoid)
    return network, (Convolution.init(rng, 1, 6, 4), (), Convolution.init(rng, 6, 1, 4), ()), bits(4, 12, 10, 1)


def block_of(norm: Any, of_norm: Any, attend: Any, rng: np.random.Generator, d: int) -> tuple[Any, Any]:
    """A block of a transformer."""
    layer = sequential(
        residual(sequential(norm, attend)),
        residual(sequential(norm, affine, gelu, affine)),
    )
    wide = Affine.init(rng, d, 4 * d), (), Affine.init(rng, 4 * d, d)
    return layer, ((of_norm, Attention.init(rng, d)), (of_norm, *wide))


def language_model(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """A causal transformer of labels, with learned positions."""
    block, params = block_of(layer_norm(), LayerNorm.init(16), attention(4, causal=True), rng, 16)
    network = encoded(embedding, sequential(positions, repeated(block, 2), layer_norm(), affine))
    of_layers = (Positions.init(rng, 12, 16), (params, params), LayerNorm.init(16), Affine.init(rng, 16, 30))
    return network, (Embedding.init(rng, 30, 16), of_layers), rng.integers(0, 30, (4, 9))


def rotary_transformer(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """A transformer with rotary attention, root mean square norms and a mask."""
    mask = np.tril(np.ones((9, 9), bool)) & ~np.tri(9, k=-4, dtype=bool)
    block, params = block_of(rms_norm(), RmsNorm.init(16), attention(2, mask=mask, rotary=True), rng, 16)
    return sequential(block, last, affine), (params, (), Affine.init(rng, 16, 3)), bits(4, 9, 16)


def reader(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """An LSTM that reads labels, and the last step."""
    network = encoded(embedding, sequential(lstm, last, affine))
    return (
        network,
        (Embedding.init(rng, 20, 8), (Lstm.init(rng, 8, 16), (), Affine.init(rng, 16, 2))),
        (rng.integers(0, 20, (4, 7), np.int32)),
    )


def tagger(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Two GRUs, one on the other, and an answer at each step."""
    network = sequential(gru, gru, affine)
    return network, (Gru.init(rng, 5, 8), Gru.init(rng, 8, 8), Affine.init(rng, 8, 3)), bits(4, 11, 5)


def gated(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Gates, sums and layers side by side."""
    gate = multiply(affine, sequential(affine, sigmoid))
    network = sequential(concatenate(identity, gate), add(affine, sequential(prelu, affine)), relu)
    first, second = (Affine.init(rng, 6, 10) for _ in range(2))
    third, fourth = (Affine.init(rng, 16, 4) for _ in range(2))
    return network, (((), (first, (second, ()))), (third, (PRelu.init(16), fourth)), ()), bits(4, 6)


def both_ways(params: Affine) -> tuple[Affine, Unit, Affine]:
    """A matrix, and its transpose."""
    return params, (), Affine(params.W.T, params.b @ params.W.T)


def back(grads: tuple[Affine, Unit, Affine]) -> Affine:
    """Not used forward."""
    raise AssertionError


def tied_autoencoder(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Weights that serve twice, between a reshaping and its inverse."""
    inner = tied(sequential(affine, sigmoid, affine), both_ways, back)
    return sequential(flatten, inner, reshape(3, 4)), ((), Affine.init(rng, 12, 5), ()), bits(4, 3, 4)


NETWORKS: list[Callable[[np.random.Generator], tuple[Any, Any, Any]]] = [
    classifier,
    images,
    residual_images,
    autoencoder,
    language_model,
    rotary_transformer,
    reader,
    tagger,
    gated,
    tied_autoencoder,
]


def network_of(made: Callable[[np.random.Generator], tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    """One of them in its form for use, with parameters of any size."""
    network, fresh, x = made(np.random.default_rng(0))
    params = like(fresh)
    return untyped(inference)(network, params, [x]), params, x


@pytest.mark.parametrize("made", NETWORKS, ids=lambda each: each.__name__)
def test_ten_networks_give_what_prediction_gives(made: Callable[[np.random.Generator], tuple[Any, Any, Any]]) -> None:
    agrees(*network_of(made))


NUMBERS = [0.0, 1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 16.5, 20.0, 50.0, 88.0, 100.0, 1e3, 1e4, 1e10, 1e19]
ALONE = [each for each in LAYERS if each.layer.elementwise and each.layer.parts == () and each.layer.inference is None]


@pytest.mark.parametrize("subject", ALONE, ids=lambda each: each.name)
def test_elementwise_layers_agree_at_large_numbers(subject: Subject) -> None:
    x = np.array([[sign * each for each in NUMBERS for sign in (1, -1)]], np.float32)
    assert difference(export(subject.layer, (), x), subject.layer, (), x) <= CLOSE


@pytest.mark.parametrize("size", [1e-3, 1e4])
@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("subject", [each for each in LAYERS if each not in ALONE], ids=lambda each: each.name)
def test_other_layers_agree_at_large_numbers_and_far_from_0(subject: Subject, size: float, shift: float) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float32)
    network = in_use(subject, params, x)
    x = (size * x + shift).astype(np.float32)
    assert difference(export(network, params, x), network, params, x) <= CLOSE


windows = st.fixed_dictionaries({"stride": st.integers(1, 3), "padding": st.sampled_from(["same", "valid", 0, 1, 2])})


@given(windows, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 99))
def test_convolutions_of_drawn_shapes(options: Any, axes: int, dilation: int, groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = tuple(int(each) for each in rng.integers(1, 5, axes))
    params = like(Convolution.init(rng, 2 * groups, 3 * groups, size, groups=groups))
    lengths = [(each - 1) * dilation + 1 + int(rng.integers(4)) for each in size]
    agrees(convolution(dilation=dilation, groups=groups, **options), params, bits(2, *lengths, 2 * groups, seed=seed))


@given(windows, st.integers(1, 3), st.integers(0, 99))
def test_transposes_of_drawn_shapes(options: Any, axes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    least = 1 if isinstance(options["padding"], str) else 2 * options["padding"] + 1
    params = like(Convolution.init(rng, 2, 3, tuple(int(each) for each in rng.integers(least, least + 4, axes))))
    lengths = [int(each) for each in rng.integers(1, 5, axes)]
    agrees(convolution_transpose(**options), params, bits(2, *lengths, 2, seed=seed))


@given(st.sampled_from([max_pool, mean_pool]), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.data())
def test_pools_of_drawn_shapes(pool: Any, axes: int, size: int, stride: int, data: st.DataObject) -> None:
    padding = data.draw(st.integers(0, size - 1))
    before = tuple((data.draw(st.integers(0, size - 1)), padding) for _ in range(axes))
    lengths = [data.draw(st.integers(size, 8)) for _ in range(axes)]
    agrees(pool(size, stride, data.draw(st.sampled_from([padding, before]))), (), bits(3, *lengths, 2))


@given(st.lists(st.integers(1, 3), max_size=3), st.integers(1, 5), st.integers(1, 3), st.booleans(), st.booleans())
def test_sequences_with_any_axes_before_the_steps(
    axes: list[int], t: int, heads: int, causal: bool, turns: bool
) -> None:
    rng, x = np.random.default_rng(0), bits(*axes, t, 2 * heads)
    of_attention = like(Attention.init(rng, 2 * heads))
    agrees(attention(heads, causal=causal, rotary=turns), of_attention, x)
    mask = rng.random((*axes, t, t)) < 0.5
    agrees(attention(heads, causal=causal, mask=mask), of_attention, x)
    agrees(lstm, like(Lstm.init(rng, 2 * heads, 3)), x)
    agrees(gru, like(Gru.init(rng, 2 * heads, 3)), x)
    agrees(rotary(100.0), (), x)
    agrees(positions, like(Positions.init(rng, t + 2, 2 * heads)), x)
    agrees(last, (), x)
    agrees(last_of(rng.integers(1, t + 1, axes, np.int8)), (), x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_labels_may_have_any_integer_dtype(dtype: Any) -> None:
    params = Embedding(bits(5, 3))
    agrees(embedding, params, np.array([[0, 4], [2, 2]], dtype))


def test_the_first_axis_is_fixed_where_it_counts_no_examples_or_rows_are_coupled() -> None:
    masks = np.ones((4, 3, 3), bool)
    model = export(attention(1, mask=masks), like(Attention.init(np.random.default_rng(0), 2)), bits(4, 3, 2))
    assert first_axis(model.graph.input[0]) == 4
    model = export(attention(1), like(Attention.init(np.random.default_rng(0), 2)), bits(3, 2))
    assert first_axis(model.graph.input[0]) == 3
    model = export(affine, Affine(bits(2, 3), bits(3)), bits(2))  # one example, of two features
    assert first_axis(model.graph.input[0]) == 2
    model = export(sequential(last, last), ((), ()), bits(3, 4, 2))  # the second takes the last example
    assert first_axis(model.graph.input[0]) == 3


def test_a_batch_of_no_rows_is_enough_to_export() -> None:
    params, x = Affine(bits(2, 3), bits(3)), bits(4, 2)
    assert difference(export(affine, params, x[:0]), affine, params, x) <= CLOSE


def test_the_model_is_of_opset_20_and_begins_with_x_and_ends_with_out() -> None:
    model = export(relu, (), bits(4, 3))
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    assert model.ir_version == 9  # that of opset 20: older runtimes refuse a later one
    assert [end.name for end in (*model.graph.input, *model.graph.output)] == ["x", "out"]
    assert model.producer_name == "chainrule"


def test_arrays_of_the_parameters_have_their_paths_as_names_and_stand_there_once() -> None:
    params = Affine(bits(2, 2), bits(2))
    model = export(sequential(affine, relu, affine), (params, (), Affine(params.W, bits(2))), bits(4, 2))
    assert [each.name for each in model.graph.initializer] == ["params[0].W", "params[0].b", "params[2].b"]
    model = export(untyped(tied)(sequential(affine, affine), twice, summed), params, bits(4, 2))
    assert [each.name for each in model.graph.initializer] == ["params.W", "params.b"]


def test_exporting_twice_gives_the_same_bytes() -> None:
    network, params, x = classifier(np.random.default_rng(0))
    used = untyped(inference)(network, params)
    first, second = (export(used, params, x).SerializeToString() for _ in range(2))
    assert first == second


def test_parameters_of_another_library_are_exported() -> None:
    other: Any = import_module("array_api_strict")
    params, x = Affine(bits(2, 3), bits(3)), bits(4, 2)
    model = export(affine, tree.map(other.asarray, params), other.asarray(x))
    assert difference(model, affine, params, x) <= CLOSE
