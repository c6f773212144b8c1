"""The logarithm of the softmax: log probabilities, which stay finite where probabilities round to 0.

    out = x - log(sum(exp(x)))        x (..., k)    out (..., k)

with one sum for each row.

**Derivation.** With the probabilities p of the softmax, p = exp(x) / sum(exp(x)), the differential of the logarithm of
the sum is sum(exp(x) * dx) / sum(exp(x)) = <p, dx>: a number, which is taken from every entry of the row. So

    d(out) = dx - <p, dx>
    dL = <dout, dx> - sum(dout) <p, dx> = <dout - p sum(dout), dx>

and read off

    dx = dout - p sum(dout)

The Jacobian, whose entries are 1 - p_j where i = j and -p_j elsewhere, is never made.

**To remember:** what comes back in all is handed out again by probability, and taken away.

**Numerics.** As in `softmax`, an entry of the row is taken from it first: a row of one entry gives 0. The error is some
units of the largest number of the row of `out`: where one entry leads by a margin, its own log probability is near 0
and known to an absolute error. `softmax_cross_entropy` gives it to a relative one.

Special values, as in torch and without a warning: an entry of -inf gives -inf; a row with +inf, with nan, or with
nothing but -inf gives nan, and leaves other rows alone.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.LogSoftmax` | `keras.activations.log_softmax` | `jax.nn.log_softmax` |

Examples
--------
>>> import numpy as np
>>> from chainrule import log_softmax
>>> out, cache = log_softmax.forward((), np.array([[0.0, 0.0], [0.0, -1000.0]]))
>>> out.round(6).tolist()
[[-0.693147, -0.693147], [0.0, -1000.0]]
>>> log_softmax.backward(cache, np.array([[1.0, 0.0], [1.0, 0.0]]))[0].round(6).tolist()
[[0.5, -0.5], [0.0, 0.0]]
"""

from attrs import frozen

from chainrule.rules import Array, Layer, Namespace, Unit, layer, record, some_features, unchecked


@frozen(eq=False)
@record
class LogSoftmaxCache:
    """The cache of `log_softmax`: the probabilities."""

    p: Array


_saved = unchecked(LogSoftmaxCache)


def forward(xp: Namespace, params: Unit, x: Array) -> tuple[Array, LogSoftmaxCache]:
    """`out = x - log(sum(exp(x)))`; the probabilities are saved."""
    shifted, e, total = xp.exponentials(xp.widened(x))
    out = xp.plus(shifted, -xp.log(total))
    p = xp.times(e, xp.reciprocal(total))
    return xp.astype(out, x), _saved(xp.read_only(xp.astype(p, x)))


def backward(xp: Namespace, cache: LogSoftmaxCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = dout - sum(dout) p`."""
    if not wants_dx:
        return None, ()
    wide = xp.widened(dout)
    taken = xp.widened(cache.p) * -xp.sum_last(wide)[..., None]
    return xp.astype(xp.plus(taken, wide), dout), ()


log_softmax: Layer[Unit, LogSoftmaxCache] = layer(
    "log_softmax",
    (),
    forward,
    backward,
    some_features("log_softmax"),
    quiet=True,
    event_axes=1,
    operations=(5, 3),
    onnx="LogSoftmax",
)
"""Log probabilities of the last axis; its parameters are `()`."""
