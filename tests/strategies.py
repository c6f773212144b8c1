"""Strategies: tests draw shapes and seeds, from which a Generator makes the values.

Values drawn one by one gather at zero, which is ReLU's kink, and repeat each other.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import Array

Floating: TypeAlias = type[np.floating[Any]]
"""A dtype of floats, by its class."""

sides = st.integers(1, 6)
sides_or_none = st.integers(0, 4)
dtypes: st.SearchStrategy[Floating] = st.sampled_from([np.float32, np.float64])
all_dtypes: st.SearchStrategy[Floating] = st.sampled_from([np.float16, np.float32, np.float64, np.longdouble])
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def normal(rng: np.random.Generator, *shape: int, dtype: Floating = np.float64) -> Array:
    """Standard normal numbers."""
    return rng.standard_normal(shape).astype(dtype)


def seeded(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with one of three seeds, in turn: what is asked of many names is asked at all of them."""
    return [(name, i % 3) for i, name in enumerate(names)]


def layouts(a: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The same values, laid out in memory in all the ways that NumPy knows."""
    unaligned = np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].copy()
    buffer = np.empty(a.nbytes + 1, np.uint8)
    buffer[1:] = unaligned
    frozen = a.copy()
    frozen.flags.writeable = False
    spaced = np.repeat(a, 2, axis=-1)[..., ::2]
    return {
        "C": np.ascontiguousarray(a),
        "Fortran": np.asfortranarray(a),
        "transposed": a.T.copy().T,
        "reversed": a[::-1].copy()[::-1],
        "every second": spaced,
        "unaligned": buffer[1:].view(a.dtype).reshape(a.shape),
        "byte-swapped": a.astype(a.dtype.newbyteorder()),
        "read-only": frozen,
    }


def _a(part: int) -> settings:
    """As many cases as there are by default, divided, and three at least."""
    return settings(max_examples=max(3, (settings.default or settings()).max_examples // part))


few, fewer = _a(4), _a(8)
"""For a test that tries many cases by itself; and for a law, and a whole check, which try tens of them."""

once = settings(max_examples=1)
"""For a law that draws tens of arguments of its own."""
