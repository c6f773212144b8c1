"""ONNX: a network as a file that others run, such as onnxruntime, without chainrule.

    (network, params, x) -> ModelProto        x (n, ...), out (n, ...) for any n

Each layer says in its trait `onnx` how it is written: by the name of an operator, or by a function that adds nodes to a
graph (see `chainrule.rules.OnnxGraph`). A network is written as its layers are, in turn.

The file is of opset 20, of 2023: the first in which all operators of the catalogue are there (Gelu was the last), so
that it runs wherever they do, in onnxruntime from 1.17 on. Numbers have the dtype of the parameters. onnxruntime has
kernels in float32 for all of them, and in float64 for many.

Import this module yourself: `import chainrule` never imports onnx. It needs `pip install 'chainrule[onnx]'`.
"""

from typing import Any, TypeVar

import numpy as np
from attrs import define, field

from chainrule import tree
from chainrule.arrays.arguments import conversion, describe
from chainrule.arrays.extras import pip_install
from chainrule.arrays.types import is_array
from chainrule.encoder import Network, checked_network
from chainrule.naming import title_of
from chainrule.rules.onnx_graph import Attribute, Constant

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError as _missing:
    raise ImportError(f"chainrule.interop.onnx needs the package onnx: {pip_install('onnx')}") from _missing

__all__ = ["export"]

P = TypeVar("P")

OPSET, IR_VERSION = 20, 9
"""The release of the operators, and that of the format which came with it."""

OPERATORS = (helper.make_opsetid("", OPSET),)
"""The domain of operators: ONNX itself."""

BATCH = "batch"
"""The name of the first axis, where it may have any length."""


def export(network: Network[P], params: P, x: Any) -> onnx.ModelProto:
    """Write a network and its parameters as an ONNX model.

    Parameters
    ----------
    network
        A layer or an encoder, in its form for use (`chainrule.inference`).
    params
        Its parameters.
    x
        An input, an array: its shape and its dtype are those of the model's input. Its first axis may have another
        length later, where every layer treats the examples on it alone (the traits `event_axes` and `couples_rows`).

    Returns
    -------
    onnx.ModelProto
        A model from `x` to `out`, in the dtype of the parameters; `onnx.save(model, path)` makes a file of it. Where
        the first axis counts examples, it is symbolic, and its name is `batch`. Arrays of the parameters have their
        paths as names.

    Raises
    ------
    TypeError
        If the network is none, a layer has no trait `onnx`, or stands in its form for training.
    ValueError
        If params or x do not fit, or a layer's trait makes what ONNX refuses, or what has another shape than forward
        gives.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import prediction, two_layer
    >>> from chainrule.interop.onnx import export
    >>> params, x = two_layer.init(np.random.default_rng(0), 64, 50, 10), np.ones((1, 64), np.float32)
    >>> model = export(two_layer.network, params, x)
    >>> [node.op_type for node in model.graph.node]
    ['MatMul', 'Add', 'Relu', 'MatMul', 'Add', 'Identity']
    """
    made = checked_network("export", network, instead="inference(network(seed), params)")
    if not is_array(x):
        raise TypeError(f"export: x must be an array, got {describe(x)}{conversion(x, 'np.float32')}")
    out, held = np.asarray(made.forward(params, x)[0]), tree.map(np.asarray, params)
    graph = Graph(out.dtype, {id(leaf): f"params{path}" for path, leaf in reversed(tree.named_leaves(held))})
    given = np.asarray(x)
    graph.types["x"] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(given.dtype), given.shape)
    last = graph.layer(made, held, "x")
    if graph.shape(last) != out.shape:
        what = f"the graph of {title_of(made)} gives {graph.shape(last)}, but forward {out.shape}"
        raise ValueError(f"export: {what}: mend the trait onnx of one of its layers")
    graph.nodes.append(helper.make_node("Identity", [last], ["out"], name="out"))
    graph.types["out"] = graph.types[last]
    begin, end = ([helper.make_value_info(name, graph.declared(name))] for name in ("x", "out"))
    whole = helper.make_graph(graph.nodes, title_of(made), begin, end, [*graph.constants.values()])
    model = helper.make_model(whole, producer_name="chainrule", ir_version=IR_VERSION, opset_imports=[*OPERATORS])
    checker: Any = onnx.checker  # a part of its types is unknown
    checker.check_model(model, full_check=True)
    return model


@define(eq=False)
class Graph:
    """A graph that is being written: what layers see of it is `chainrule.rules.OnnxGraph`.

    `names` has those of the arrays of the parameters, by their identities.
    """

    dtype: np.dtype[Any]
    names: dict[int, str]
    nodes: list[onnx.NodeProto] = field(factory=list[onnx.NodeProto])
    constants: dict[str, onnx.TensorProto] = field(factory=dict[str, onnx.TensorProto])
    types: dict[str, onnx.TypeProto] = field(factory=dict[str, onnx.TypeProto])
    """The value on each wire, for the x that was given."""
    any_batch: bool = True
    """True if every layer so far treats what is on the first axis alone."""

    def node(self, operator: str, /, *inputs: str | Constant, **attributes: Attribute) -> str:
        """Add an operator."""
        if not onnx.defs.has(operator, OPSET):
            raise ValueError(f"export: ONNX has no operator {operator!r} in opset {OPSET}")
        schema = onnx.defs.get_schema(operator, OPSET)
        wires = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        out = f"{operator}_{len(self.nodes)}"
        made = helper.make_node(operator, wires, [out], name=out)
        made.attribute.extend(_attribute(schema, name, value) for name, value in attributes.items())
        self.types |= self.inferred(schema, made)
        self.nodes.append(made)
        return out

    def constant(self, value: Constant, /) -> str:
        """Add a constant."""
        array = np.asarray(value)
        if not hasattr(value, "dtype") and (array.dtype.kind == "i" or not array.size):  # a shape may be ()
            array = array.astype(np.int64)
        elif array.dtype.kind == "f":
            array = array.astype(self.dtype, copy=False)
        name = self.names.get(id(value), f"constant_{len(self.constants)}")
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(array, name)
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            self.types[name] = helper.make_tensor_type_proto(kind, array.shape)
        return name

    def shape(self, wire: str, /) -> tuple[int, ...]:
        """The shape of what a wire carries."""
        carried = self.carried(wire).tensor_type
        if not (carried.HasField("shape") and all(axis.HasField("dim_value") for axis in carried.shape.dim)):
            raise ValueError(f"export: the shape of {wire} does not follow from those of what goes into it")
        return tuple(axis.dim_value for axis in carried.shape.dim)

    def layer(self, layer: Any, params: Any, x: str, /) -> str:
        """Write another layer."""
        axes = len(self.shape(x))
        if layer.couples_rows or axes <= (layer.event_axes or 0):
            self.any_batch = False
        trait = layer.onnx
        if trait is None:
            raise TypeError(f"export: {_untold(layer)}")
        if isinstance(trait, str):
            return self.node(trait, x, *tree.leaves(params))
        out: object = trait(self, params, x)
        if not isinstance(out, str):
            raise TypeError(f"export: the trait onnx of {title_of(layer)} must return a wire, got {describe(out)}")
        self.carried(out)
        return out

    def carried(self, wire: str) -> onnx.TypeProto:
        """The type of what a wire carries."""
        if wire not in self.types:
            raise ValueError(f"export: there is no wire {wire!r}")
        return self.types[wire]

    def inferred(self, schema: onnx.defs.OpSchema, node: onnx.NodeProto) -> dict[str, onnx.TypeProto]:
        """The output of an operator; a ValueError if it does not take its inputs."""
        types = {wire: self.carried(wire) for wire in node.input if wire}
        known = {wire: self.constants[wire] for wire in types if wire in self.constants}
        shapes = {wire: each for wire, each in known.items() if each.data_type == onnx.TensorProto.INT64}
        try:
            return onnx.shape_inference.infer_node_outputs(
                schema, node, types, shapes, opset_imports=[*OPERATORS], ir_version=IR_VERSION
            )
        except Exception as error:
            raise ValueError(
                f"export: {node.op_type} does not take {', '.join(map(self.shown, types))}: {error}"
            ) from error

    def shown(self, wire: str) -> str:
        """The value on a wire, in words for messages."""
        kind = helper.tensor_dtype_to_np_dtype(self.types[wire].tensor_type.elem_type)
        return f"{kind}{[*self.shape(wire)]}"

    def declared(self, wire: str) -> onnx.TypeProto:
        """The type of the model's input or output, whose first axis is symbolic if it may be."""
        shape: list[int | str] = [*self.shape(wire)]
        if self.any_batch and shape:
            shape[0] = BATCH
        return helper.make_tensor_type_proto(self.types[wire].tensor_type.elem_type, shape)


def _attribute(schema: onnx.defs.OpSchema, name: str, value: Attribute) -> onnx.AttributeProto:
    """An attribute that the operator has; a whole number where it has a float is one."""
    if name not in schema.attributes:
        raise ValueError(f"export: {schema.name} has no attribute {name!r}: it has {', '.join(schema.attributes)}")
    is_float = schema.attributes[name].type == onnx.defs.OpSchema.AttrType.FLOAT
    return helper.make_attribute(name, float(value) if is_float and isinstance(value, int) else value)


def _untold(layer: Any) -> str:
    name = title_of(layer)
    if layer.inference is not None:
        more = ", batches" if layer.inference.moments is not None else ""
        return f"{name} stands in its form for training: give inference(network, params{more}) in place of the network"
    how = "the name of an operator, or a function (graph, params, x) -> out with a chainrule.rules.OnnxGraph"
    return f"{name} does not say how it is written in ONNX: give it the trait onnx, {how}"
