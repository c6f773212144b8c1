"""All laws of `check_against`, in the order in which they are checked."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.calls import held, process_unchanged, repeated, requires_grad, stale, without_gradients
from chainrule.laws._of_kernels.check import Check
from chainrule.laws._of_kernels.elsewhere import columns, extremes, lengths
from chainrule.laws._of_kernels.memory import kept, layouts, unchanged, unwritten
from chainrule.laws._of_kernels.rows import rows
from chainrule.laws._of_kernels.values import dtypes, not_a_number, values_and_gradients

Law: TypeAlias = Callable[[Check], Iterator[Verdict]]

LAWS: tuple[Law, ...] = (
    process_unchanged,
    dtypes,
    values_and_gradients,
    rows,
    columns,
    lengths,
    extremes,
    layouts,
    requires_grad,
    without_gradients,
    repeated,
    held,
    stale,
    unchanged,
    kept,
    not_a_number,
    unwritten,
)
"""All of them: those that say most come first."""
