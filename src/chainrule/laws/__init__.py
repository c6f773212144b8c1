"""The laws of layers, losses, optimizers and compositions, as functions that give verdicts.

`check_layer` and its sisters run them all.
"""

from chainrule.laws.of_compositions.combinators import (
    ADDITION_LAWS,
    COMBINATOR_LAWS,
    associativity,
    chain_rule,
    commutativity,
    identity,
    sum_rule,
    sums_in_brackets,
)
from chainrule.laws.of_compositions.networks import NETWORK_LAWS, descent, network_gradient
from chainrule.laws.of_compositions.sharing import transposed
from chainrule.laws.of_layers.calls import other_calls
from chainrule.laws.of_layers.derivative import derivative
from chainrule.laws.of_layers.douts import any_dout
from chainrule.laws.of_layers.dtypes import precision
from chainrule.laws.of_layers.grads_alone import grads_without_dx
from chainrule.laws.of_layers.layouts import any_layout
from chainrule.laws.of_layers.linearity import linearity, scaled
from chainrule.laws.of_layers.memory import all_written, nothing_shared
from chainrule.laws.of_layers.nans import nan_shows
from chainrule.laws.of_layers.one_pass import one_pass
from chainrule.laws.of_layers.ownership import ownership
from chainrule.laws.of_layers.process import process_unchanged
from chainrule.laws.of_layers.purity import arguments_unchanged, read_only_accepted, repeatability
from chainrule.laws.of_layers.rows import independent_rows
from chainrule.laws.of_layers.sizes import other_sizes
from chainrule.laws.of_layers.state import calls_in_between
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
from chainrule.laws.tables import LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS

__all__ = [
    "ADDITION_LAWS",
    "COMBINATOR_LAWS",
    "LAYER_LAWS",
    "LOSS_LAWS",
    "NETWORK_LAWS",
    "OPTIMIZER_LAWS",
    "all_written",
    "any_dout",
    "any_layout",
    "arguments_unchanged",
    "associativity",
    "calls_in_between",
    "chain_rule",
    "commutativity",
    "derivative",
    "descends",
    "descent",
    "elementwise",
    "follows_gradient",
    "grads_without_dx",
    "identity",
    "independent_rows",
    "linearity",
    "loss_at_once",
    "loss_derivative",
    "loss_linearity",
    "loss_memory",
    "loss_precision",
    "loss_purity",
    "loss_state",
    "loss_structure",
    "loss_targets",
    "loss_values",
    "mean_of_rows",
    "nan_shows",
    "network_gradient",
    "nothing_shared",
    "one_pass",
    "other_calls",
    "other_sizes",
    "other_values",
    "ownership",
    "precision",
    "process_unchanged",
    "read_only_accepted",
    "repeatability",
    "scaled",
    "step_purity",
    "step_structure",
    "structure",
    "sum_rule",
    "sums_in_brackets",
    "threads",
    "transposed",
]
