"""The embedding: every token has a row of numbers of its own, and a label chooses that row.

    out = S E              S (n, k)    E (k, d)    out (n, d)

where row i of S is 1 at the label of position i and 0 elsewhere. S is never made: the product with it takes rows
(Bengio and others, A neural probabilistic language model, 2003).

**Derivation.** Labels are whole numbers, with respect to which nothing can be differentiated; S is constant:

    d(out) = S dE
    dL = <dout, S dE> = <S^T dout, dE>

and read off

    dE = S^T dout

S^T is not made either: the product adds each row of `dout` to the row of its label. Taking rows and adding rows are an
adjoint pair, gather and scatter.

**To remember:** a row that was taken gets its derivative back, and one that was taken several times gets the sum.

**Numerics.** Rows are copied, and nothing is rounded. Sums are in float32 at least; their order is that of sorted
labels. Special values: a nan or an infinity in `dout` goes to the row of its token, and no other row knows of it.

The Array API standard has no scatter. On array-api-strict, dask and CuPy backward does make S^T, n times k numbers, and
takes the product, in which 0 times nan is nan for every row.

**From and to torch.** For `torch.nn.Embedding(k, d)`

| here | there |
|---|---|
| `E` | `weight` |

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Embedding` | `keras.layers.Embedding` | `flax.nnx.Embed` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Embedding, embedding
>>> params = Embedding(E=np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]))
>>> out, cache = embedding.forward(params, np.array([2, 1, 2]))
>>> out
array([[3., 4.],
       [1., 2.],
       [3., 4.]])
>>> embedding.grads(cache, np.ones((3, 2))).E
array([[0., 0.],
       [1., 1.],
       [2., 2.]])
"""

import math
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.labels import choose_rows
from chainrule.arrays.types import Generator
from chainrule.initializers.distributions import normal
from chainrule.initializers.fresh import Initializer, chosen, drawn
from chainrule.rules import Array, Encoder, Labels, Namespace, OnnxGraph, Shape, encoder, record, unchecked, well_formed
from chainrule.rules.in_torch import InTorch, Weight
from chainrule.rules.onnx_graph import INT64


@frozen(eq=False)
@record
class Embedding:
    """The parameters of `embedding`, and their gradients.

    Parameters
    ----------
    E
        (k, d): a row of d features for each of k tokens.

    Raises
    ------
    ValueError
        If E has another number of axes than two.
    TypeError
        If it is no array of floats.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Embedding
    >>> Embedding(E=np.ones((1000, 16), np.float32))
    Embedding(E=f32[1000, 16])
    """

    E: Array
    in_torch: ClassVar[InTorch] = {"weight": Weight("E")}

    def __attrs_post_init__(self) -> None:
        well_formed("Embedding", E=(self.E, "tokens features"))

    @classmethod
    def init(
        cls,
        rng: Generator,
        n_tokens: int,
        n_features: int,
        *,
        std: float | None = None,
        weights: Initializer | None = None,
        dtype: DTypeLike = np.float32,
    ) -> "Embedding":
        """Draw rows.

        Parameters
        ----------
        rng
            The generator of the random numbers; it is advanced.
        n_tokens, n_features
            The numbers of tokens k and of features d.
        std
            The standard deviation of normal rows. By default 1: the next layer's initial weights are made for inputs of
            that deviation.
        weights
            An initializer in its place. Its fan_in is 1, for one number of E goes into each feature, and its fan_out d.
        dtype
            A floating-point dtype.

        Returns
        -------
        Embedding
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
        >>> from chainrule import Embedding
        >>> Embedding.init(np.random.default_rng(0), 1000, 16, std=0.02)
        Embedding(E=f32[1000, 16])
        """
        draw = chosen("Embedding.init", weights, std, normal)
        return cls(drawn("Embedding.init", rng, draw, 1, n_features, dtype, n_tokens=n_tokens, n_features=n_features))


@frozen(eq=False)
@record
class EmbeddingCache:
    """The cache of `embedding`: the labels, and E for the number of tokens."""

    labels: Labels
    E: Array


_saved = unchecked(EmbeddingCache)
_gradients = unchecked(Embedding)


def fits(params: Embedding, labels: Labels) -> None:
    """Check that each label is that of a token."""
    choose_rows(labels, params.E, "embedding", "E", "tokens")


def forward(xp: Namespace, params: Embedding, labels: Labels) -> tuple[Array, EmbeddingCache]:
    """The row of each label: labels (...,) to out (..., d)."""
    return xp.take_rows(params.E, labels), _saved(xp.own(labels), params.E)


def grads(xp: Namespace, cache: EmbeddingCache, dout: Array) -> Embedding:
    """`dE = S^T dout`: each row of dout (..., d) is added to the row of its label."""
    return _gradients(xp.quietly(xp.add_rows, cache.labels, dout, cache.E.shape[0]))


def operations(params: Embedding, labels: Shape, out: Shape) -> tuple[int, int]:
    """None forward, where rows are copied; an addition for each number backward."""
    return 0, math.prod(out)


def to_onnx(graph: OnnxGraph, params: Embedding, labels: str) -> str:
    """The row of each label, which may be of any integer dtype; ONNX takes two of them."""
    return graph.node("Gather", params.E, graph.node("Cast", labels, to=INT64))


embedding: Encoder[Embedding, EmbeddingCache, Labels] = encoder(
    "embedding", Embedding, forward, grads, fits, event_axes=0, operations=operations, onnx=to_onnx
)
"""A row of E for each label; labels are of any integer dtype and any shape, and its parameters are an `Embedding`."""
