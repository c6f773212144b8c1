"""Weights of the variance that keeps signals alive through many layers.

    lecun      var = 1 / fan_in
    glorot     var = 2 / (fan_in + fan_out)
    he         var = 2 / fan_in

fan_in is the number of weights that meet in an output, and fan_out the number of outputs that an input goes to. For
W (d, m) of `affine` they are d and m; for a kernel each is multiplied by the places of its window.

**Derivation.** An output is a sum of fan_in products, out_j = sum_i(x_i W_ij). Let the weights have mean 0 and variance
v, be independent of each other and of x. Then the mixed terms of the square have mean 0, and

    mean(out^2) = fan_in v mean(x^2)

which is the mean square of the input for v = 1 / fan_in. A deep network multiplies such factors: were v half as large,
twenty layers would shrink the signal's square by a million (LeCun et al., Efficient BackProp, 1998, section 4.6).

Backward, dx_i = sum_j(dout_j W_ij) is a sum of fan_out products, so that for the gradient it is v = 1 / fan_out. Both
hold where a layer is square. For others the mean of fan_in and fan_out lies between them, v = 2 / (fan_in + fan_out)
(Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010). `tanh` is about
the identity near 0, so that this is made for it.

`relu` passes the positive half of what comes in. Sums of such weights are as often positive as negative, so that half
of the mean square is left, and v = 2 / fan_in makes up for it (He et al., Delving deep into rectifiers, 2015).

Of a uniform distribution the variance is limit^2 / 3, so that its limit is sqrt(3 v).

**To remember:** as many terms, so much smaller their variance; and twice that before a `relu`.

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine
>>> from chainrule.initializers import he_normal
>>> params = Affine.init(np.random.default_rng(0), 800, 50, weights=he_normal)
>>> print(f"{params.W.std():.3f}")
0.050
"""

from numpy.typing import DTypeLike

from chainrule.arrays.arguments import size
from chainrule.arrays.types import Array, Generator
from chainrule.initializers.distributions import between_ones, sample, standard


def he_normal(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Normal numbers of variance `2 / fan_in`, for what a `relu` follows.

    Parameters
    ----------
    rng
        The generator of the random numbers; it is advanced.
    shape, dtype
        Those of the weights; a floating-point dtype.
    fan_in, fan_out
        The numbers of weights that meet in an output, and of outputs that an input goes to.

    Returns
    -------
    Array
        Fresh weights, read-only.

    Raises
    ------
    ValueError
        If a side of the shape or a fan is negative.
    TypeError
        If `rng` is no Generator, a side or a fan is no integer, or the dtype is not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.initializers import he_normal
    >>> print(f"{he_normal(np.random.default_rng(0), (800, 50), 800, 50, np.float32).std():.3f}")
    0.050
    """
    return sample("he_normal", rng, shape, dtype, standard, share("he_normal", 2, fan_in=fan_in) ** 0.5)


def he_uniform(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Uniform numbers of variance `2 / fan_in`, between -limit and limit with `limit = sqrt(6 / fan_in)`.

    Parameters, results and errors are those of `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.he_uniform(np.random.default_rng(0), (400, 100), 400, 100, np.float32)
    >>> W.shape, round(float(W.std()), 3)
    ((400, 100), 0.071)
    """
    return sample("he_uniform", rng, shape, dtype, between_ones, share("he_uniform", 6, fan_in=fan_in) ** 0.5)


def glorot_normal(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Normal numbers of variance `2 / (fan_in + fan_out)`, between what forward and what backward asks for.

    Parameters, results and errors are those of `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.glorot_normal(np.random.default_rng(0), (400, 100), 400, 100, np.float32)
    >>> W.shape, round(float(W.std()), 3)
    ((400, 100), 0.063)
    """
    variance = share("glorot_normal", 2, fan_in=fan_in, fan_out=fan_out)
    return sample("glorot_normal", rng, shape, dtype, standard, variance**0.5)


def glorot_uniform(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Uniform numbers of variance `2 / (fan_in + fan_out)`: up to `limit = sqrt(6 / (fan_in + fan_out))`.

    Parameters, results and errors are those of `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.glorot_uniform(np.random.default_rng(0), (400, 100), 400, 100, np.float32)
    >>> W.shape, round(float(W.std()), 3)
    ((400, 100), 0.063)
    """
    square = share("glorot_uniform", 6, fan_in=fan_in, fan_out=fan_out)
    return sample("glorot_uniform", rng, shape, dtype, between_ones, square**0.5)


def lecun_normal(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Normal numbers of variance `1 / fan_in`, so that outputs vary as much as inputs do.

    Parameters, results and errors are those of `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.lecun_normal(np.random.default_rng(0), (400, 100), 400, 100, np.float32)
    >>> W.shape, round(float(W.std()), 3)
    ((400, 100), 0.05)
    """
    return sample("lecun_normal", rng, shape, dtype, standard, share("lecun_normal", 1, fan_in=fan_in) ** 0.5)


def lecun_uniform(rng: Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: DTypeLike) -> Array:
    """Uniform numbers of variance `1 / fan_in`, between -limit and limit with `limit = sqrt(3 / fan_in)`.

    Parameters, results and errors are those of `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import initializers
    >>> W = initializers.lecun_uniform(np.random.default_rng(0), (400, 100), 400, 100, np.float32)
    >>> W.shape, round(float(W.std()), 3)
    ((400, 100), 0.05)
    """
    return sample("lecun_uniform", rng, shape, dtype, between_ones, share("lecun_uniform", 3, fan_in=fan_in) ** 0.5)


def share(owner: str, whole: float, **fans: int) -> float:
    """`whole` divided by the sum of the fans; by 1 if there are none, as in a layer without inputs."""
    return whole / max(sum(size(owner, name, fan) for name, fan in fans.items()), 1)
