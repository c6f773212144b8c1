"""ONNX: how a layer of one's own says how it is written, and what is said where it does not."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from attrs import frozen

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Encoder,
    Labels,
    Layer,
    Unit,
    add,
    affine,
    batch_norm,
    dropout,
    inference,
    own,
    record,
    relu,
    rules,
    sequential,
)
from chainrule.interop.onnx import export
from served import agrees, bits

TYPED = """
from typing import assert_type

import onnx

from chainrule import Affine, Array, Encoder, Labels, Layer, Network, Unit, affine, inference, rules, two_layer
from chainrule.interop.onnx import export

def scaled(graph: rules.OnnxGraph, params: Affine, x: str) -> str:
    half = graph.constant(0.5)
    width: int = graph.shape(x)[-1]
    wide = graph.node("Expand", half, (width,))
    return graph.node("Add", graph.layer(affine, params, graph.node("Mul", x, wide)), params.b)

def no_wire(graph: rules.OnnxGraph, params: Affine, x: str) -> int:
    return 1

def halved(graph: rules.OnnxGraph, params: Unit, x: str) -> str:
    return graph.node("Mul", x, 0.5)

def chosen(graph: rules.OnnxGraph, params: Array, x: str) -> str:
    return graph.node("Gather", params, x, axis=0)

def forward(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x, x

def choose(params: Array, x: Labels) -> tuple[Array, Labels]:
    return params[x], x

def collect(cache: Labels, dout: Array) -> Array:
    return dout

def accepted(params: Affine, x: Array, labels: Labels) -> None:
    layer = Layer(affine.forward, affine.backward, onnx=scaled)
    assert_type(export(layer, params, x), onnx.ModelProto)
    assert_type(export(two_layer.network, (params, (), params), x), onnx.ModelProto)
    whole: Network[Affine] = layer
    export(inference(whole, params), params, x)
    export(Encoder(choose, collect, onnx=chosen), x, labels)
    rules.elementwise("halved", forward, onnx=halved)
    rules.elementwise("relu", forward, onnx="Relu")
    rules.elementwise("elu", forward, onnx=rules.onnx_operator("Elu", alpha=2.0))

def mistakes(params: Affine, x: Array) -> None:
    export(affine, x, x)  # rejected: an array for the parameters
    export(affine.forward, params, x)  # rejected: it is no layer
    Layer(affine.forward, affine.backward, onnx=no_wire)  # rejected: it gives no wire
    Layer(affine.forward, affine.backward, onnx=halved)  # rejected: of other parameters
    rules.elementwise("half", forward, onnx=scaled)  # rejected: it has no parameters
    rules.elementwise("half", forward, onnx=2)  # rejected: neither a name nor a function
    rules.onnx_operator("Elu", alpha=x)  # rejected: an array as an attribute
"""


@frozen(eq=False)
@record
class Scale:
    """A factor for each feature."""

    factor: Array


def forward(params: Scale, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * params.factor, (own(x), params.factor)


def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Scale]:
    x, factor = cache
    return dout * factor, Scale((dout * x).sum(axis=0))


def scaled(graph: rules.OnnxGraph, params: Scale, x: str) -> str:
    """The product."""
    return graph.node("Mul", x, params.factor)


def twice(graph: rules.OnnxGraph, params: Scale, x: str) -> str:
    """Wrong: the shape of two batches."""
    return graph.node("Concat", x, x, axis=0)


FACTORS = Scale(np.array([1.0, 2.0, 3.0], np.float32))


@pytest.mark.parametrize("onnx", [scaled, "Mul"])
def test_a_layer_of_ones_own_says_how_it_is_written(onnx: Any) -> None:
    agrees(Layer(forward, backward, onnx=onnx), FACTORS, bits(4, 3))
    agrees(sequential(relu, Layer(forward, backward, onnx=onnx)), ((), FACTORS), bits(4, 3))


def test_a_combinator_of_ones_own_writes_its_part() -> None:
    inner = Layer(forward, backward, onnx=scaled)

    def again(params: Scale, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return forward(params, forward(params, x)[0])

    def to_onnx(graph: rules.OnnxGraph, params: Scale, x: str) -> str:
        return graph.layer(inner, params, graph.layer(inner, params, x))

    agrees(Layer(again, backward, onnx=to_onnx), FACTORS, bits(4, 3))


def test_an_encoder_of_ones_own_says_how_it_is_written() -> None:
    def choose(params: Array, labels: Labels) -> tuple[Array, Labels]:
        return params[labels], labels

    def collect(labels: Labels, dout: Array) -> Array:
        raise AssertionError

    def gather(graph: rules.OnnxGraph, params: Array, labels: str) -> str:
        return graph.node("Gather", params, labels, axis=0)

    agrees(Encoder(choose, collect, onnx=gather), bits(5), np.array([1, 4, 0]))


def test_numbers_are_of_the_networks_dtype_and_whole_numbers_are_indices() -> None:
    def to_onnx(graph: rules.OnnxGraph, params: Unit, x: str) -> str:
        half = graph.constant(0.5)
        first = graph.node("Gather", graph.node("Reshape", x, (-1, 3, 1)), 0, axis=-1)
        large = graph.node("Where", [[True, False, True]], first, graph.node("Mul", first, half))
        return graph.node("Add", large, np.array([1.0, 2.0, 3.0]))  # of float64

    def halved(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x * np.array([1, 0.5, 1], np.float32) + np.array([1, 2, 3], np.float32), ()

    def back(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        raise AssertionError

    agrees(Layer(halved, back, onnx=to_onnx), (), bits(4, 3))


def test_an_operator_with_options_takes_whole_numbers_for_floats() -> None:
    def doubled(params: Unit, x: Array) -> tuple[Array, Unit]:
        return np.where(x > 0, x, 2 * x), ()

    def back(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        raise AssertionError

    agrees(Layer(doubled, back, onnx=rules.onnx_operator("LeakyRelu", alpha=2)), (), bits(4, 3))


def said(error: Exception) -> str:
    """A message, and where."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def test_a_layer_without_the_trait_is_named_and_its_place_too() -> None:
    network = sequential(affine, Layer(forward, backward, name="scale"), relu)
    with pytest.raises(TypeError) as caught:
        export(network, (Affine(bits(3, 3), bits(3)), FACTORS, ()), bits(4, 3))
    assert said(caught.value) == (
        "export: scale does not say how it is written in ONNX: give it the trait onnx, the name of an operator, or a "
        "function (graph, params, x) -> out with a chainrule.rules.OnnxGraph\nin layer 2 of 3"
    )
    with pytest.raises(TypeError, match="scale does not say") as caught:
        export(add(relu, sequential(Layer(forward, backward, name="scale"))), ((), (FACTORS,)), bits(4, 3))
    assert said(caught.value).endswith("in layer 1 of 1\nin branch 2 of 2")


def test_forms_for_training_are_refused_with_what_helps() -> None:
    network = sequential(affine, dropout(0.5, seed=0))
    params, x = (Affine(bits(3, 3), bits(3)), ()), bits(4, 3)
    with pytest.raises(
        TypeError, match=r"dropout\(rate=0.5, seed=0\) stands in its form for training: give "
    ) as caught:
        export(network, params, x)
    assert said(caught.value).endswith("inference(network, params) in place of the network\nin layer 2 of 2")
    agrees(inference(network, params), params, x)
    with pytest.raises(TypeError, match=r"give inference\(network, params, batches\) in place of the network"):
        export(batch_norm(), BatchNorm.init(3), x)
    agrees(inference(batch_norm(), BatchNorm.init(3), [x]), BatchNorm.init(3), x)


def test_a_function_of_a_seed_is_refused_with_what_helps() -> None:
    def network(seed: int) -> Layer[Unit, Any]:
        return dropout(0.5, seed)

    given: Any = network
    with pytest.raises(TypeError, match=r"export: network must be .* give it inference\(network\(seed\), params\)"):
        export(given, (), bits(4, 3))


def test_what_does_not_fit_is_said_by_the_layer() -> None:
    with pytest.raises(ValueError, match="affine: x has 4 features") as caught:
        export(sequential(relu, affine), ((), Affine(bits(3, 2), bits(2))), bits(4, 4))
    assert said(caught.value).endswith("in layer 2 of 2")
    rows: Any = [[1.0]]
    with pytest.raises(TypeError, match=r"export: x must be an array, got list: convert it with np\.asarray"):
        export(relu, (), rows)


def test_a_graph_of_another_shape_than_forwards_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the graph of forward gives \(8, 3\), but forward \(4, 3\)"):
        export(Layer(forward, backward, onnx=twice, name="forward"), FACTORS, bits(4, 3))


Trait: TypeAlias = str | Callable[[rules.OnnxGraph, Any, str], Any]

WRONG: list[tuple[Trait, type[Exception], str]] = [
    ("Multiply", ValueError, "ONNX has no operator 'Multiply' in opset 20"),
    (rules.onnx_operator("Elu", beta=1.0), ValueError, "Elu has no attribute 'beta': it has alpha"),
    (
        lambda graph, params, x: graph.node("MatMul", x, np.ones((4, 4))),
        ValueError,
        r"MatMul does not take float32\[4, 3\], float32\[4, 4\]",
    ),
    (lambda graph, params, x: graph.node("Mul", x, 2), ValueError, r"Mul does not take float32\[4, 3\], int64\[\]"),
    (
        lambda graph, params, x: graph.shape(graph.node("NonZero", x)),
        ValueError,
        "the shape of NonZero_1 does not follow",
    ),
    (lambda graph, params, x: graph.node("Mul", x, "y"), ValueError, "there is no wire 'y'"),
    (lambda graph, params, x: graph.shape("y"), ValueError, "there is no wire 'y'"),
    (lambda graph, params, x: None, TypeError, "the trait onnx of scale must return a wire, got None"),
    (lambda graph, params, x: "y", ValueError, "there is no wire 'y'"),
]


@pytest.mark.parametrize(("trait", "error", "message"), WRONG)
def test_a_wrong_trait_is_refused_where_it_is_wrong(trait: Any, error: type[Exception], message: str) -> None:
    network = sequential(relu, Layer(forward, backward, name="scale", onnx=trait))
    with pytest.raises(error, match=message) as caught:
        export(network, ((), FACTORS), bits(4, 3))
    assert "in layer 2 of 2" in said(caught.value)
