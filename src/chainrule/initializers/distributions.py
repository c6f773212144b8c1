"""Distributions of weights whose spread is an option: what the other initializers draw from.

All have mean 0, so that of positive and negative weights there are as many. Their variance is the integral of w^2 over
the density:

    normal               std^2
    truncated_normal     0.774 std^2        std^2 (1 - 4 phi(2) / P)
    uniform              limit^2 / 3
    zeros                0

where phi is the density of the standard normal distribution and P = 0.954 its share between -2 and 2.

**Derivation.** Of the truncated one by parts, with phi'(w) = -w phi(w): between -a and a the integral of w^2 phi(w) is
P - 2 a phi(a), of which the share is taken by P. Of the uniform one, the integral of w^2 from -limit to limit is
2 limit^3 / 3, over the length 2 limit.

**To remember:** a mean of 0, and the variance says the rest; whether the numbers are normal or uniform matters little.

Examples
--------
>>> from functools import partial
>>> import numpy as np
>>> from chainrule import Affine
>>> from chainrule.initializers import truncated_normal, zeros
>>> rng = np.random.default_rng(0)
>>> small = Affine.init(rng, 784, 50, weights=partial(truncated_normal, std=0.02))
>>> float(abs(small.W).max()) < 0.0401
True
>>> Affine.init(rng, 2, 3, weights=zeros).W
array([[0., 0., 0.],
       [0., 0., 0.]], dtype=float32)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import describe, generator, number, size
from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Array, Generator, is_list, is_tuple


def normal(
    rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike, *, std: float = 1.0
) -> Array:
    """Normal numbers of mean 0 and variance `std^2`.

    Parameters
    ----------
    rng
        The generator of the random numbers; it is advanced.
    shape, dtype
        Those of the weights; a floating-point dtype.
    fan_in, fan_out
        Not used: all initializers take them.
    std
        A finite number >= 0.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError
        If a side of the shape is negative, or `std` is negative or not finite.
    TypeError
        If `rng` is no Generator, a side is no integer, or the dtype is not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.initializers import normal
    >>> normal(np.random.default_rng(0), (784, 50), 784, 50, np.float32, std=0.01).shape
    (784, 50)
    """
    return sample("normal", rng, shape, dtype, standard, number("normal", "std", std))


def truncated_normal(
    rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike, *, std: float = 1.0
) -> Array:
    """Normal numbers of mean 0 between -2 std and 2 std: what falls outside is drawn again.

    The variance is 0.774 std^2, and the deviation 0.880 std: `std` is that of the numbers before they are chosen from,
    as in JAX and Keras. No weight is so large that it counts for many.

    Parameters
    ----------
    rng, shape, fan_in, fan_out, dtype, std
        As for `normal`.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError, TypeError
        As `normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.truncated_normal(np.random.default_rng(0), (400, 100), 400, 100, np.float32, std=0.02)
    >>> bool(abs(W).max() < 0.0401)
    True
    """
    return sample("truncated_normal", rng, shape, dtype, within_two, number("truncated_normal", "std", std))


def uniform(
    rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike, *, limit: float = 1.0
) -> Array:
    """Uniform numbers between -limit and limit: of mean 0 and variance `limit^2 / 3`.

    Parameters
    ----------
    rng, shape, fan_in, fan_out, dtype
        As for `normal`.
    limit
        A finite number >= 0.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError, TypeError
        As `normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.uniform(np.random.default_rng(0), (400, 100), 400, 100, np.float32, limit=0.5)
    >>> bool(abs(W).max() <= 0.5)
    True
    """
    return sample("uniform", rng, shape, dtype, between_ones, number("uniform", "limit", limit))


def zeros(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Zeros: of variance 0, so that the layer's output is its bias, whatever its input.

    As the last layer of a `residual` it makes the block the identity at first, and the network as deep as its other
    parts (Goyal et al., Accurate, large minibatch SGD, 2017, section 5.1). Two such layers in sequence never learn:
    each has a gradient of zero while the other is zero.

    Parameters
    ----------
    rng, shape, fan_in, fan_out, dtype
        As for `normal`; `rng` is not advanced.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError, TypeError
        As `normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> initializers.zeros(np.random.default_rng(0), (2, 3), 2, 3, np.float32)
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    generator("zeros", rng)
    return read_only(np.zeros(sides("zeros", shape), floating("zeros", dtype)))


def sample(
    owner: str,
    rng: Generator,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    draw: Callable[[Generator, tuple[int, ...]], Array],
    factor: float,
) -> Array:
    """Draw numbers in float64, and multiply them by a factor."""
    kind = floating(owner, dtype)
    numbers = np.asarray(draw(generator(owner, rng), sides(owner, shape)))
    numbers *= factor
    return read_only(numbers.astype(kind, copy=False))


def standard(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Of mean 0 and variance 1."""
    return np.asarray(rng.standard_normal(shape))


def within_two(rng: Generator, shape: tuple[int, ...]) -> Array:
    """The same between -2 and 2."""
    numbers = standard(rng, shape)
    while (outside := np.abs(numbers) > 2).any():
        numbers[outside] = rng.standard_normal(np.count_nonzero(outside))
    return numbers


def between_ones(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Uniform between -1 and 1."""
    return np.asarray(rng.uniform(-1, 1, shape))


def sides(owner: str, shape: Any) -> tuple[int, ...]:
    """Refuse what is no shape."""
    if not (is_tuple(shape) or is_list(shape)):
        raise TypeError(f"{owner}: shape must be a tuple, got {describe(shape)}")
    return tuple(size(owner, f"shape[{i}]", side) for i, side in enumerate(shape))


def floating(owner: str, dtype: DTypeLike) -> np.dtype[Any]:
    """Refuse a dtype that is not one of floats."""
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{owner}: dtype must be floating-point, got {dtype!r}") from None
    if kind.kind != "f":
        raise TypeError(f"{owner}: dtype must be floating-point, got {kind}")
    return kind
