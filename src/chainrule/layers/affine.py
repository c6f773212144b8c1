"""The affine layer: every output is a weighted sum of all inputs, plus a bias.

    out = x W + b              x (n, d)    W (d, m)    b (m,)    out (n, m)

where n stands for any number of axes: of examples, or of positions in them.

**Derivation.** Take differentials; the product rule gives

    d(out) = dx W + x dW + 1 db        1 is a column of n ones: b is added to every row

Let L be the scalar at the end and `dout` its derivative with respect to `out`, so that dL = <dout, d(out)>, where
<A, B> is the sum of all products of entries. Move each factor to the other side of the inner product,
<A, B C> = <A C^T, B> = <B^T A, C>:

    dL = <dout, dx W> + <dout, x dW> + <dout, 1 db>
       = <dout W^T, dx> + <x^T dout, dW> + <1^T dout, db>

and read off the derivatives with respect to x, W and b:

    dx = dout W^T       dW = x^T dout       db = 1^T dout

**To remember:** what multiplied from one side going forward multiplies from the same side, transposed, coming back; and
a bias that was copied to every row gets the sum of the rows.

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine, affine
>>> params = Affine(W=np.array([[1.0, 2.0], [3.0, 4.0]]), b=np.array([10.0, 20.0]))
>>> out, cache = affine.forward(params, np.array([[1.0, 1.0]]))
>>> out
array([[14., 26.]])
>>> dx, grads = affine.backward(cache, np.array([[1.0, 0.0]]))
>>> dx
array([[1., 3.]])
"""

import math
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule import rules
from chainrule.arrays.arguments import size
from chainrule.arrays.libraries import alike
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape


@frozen(eq=False)
@record
class Affine:
    """The parameters of `affine`, and their gradients.

    Parameters
    ----------
    W
        Weights, (d, m): a row for each input, a column for each output.
    b
        Bias, (m,), of the dtype of `W`.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine
    >>> Affine(W=np.ones((3, 2), np.float32), b=np.zeros(2, np.float32))
    Affine(W=f32[3, 2], b=f32[2])
    """

    W: Array
    b: Array

    def __attrs_post_init__(self) -> None:
        W, b = self.W, self.b
        alike("Affine", W=W, b=b)
        if W.ndim != 2:
            raise ValueError(f"Affine: W must be 2-D (inputs, outputs), got shape {W.shape}")
        if b.shape != W.shape[1:]:
            raise ValueError(f"Affine: W is {W.shape}, so b must be {W.shape[1:]}, got {b.shape}")

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        n_in: int,
        n_out: int,
        *,
        std: float | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Affine":
        """Draw normal weights; the bias is zero.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_in, n_out
            The numbers of inputs d and outputs m.
        std
            The standard deviation of the weights. By default sqrt(1 / n_in): outputs then vary as much as inputs do
            (LeCun et al., Efficient BackProp, 1998, section 4.6).
        dtype
            A floating-point dtype.

        Returns
        -------
        Affine
            Fresh parameters.

        Raises
        ------
        ValueError
            If a size is negative or `std` is negative or not finite.
        TypeError
            If `rng` is no Generator, a size is no integer, or the dtype is not floating-point.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule import Affine
        >>> Affine.init(np.random.default_rng(0), 784, 50)
        Affine(W=f32[784, 50], b=f32[50])
        """
        n_in, n_out = size("Affine.init", "n_in", n_in), size("Affine.init", "n_out", n_out)
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"Affine.init: rng must be a numpy.random.Generator, got {type(rng).__name__}")
        kind: np.dtype[Any] = np.dtype(dtype)
        if kind.kind != "f":
            raise TypeError(f"Affine.init: dtype must be floating-point, got {kind}")
        spread = float(max(n_in, 1)) ** -0.5 if std is None else float(std)
        if not 0 <= spread < np.inf:
            raise ValueError(f"Affine.init: std must be a finite number >= 0, got {std}")
        drawn = rng.standard_normal((n_in, n_out))
        drawn *= spread
        return cls(read_only(drawn.astype(kind, copy=False)), read_only(np.zeros(n_out, kind)))


@frozen(eq=False)
@record
class AffineCache:
    """The cache of `affine`: the input, and the weights of the forward pass."""

    x: Array
    W: Array


saved = unchecked(AffineCache)
gradients = unchecked(Affine)


def fits(params: Affine, x: Array) -> None:
    """Check that x has as many features as W has rows."""
    if not x.ndim or x.shape[-1] != params.W.shape[0]:
        if not x.ndim:
            raise ValueError("affine: x must have an axis of features, got shape ()")
        n_in = params.W.shape[0]
        raise ValueError(f"affine: x has {x.shape[-1]} features {x.shape} but W takes {n_in} {params.W.shape}")


def forward(xp: Namespace, params: Affine, x: Array) -> tuple[Array, AffineCache]:
    """`out = x W + b`: x (..., d) to out (..., m)."""
    out = xp.matmul(x, params.W)
    out += params.b
    return out, saved(xp.own(x), params.W)


def backward(xp: Namespace, cache: AffineCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Affine]:
    """`dx = dout W^T`, `dW = x^T dout` and `db = 1^T dout`."""
    dx = xp.matmul(dout, cache.W.T) if wants_dx else None
    return dx, gradients(xp.matmul_rows(cache.x, dout), xp.sum_rows(dout))


def operations(params: Affine, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and row forward, twice as many backward, half of them for dx."""
    products = math.prod(x) * out[-1]
    return 2 * products, 4 * products


affine: Layer[Affine, AffineCache] = rules.layer(
    "affine", Affine, forward, backward, fits, event_axes=1, operations=operations
)
"""`x @ W + b` on the last axis; its parameters are an `Affine`."""
