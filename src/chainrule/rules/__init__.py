"""Builders: of one arithmetic, written once, the pair that users call and the rule that passes run.

`layer` and `elementwise` make layers, `encoder` makes an encoder, `loss` a loss, `optimizer` an optimizer, and
`combinator` a layer of layers.
"""

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, Labels, Unit
from chainrule.encoder import Encoder
from chainrule.layer import Layer, Shape
from chainrule.loss import Loss
from chainrule.rules.combinators import combinator
from chainrule.rules.elementwise_layers import Elementwise, Saved, elementwise
from chainrule.rules.encoders import encoder
from chainrule.rules.features import fitting, of_positions, some_features, well_formed
from chainrule.rules.in_torch import InTorch, Layout, Weight, transposed
from chainrule.rules.inference import BatchMoments, Inference
from chainrule.rules.layers import layer
from chainrule.rules.losses import Slopes, loss
from chainrule.rules.onnx_graph import OnnxGraph, onnx_operator
from chainrule.rules.optimizers import optimizer
from chainrule.rules.rule import Rule

__all__ = [
    "Array",
    "BatchMoments",
    "Elementwise",
    "Encoder",
    "InTorch",
    "Inference",
    "Labels",
    "Layer",
    "Layout",
    "Loss",
    "Namespace",
    "OnnxGraph",
    "Rule",
    "Saved",
    "Shape",
    "Slopes",
    "Unit",
    "Weight",
    "combinator",
    "elementwise",
    "encoder",
    "fitting",
    "layer",
    "loss",
    "of_positions",
    "onnx_operator",
    "optimizer",
    "record",
    "some_features",
    "transposed",
    "unchecked",
    "well_formed",
]
