"""Neural-network layers as pairs of pure functions: every derivative explicit, typed and proved.

forward (params, x)    -> (out, cache)
backward(cache,  dout) -> (dx,  grads)
"""

from chainrule import initializers, rules, schedules, tree, two_layer
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
