"""Neural-network layers as pairs of pure functions: every derivative explicit, typed and proved.

forward (params, x)    -> (out, cache)
backward(cache,  dout) -> (dx,  grads)
"""

from chainrule import tree, two_layer
from chainrule.array import Array, Labels, Unit, freeze, keep
from chainrule.batches import minibatches
from chainrule.check import Report, check_layer, check_loss, check_network, check_optimizer
from chainrule.combinators.sequential import sequential
from chainrule.gradient import value_and_grad
from chainrule.layer import Layer
from chainrule.layers.affine import Affine, affine
from chainrule.layers.relu import relu
from chainrule.layers.sigmoid import sigmoid
from chainrule.look import draw, trace
from chainrule.loss import Loss
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
from chainrule.metrics import accuracy
from chainrule.numeric import directional_derivative, numerical_gradient
from chainrule.objective import Objective
from chainrule.optimizer import Optimizer
from chainrule.optimizers.sgd import Sgd, sgd
from chainrule.predict import prediction
from chainrule.record import record
from chainrule.targets import Targets
from chainrule.train import training_step
from chainrule.verdict import Verdict

__all__ = [
    "Affine",
    "Array",
    "Labels",
    "Layer",
    "Loss",
    "Objective",
    "Optimizer",
    "Report",
    "Sgd",
    "Targets",
    "Unit",
    "Verdict",
    "accuracy",
    "affine",
    "check_layer",
    "check_loss",
    "check_network",
    "check_optimizer",
    "directional_derivative",
    "draw",
    "freeze",
    "keep",
    "minibatches",
    "numerical_gradient",
    "prediction",
    "record",
    "relu",
    "sequential",
    "sgd",
    "sigmoid",
    "softmax_cross_entropy",
    "trace",
    "training_step",
    "tree",
    "two_layer",
    "value_and_grad",
]
