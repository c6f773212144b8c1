"""The memory of a forward pass: what its caches hold, arrays that several of them share counted once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import is_numpy


class Ledger:
    """Which arrays are held already: a working object of one pass, while which nothing in it is released."""

    def __init__(self, *held: object) -> None:
        """Begin with the arrays of these trees."""
        self._known: set[tuple[int, int]] = set()
        for each in held:
            self.enter(each)

    def enter(self, cache: object) -> tuple[int, int]:
        """Enter the arrays of a cache.

        Parameters
        ----------
        cache
            A tree of arrays.

        Returns
        -------
        own, shared : int
            The bytes of the arrays that nothing before held, and of those that something did.
        """
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
    """The address of an array's memory; for another library's array, the identity of the object."""
    return int(leaf.ctypes.data) if is_numpy(leaf) else id(leaf)
