"""Numbers that are not finite: where they are, and that no law can tell anything there."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, entry, index_of_largest
from chainrule.laws.trials.copies import writable


def first_not_finite(arrays: Mapping[str, Any]) -> str:
    """The first entry of some arrays that is nan or infinite, in words: `"nan in x[1, 2]"`; "" if all are finite."""
    for name, array in arrays.items():
        if not is_numpy(array) or array.dtype.kind != "f":
            continue
        bad = ~np.isfinite(array)
        if bad.any():
            index, count = index_of_largest(bad), int(bad.sum())
            more = f" and {count - 1} more of its entries" if count > 1 else ""
            value = "nan" if np.isnan(array[index]) else f"{float(array[index])}"
            return f"{value} in {entry(name, index)}{more}"
    return ""


def unfit(law: str, given: Mapping[str, Any], run: Callable[..., Any] | None = None) -> Verdict | None:
    """The verdict where arguments are not finite, and what is computed from them is not either; else None.

    A mask of -inf, or a nan that stands for what is missing, may well have finite results: then laws can judge them.
    Where nothing is run, all arguments, which are trees, have to be finite.
    """
    leaves = {f"{name}{path}": leaf for name, value in given.items() for path, leaf in tree.named_leaves(value)}
    words = first_not_finite(leaves)
    if not words:
        return None
    try:
        with np.errstate(all="ignore"):
            results: Array | None = None if run is None else run(*map(writable, given.values()))
    except Exception:  # it refuses them, or fails
        results = None
    if results is not None and np.isfinite(results).all():
        return None
    name = next(name for name, leaf in leaves.items() if first_not_finite({name: leaf}))
    note = f"there is {words}: nothing can be compared where results are no numbers: give finite numbers"
    return Verdict(law, name, ok=False, undecided=True, note=note)
