"""All laws of optimizers, in the order in which they are checked."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.checking.verdict import Verdict
from chainrule.laws.of_optimizers.descent import descends
from chainrule.laws.of_optimizers.direction import follows_gradient
from chainrule.laws.of_optimizers.elementwise import elementwise
from chainrule.laws.of_optimizers.step import step_purity, step_structure
from chainrule.optimizer import Optimizer

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
