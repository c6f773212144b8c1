"""Orthogonal weights: a rotation, which changes no length at all.

    W^T W = 1    if there are as many rows as columns, or more
    W W^T = 1    if there are fewer

for W (d, m); of a kernel all axes but the last are the rows.

**Derivation.** Of weights that are drawn one by one, lengths are kept on average alone: by a square W of variance 1 / d
some directions are stretched up to twice, and others nearly lost, and through many layers that is multiplied. With
W W^T = 1 no input's length changes, |x W|^2 = x W W^T x^T = |x|^2, and with W^T W = 1 no gradient's, |dout W^T| =
|dout|. A square W has both (Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, 2014).
An entry has the variance 1 / max(d, m): the squares of a row, or of a column, add up to 1.

**Numerics.** Such a matrix is the Q of a QR decomposition of normal numbers. It has no preferred direction if the signs
of its columns are chosen so that the diagonal of R is positive (Mezzadri, How to generate random matrices from the
classical compact groups, 2007).

**To remember:** lengths stay, exactly and in all directions.

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine
>>> from chainrule.initializers import orthogonal
>>> W = Affine.init(np.random.default_rng(0), 5, 3, weights=orthogonal, dtype=np.float64).W
>>> float(np.abs(W.T @ W - np.eye(3)).max()) < 1e-15
True
"""

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import generator
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Generator
from chainrule.initializers.distributions import floating, sides


def orthogonal(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """A matrix whose columns are orthonormal, or its rows if they are fewer.

    Parameters
    ----------
    rng
        The generator of the random numbers; it is advanced.
    shape, dtype
        Those of the weights, of two axes and more; a floating-point dtype. It is computed in float64.
    fan_in, fan_out
        Not used: all initializers take them.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError
        If a side of the shape is negative, or it has less than two axes.
    TypeError
        If `rng` is no Generator, a side is no integer, or the dtype is not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.orthogonal(np.random.default_rng(0), (100, 50), 100, 50, np.float64)
    >>> bool(abs(W.T @ W - np.eye(50)).max() < 1e-14)
    True
    """
    kind, whole = floating("orthogonal", dtype), sides("orthogonal", shape)
    if len(whole) < 2:
        raise ValueError(f"orthogonal: shape must have two axes or more, got {whole}")
    d, m = prod(whole[:-1]), whole[-1]
    q, r = np.linalg.qr(generator("orthogonal", rng).standard_normal((max(d, m), min(d, m))))
    q = q * np.copysign(1.0, np.diagonal(r))
    return read_only((q if d >= m else q.T).reshape(whole).astype(kind))
