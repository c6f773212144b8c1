"""All laws of layers and encoders, of losses and of optimizers, in the order in which they are checked."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.law import Law
from chainrule.laws.of_compositions.networks import NETWORK_LAWS
from chainrule.laws.of_layers.calls import other_calls
from chainrule.laws.of_layers.derivative import SAMPLE_OF_LARGE, derivative
from chainrule.laws.of_layers.douts import any_dout
from chainrule.laws.of_layers.dtypes import precision
from chainrule.laws.of_layers.grads_alone import grads_without_dx
from chainrule.laws.of_layers.layouts import any_layout
from chainrule.laws.of_layers.linearity import ignores_dout, linearity, scaled
from chainrule.laws.of_layers.memory import all_written, is_of_calls, is_unwritten, is_used_again, nothing_shared
from chainrule.laws.of_layers.nans import nan_shows
from chainrule.laws.of_layers.one_pass import one_pass
from chainrule.laws.of_layers.ownership import ownership
from chainrule.laws.of_layers.process import process_unchanged
from chainrule.laws.of_layers.purity import arguments_unchanged, read_only_accepted, repeatability
from chainrule.laws.of_layers.rows import independent_rows
from chainrule.laws.of_layers.sizes import other_sizes
from chainrule.laws.of_layers.state import calls_in_between, is_of_state
from chainrule.laws.of_layers.structure import structure
from chainrule.laws.of_layers.threads import threads
from chainrule.laws.of_layers.values import other_values
from chainrule.laws.of_losses.dtypes import loss_precision
from chainrule.laws.of_losses.memory import loss_memory, loss_purity, loss_state
from chainrule.laws.of_losses.pair import loss_at_once, loss_derivative, loss_linearity, loss_structure
from chainrule.laws.of_losses.rows import mean_of_rows
from chainrule.laws.of_losses.targets import loss_targets
from chainrule.laws.of_losses.values import loss_values
from chainrule.laws.of_optimizers.descent import descends
from chainrule.laws.of_optimizers.direction import follows_gradient
from chainrule.laws.of_optimizers.elementwise import elementwise
from chainrule.laws.of_optimizers.step import step_purity, step_structure
from chainrule.laws.trials.trial import Checked
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

LayerLaw: TypeAlias = Callable[[Checked[Any, Any], Any, Any, np.random.Generator], list[Verdict]]

OF_LAYERS: dict[str, Law[LayerLaw]] = {
    "process_unchanged": Law(process_unchanged, of_process=True),
    "structure": Law(structure, of_structure=True),
    "derivative": Law(derivative, of_derivative=True, quick=partial(derivative, most=SAMPLE_OF_LARGE)),
    "other_values": Law(other_values, of_derivative=True, elsewhere=True),
    "other_sizes": Law(other_sizes, of_derivative=True, elsewhere=True),
    "any_dout": Law(any_dout, of_derivative=True, elsewhere=True, cause_if_right=True),
    "precision": Law(precision, elsewhere=True),
    "linearity": Law(linearity, cause=True, is_cause=ignores_dout),
    "scaled": Law(scaled),
    "nan_shows": Law(nan_shows),
    "arguments_unchanged": Law(arguments_unchanged, cause=True),
    "read_only_accepted": Law(read_only_accepted),
    "any_layout": Law(any_layout),
    "nothing_shared": Law(nothing_shared, cause=True, is_cause=is_used_again),
    "all_written": Law(all_written, cause=True, is_cause=lambda each: not is_of_calls(each)),
    "repeatability": Law(repeatability, of_repeats=True, cause=True),
    "calls_in_between": Law(calls_in_between, cause=True, is_cause=is_of_state),
    "threads": Law(threads, elsewhere=True),
    "ownership": Law(ownership),
    "independent_rows": Law(independent_rows),
    "grads_without_dx": Law(grads_without_dx),
    "one_pass": Law(one_pass),
    "other_calls": Law(other_calls, elsewhere=True, echo=True),
}
"""The laws of layers with their traits."""

LAYER_LAWS: dict[str, LayerLaw] = {name: law.ask for name, law in OF_LAYERS.items()}
"""All laws of layers, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.LAYER_LAWS)[:2]
['all_written', 'any_dout']
"""

LossLaw: TypeAlias = Callable[[Loss[Any, Any], Array, Any, np.random.Generator], list[Verdict]]

OF_LOSSES: dict[str, Law[LossLaw]] = {
    "loss_state": Law(loss_state, of_all=frozenset({"call", "grads", "cache"})),
    "loss_structure": Law(loss_structure, of_structure=True),
    "loss_derivative": Law(loss_derivative),
    "loss_values": Law(loss_values, elsewhere=True),
    "loss_targets": Law(loss_targets, elsewhere=True),
    "loss_precision": Law(loss_precision),
    "loss_linearity": Law(loss_linearity),
    "loss_purity": Law(loss_purity),
    "loss_memory": Law(loss_memory, cause=True, is_cause=is_unwritten),
    "mean_of_rows": Law(mean_of_rows),
    "loss_at_once": Law(loss_at_once),
}
"""The laws of losses with their traits."""

LOSS_LAWS: dict[str, LossLaw] = {name: law.ask for name, law in OF_LOSSES.items()}
"""All laws of losses, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.LOSS_LAWS)[:2]
['loss_at_once', 'loss_derivative']
"""

OptimizerLaw: TypeAlias = Callable[[Optimizer[Any, Any], Any, Any, np.random.Generator], list[Verdict]]

OF_OPTIMIZERS: dict[str, Law[OptimizerLaw]] = {
    "step_purity": Law(step_purity),
    "step_structure": Law(step_structure, of_structure=True, cause=True, is_cause=lambda each: each.field == "call"),
    "elementwise": Law(elementwise),
    "follows_gradient": Law(follows_gradient),
    "descends": Law(descends),
}
"""The laws of optimizers with their traits."""

OPTIMIZER_LAWS: dict[str, OptimizerLaw] = {name: law.ask for name, law in OF_OPTIMIZERS.items()}
"""All laws of optimizers, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.OPTIMIZER_LAWS)[:2]
['descends', 'elementwise']
"""

TRAITS: Mapping[str, Law[Any]] = MappingProxyType(
    {**OF_LAYERS, **OF_LOSSES, **OF_OPTIMIZERS, **{name: Law(law) for name, law in NETWORK_LAWS.items()}}
)
"""The traits of every law, by its name."""

QUICK_FORMS: dict[str, LayerLaw] = {name: law.quick for name, law in OF_LAYERS.items() if law.quick is not None}
"""Those that a quick check runs in another way."""
