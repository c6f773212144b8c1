"""The contract: a layer is a pair of pure functions.

    forward (params, x)    -> (out, cache)
    backward(cache,  dout) -> (dx,  grads)

`forward` computes; `backward` is the transpose of its derivative, a function of the cache and of `dout` alone, and
linear in `dout`. Nothing is remembered between calls: what backward needs is in the cache, and gradients have the type
of the parameters that they belong to.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import Factory, field, frozen

from chainrule.arrays.arguments import check_functions
from chainrule.arrays.types import Array
from chainrule.naming import paged, reduced, title_of
from chainrule.parts import Parts
from chainrule.rules.in_torch import InTorch
from chainrule.rules.inference import Inference
from chainrule.rules.onnx_graph import Onnx
from chainrule.rules.rule import Rule

P = TypeVar("P")
C = TypeVar("C")

Shape: TypeAlias = tuple[int, ...]
"""The lengths of an array's axes.

Examples
--------
>>> from chainrule.rules import Shape
>>> shape: Shape = (32, 784)
"""


@paged
@frozen(eq=False, repr=False)
class Layer(Generic[P, C]):
    """A layer: a record of pure functions. `P` is the type of its parameters, `C` of its cache.

    Parameters
    ----------
    forward
        `(params, x) -> (out, cache)`. `x` has a row for each example.
    backward
        `(cache, dout) -> (dx, grads)`. `dout` is the derivative of a scalar with respect to `out` and has its shape and
        dtype; `dx` and `grads` are the derivatives of that scalar with respect to `x` and `params`, and have theirs.
    grads
        `(cache, dout) -> grads`: backward without `dx`, for the first layer of a network, whose `dx` is not needed.
        By default it calls `backward` and drops `dx`.
    name
        The name of the layer, with its options: `"leaky_relu(slope=0.1)"`. By default it is found where `forward`
        comes from.
    parts
        The layers that it is made of: a `Chain`, a `Fork` or an `Around` (see `chainrule.parts`). Of a layer without
        parts, `Constants` tells which of its parameters stay as they are.
    elementwise
        Whether each entry of the output depends on the entry of the input at the same place alone.
    couples_rows
        Whether a row of the output depends on other rows of the input, or on its place among them. Most layers treat
        each example alone, and tools that stack batches rely on it.
    event_axes
        How many of the last axes belong to one example: 0 if each number is one, 1 for rows of features. All axes
        before them count the examples, however many there are. None if only the parameters or `x` say it: then the
        first axis counts the examples.
    in_torch
        How its parameters stand in torch's `state_dict`, if not as their records say (see `chainrule.rules.InTorch`).
    operations
        `(params, x, out) -> (forward, backward)`: the floating-point operations, from the shapes of `x` and `out`.
    inference
        A `chainrule.rules.Inference`: how the layer stands when it is used and not trained, where that differs.
    onnx
        How the layer is written in ONNX: the name of an operator, or `(graph, params, x) -> out` with a
        `chainrule.rules.OnnxGraph` (see `chainrule.interop.onnx`).
    rule
        The layer's arithmetic alone, which passes through networks run; see `chainrule.rules`.

    Notes
    -----
    Use module-level functions, bound with `functools.partial` where there are options, so that layers pickle.

    A layer with another `forward` or `backward` is another layer: make it with `Layer(...)`. `attrs.evolve` would keep
    the `grads` and the `rule` of the old one.

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
    name: str | None = field(default=None, kw_only=True)
    parts: Parts = field(default=(), kw_only=True)
    elementwise: bool = field(default=False, kw_only=True)
    couples_rows: bool = field(default=False, kw_only=True)
    event_axes: int | None = field(default=None, kw_only=True)
    in_torch: InTorch | None = field(default=None, kw_only=True)
    operations: Callable[[P, Shape, Shape], tuple[int, int]] | None = field(default=None, kw_only=True)
    inference: Inference | None = field(default=None, kw_only=True)
    onnx: Onnx[P] | None = field(default=None, kw_only=True)
    rule: Rule[P, C] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_functions(self, "forward", "backward", "grads")

    def __repr__(self) -> str:
        """Its name, and the names of what it is made of: `Layer(sequential(affine, relu))`."""
        return f"Layer({title_of(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a module's value by its name, and a layer with options by its constructor and options."""
        return reduced(self)


def derives_grads(layer: object) -> bool:
    """Tell whether a layer takes its gradients without `dx` of backward, and has no function of its own for them."""
    grads = getattr(layer, "grads", None)
    return isinstance(grads, partial) and grads.func is _second


def _second(backward: Callable[[C, Array], tuple[Array, P]], cache: C, dout: Array) -> P:
    return backward(cache, dout)[1]
