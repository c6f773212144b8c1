"""A layer behind an encoder: together, a network that reads tokens.

    out = f(e(x))

**Derivation.** The chain rule, as in `sequential`; but with respect to x nothing can be differentiated:

    d(out) = J de
    dL = <dout, J de> = <J^T dout, de>

so that the encoder is given the derivative with respect to its output,

    dout_e = J^T dout

the layer's `dx`, and there the way back ends.

**To remember:** the way back ends at the first input that cannot change by a little.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Sequential` | `keras.Sequential` | `flax.nnx.Sequential` |
"""

from functools import partial
from typing import Any, TypeVar

from chainrule.arrays.arguments import describe
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder, seed_hint
from chainrule.layer import Layer
from chainrule.parts import Chain
from chainrule.rules.combinators import Caches, Rules, counted, layer_or_encoder, placed
from chainrule.rules.onnx_parts import in_turn
from chainrule.rules.rule import refuse_no_dx

P = TypeVar("P")
C = TypeVar("C")
Q = TypeVar("Q")
D = TypeVar("D")
X = TypeVar("X")


def encoded(encoder: Encoder[P, C, X], f: Layer[Q, D]) -> Encoder[tuple[P, Q], tuple[C, D], X]:
    """Put a layer behind an encoder.

    Parameters
    ----------
    encoder
        An encoder, such as `embedding`.
    f
        A layer, usually made by `sequential`, that takes what the encoder gives.

    Returns
    -------
    Encoder
        An encoder again. Its parameters, caches and gradients are pairs.

    Raises
    ------
    TypeError
        If the arguments are no `Encoder` and no `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, Embedding, affine, embedding, encoded
    >>> network = encoded(embedding, affine)
    >>> network
    Encoder(encoded(embedding, affine))
    >>> rng = np.random.default_rng(0)
    >>> params = Embedding.init(rng, 10, 4), Affine.init(rng, 4, 2)
    >>> out, caches = network.forward(params, np.array([[3, 1, 3], [0, 9, 9]]))
    >>> out.shape
    (2, 3, 2)
    >>> network.grads(caches, np.ones_like(out))
    (Embedding(E=f32[10, 4]), Affine(W=f32[4, 2], b=f32[2]))
    """
    if not isinstance(encoder, Encoder):
        raise TypeError(f"encoded: argument 1 must be an Encoder, got {describe(encoder)}{seed_hint(encoder)}")
    if not isinstance(f, Layer):
        hint = ": an encoder stands first" if isinstance(f, Encoder) else seed_hint(f)
        raise TypeError(f"encoded: argument 2 must be a Layer, got {describe(f)}{hint}")
    axes = None  # an encoder makes one row of features of each event, and that row is one of the layer's event axes
    if encoder.event_axes is not None and f.event_axes is not None:
        axes = encoder.event_axes + max(f.event_axes - 1, 0)
    both = encoder, f
    made: Encoder[Any, Any, Any] = layer_or_encoder(
        "encoded", Chain(both), both, forward, backward, event_axes=axes, onnx=partial(in_turn, both)
    )
    return made


def forward(parts: Rules, xp: Namespace, params: Any, x: Any) -> tuple[Array, Caches]:
    """`f(e(x))`, and the caches of both."""
    counted("encoded", "params", params, 2)
    encoder, layer = parts
    i = 0
    try:
        row, first = encoder.forward(xp, params[0], x)
        i = 1
        out, second = layer.forward(xp, params[1], row)
    except Exception as error:
        placed(error, i, parts)
        raise
    return out, [first, second]


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`J^T dout` for the encoder, and the gradients of both."""
    encoder, layer = parts
    i = 1
    try:
        row, second = layer.backward(xp, caches.pop(), dout, True)
        if row is None:
            refuse_no_dx("encoded")
        i = 0
        _, first = encoder.backward(xp, caches.pop(), row, False)
    except Exception as error:
        placed(error, i, parts)
        raise
    return None, (first, second)
