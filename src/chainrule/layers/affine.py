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

Special values: an infinity or a nan in a row of x goes to that row of the output alone, and coming back to the row of
dW that belongs to its feature.

**From and to torch.** For `torch.nn.Linear(d, m)`

| here | there |
|---|---|
| `W` | `weight.T` |
| `b` | `bias` |

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Linear` | `keras.layers.Dense` | `flax.nnx.Linear` |

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
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.types import Generator
from chainrule.initializers.fans import lecun_normal
from chainrule.initializers.fresh import Initializer, chosen, drawn, filled
from chainrule.rules import Array, Layer, Namespace, OnnxGraph, Shape, layer, record, unchecked, well_formed
from chainrule.rules.in_torch import InTorch, Weight, transposed


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
    in_torch: ClassVar[InTorch] = {"weight": Weight("W", transposed), "bias": Weight("b")}

    def __attrs_post_init__(self) -> None:
        well_formed("Affine", W=(self.W, "inputs outputs"), b=(self.b, "outputs"))

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_in: int,
        n_out: int,
        *,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Affine":
        """Draw weights; the bias is zero.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_in, n_out
            The numbers of inputs d and outputs m.
        std
            The standard deviation of normal weights.
        weights
            An initializer in its place, such as `chainrule.initializers.he_normal`. By default `lecun_normal`, of
            deviation sqrt(1 / n_in): outputs then vary as much as inputs do.
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
            If `rng` is no Generator, a size is no integer, the dtype is not floating-point, or both `std` and `weights`
            are given.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule import Affine, initializers
        >>> Affine.init(np.random.default_rng(0), 784, 50)
        Affine(W=f32[784, 50], b=f32[50])
        >>> Affine.init(np.random.default_rng(0), 784, 50, weights=initializers.he_normal)
        Affine(W=f32[784, 50], b=f32[50])
        """
        draw = chosen("Affine.init", weights, std, lecun_normal)
        W = drawn("Affine.init", rng, draw, n_in, n_out, dtype, n_in=n_in, n_out=n_out)
        return cls(W, filled("Affine.init", 0, dtype, n_out=n_out))


@frozen(eq=False)
@record
class AffineCache:
    """The cache of `affine`: the input, and the weights of the forward pass."""

    x: Array
    W: Array


_saved = unchecked(AffineCache)
_gradients = unchecked(Affine)


def forward(xp: Namespace, params: Affine, x: Array) -> tuple[Array, AffineCache]:
    """`out = x W + b`: x (..., d) to out (..., m)."""
    out = xp.matmul(x, params.W)
    out += params.b
    return out, _saved(xp.own(x), params.W)


def backward(xp: Namespace, cache: AffineCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Affine]:
    """`dx = dout W^T`, `dW = x^T dout` and `db = 1^T dout`."""
    dx = xp.matmul(dout, cache.W.T) if wants_dx else None
    return dx, _gradients(xp.matmul_rows(cache.x, dout), xp.sum_rows(dout))


def count(params: Affine, x: Shape, out: Shape) -> tuple[int, int]:
    """Two for each weight and row forward, twice as many backward, half of them for dx."""
    return 2 * math.prod(x) * out[-1], 4 * math.prod(x) * out[-1]


def to_onnx(graph: OnnxGraph, params: Affine, x: str) -> str:
    """`x W + b`."""
    return graph.node("Add", graph.node("MatMul", x, params.W), params.b)


affine: Layer[Affine, AffineCache] = layer(
    "affine", Affine, forward, backward, "W", quiet=True, event_axes=1, operations=count, onnx=to_onnx
)
"""`x @ W + b` on the last axis; its parameters are an `Affine`."""
