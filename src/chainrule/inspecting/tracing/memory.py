"""The memory of the caches of a forward pass; arrays that several of them share are counted once."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import is_a
from chainrule.arrays.records import field_names
from chainrule.arrays.types import is_array, is_numpy


class Ledger:
    """The arrays that are in memory already. It serves one pass, during which no array is freed."""

    def __init__(self, *held: object) -> None:
        """Begin with the arrays of these trees."""
        self._known: set[tuple[int, int]] = set()
        for each in held:
            self.enter(each)

    def enter(self, cache: object) -> tuple[int, int]:
        """Add the arrays of a cache, and return the bytes of those that are new and of those that were there before."""
        own = shared = 0
        for leaf in _arrays_in(cache):
            size = _bytes(leaf)
            key = (_address(leaf), size)
            if key in self._known:
                shared += size
            else:
                own += size
                self._known.add(key)
        return own, shared


def _arrays_in(cache: Any) -> Iterator[Any]:
    """The arrays in a cache, which may be anything in a layer without a rule: what can't be gone into has none."""
    if is_a(cache, Mapping):
        cache = (*cache.values(),)
    if is_a(cache, tuple, list, set, frozenset):
        for each in cache:
            yield from _arrays_in(each)
    elif names := field_names(cache.__class__):
        yield from _arrays_in(tuple(getattr(cache, name) for name in names))
    elif is_array(cache):
        yield cache


def _bytes(leaf: Any) -> int:
    """The bytes of an array's numbers. Only array-api-strict's does not say."""
    return int(leaf.nbytes if hasattr(leaf, "nbytes") else np.asarray(leaf).nbytes)


def _address(leaf: NDArray[Any]) -> int:
    return int(leaf.ctypes.data) if is_numpy(leaf) else id(leaf)
