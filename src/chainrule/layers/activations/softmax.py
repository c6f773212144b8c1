"""The softmax: a row of any numbers becomes one of probabilities, which are positive and sum to 1.

    p_i = exp(x_i) / sum(exp(x))        x (..., k)    p (..., k)

(Bridle, Probabilistic interpretation of feedforward classification network outputs, 1990.)

**Derivation.** Take differentials of p_i s = exp(x_i), with the sum s of the row, whose differential is
ds = sum(exp(x) * dx) = s <p, dx>:

    dp_i s + p_i ds = exp(x_i) dx_i
    dp_i = p_i dx_i - p_i <p, dx>

In one row this is a product with the Jacobian, which has k rows and k columns:

    dp = J dx        J_ij = p_i - p_i p_j  if i = j        J_ij = -p_i p_j  else

J is symmetric, so moving it to the other side of the inner product changes nothing:

    dL = <dout, J dx> = <J dout, dx>

and read off

    dx = p * (dout - <p, dout>)        (* entry by entry)

J itself is never made: what it does to `dout` takes one inner product for each row.

**To remember:** the mean of `dout`, weighted by the probabilities, is taken out, and each entry is weighted by its own.

**Numerics.** Softmax does not change if a constant is taken from a row. It is the row's first entry, or the largest one
where the sum would be above 1e30: no sum overflows, and none is less than 1. So each probability keeps its digits
down to the smallest number; the error is some units, and one unit more for each 1 by which x differs from what is taken
from it, since that difference is rounded.

Special values, as in torch and without a warning: an entry of -inf has probability 0; a row with +inf, with nan, or
with nothing but -inf gives nan, and leaves other rows alone.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Softmax` | `keras.activations.softmax` | `jax.nn.softmax` |

Examples
--------
>>> import numpy as np
>>> from chainrule import softmax
>>> out, cache = softmax.forward((), np.log([[1.0, 3.0], [4.0, 4.0]]))
>>> out.round(6).tolist()
[[0.25, 0.75], [0.5, 0.5]]
>>> softmax.backward(cache, np.array([[1.0, 0.0], [1.0, 1.0]]))[0].round(6).tolist()
[[0.1875, -0.1875], [0.0, 0.0]]
"""

from attrs import frozen

from chainrule.rules import Array, Layer, Namespace, Unit, layer, record, some_features, unchecked


@frozen(eq=False)
@record
class SoftmaxCache:
    """The cache of `softmax`: its output."""

    p: Array


_saved = unchecked(SoftmaxCache)


def forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, SoftmaxCache]:
    """`p = exp(x) / sum(exp(x))`."""
    _, e, total = xp.exponentials(xp.widened(x))
    p = xp.read_only(xp.astype(xp.times(e, xp.reciprocal(total)), x))
    return p, _saved(p)


def backward(xp: Namespace, cache: SoftmaxCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = p * (dout - <p, dout>)`."""
    if not wants_dx:
        return None, ()
    p, wide = xp.widened(cache.p), xp.widened(dout)
    return xp.astype(xp.times(xp.plus(wide, -xp.dot_last(p, wide)), p), dout), ()


softmax: Layer[Unit, SoftmaxCache] = layer(
    "softmax",
    (),
    forward,
    backward,
    some_features("softmax"),
    quiet=True,
    event_axes=1,
    operations=(4, 4),
    onnx="Softmax",
)
"""Probabilities of the last axis; its parameters are `()`."""
