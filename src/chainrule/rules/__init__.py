"""Builders: of one arithmetic, written once, the pair that users call and the rule that passes run.

`layer` and `elementwise` make layers, `encoder` makes an encoder, `loss` a loss, `optimizer` an optimizer, and
`combinator` a layer of layers.
"""

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import unchecked
from chainrule.rules.combinators import combinator
from chainrule.rules.elementwise_layers import Elementwise, Saved, elementwise
from chainrule.rules.encoders import encoder
from chainrule.rules.layers import layer
from chainrule.rules.losses import Slopes, loss
from chainrule.rules.optimizers import optimizer
from chainrule.rules.rule import Rule

__all__ = [
    "Elementwise",
    "Namespace",
    "Rule",
    "Saved",
    "Slopes",
    "combinator",
    "elementwise",
    "encoder",
    "layer",
    "loss",
    "optimizer",
    "unchecked",
]
