"""`elementwise`: make a layer that takes each number alone, from its value and its slope.

    out = f(x)        d(out) = f'(x) * dx        dx = f'(x) * dout        (* entry by entry)

The Jacobian of such a layer is diagonal, so that backward is a product entry by entry.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from attrs import frozen

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, Unit
from chainrule.layer import Layer
from chainrule.rules.layers import LayerArithmetic, made_of, per_number
from chainrule.rules.onnx_graph import Onnx


@frozen(eq=False)
@record
class Saved:
    """The cache of an elementwise layer: what its slope is computed of.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tanh
    >>> tanh.forward((), np.array([0.0]))[1]
    Saved(value=f64[1])
    """

    value: Array


Elementwise: TypeAlias = Layer[Unit, Saved]
"""The type of an elementwise layer without parameters.

Examples
--------
>>> from chainrule import relu, rules
>>> unit: rules.Elementwise = relu
>>> unit
Layer(relu)
"""

_saved = unchecked(Saved)


def elementwise(
    name: str,
    forward: Callable[[Namespace, Array], tuple[Array, Array]],
    slope: Callable[[Namespace, Array], Array] | None = None,
    *,
    backward: Callable[[Namespace, Array, Array], Array] | None = None,
    quiet: bool = True,
    operations: tuple[int, int] | None = None,
    onnx: Onnx[Unit] | None = None,
) -> Elementwise:
    """Make a layer of a function of one number.

    Parameters
    ----------
    name
        What the module calls it.
    forward
        `(xp, x) -> (out, saved)`: one array, of the shape of `x`, is saved; `x` itself as `xp.own(x)`.
    slope
        `(xp, saved) -> slope`, so that `dx = slope * dout`. By default what is saved is the slope.
    backward
        `(xp, saved, dout) -> dx`, in place of `slope` where its product with an infinite `dout` would be wrong.
    quiet
        True for a function that rounds, and more than it is for `layer`: NumPy's warnings of harmless underflow and of
        values at infinity are silenced, a large array comes block by block, and what has 16 bits is computed in float32
        and rounded once. False for a function that lets numbers through or not, as `relu` does.
    operations
        The floating-point operations of one number, forward and backward.
    onnx
        As of `Layer`.

    Returns
    -------
    Layer
        The pair and its rule; its parameters are `()`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, rules
    >>> def forward(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    ...     return x * x, xp.own(x)
    >>> def slope(xp: rules.Namespace, x: Array) -> Array:
    ...     return 2 * x
    >>> square = rules.elementwise("square", forward, slope)
    >>> out, cache = square.forward((), np.array([3.0]))
    >>> out, square.backward(cache, np.array([10.0]))[0]
    (array([9.]), array([60.]))
    """
    back = backward or partial(_times, slope)
    arithmetic = LayerArithmetic(
        name, tuple, _nothing, _nothing, _forward_of(forward, quiet=quiet), _backward_of(back, quiet=quiet), None
    )
    return made_of(
        arithmetic,
        forward,
        elementwise=True,
        event_axes=0,
        operations=None if operations is None else per_number(operations),
        onnx=onnx,
    )


def _nothing(params: Unit) -> tuple[Array, ...]:
    return ()


def _forward_of(
    forward: Callable[[Namespace, Array], tuple[Array, Array]], *, quiet: bool
) -> Callable[[Namespace, Unit, Array], tuple[Array, Saved]]:
    def loud(xp: Namespace, params: Unit, x: Array) -> tuple[Array, Saved]:
        out, saved = forward(xp, x)
        return out, _saved(xp.read_only(saved))

    def silent(xp: Namespace, params: Unit, x: Array) -> tuple[Array, Saved]:
        out, saved = xp.quietly(xp.by_blocks, in_float32, x)
        return out, _saved(xp.read_only(saved))

    def in_float32(xp: Namespace, x: Array) -> tuple[Array, Array]:
        wide = xp.widened(x)
        out, saved = forward(xp, wide)
        return (out, saved) if wide is x else (xp.astype(out, x), xp.astype(saved, x))

    return silent if quiet else loud


def _backward_of(
    backward: Callable[[Namespace, Array, Array], Array], *, quiet: bool
) -> Callable[[Namespace, Saved, Array, bool], tuple[Array | None, Unit]]:
    def loud(xp: Namespace, cache: Saved, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        return (backward(xp, cache.value, dout) if wants_dx else None), ()

    def silent(xp: Namespace, cache: Saved, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        return (xp.quietly(backward, xp, cache.value, dout) if wants_dx else None), ()

    return silent if quiet else loud


def _times(slope: Callable[[Namespace, Array], Array] | None, xp: Namespace, saved: Array, dout: Array) -> Array:
    if slope is None:
        return xp.times(saved, dout)
    (dx,) = xp.by_examples(partial(_slope_times, slope, xp), saved, dout)
    return dx


def _slope_times(slope: Callable[[Namespace, Array], Array], xp: Namespace, saved: Array, dout: Array) -> tuple[Array]:
    return (xp.times(slope(xp, saved), dout),)
