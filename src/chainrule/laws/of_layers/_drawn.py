"""Numbers that are drawn: each call gives others, though nothing comes in between."""

from typing import Any

import numpy as np

from chainrule.arrays.types import Array
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.trial import Checked, Fields, Trial, copied_fields

CALLS = 12
"""The most calls that are made, one after another."""

DRAWN = "each call gives other numbers: is something drawn, from a generator without a seed or by the time?"
"""The words for numbers that are drawn."""


def is_drawn(layer: Checked[Any, Any], params: Any, x: Any, dout: Array) -> bool:
    """Tell whether an entry of the results rises from one call to another, and falls too.

    What is counted, or added up, goes one way; and what is kept stays for the very arrays that it is kept of.
    """
    given, slope = writable(x), dout.copy()

    def results() -> Fields:
        out, cache = layer.forward(params, given)
        return copied_fields({"out": out, **Trial(layer, params, given, out, cache).back_as_laid_out(slope)})

    last = results()
    rises, falls = ({name: np.zeros(leaf.shape, bool) for name, leaf in last.items()} for _ in range(2))
    for _ in range(CALLS - 1):
        now = results()
        for name, leaf in now.items():
            rises[name] |= leaf > last[name]
            falls[name] |= leaf < last[name]
            if (rises[name] & falls[name]).any():
                return True
        last = now
    return False
