"""Dropout: some of the numbers, drawn at random, are left out, so that no unit can rely on another.

    out = m * x        (* entry by entry)

where an entry of m is 0 with probability p, the rate, and 1 / (1 - p) else, so that on average out is x (Srivastava and
others, Dropout, 2014).

**Derivation.** The mask m depends on the seed and the shape of x, and not on its numbers:

    d(out) = m * dx
    dL = <dout, m * dx> = <m * dout, dx>

so that

    dx = m * dout

**To remember:** a number that was dropped going forward has no derivative coming back.

A layer is pure, and so is this one: `dropout(rate, seed)` has the mask that belongs to the seed. A network with dropout
is a function of a seed that returns a layer. `training_step` takes it, and the step then has the seed as its last
argument. `chainrule.inference` gives the network without dropout.

Two dropouts with one seed have one mask where shapes are equal: `split_seed` makes several seeds of one. NumPy has one
generator of masks and all other libraries have another, so that the mask of a seed differs between them.

**Numerics.** Of numbers between 0 and 65,535 those below 65,536 (1 - p), rounded, keep an entry (in other libraries
between 0 and 2^24 - 1): the share that is dropped is p but for 1 / 131,072. A rate that is nearer to 1 than that drops
all.

Special values: an infinity that is dropped is 0 times infinity, nan.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.Dropout` | `keras.layers.Dropout` | `flax.nnx.Dropout` |

Examples
--------
>>> import numpy as np
>>> from chainrule import Affine, Network, Unit, affine, dropout, sequential, split_seed
>>> dropout(0.5, seed=3).forward((), np.ones((2, 3)))[0].tolist()
[[0.0, 2.0, 0.0], [0.0, 2.0, 0.0]]
>>> def network(seed: int) -> Network[tuple[Unit, Affine, Unit]]:
...     first, second = split_seed(seed, 2)
...     return sequential(dropout(0.2, first), affine, dropout(0.5, second))
"""

import math
from functools import partial
from typing import Any, overload

from attrs import frozen

from chainrule import rules
from chainrule.arrays.arguments import number
from chainrule.arrays.arguments import size as counted
from chainrule.arrays.hashing import hashed, hashed_integers
from chainrule.arrays.libraries import library_of, seed_of
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, Unit
from chainrule.layer import Layer, Shape
from chainrule.layers.identity import identity
from chainrule.rules.inference import Inference


@frozen(eq=False)
@record
class DropoutCache:
    """The mask: 0 for what is dropped, `1 / (1 - rate)` for the rest."""

    mask: Array


_saved = unchecked(DropoutCache)


def forward(xp: Namespace, params: Unit, x: Array, *, rate: float, seed: Any) -> tuple[Array, DropoutCache]:
    """`out = m * x`."""
    mask = xp.read_only(xp.dropout_factor(x, rate, seed))
    return xp.times(x, mask), _saved(mask)


def backward(xp: Namespace, cache: DropoutCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = m * dout`."""
    return (xp.times(dout, cache.mask) if wants_dx else None), ()


def operations(params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """A product for each number; a random number is none of floating point."""
    return math.prod(x), math.prod(x)


def in_use(statistics: None) -> Layer[Unit, Any]:
    """The form for use: the identity."""
    return identity


def dropout(rate: float, seed: Any) -> Layer[Unit, DropoutCache]:
    """Make a layer that drops the entries that a seed chooses.

    Parameters
    ----------
    rate
        In [0, 1): the share that is dropped.
    seed
        A whole number >= 0, of Python or a 0-d array; on JAX it may be traced, so that a new seed compiles nothing.

    Returns
    -------
    Layer
        It has no parameters, and x may have any shape. It couples rows: the mask of a row depends on its place.

    Raises
    ------
    ValueError
        If the rate is not in [0, 1), or the seed negative.
    TypeError
        If they are no numbers, or the seed is not a whole one.

    Examples
    --------
    >>> from chainrule import dropout
    >>> dropout(0.5, seed=7)
    Layer(dropout(rate=0.5, seed=7))
    """
    options: dict[str, Any] = {"rate": number("dropout", "rate", rate, below=1), "seed": seed_of("dropout", seed)}
    return rules.layer(
        "dropout",
        (),
        partial(forward, **options),
        backward,
        quiet=True,
        couples_rows=True,
        event_axes=0,
        operations=operations,
        inference=Inference(in_use),
    )


@overload
def split_seed(seed: int, n: int) -> tuple[int, ...]: ...
@overload
def split_seed(seed: Any, n: int) -> tuple[Any, ...]: ...
def split_seed(seed: Any, n: int) -> tuple[Any, ...]:
    """Make several seeds from one, whose masks are independent.

    Parameters
    ----------
    seed
        A whole number >= 0, of Python or a 0-d array; on JAX it may be traced.
    n
        How many.

    Returns
    -------
    tuple
        n seeds below 2^31: integers of Python's, or 0-d arrays if the seed is one of another library. The first of them
        are the same for every n.

    Raises
    ------
    ValueError
        If the seed or `n` is negative.
    TypeError
        If the seed or `n` is no integer.

    Examples
    --------
    >>> from chainrule import split_seed
    >>> split_seed(0, 3)
    (1463271544, 1549503221, 1813811904)
    """
    given, count = seed_of("split_seed", seed), counted("split_seed", "n", n)
    if isinstance(given, int):
        return tuple(word >> 1 for word in hashed_integers(given, count))
    words = hashed(library_of(given), given, count, getattr(given, "device", None)) >> 1
    return tuple(words[i] for i in range(count))
