"""The laws of layers, losses, optimizers and compositions, as functions that give verdicts.

`check_layer` and its sisters run them all.
"""

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
from chainrule.laws.layer_laws import (
    LAYER_LAWS,
    arguments_unchanged,
    derivative,
    grads_without_dx,
    independent_rows,
    linearity,
    one_pass,
    ownership,
    precision,
    read_only_accepted,
    repeatability,
    structure,
)
from chainrule.laws.loss_laws import (
    LOSS_LAWS,
    loss_at_once,
    loss_derivative,
    loss_linearity,
    loss_purity,
    loss_structure,
    mean_of_rows,
)
from chainrule.laws.network_laws import NETWORK_LAWS, descent, network_gradient
from chainrule.laws.optimizer_laws import OPTIMIZER_LAWS, elementwise, step_purity, step_structure
from chainrule.laws.sharing_laws import transposed

__all__ = [
    "ADDITION_LAWS",
    "COMBINATOR_LAWS",
    "LAYER_LAWS",
    "LOSS_LAWS",
    "NETWORK_LAWS",
    "OPTIMIZER_LAWS",
    "arguments_unchanged",
    "associativity",
    "chain_rule",
    "commutativity",
    "derivative",
    "descent",
    "elementwise",
    "grads_without_dx",
    "identity",
    "independent_rows",
    "linearity",
    "loss_at_once",
    "loss_derivative",
    "loss_linearity",
    "loss_purity",
    "loss_structure",
    "mean_of_rows",
    "network_gradient",
    "one_pass",
    "ownership",
    "precision",
    "read_only_accepted",
    "repeatability",
    "step_purity",
    "step_structure",
    "structure",
    "sum_rule",
    "sums_in_brackets",
    "transposed",
]
