"""Neural-network layers as pairs of pure functions: every derivative explicit, typed and proved.

forward (params, x)    -> (out, cache)
backward(cache,  dout) -> (dx,  grads)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from chainrule import rules  # first, for contracts and builders need each other

if TYPE_CHECKING:
    from chainrule import initializers, schedules, tree, two_layer
    from chainrule.arrays.ownership import own, read_only
    from chainrule.arrays.records import record
    from chainrule.arrays.targets import Targets
    from chainrule.arrays.types import Array, Labels, Unit
    from chainrule.checking.against import check_against
    from chainrule.checking.check import check_layer, check_loss, check_network, check_optimizer
    from chainrule.checking.each_law import each_law
    from chainrule.checking.numerical_gradient import directional_derivative, numerical_gradient
    from chainrule.checking.report import Report
    from chainrule.checking.verdict import Verdict
    from chainrule.combinators.add import add
    from chainrule.combinators.concatenate import concatenate
    from chainrule.combinators.encoded import encoded
    from chainrule.combinators.fixed import fixed
    from chainrule.combinators.multiply import multiply
    from chainrule.combinators.recomputed import recomputed
    from chainrule.combinators.repeated import repeated
    from chainrule.combinators.residual import residual
    from chainrule.combinators.sequential import sequential
    from chainrule.combinators.tied import tied
    from chainrule.encoder import Encoder, Network
    from chainrule.inspecting.draw import draw
    from chainrule.inspecting.trace import trace
    from chainrule.interop.files import load, save
    from chainrule.layer import Layer
    from chainrule.layers.activations.gelu import gelu
    from chainrule.layers.activations.gelu_erf import gelu_erf
    from chainrule.layers.activations.hard import hard_sigmoid, hard_swish, hard_tanh
    from chainrule.layers.activations.leaky import celu, elu, leaky_relu, selu
    from chainrule.layers.activations.log_softmax import log_softmax
    from chainrule.layers.activations.prelu import PRelu, prelu
    from chainrule.layers.activations.relu import relu
    from chainrule.layers.activations.self_gated import mish, silu
    from chainrule.layers.activations.sigmoid import sigmoid
    from chainrule.layers.activations.softmax import softmax
    from chainrule.layers.activations.softplus import log_sigmoid, softplus
    from chainrule.layers.activations.softsign import softsign
    from chainrule.layers.activations.tanh import tanh
    from chainrule.layers.affine import Affine, affine
    from chainrule.layers.attention import Attention, attention
    from chainrule.layers.convolution.convolution import convolution, convolution_transpose
    from chainrule.layers.convolution.kernel import Convolution
    from chainrule.layers.dropout import dropout, split_seed
    from chainrule.layers.embedding import Embedding, embedding
    from chainrule.layers.identity import identity
    from chainrule.layers.normalisation.batch_norm import BatchNorm, Statistics, batch_norm
    from chainrule.layers.normalisation.group_norm import GroupNorm, group_norm
    from chainrule.layers.normalisation.layer_norm import LayerNorm, layer_norm
    from chainrule.layers.normalisation.rms_norm import RmsNorm, rms_norm
    from chainrule.layers.pooling.global_pools import global_max_pool, global_mean_pool
    from chainrule.layers.pooling.max_pool import max_pool
    from chainrule.layers.pooling.mean_pool import mean_pool
    from chainrule.layers.positions import Positions, positions
    from chainrule.layers.recurrent.gru import Gru, gru
    from chainrule.layers.recurrent.last import last, last_of
    from chainrule.layers.recurrent.lstm import Lstm, lstm
    from chainrule.layers.rotary import rotary
    from chainrule.layers.shapes import flatten, reshape
    from chainrule.layers.standardise import Scaling, standardise
    from chainrule.loss import Loss
    from chainrule.losses.huber import huber
    from chainrule.losses.mean_absolute_error import mean_absolute_error
    from chainrule.losses.mean_squared_error import mean_squared_error
    from chainrule.losses.sigmoid_cross_entropy import sigmoid_cross_entropy
    from chainrule.losses.smooth_labels import smooth_labels
    from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
    from chainrule.losses.weighted import Weighted, weighted
    from chainrule.optimizer import Optimizer
    from chainrule.optimizers.adagrad import adagrad
    from chainrule.optimizers.adam import adam
    from chainrule.optimizers.adamw import adamw
    from chainrule.optimizers.lion import lion
    from chainrule.optimizers.rmsprop import rmsprop
    from chainrule.optimizers.sgd import sgd
    from chainrule.training.clipping import clip_by_global_norm
    from chainrule.training.gradient import value_and_grad
    from chainrule.training.inference import inference, statistics
    from chainrule.training.metrics import accuracy
    from chainrule.training.minibatches import minibatches
    from chainrule.training.objective import Objective
    from chainrule.training.one_hot import one_hot
    from chainrule.training.prediction import prediction
    from chainrule.training.run import Run
    from chainrule.training.split import split
    from chainrule.training.step import training_step
    from chainrule.training.train import train

__all__ = [
    "Affine",
    "Array",
    "Attention",
    "BatchNorm",
    "Convolution",
    "Embedding",
    "Encoder",
    "GroupNorm",
    "Gru",
    "Labels",
    "Layer",
    "LayerNorm",
    "Loss",
    "Lstm",
    "Network",
    "Objective",
    "Optimizer",
    "PRelu",
    "Positions",
    "Report",
    "RmsNorm",
    "Run",
    "Scaling",
    "Statistics",
    "Targets",
    "Unit",
    "Verdict",
    "Weighted",
    "accuracy",
    "adagrad",
    "adam",
    "adamw",
    "add",
    "affine",
    "attention",
    "batch_norm",
    "celu",
    "check_against",
    "check_layer",
    "check_loss",
    "check_network",
    "check_optimizer",
    "clip_by_global_norm",
    "concatenate",
    "convolution",
    "convolution_transpose",
    "directional_derivative",
    "draw",
    "dropout",
    "each_law",
    "elu",
    "embedding",
    "encoded",
    "fixed",
    "flatten",
    "gelu",
    "gelu_erf",
    "global_max_pool",
    "global_mean_pool",
    "group_norm",
    "gru",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "huber",
    "identity",
    "inference",
    "initializers",
    "last",
    "last_of",
    "layer_norm",
    "leaky_relu",
    "lion",
    "load",
    "log_sigmoid",
    "log_softmax",
    "lstm",
    "max_pool",
    "mean_absolute_error",
    "mean_pool",
    "mean_squared_error",
    "minibatches",
    "mish",
    "multiply",
    "numerical_gradient",
    "one_hot",
    "own",
    "positions",
    "prediction",
    "prelu",
    "read_only",
    "recomputed",
    "record",
    "relu",
    "repeated",
    "reshape",
    "residual",
    "rms_norm",
    "rmsprop",
    "rotary",
    "rules",
    "save",
    "schedules",
    "selu",
    "sequential",
    "sgd",
    "sigmoid",
    "sigmoid_cross_entropy",
    "silu",
    "smooth_labels",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softsign",
    "split",
    "split_seed",
    "standardise",
    "statistics",
    "tanh",
    "tied",
    "trace",
    "train",
    "training_step",
    "tree",
    "two_layer",
    "value_and_grad",
    "weighted",
]

_HOMES = {
    "Affine": "layers.affine",
    "Array": "arrays.types",
    "Attention": "layers.attention",
    "BatchNorm": "layers.normalisation.batch_norm",
    "Convolution": "layers.convolution.kernel",
    "Embedding": "layers.embedding",
    "Encoder": "encoder",
    "GroupNorm": "layers.normalisation.group_norm",
    "Gru": "layers.recurrent.gru",
    "Labels": "arrays.types",
    "Layer": "layer",
    "LayerNorm": "layers.normalisation.layer_norm",
    "Loss": "loss",
    "Lstm": "layers.recurrent.lstm",
    "Network": "encoder",
    "Objective": "training.objective",
    "Optimizer": "optimizer",
    "PRelu": "layers.activations.prelu",
    "Positions": "layers.positions",
    "Report": "checking.report",
    "RmsNorm": "layers.normalisation.rms_norm",
    "Run": "training.run",
    "Scaling": "layers.standardise",
    "Statistics": "layers.normalisation.batch_norm",
    "Targets": "arrays.targets",
    "Unit": "arrays.types",
    "Verdict": "checking.verdict",
    "Weighted": "losses.weighted",
    "accuracy": "training.metrics",
    "adagrad": "optimizers.adagrad",
    "adam": "optimizers.adam",
    "adamw": "optimizers.adamw",
    "add": "combinators.add",
    "affine": "layers.affine",
    "attention": "layers.attention",
    "batch_norm": "layers.normalisation.batch_norm",
    "celu": "layers.activations.leaky",
    "check_against": "checking.against",
    "check_layer": "checking.check",
    "check_loss": "checking.check",
    "check_network": "checking.check",
    "check_optimizer": "checking.check",
    "clip_by_global_norm": "training.clipping",
    "concatenate": "combinators.concatenate",
    "convolution": "layers.convolution.convolution",
    "convolution_transpose": "layers.convolution.convolution",
    "directional_derivative": "checking.numerical_gradient",
    "draw": "inspecting.draw",
    "dropout": "layers.dropout",
    "each_law": "checking.each_law",
    "elu": "layers.activations.leaky",
    "embedding": "layers.embedding",
    "encoded": "combinators.encoded",
    "fixed": "combinators.fixed",
    "flatten": "layers.shapes",
    "gelu": "layers.activations.gelu",
    "gelu_erf": "layers.activations.gelu_erf",
    "global_max_pool": "layers.pooling.global_pools",
    "global_mean_pool": "layers.pooling.global_pools",
    "group_norm": "layers.normalisation.group_norm",
    "gru": "layers.recurrent.gru",
    "hard_sigmoid": "layers.activations.hard",
    "hard_swish": "layers.activations.hard",
    "hard_tanh": "layers.activations.hard",
    "huber": "losses.huber",
    "identity": "layers.identity",
    "inference": "training.inference",
    "initializers": "initializers",
    "last": "layers.recurrent.last",
    "last_of": "layers.recurrent.last",
    "layer_norm": "layers.normalisation.layer_norm",
    "leaky_relu": "layers.activations.leaky",
    "lion": "optimizers.lion",
    "load": "interop.files",
    "log_sigmoid": "layers.activations.softplus",
    "log_softmax": "layers.activations.log_softmax",
    "lstm": "layers.recurrent.lstm",
    "max_pool": "layers.pooling.max_pool",
    "mean_absolute_error": "losses.mean_absolute_error",
    "mean_pool": "layers.pooling.mean_pool",
    "mean_squared_error": "losses.mean_squared_error",
    "minibatches": "training.minibatches",
    "mish": "layers.activations.self_gated",
    "multiply": "combinators.multiply",
    "numerical_gradient": "checking.numerical_gradient",
    "one_hot": "training.one_hot",
    "own": "arrays.ownership",
    "positions": "layers.positions",
    "prediction": "training.prediction",
    "prelu": "layers.activations.prelu",
    "read_only": "arrays.ownership",
    "recomputed": "combinators.recomputed",
    "record": "arrays.records",
    "relu": "layers.activations.relu",
    "repeated": "combinators.repeated",
    "reshape": "layers.shapes",
    "residual": "combinators.residual",
    "rms_norm": "layers.normalisation.rms_norm",
    "rmsprop": "optimizers.rmsprop",
    "rotary": "layers.rotary",
    "rules": "rules",
    "save": "interop.files",
    "schedules": "schedules",
    "selu": "layers.activations.leaky",
    "sequential": "combinators.sequential",
    "sgd": "optimizers.sgd",
    "sigmoid": "layers.activations.sigmoid",
    "sigmoid_cross_entropy": "losses.sigmoid_cross_entropy",
    "silu": "layers.activations.self_gated",
    "smooth_labels": "losses.smooth_labels",
    "softmax": "layers.activations.softmax",
    "softmax_cross_entropy": "losses.softmax_cross_entropy",
    "softplus": "layers.activations.softplus",
    "softsign": "layers.activations.softsign",
    "split": "training.split",
    "split_seed": "layers.dropout",
    "standardise": "layers.standardise",
    "statistics": "training.inference",
    "tanh": "layers.activations.tanh",
    "tied": "combinators.tied",
    "trace": "inspecting.trace",
    "train": "training.train",
    "training_step": "training.step",
    "tree": "tree",
    "two_layer": "two_layer",
    "value_and_grad": "training.gradient",
    "weighted": "losses.weighted",
}
"""The file that each name is imported from when it is first asked for."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
        home = import_module(f"chainrule.{_HOMES[name]}")
        globals()[name] = found = home if _HOMES[name] == name else getattr(home, name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})
