"""Positions: a row of numbers for each place in a sequence, added to what stands there.

    out = x + P_t              x (..., t, d)    P (T, d)    out (..., t, d)

where P_t is the first t rows of P, and t is at most T. Attention by itself does not know where anything stands. With a
vector of its own each place can be told from the others (Gehring and others, Convolutional sequence to sequence
learning, 2017).

**Derivation.** The rows that are added are those that the matrix S of t rows takes, which is 1 at (i, i) and 0 else, in
each of the n sequences:

    d(out) = dx + S dP
    dL = <dout, dx> + <dout, S dP> = <dout, dx> + <S^T dout, dP>

and read off

    dx = dout        dP = S^T sum(dout)

where the sum is over the sequences. S takes a slice, and S^T fills up with zeros: a slice and a padding are an adjoint
pair, as are the copies of P for all sequences and the sum over them.

**To remember:** what was added to every sequence gets the sum of all of them, and rows that no sequence reached get 0.

**From and to torch.** For `torch.nn.Embedding(T, d)`, which reads the labels 0, 1, ..., t - 1,

| here | there |
|---|---|
| `P` | `weight` |

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Embedding` | `keras.layers.Embedding` | `flax.nnx.Embed` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Positions, positions
>>> params = Positions(P=np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
>>> out, cache = positions.forward(params, np.array([[[10.0, 10.0], [20.0, 20.0]]]))
>>> out.tolist()
[[[10.0, 11.0], [22.0, 23.0]]]
>>> positions.backward(cache, np.ones((1, 2, 2)))[1].P.tolist()
[[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
"""

import math
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.types import Generator
from chainrule.initializers.distributions import normal
from chainrule.initializers.fresh import Initializer, chosen, drawn
from chainrule.rules import (
    Array,
    Layer,
    Namespace,
    OnnxGraph,
    Shape,
    layer,
    of_positions,
    record,
    unchecked,
    well_formed,
)
from chainrule.rules.in_torch import InTorch, Weight


@frozen(eq=False)
@record
class Positions:
    """The parameters of `positions`, and their gradients.

    Parameters
    ----------
    P
        (T, d): a row of d features for each of T places.

    Raises
    ------
    ValueError
        If P has another number of axes than two.
    TypeError
        If it is no array of floats.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Positions
    >>> Positions(P=np.zeros((128, 16), np.float32))
    Positions(P=f32[128, 16])
    """

    P: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("P")}

    def __attrs_post_init__(self) -> None:
        well_formed("Positions", P=(self.P, "positions features"))

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_positions: int,
        n_features: int,
        *,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Positions":
        """Draw rows.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_positions, n_features
            The length T of the longest sequence, and the number of features d.
        std
            The standard deviation of normal rows. By default 1, as of the rows of an `Embedding`, to which they are
            added.
        weights
            An initializer in its place. Its fan_in is 1, for one number of P goes into each feature, and its fan_out d.
        dtype
            A floating-point dtype.

        Returns
        -------
        Positions
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
        >>> from chainrule import Positions
        >>> Positions.init(np.random.default_rng(0), 128, 16, std=0.02)
        Positions(P=f32[128, 16])
        """
        draw, owner = chosen("Positions.init", weights, std, normal), "Positions.init"
        return cls(drawn(owner, rng, draw, 1, n_features, dtype, n_positions=n_positions, n_features=n_features))


@frozen(eq=False)
@record
class PositionsCache:
    """The cache of `positions`: P, for its length."""

    P: Array


_saved = unchecked(PositionsCache)
_gradients = unchecked(Positions)


def fits(params: Positions, x: Array) -> None:
    """Check that x has an axis of positions, at most as many as P has, and as many features."""
    shape, P = tuple(x.shape), tuple(params.P.shape)
    of_positions("positions", x)
    if shape[-1] != P[1]:
        raise ValueError(f"positions: x has {shape[-1]} features {shape} but P has {P[1]} {P}")
    if shape[-2] > P[0]:
        raise ValueError(f"positions: x has {shape[-2]} positions {shape} but P has {P[0]} {P}")


def forward(xp: Namespace, params: Positions, x: Array) -> tuple[Array, PositionsCache]:
    """`out = x + P_t`."""
    return xp.plus(x, params.P[: x.shape[-2], :]), _saved(params.P)


def backward(xp: Namespace, cache: PositionsCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Positions]:
    """`dx = dout` and `dP = S^T sum(dout)`: the sum over all sequences, and zeros for the places beyond."""
    t, d = dout.shape[-2:]
    dP = xp.reshape(xp.sum_rows(xp.reshape(dout, (math.prod(dout.shape[:-2]), t * d))), (t, d))
    dP = xp.padded(dP, 0, 0, cache.P.shape[0] - t, 0.0)
    dx = xp.own(xp.astype(dout, cache.P)) if wants_dx else None  # of P's library, whoever made dout
    return dx, _gradients(dP)


def operations(params: Positions, x: Shape, out: Shape) -> tuple[int, int]:
    """A sum for each number."""
    return math.prod(x), math.prod(x)


def to_onnx(graph: OnnxGraph, params: Positions, x: str) -> str:
    """`out = x + P_t`."""
    return graph.node("Add", x, params.P[: graph.shape(x)[-2]])


positions: Layer[Positions, PositionsCache] = layer(
    "positions", Positions, forward, backward, fits, quiet=True, event_axes=2, operations=operations, onnx=to_onnx
)
"""A row of P added at each place of (..., t, d), up to its length; its parameters are a `Positions`."""
