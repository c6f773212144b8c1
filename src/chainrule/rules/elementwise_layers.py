"""`elementwise`: make a layer that takes each number alone, from its value and its slope.

    out = f(x)        d(out) = f'(x) * dx        dx = f'(x) * dout        (* entry by entry)

The Jacobian of such a layer is diagonal, so that backward is a product entry by entry.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from attrs import frozen

from chainrule.arrays.arguments import functions, two
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

SAVING = "(out, what its slope is computed of)"


def elementwise(
    name: str,
    forward: Callable[[Namespace, Array], tuple[Array, Array]],
    slope: Callable[[Namespace, Array], Array] | None = None,
    *,
    backward: Callable[[Namespace, Array, Array], Array] | None = None,
    quiet: bool | None = True,
    keeps_order: bool = False,
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
        and rounded once. None for one that lets numbers through or not, as `relu` does, of which NumPy has nothing to
        say. False for any other whose warnings are to be seen.
    keeps_order
        Whether a larger number never becomes the smaller one, and numbers that become equal have a slope of 0. A pass
        then takes it after a layer that `takes_largest` instead of before it, of fewer numbers.
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
    functions(name, forward=forward)
    back = backward or partial(_times, slope)
    saving = _saving(name, _by_blocks(name, forward) if quiet else forward)
    arithmetic = LayerArithmetic(name, tuple, _nothing, _nothing, saving, _backward_of(back), None, warns=not quiet)
    return made_of(
        arithmetic,
        forward,
        harmless=quiet is None,
        keeps_order=keeps_order,
        elementwise=True,
        event_axes=0,
        operations=None if operations is None else per_number(operations),
        onnx=onnx,
    )


def _nothing(params: Unit) -> tuple[Array, ...]:
    return ()


def _saving(
    name: str,
    forward: Callable[[Namespace, Array], tuple[Array, Array]],
) -> Callable[[Namespace, Unit, Array], tuple[Array, Saved]]:
    def saving(xp: Namespace, params: Unit, x: Array) -> tuple[Array, Saved]:
        given = forward(xp, x)
        out, saved = given if given.__class__ is tuple else two(given, f"{name}: forward", SAVING)
        return out, _saved(xp.read_only(saved))

    return saving


def _by_blocks(
    name: str,
    forward: Callable[[Namespace, Array], tuple[Array, Array]],
) -> Callable[[Namespace, Array], tuple[Array, Array]]:
    def in_float32(xp: Namespace, x: Array) -> tuple[Array, Array]:
        wide = xp.widened(x)
        given = forward(xp, wide)
        out, saved = given if given.__class__ is tuple else two(given, f"{name}: forward", SAVING)
        return (out, saved) if wide is x else (xp.astype(out, x), xp.astype(saved, x))

    def by_blocks(xp: Namespace, x: Array) -> tuple[Array, Array]:
        return xp.by_blocks(in_float32, x)

    return by_blocks


def _backward_of(
    backward: Callable[[Namespace, Array, Array], Array],
) -> Callable[[Namespace, Saved, Array, bool], tuple[Array | None, Unit]]:
    def of_saved(xp: Namespace, cache: Saved, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        return (backward(xp, cache.value, dout) if wants_dx else None), ()

    return of_saved


def _times(slope: Callable[[Namespace, Array], Array] | None, xp: Namespace, saved: Array, dout: Array) -> Array:
    if slope is None:
        return xp.times(saved, dout)
    (dx,) = xp.by_examples(partial(_slope_times, slope, xp), saved, dout)
    return dx


def _slope_times(slope: Callable[[Namespace, Array], Array], xp: Namespace, saved: Array, dout: Array) -> tuple[Array]:
    return (xp.times(slope(xp, saved), dout),)
