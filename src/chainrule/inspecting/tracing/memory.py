"""The memory of the caches of a forward pass; arrays that several of them share are counted once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import is_numpy


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
        for leaf in tree.leaves(cache):
            size = _bytes(leaf)
            key = (_address(leaf), size)
            if key in self._known:
                shared += size
            else:
                own += size
                self._known.add(key)
        return own, shared


def _bytes(leaf: Any) -> int:
    """The bytes of an array's numbers. Only array-api-strict's does not say."""
    return int(leaf.nbytes if hasattr(leaf, "nbytes") else np.asarray(leaf).nbytes)


def _address(leaf: NDArray[Any]) -> int:
    return int(leaf.ctypes.data) if is_numpy(leaf) else id(leaf)
