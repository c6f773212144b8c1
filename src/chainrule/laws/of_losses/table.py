"""All laws of losses, in the order in which they are checked."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_losses.dtypes import loss_precision
from chainrule.laws.of_losses.memory import loss_memory, loss_purity, loss_state
from chainrule.laws.of_losses.pair import loss_at_once, loss_derivative, loss_linearity, loss_structure
from chainrule.laws.of_losses.rows import mean_of_rows
from chainrule.laws.of_losses.values import loss_targets, loss_values
from chainrule.loss import Loss

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

ELSEWHERE = ("loss_values", "loss_targets")
"""Those that try other outputs, targets and sizes, which a quick check leaves out."""
