"""One layer many times over, each time with parameters of its own.

    out = f_n(... f_2(f_1(x)))

where f_1 to f_n are one layer, or what a function gives for 0, 1, ..., n - 1.

**Derivation.** It is that of `sequential`: to go back is to go through the transposes, last layer first,

    dx = b_1(b_2(... b_n(dout)))

**To remember:** depth is a number.

One layer with one set of parameters, n times over, is `tied(repeated(f, n), expand, contract)`: `expand` copies the
parameters n times, and `contract` adds n gradients.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.ModuleList` | `keras.Sequential` | `jax.lax.scan` |
"""

from collections.abc import Callable
from typing import Any, TypeVar

from chainrule.arrays.arguments import describe, size
from chainrule.combinators.sequential import sequential
from chainrule.layer import Layer

P = TypeVar("P")
C = TypeVar("C")


def repeated(f: Layer[P, C] | Callable[[int], Layer[P, C]], n: int) -> Layer[tuple[P, ...], tuple[C, ...]]:
    """Compose n layers of one kind.

    Parameters
    ----------
    f
        A layer; or a function from the index, 0 to n - 1, to a layer, if each differs (dropout needs a seed for each).
    n
        How many; 0 gives the identity.

    Returns
    -------
    Layer
        `sequential(f, f, ..., f)`: its parameters, caches and gradients are tuples of n.

    Raises
    ------
    TypeError
        If `f` is no `Layer` and no function that returns one, or `n` is no integer.
    ValueError
        If `n` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, relu, repeated, residual, sequential
    >>> deep = repeated(residual(sequential(affine, relu)), 4)
    >>> rng = np.random.default_rng(0)
    >>> params = tuple((Affine.init(rng, 3, 3), ()) for _ in range(4))
    >>> deep.forward(params, np.ones((2, 3), np.float32))[0].shape
    (2, 3)
    """
    count = size("repeated", "n", n)
    if isinstance(f, Layer):
        layers: list[Any] = [f] * count
    elif callable(f) and not isinstance(f, type):
        layers = [f(i) for i in range(count)]
    else:
        raise TypeError(f"repeated: f must be a Layer or a function of the index that gives one, got {describe(f)}")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"repeated: f({i}) must be a Layer, got {describe(layer)}")
    made: Layer[Any, Any] = sequential(*layers)
    return made
