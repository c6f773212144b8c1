"""All laws of layers and encoders, in the order in which they are checked."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.calls import other_calls
from chainrule.laws.of_layers.derivative import SAMPLE_OF_LARGE, derivative
from chainrule.laws.of_layers.dtypes import precision
from chainrule.laws.of_layers.memory import all_written, any_layout, nothing_shared
from chainrule.laws.of_layers.pair import (
    arguments_unchanged,
    grads_without_dx,
    linearity,
    one_pass,
    ownership,
    read_only_accepted,
    repeatability,
    structure,
)
from chainrule.laws.of_layers.rows import independent_rows, nan_shows, scaled
from chainrule.laws.of_layers.state import calls_in_between, process_unchanged, threads
from chainrule.laws.of_layers.values import any_dout, other_sizes, other_values
from chainrule.laws.trials.trial import Checked

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

ELSEWHERE = ("other_values", "other_sizes", "any_dout", "precision", "threads", "other_calls")
"""Those that do not ask about the arguments as they are given, which a quick check leaves out."""

AT_ONCE: dict[str, LayerLaw] = {"derivative": partial(derivative, most=SAMPLE_OF_LARGE)}
"""Those that a quick check runs in another way."""

DERIVATIVE_LAWS = ("derivative", "other_values", "other_sizes", "any_dout")
"""Those that compare with the numerical derivative."""
