"""Large arrays block by block, so that what a function makes on its way stays in the cache.

The first touch of new memory takes 2 ns a float32, as long as twelve products, and each operation on a large array
makes new memory. On blocks they make the same little memory again and again.
"""

from collections.abc import Callable

import numpy as np

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed
from chainrule.arrays.types import Array

BLOCK = 2**15
"""The entries of a block: a multiple of the length of all vectors, so that each entry is computed as without blocks."""


def by_blocks(
    f: Callable[[Namespace, Array], tuple[Array, Array]], xp: Namespace, x: Array, own: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """`f(xp, x)` of a function of each number alone.

    Parameters
    ----------
    f
        `(xp, x) -> (out, saved)`, of the shape of `x`. They may be one array, and `saved` may be `x`.
    xp
        The functions of a block, which is nobody's to write to and may be given back.
    x
        In C order, and not empty. If it may be written to, it is mine, and `out` replaces it.
    own
        Makes `saved` of the whole `x`, if `f` saves it.

    Returns
    -------
    tuple of Array
        `out` and `saved`.
    """
    flat = borrowed(x.reshape(-1))
    out = saved = x
    for start in range(0, x.size, BLOCK):
        here = slice(start, start + BLOCK)
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
