"""The contract: a layer is a pair of pure functions.

    forward (params, x)    -> (out, cache)
    backward(cache,  dout) -> (dx,  grads)

`forward` computes; `backward` is the transpose of its derivative, a function of the cache and of `dout` alone, and
linear in `dout`. Nothing is remembered between calls: what backward needs is in the cache, and gradients have the type
of the parameters that they belong to.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import Factory, field, frozen

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array, Unit
from chainrule.naming import title_of

P = TypeVar("P")
C = TypeVar("C")


@frozen(eq=False)
class Bare(Generic[P]):
    """The arithmetic of a layer alone: no checks, no copies and no records, for a step that keeps everything to itself.

    It may raise anything, or nothing, if its arguments do not fit: whoever calls it asks `forward` and `backward` then.

    Parameters
    ----------
    forward
        `(xp, params, x) -> (out, saved)`, with what `backward` needs in any form.
    backward
        `(xp, params, saved, dout, wants_dx) -> (dx, params)`: the parameters plus the gradients, summed in the
        gradients' own arrays, and `dx`, or anything if it is not wanted. It may use up `saved`, so that memory is free
        as soon as nothing needs it.
    """

    forward: Callable[[Namespace, P, Array], tuple[Array, Any]]
    backward: Callable[[Namespace, P, Any, Array, bool], tuple[Array, P]]


@frozen(eq=False, repr=False)
class Layer(Generic[P, C]):
    """A layer: a record of pure functions. `P` is the type of its parameters, `C` of its cache.

    Parameters
    ----------
    forward
        `(params, x) -> (out, cache)`. `x` has a row for each example.
    backward
        `(cache, dout) -> (dx, grads)`. `dout` is the derivative of a scalar by `out` and has its shape and dtype; `dx`
        and `grads` are the derivatives of that scalar by `x` and `params`, and have theirs.
    grads
        `(cache, dout) -> grads`: backward without `dx`, for the first layer of a network, where nobody asks for it.
        By default it calls `backward` and drops `dx`.
    couples_rows
        Whether a row of the output depends on other rows of the input. Most layers treat each example alone, and tools
        that stack batches rely on it.
    bare
        The layer's arithmetic alone, which `training_step` runs where all layers have it.

    Notes
    -----
    Use module-level functions, bound with `functools.partial` where there are options, so that layers pickle.

    A layer with another `forward` or `backward` is another layer: make it with `Layer(...)`. `attrs.evolve` would keep
    the `grads` and the `bare` of the old one.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Layer, Unit, own
    >>> def forward(params: Unit, x: Array) -> tuple[Array, Array]:
    ...     return x * x, own(x)
    >>> def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    ...     return dout * 2 * cache, ()
    >>> square = Layer(forward, backward)
    >>> square
    Layer(square)
    >>> out, cache = square.forward((), np.array([[1.0, 2.0, 3.0]]))
    >>> dx, grads = square.backward(cache, np.ones((1, 3)))
    >>> dx
    array([[2., 4., 6.]])
    """

    forward: Callable[[P, Array], tuple[Array, C]]
    backward: Callable[[C, Array], tuple[Array, P]]

    # A method and not a lambda, whose type would be Any: pyright would take it for P and accept any gradients.
    def _without_dx(self) -> Callable[[C, Array], P]:
        return partial(_second, self.backward)

    grads: Callable[[C, Array], P] = field(default=Factory(_without_dx, takes_self=True))
    couples_rows: bool = False
    bare: Bare[P] | None = None

    def __repr__(self) -> str:
        """Its name, and the names of what it is made of: `Layer(sequential(affine, relu))`."""
        return f"Layer({title_of(self)})"


def no_grads(cache: object, dout: Array) -> Unit:
    """The gradients of a layer that has no parameters."""
    return ()


def _second(backward: Callable[[C, Array], tuple[Array, P]], cache: C, dout: Array) -> P:
    return backward(cache, dout)[1]
