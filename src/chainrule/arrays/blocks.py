"""Large arrays block by block, so that what a function makes on its way stays in the cache.

Each operation makes an array, and one as large as x goes to main memory and back. On blocks all operations use the same
little memory.
"""

from collections.abc import Callable

import numpy as np

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed
from chainrule.arrays.types import Array

BLOCK_BYTES = 2**17
"""The bytes of a block: a few of them fit into the second-level cache, in which larger ones are slower, and in smaller
ones the calls. Whole vector registers, so that numbers are computed as without blocks."""


def by_blocks(
    f: Callable[[Namespace, Array], tuple[Array, Array]], xp: Namespace, x: Array, own: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """`(out, saved)`, which `f(xp, x)` gives of each number alone: they may be one array, and `saved` may be `x`.

    `x` is in C order, and not empty; if it may be written to, it is mine, and `out` replaces it. A block is nobody's to
    write to, and may be given back. `own` makes `saved` of the whole `x`, if `f` saves it.
    """
    flat = borrowed(x.reshape(-1))
    n = BLOCK_BYTES // max(x.dtype.itemsize, 4)  # what has 16 bits is computed in float32
    out = saved = x
    for start in range(0, x.size, n):
        here = slice(start, start + n)
        block = flat[here]
        value, kept = f(xp, block)
        one, given_back = kept is value, kept is block
        if start == 0:
            replaces = x.flags.writeable and x.dtype == value.dtype and not given_back
            out = x if replaces else np.empty(x.shape, value.dtype)
            saved = out if one else own(x) if given_back else np.empty(x.shape, kept.dtype)
        if not one and not given_back:
            saved.reshape(-1)[here] = kept
        out.reshape(-1)[here] = value
    return out, saved
