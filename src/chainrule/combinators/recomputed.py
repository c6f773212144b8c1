"""A layer that keeps its input and nothing else: backward computes forward again.

    out = f(p, x)

with a cache of p and x alone, in the place of all that backward of f needs. Elsewhere this is called checkpointing, or
rematerialisation (Chen et al., Training deep nets with sublinear memory cost, 2016).

**Derivation.** The function is that of f, and so is its derivative. Forward is pure: computed again from the same p and
x, it gives the same cache, to the last bit, and with it

    dx = J^T dout

**To remember:** memory is bought with time: one more forward pass of what is recomputed.

**Memory and time.** A chain of n layers, each with a cache of its input's size, holds n of them until backward. In
groups of m layers, each group recomputed, it holds the n / m inputs of the groups, and the m caches of the one group
that is going back: least where m is sqrt(n). The gradient of 64 blocks of an affine layer and tanh, 256 wide, on 1,024
rows in float32, took 34 MiB in 8 groups of 8 in place of 130, and 1.25 times as long; tests/combinators has the
measurement of the memory.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.utils.checkpoint.checkpoint` | `keras.RematScope` | `jax.checkpoint` |
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import record_of
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.parts import Around
from chainrule.rules.combinators import Caches, Rules, combinator
from chainrule.rules.onnx_parts import as_it_is

P = TypeVar("P")
C = TypeVar("C")

Operations: TypeAlias = Callable[[Any, Shape, Shape], tuple[int, int]]
"""The trait `operations` of a layer."""


@frozen(eq=False)
@record
class Arguments(Generic[P]):
    """The arguments of forward."""

    params: P
    x: Array


_saved = unchecked(Arguments)


def recomputed(f: Layer[P, C]) -> Layer[P, tuple[Arguments[P]]]:
    """Keep the input of a layer in place of its cache, and compute forward again in backward.

    Parameters
    ----------
    f
        A layer, usually made by `sequential`.

    Returns
    -------
    Layer
        It gives what `f` gives, bit for bit. Its parameters are those of `f`.

    Raises
    ------
    TypeError
        If `f` is no `Layer`.

    Notes
    -----
    A compiler that sees both forward passes at once, as `jax.jit` of a whole step does, may find that they are one and
    keep the cache: `jax.checkpoint` tells it not to.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, recomputed, sequential, tanh
    >>> block = recomputed(sequential(affine, tanh))
    >>> params, x = (Affine.init(np.random.default_rng(0), 3, 4), ()), np.ones((2, 3), np.float32)
    >>> out, cache = block.forward(params, x)
    >>> cache
    (Arguments(params=(Affine(W=f32[3, 4], b=f32[4]), ()), x=f32[2, 3]),)
    >>> block.backward(cache, out)[1]
    (Affine(W=f32[3, 4], b=f32[4]), ())
    """
    count = getattr(f, "operations", None)
    operations = None if count is None else partial(forward_twice, count)
    return combinator(
        "recomputed",
        Around(f, recomputed=True),
        (f,),
        forward,
        backward,
        operations=operations,
        onnx=partial(as_it_is, f),
    )


def forward(parts: Rules, xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
    """`f(p, x)`; the parameters and x are saved."""
    x = xp.own(xp.shared(x))
    out, _ = parts[0].forward(xp, params, x)
    return out, [_saved(tree.map(xp.own, params), x)]


def backward(parts: Rules, xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    """`dx = J^T dout`, with the cache of another forward."""
    given: Any = caches.pop()
    record_of(given, Arguments, "recomputed backward: cache 1 of 1")
    _, cache = parts[0].forward(xp, given.params, given.x)
    return parts[0].backward(xp, cache, dout, wants_dx)


def forward_twice(count: Operations, params: Any, x: Shape, out: Shape) -> tuple[int, int]:
    """The operations of f forward, and backward those of both directions."""
    there, back = count(params, x, out)
    return there, there + back
