"""The published test cases of ONNX's operators, for the layers and losses that are the same thing.

A layer without options whose name is an operator's is found in the catalogue; what has options is written down here.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import pytest

from catalogue import LAYERS
from chainrule import (
    Affine,
    Array,
    Attention,
    BatchNorm,
    Convolution,
    Embedding,
    GroupNorm,
    Gru,
    LayerNorm,
    Lstm,
    PRelu,
    RmsNorm,
    Statistics,
    Weighted,
    attention,
    batch_norm,
    celu,
    convolution,
    convolution_transpose,
    elu,
    embedding,
    flatten,
    gelu,
    gelu_erf,
    global_max_pool,
    global_mean_pool,
    group_norm,
    gru,
    layer_norm,
    leaky_relu,
    lstm,
    max_pool,
    mean_pool,
    prelu,
    reshape,
    rms_norm,
    silu,
    softmax_cross_entropy,
    weighted,
)
from chainrule.arrays.types import is_numpy

FILES = """
attention averagepool batch_normalization celu conv convtranspose elu flatten gather gelu globalaveragepool
globalmaxpool groupnormalization gru layernormalization leakyrelu lstm maxpool prelu reshape rmsnormalization
softmax_cross_entropy_loss swish
"""

CASES_OF = "onnx.backend.test.case.node"

Options: TypeAlias = dict[str, Any]
Ours: TypeAlias = Callable[[Options, list[Any]], Array]
"""`(attributes of the operator, inputs) -> output`."""


def along_axis(layer: Any) -> Ours:
    def run(options: Options, inputs: list[Any]) -> Array:
        axis = options.get("axis", -1)
        return np.moveaxis(out_of(layer, (), np.moveaxis(inputs[0], axis, -1)), -1, axis)

    return run


def out_of(layer: Any, params: Any, x: Any) -> Array:
    out: Array = layer.forward(params, np.ascontiguousarray(x))[0]
    return out


def of_gelu(options: Options, inputs: list[Any]) -> Array:
    return out_of(gelu if options.get("approximate") == b"tanh" else gelu_erf, (), inputs[0])


def of_prelu(options: Options, inputs: list[Any]) -> Array:
    x, slope = inputs
    return out_of(prelu, PRelu(slope), x)


def normalised(options: Options, x: Any) -> tuple[Any, float]:
    """Rows of what is normalised together, and eps."""
    axis = options.get("axis", -1) % x.ndim
    return x.reshape((*x.shape[:axis], -1)), options.get("epsilon", 1e-5)


def of_layer_norm(options: Options, inputs: list[Any]) -> Array:
    rows, eps = normalised(options, inputs[0])
    scale, bias = (each.reshape(-1) for each in inputs[1:])
    return out_of(layer_norm(eps), LayerNorm(scale, bias), rows).reshape(inputs[0].shape)


def of_rms_norm(options: Options, inputs: list[Any]) -> Array:
    rows, eps = normalised(options, inputs[0])
    return out_of(rms_norm(eps), RmsNorm(inputs[1].reshape(-1)), rows).reshape(inputs[0].shape)


def channels_last(layer: Any, params: Any, x: Any) -> Array:
    return np.moveaxis(out_of(layer, params, np.moveaxis(x, 1, -1)), -1, 1)


def of_group_norm(options: Options, inputs: list[Any]) -> Array:
    x, scale, bias = inputs
    return channels_last(group_norm(options["num_groups"], options.get("epsilon", 1e-5)), GroupNorm(scale, bias), x)


def of_batch_norm(options: Options, inputs: list[Any]) -> Array:
    x, scale, bias, mean, var = inputs
    known = None if options.get("training_mode", 0) else Statistics(mean, var)
    return channels_last(batch_norm(known, options.get("epsilon", 1e-5)), BatchNorm(scale, bias), x)


def padding_of(options: Options) -> Any:
    pads = options.get("pads", ())
    before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    return "same" if "auto_pad" in options else tuple(zip(before, after, strict=True)) or "valid"


def of_convolution(options: Options, inputs: list[Any]) -> Array:
    x, W = inputs  # (out, in, ...)
    b = np.zeros(len(W), np.float32)
    layer = convolution(tuple(options.get("strides", (1, 1))), padding_of(options))
    return channels_last(layer, Convolution(np.moveaxis(W, (1, 0), (-2, -1)), b), x)


def of_convolution_transpose(options: Options, inputs: list[Any]) -> Array:
    x, W = inputs  # (in, out, ...)
    b = np.zeros(W.shape[1], np.float32)
    layer = convolution_transpose(tuple(options.get("strides", ())) or 1, padding_of(options))
    return channels_last(layer, Convolution(np.moveaxis(W, (0, 1), (-2, -1)), b), x)


def of_cross_entropy(options: Options, inputs: list[Any]) -> Array:
    logits, labels = np.moveaxis(inputs[0], 1, -1), inputs[1]
    counted = labels != options.get("ignore_index", -1)
    labels = np.where(counted, labels, 0)
    weights = inputs[2][labels] if len(inputs) > 2 else np.ones(labels.shape, logits.dtype)
    targets = Weighted(labels, (weights * counted).astype(logits.dtype))
    return weighted(softmax_cross_entropy).forward(np.ascontiguousarray(logits), targets)[0]


def in_blocks(array: Any, order: tuple[int, ...]) -> Any:
    """The gates of an operator, along the first axis, in our order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[k] for k in order])


def last_output(layer: Any, params: Any, options: Options, x: Any) -> Array:
    """The state after the last step, (1, n, h); with layout 1 all states, (n, t, 1, h)."""
    if options.get("layout", 0):
        return out_of(layer, params, x)[:, :, None]
    steps = x[::-1] if options.get("direction") == b"reverse" else x
    return out_of(layer, params, np.moveaxis(steps, 0, 1))[:, -1][None]


def of_lstm(options: Options, inputs: list[Any]) -> Array:
    x, (of_x,), (of_h,), *rest = inputs
    first, second = np.split(rest[0][0] if rest else np.zeros(2 * len(of_x), x.dtype), 2)
    W, U, b = (in_blocks(each, (0, 2, 3, 1)).T for each in (of_x, of_h, first + second))  # from i, o, f, g
    return last_output(lstm, Lstm(W, U, b), options, x)


def of_gru(options: Options, inputs: list[Any]) -> Array:
    x, (of_x,), (of_h,), *rest = inputs
    biases = np.split(rest[0][0] if rest else np.zeros(2 * len(of_x), x.dtype), 2)
    W, U, b, c = (in_blocks(each, (1, 0, 2)).T for each in (of_x, of_h, *biases))  # from z, r, n
    return last_output(gru, Gru(W, U, b, c), options, x)


def of_attention(options: Options, inputs: list[Any]) -> Array:
    """Of given queries, keys and values; in the place of queries that are missing stand zeros."""
    q, k, v, *masks = inputs
    n, heads, asked, c = q.shape
    t, e = k.shape[2], heads * c
    fill = ((0, 0), (0, 0), (0, t - asked), (0, 0))
    x: Array = np.concatenate([each.swapaxes(1, 2).reshape(n, t, e) for each in (np.pad(q, fill), k, v)], axis=-1)
    zeros: Array = np.zeros_like(x[0, 0])
    maps = (Affine(np.eye(side, dtype=x.dtype), zeros[:side]) for side in (3 * e, e))
    mask = np.pad(masks[0], ((0, t - asked), (0, 0)), constant_values=True) if masks else None
    out = out_of(attention(heads, bool(options.get("is_causal", 0)), mask), Attention(*maps), x)
    return out.reshape(n, t, heads, c).swapaxes(1, 2)[:, :, :asked]


def of_gather(options: Options, inputs: list[Any]) -> Array:
    data, labels = inputs
    axis = options.get("axis", 0)
    rows = np.moveaxis(data, axis, 0)
    out, _ = embedding.forward(Embedding(np.ascontiguousarray(rows.reshape(len(rows), -1))), labels)
    there = range(axis, axis + labels.ndim)
    return np.moveaxis(out.reshape(*labels.shape, *rows.shape[1:]), range(labels.ndim), there)


def windows_of(options: Options, x: Any) -> tuple[Any, Any, Any]:
    """Size, stride and padding of a pool; of `SAME_UPPER` as many windows as the stride goes into x, rounded up."""
    size = tuple(options["kernel_shape"])
    stride = tuple(options.get("strides", [1] * len(size)))
    pads = options.get("pads", [0] * 2 * len(size))
    same = options.get("auto_pad", b"NOTSET")
    if same == b"NOTSET":
        return size, stride, tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))
    wanted = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(x.shape[2:], stride, size, strict=True)]
    ends = [(w // 2, w - w // 2) for w in wanted]
    return size, stride, tuple(ends if same == b"SAME_UPPER" else [end[::-1] for end in ends])


def of_max_pool(options: Options, inputs: list[Any]) -> Array:
    return channels_last(max_pool(*windows_of(options, inputs[0])), (), inputs[0])


def of_mean_pool(options: Options, inputs: list[Any]) -> Array:
    x = inputs[0]
    pool = mean_pool(*windows_of(options, x))
    out = channels_last(pool, (), x)
    # Where padding does not count, the share of each window that is no padding is the mean of ones.
    return out if options.get("count_include_pad", 0) else out / channels_last(pool, (), np.ones_like(x))


def of_global_pool(layer: Any) -> Ours:
    def run(options: Options, inputs: list[Any]) -> Array:
        x = inputs[0]
        return out_of(layer, (), np.moveaxis(x, 1, -1)).reshape(*x.shape[:2], *[1] * (x.ndim - 2))

    return run


def of_flatten(options: Options, inputs: list[Any]) -> Array:
    x, axis = inputs[0], options.get("axis", 1) % inputs[0].ndim
    return out_of(flatten, (), x.reshape(math.prod(x.shape[:axis]), *x.shape[axis:]))


def of_reshape(options: Options, inputs: list[Any]) -> Array:
    x, shape = inputs
    return out_of(reshape(*[int(n) or x.shape[i] for i, n in enumerate(shape)][1:]), (), x)


WITH_OPTIONS: dict[str, Ours] = {
    "Attention": of_attention,
    "AveragePool": of_mean_pool,
    "BatchNormalization": of_batch_norm,
    "Celu": lambda options, inputs: out_of(celu(options.get("alpha", 1.0)), (), inputs[0]),
    "Conv": of_convolution,
    "ConvTranspose": of_convolution_transpose,
    "Elu": lambda options, inputs: out_of(elu(options.get("alpha", 1.0)), (), inputs[0]),
    "Gather": of_gather,
    "Flatten": of_flatten,
    "Gelu": of_gelu,
    "GlobalAveragePool": of_global_pool(global_mean_pool),
    "GlobalMaxPool": of_global_pool(global_max_pool),
    "GroupNormalization": of_group_norm,
    "GRU": of_gru,
    "LayerNormalization": of_layer_norm,
    "LSTM": of_lstm,
    "LeakyRelu": lambda options, inputs: out_of(leaky_relu(options.get("alpha", 0.01)), (), inputs[0]),
    "MaxPool": of_max_pool,
    "PRelu": of_prelu,
    "RMSNormalization": of_rms_norm,
    "Reshape": of_reshape,
    "SoftmaxCrossEntropyLoss": of_cross_entropy,
    "Swish": along_axis(silu),
}

WRITTEN_DOWN = {operator.lower() for operator in WITH_OPTIONS}
NAMED_ALIKE = {
    subject.name.title().replace("_", ""): along_axis(subject.layer)
    for subject in LAYERS
    if repr(subject.layer) == f"Layer({subject.name})"
    and subject.name.replace("_", "") not in WRITTEN_DOWN
    and find_spec(f"{CASES_OF}.{subject.name.replace('_', '')}")
}
OURS = NAMED_ALIKE | WITH_OPTIONS

BEYOND = {
    "test_gru_bidirectional": "two directions at once",
    "test_gru_reverse": "the reset gate multiplies the state before the product",
    "test_gru_seq_length": "the reset gate multiplies the state before the product",
    "test_lstm_bidirectional": "two directions at once",
    "test_lstm_with_peepholes": "gates that see the cell",
    "test_prelu_example": "a slope for each entry",
    "test_selu": "another alpha and scale",
    "test_selu_example": "another alpha and scale",
    "test_convtranspose_output_shape": "outputs that no window reaches",
    "test_convtranspose_pad": "outputs that no window reaches",
    "test_convtranspose_kernel_shape": "outputs that no window reaches",
    "test_convtranspose_dilations": "a dilation",
    "test_convtranspose_group_2": "groups",
    "test_convtranspose_group_2_image_3": "groups",
    "test_celu_bfloat16": "bfloat16, which NumPy has not",
    "test_gather_negative_indices": "labels that count from the end",
    "test_hardsigmoid": "another slope",
    "test_hardsigmoid_default": "another slope",
    "test_hardsigmoid_example": "another slope",
    "test_reshape_reordered_all_dims": "another first axis",
    "test_reshape_one_dim": "another first axis",
    "test_reshape_negative_extended_dims": "another first axis",
    "test_reshape_allowzero_reordered": "another first axis",
}
"""Cases of what ours has not. Of reductions of a loss ours has the mean."""


def published() -> Iterator[Any]:
    """The cases, by importing their files alone: the public loader makes all 1,884."""
    cases: Any = import_module(CASES_OF)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of their own arithmetic
        for name in sorted({*FILES.split(), *map(str.lower, NAMED_ALIKE)}):  # in one order in every worker
            import_module(f"{CASES_OF}.{name}")
    for case in cases._NodeTestCases:
        (node, *more) = case.model.graph.node
        x = case.data_sets[0][0][0]
        if not more and node.op_type in OURS and is_numpy(x) and x.dtype.kind == "f":
            yield case


def options_of(node: Any) -> Options:
    value: Any = import_module("onnx").helper.get_attribute_value
    return {attribute.name: value(attribute) for attribute in node.attribute}


def reduces_otherwise(case: Any) -> bool:
    reduction: bytes = options_of(case.model.graph.node[0]).get("reduction", b"mean")
    return reduction != b"mean"


def attends_otherwise(case: Any) -> bool:
    """Ours has heads of one size, no window, no past and no other scale, and a mask of truth values for all heads."""
    node = case.model.graph.node[0]
    if node.op_type != "Attention":
        return False
    q, k, v, *masks = case.data_sets[0][0]
    return (
        bool(set(options_of(node)) - {"is_causal"})
        or len(node.output) > 1
        or len(node.input) > 4
        or not q.shape[:2] == k.shape[:2] == v.shape[:2]
        or not q.shape[3] == k.shape[3] == v.shape[3]
        or any(mask.dtype != bool or mask.ndim > 2 for mask in masks)
    )


def has_other_windows(case: Any) -> bool:
    """True if windows have gaps, or go beyond the padding."""
    options = options_of(case.model.graph.node[0])
    return case.model.graph.node[0].op_type in {"AveragePool", "MaxPool"} and (
        options.get("ceil_mode", 0) == 1 or max(options.get("dilations", [1])) > 1
    )


@cache
def cases() -> dict[str, list[Any]]:
    """The cases that ours can do, by their operators. They take ten seconds to make, so that no import does it."""
    found: dict[str, list[Any]] = {}
    for case in published():
        if not (case.name in BEYOND or reduces_otherwise(case) or attends_otherwise(case) or has_other_windows(case)):
            found.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return found


def ours_and_published(case: Any) -> tuple[Array, Array]:
    """The output of ours on the inputs of a case, and the output that is published."""
    node = case.model.graph.node[0]
    inputs, (published, *_) = case.data_sets[0]
    return OURS[node.op_type](options_of(node), inputs), published


WITH_CASES = sorted(set(OURS) - {"HardSigmoid"})


@pytest.mark.parametrize("operator", WITH_CASES)
def test_the_published_outputs(operator: str) -> None:
    for case in cases()[operator]:
        got, published = ours_and_published(case)
        rounding = 1e-3 if published.dtype == np.float16 else 1e-5  # they are computed in their own dtype
        np.testing.assert_allclose(got, published, rtol=rounding, atol=rounding / 10, err_msg=case.name)


def test_every_operator_has_a_case() -> None:
    assert sorted(cases()) == WITH_CASES
