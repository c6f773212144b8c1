"""The affine layer: every output is a weighted sum of all inputs, plus a bias.

    out = x W + b              x (n, d)    W (d, m)    b (m,)    out (n, m)

**Derivation.** Take differentials; the product rule gives

    d(out) = dx W + x dW + 1 db        1 is a column of n ones: b is added to every row

Let L be the scalar at the end and `dout` its derivative by `out`, so that dL = <dout, d(out)>, where <A, B> is the sum
of all products of entries. Move each factor to the other side of the inner product, <A, B C> = <A C^T, B> = <B^T A, C>:

    dL = <dout, dx W> + <dout, x dW> + <dout, 1 db>
       = <dout W^T, dx> + <x^T dout, dW> + <1^T dout, db>

and read off the derivatives by x, W and b:

    dx = dout W^T       dW = x^T dout       db = 1^T dout

**To remember:** what multiplied from one side going forward multiplies from the same side, transposed, coming back; and
a bias that was copied to every row gets the sum of the rows.
"""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import describe, like_out, record_of
from chainrule.arrays.libraries import namespace, same_dtype
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import own, read_only
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, is_numpy
from chainrule.layer import Bare, Layer


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
        namespace(W, name="Affine: W")
        namespace(b, name="Affine: b")
        if not same_dtype(W, b):
            raise TypeError(f"Affine: W is {describe(W)} but b is {describe(b)}: they must have one dtype")
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
            Where the random numbers come from; it is advanced.
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
        n_in, n_out = _size("n_in", n_in), _size("n_out", n_out)
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
    """What backward needs of the forward pass: the input, and the weights as they were."""

    x: Array
    W: Array


_affine = unchecked(Affine)
_cache = unchecked(AffineCache)


def forward(params: Affine, x: Array) -> tuple[Array, AffineCache]:
    """`out = x W + b`: x (n, d) to out (n, m)."""
    W = record_of(params, Affine, "affine: params").W
    xp = namespace(x, W, name="affine: x")
    if x.ndim != 2:
        raise ValueError(f"affine: x must be 2-D (rows of features), got shape {x.shape}")
    if x.shape[1] != W.shape[0]:
        raise ValueError(f"affine: x has {x.shape[1]} features {x.shape} but W takes {W.shape[0]} {W.shape}")
    return _out(xp, x, W, params.b), _cache(own(x), W)


def backward(cache: AffineCache, dout: Array) -> tuple[Array, Affine]:
    """`dx = dout W^T`, beside the gradients: dout (n, m) to dx (n, d)."""
    gradients = grads(cache, dout)
    return namespace(cache.W).matmul(dout, cache.W.T), gradients


def grads(cache: AffineCache, dout: Array) -> Affine:
    """`dW = x^T dout` and `db = 1^T dout`."""
    x, W = record_of(cache, AffineCache, "affine backward: cache").x, cache.W
    like_out(dout, (x.shape[0], W.shape[1]), W.dtype, "affine")
    dW, db = _gradients(namespace(W), x, dout)
    return _affine(read_only(dW), read_only(db))


def _out(xp: Namespace, x: Array, W: Array, b: Array) -> Array:
    out = xp.matmul(x, W)
    out += b
    return out


def _gradients(xp: Namespace, x: Array, dout: Array) -> tuple[Array, Array]:
    return xp.matmul(x.T, dout), xp.column_sum(dout)


def _bare_forward(xp: Namespace, params: Affine, x: Array) -> tuple[Array, Array]:
    if type(params) is not Affine or not is_numpy(params.W) or x.dtype != params.W.dtype or x.ndim != 2:
        raise TypeError
    return _out(xp, x, params.W, params.b), x


def _bare_backward(xp: Namespace, params: Affine, x: Array, dout: Array, wants_dx: bool) -> tuple[Array, Affine]:
    dx = xp.matmul(dout, params.W.T) if wants_dx else dout
    dW, db = _gradients(xp, x, dout)
    if db.shape != params.b.shape or db.dtype != params.b.dtype:
        raise TypeError
    dW += params.W
    db += params.b
    return dx, _affine(read_only(dW), read_only(db))


affine: Layer[Affine, AffineCache] = Layer(forward, backward, grads, bare=Bare(_bare_forward, _bare_backward))
"""`x @ W + b` on rows of features; its parameters are an `Affine`.

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


def _size(name: str, value: int) -> int:
    try:
        size = value.__index__()
    except AttributeError:
        raise TypeError(f"Affine.init: {name} must be an integer, got {type(value).__name__}") from None
    if size < 0:
        raise ValueError(f"Affine.init: {name} must be >= 0, got {size}")
    return size
