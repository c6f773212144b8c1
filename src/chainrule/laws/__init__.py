"""The laws of layers, losses, optimizers and compositions, as functions that give verdicts.

`check_layer` and its sisters run them all.
"""

from chainrule.laws.call_laws import other_calls
from chainrule.laws.combinator_laws import (
    ADDITION_LAWS,
    COMBINATOR_LAWS,
    associativity,
    chain_rule,
    commutativity,
    identity,
    sum_rule,
    sums_in_brackets,
)
from chainrule.laws.derivative_law import derivative
from chainrule.laws.descent_law import descends
from chainrule.laws.direction_law import follows_gradient
from chainrule.laws.dtype_laws import precision
from chainrule.laws.elementwise_law import elementwise
from chainrule.laws.layer_laws import (
    arguments_unchanged,
    grads_without_dx,
    linearity,
    one_pass,
    ownership,
    read_only_accepted,
    repeatability,
    structure,
)
from chainrule.laws.loss_dtype_laws import loss_precision
from chainrule.laws.loss_laws import loss_at_once, loss_derivative, loss_linearity, loss_structure
from chainrule.laws.loss_memory_laws import loss_memory, loss_purity, loss_state
from chainrule.laws.loss_row_laws import mean_of_rows
from chainrule.laws.loss_value_laws import loss_targets, loss_values
from chainrule.laws.memory_laws import all_written, any_layout, nothing_shared
from chainrule.laws.network_laws import NETWORK_LAWS, descent, network_gradient
from chainrule.laws.of_layers import LAYER_LAWS
from chainrule.laws.of_losses import LOSS_LAWS
from chainrule.laws.of_optimizers import OPTIMIZER_LAWS
from chainrule.laws.optimizer_laws import step_purity, step_structure
from chainrule.laws.row_laws import independent_rows, nan_shows, scaled
from chainrule.laws.sharing_laws import transposed
from chainrule.laws.state_laws import calls_in_between, process_unchanged, threads
from chainrule.laws.value_laws import any_dout, other_sizes, other_values

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
