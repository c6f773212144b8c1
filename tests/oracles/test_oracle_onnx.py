"""The published test cases of ONNX's operators, for the layers and losses that are the same thing.

A layer without options whose name is an operator's is found in the catalogue; what has options is written down here.
"""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import pytest

from catalogue import LAYERS
from chainrule import (
    Array,
    BatchNorm,
    Convolution,
    GroupNorm,
    LayerNorm,
    PRelu,
    RmsNorm,
    Statistics,
    Weighted,
    batch_norm,
    celu,
    convolution,
    convolution_transpose,
    elu,
    gelu,
    gelu_erf,
    group_norm,
    layer_norm,
    leaky_relu,
    prelu,
    rms_norm,
    silu,
    softmax_cross_entropy,
    weighted,
)
from chainrule.arrays.types import is_numpy

FILES = """
batch_normalization celu conv convtranspose elu gelu groupnormalization layernormalization leakyrelu prelu
rmsnormalization softmax_cross_entropy_loss swish
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


WITH_OPTIONS: dict[str, Ours] = {
    "BatchNormalization": of_batch_norm,
    "Celu": lambda options, inputs: out_of(celu(options.get("alpha", 1.0)), (), inputs[0]),
    "Conv": of_convolution,
    "ConvTranspose": of_convolution_transpose,
    "Elu": lambda options, inputs: out_of(elu(options.get("alpha", 1.0)), (), inputs[0]),
    "Gelu": of_gelu,
    "GroupNormalization": of_group_norm,
    "LayerNormalization": of_layer_norm,
    "LeakyRelu": lambda options, inputs: out_of(leaky_relu(options.get("alpha", 0.01)), (), inputs[0]),
    "PRelu": of_prelu,
    "RMSNormalization": of_rms_norm,
    "SoftmaxCrossEntropyLoss": of_cross_entropy,
    "Swish": along_axis(silu),
}

WRITTEN_DOWN = {operator.lower() for operator in WITH_OPTIONS}
NAMED_ALIKE = {
    subject.name.title().replace("_", ""): along_axis(subject.layer)
    for subject in LAYERS
    if repr(subject.layer) == f"Layer({subject.name})"
    and subject.name not in WRITTEN_DOWN
    and find_spec(f"{CASES_OF}.{subject.name.replace('_', '')}")
}
OURS = NAMED_ALIKE | WITH_OPTIONS

BEYOND = {
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
    "test_hardsigmoid": "another slope",
    "test_hardsigmoid_default": "another slope",
    "test_hardsigmoid_example": "another slope",
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


CASES = {case.name: case for case in published() if case.name not in BEYOND and not reduces_otherwise(case)}


@pytest.mark.parametrize("name", CASES)
def test_the_published_output(name: str) -> None:
    node = CASES[name].model.graph.node[0]
    inputs, outputs = CASES[name].data_sets[0]
    got = OURS[node.op_type](options_of(node), inputs)
    rounding = 1e-3 if outputs[0].dtype == np.float16 else 1e-5  # they are computed in their own dtype
    np.testing.assert_allclose(got, outputs[0], rtol=rounding, atol=rounding / 10)


def test_every_operator_has_a_case() -> None:
    assert {case.model.graph.node[0].op_type for case in CASES.values()} == set(OURS) - {"HardSigmoid"}
