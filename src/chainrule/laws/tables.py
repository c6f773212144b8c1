"""All laws of layers and encoders, of losses and of optimizers, in the order in which they are checked."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.calls import other_calls
from chainrule.laws.of_layers.derivative import SAMPLE_OF_LARGE, derivative
from chainrule.laws.of_layers.douts import any_dout
from chainrule.laws.of_layers.dtypes import precision
from chainrule.laws.of_layers.grads_alone import grads_without_dx
from chainrule.laws.of_layers.layouts import any_layout
from chainrule.laws.of_layers.linearity import linearity, scaled
from chainrule.laws.of_layers.memory import all_written, nothing_shared
from chainrule.laws.of_layers.nans import nan_shows
from chainrule.laws.of_layers.one_pass import one_pass
from chainrule.laws.of_layers.ownership import ownership
from chainrule.laws.of_layers.purity import arguments_unchanged, read_only_accepted, repeatability
from chainrule.laws.of_layers.rows import independent_rows
from chainrule.laws.of_layers.sizes import other_sizes
from chainrule.laws.of_layers.state import calls_in_between, process_unchanged
from chainrule.laws.of_layers.structure import structure
from chainrule.laws.of_layers.threads import threads
from chainrule.laws.of_layers.values import other_values
from chainrule.laws.of_losses.dtypes import loss_precision
from chainrule.laws.of_losses.memory import loss_memory, loss_purity, loss_state
from chainrule.laws.of_losses.pair import loss_at_once, loss_derivative, loss_linearity, loss_structure
from chainrule.laws.of_losses.rows import mean_of_rows
from chainrule.laws.of_losses.values import loss_targets, loss_values
from chainrule.laws.of_optimizers.descent import descends
from chainrule.laws.of_optimizers.direction import follows_gradient
from chainrule.laws.of_optimizers.elementwise import elementwise
from chainrule.laws.of_optimizers.step import step_purity, step_structure
from chainrule.laws.trials.trial import Checked
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

LayerLaw: TypeAlias = Callable[[Checked[Any, Any], Any, Any, np.random.Generator], list[Verdict]]

LAYER_LAWS: dict[str, LayerLaw] = {
    "process_unchanged": process_unchanged,
    "structure": structure,
    "derivative": derivative,
    "other_values": other_values,
    "other_sizes": other_sizes,
    "any_dout": any_dout,
    "precision": precision,
    "linearity": linearity,
    "scaled": scaled,
    "nan_shows": nan_shows,
    "arguments_unchanged": arguments_unchanged,
    "read_only_accepted": read_only_accepted,
    "any_layout": any_layout,
    "nothing_shared": nothing_shared,
    "all_written": all_written,
    "repeatability": repeatability,
    "calls_in_between": calls_in_between,
    "threads": threads,
    "ownership": ownership,
    "independent_rows": independent_rows,
    "grads_without_dx": grads_without_dx,
    "one_pass": one_pass,
    "other_calls": other_calls,
}
"""All laws of layers, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.LAYER_LAWS)[:2]
['all_written', 'any_dout']
"""

LossLaw: TypeAlias = Callable[[Loss[Any, Any], Array, Any, np.random.Generator], list[Verdict]]


LOSS_LAWS: dict[str, LossLaw] = {
    "loss_state": loss_state,
    "loss_structure": loss_structure,
    "loss_derivative": loss_derivative,
    "loss_values": loss_values,
    "loss_targets": loss_targets,
    "loss_precision": loss_precision,
    "loss_linearity": loss_linearity,
    "loss_purity": loss_purity,
    "loss_memory": loss_memory,
    "mean_of_rows": mean_of_rows,
    "loss_at_once": loss_at_once,
}
"""All laws of losses, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.LOSS_LAWS)[:2]
['loss_at_once', 'loss_derivative']
"""

OptimizerLaw: TypeAlias = Callable[[Optimizer[Any, Any], Any, Any, np.random.Generator], list[Verdict]]


OPTIMIZER_LAWS: dict[str, OptimizerLaw] = {
    "step_purity": step_purity,
    "step_structure": step_structure,
    "elementwise": elementwise,
    "follows_gradient": follows_gradient,
    "descends": descends,
}
"""All laws of optimizers, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.OPTIMIZER_LAWS)[:2]
['descends', 'elementwise']
"""

ELSEWHERE = (
    *("other_values", "other_sizes", "any_dout", "precision", "threads", "other_calls"),
    *("loss_values", "loss_targets"),
)
"""Those that do not ask about the arguments as they are given, which a quick check leaves out."""

QUICK_FORMS: dict[str, LayerLaw] = {"derivative": partial(derivative, most=SAMPLE_OF_LARGE)}
"""Those that a quick check runs in another way."""

DERIVATIVE_LAWS = ("derivative", "other_values", "other_sizes", "any_dout")
"""Those that compare with the numerical derivative."""
