"""JAX: records as pytrees, and any layer as a function whose derivative is the layer's own backward.

Layers, losses and optimizers run on JAX's arrays as they are. JAX does not know the fields of our records until
`register_pytrees()` has registered them. Then `jax.jit`, `jax.vmap`, `jax.grad` and sharding take parameters,
gradients, caches and states like any other arguments. `custom_vjp(layer)` makes a function of a layer, whose derivative
in JAX is our backward.

Import this module yourself: `import chainrule` never imports JAX. It needs `pip install
'chainrule[jax]'`.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from chainrule.arrays.arguments import describe
from chainrule.arrays.records import field_names, is_record
from chainrule.arrays.types import Array
from chainrule.layer import Layer

try:
    jax: Any = import_module("jax")  # its types are no part of ours, and it need not be there where ours are checked
except ImportError as _missing:
    raise ImportError("chainrule.interop.jax needs the package jax: pip install 'chainrule[jax]'") from _missing

P = TypeVar("P")
C = TypeVar("C")
R = TypeVar("R")

REGISTERED: set[type] = set()
"""The classes that are registered with JAX, which takes a class only once."""


def register_pytrees() -> None:
    """Make a JAX pytree of every record: of ours, and of your own classes made with `@record` so far.

    Call it once before records meet `jax.jit`, `jax.vmap`, `jax.grad` or `jax.device_put`. Calling it again adds the
    records that were made since, and changes nothing else.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from chainrule import Affine
    >>> from chainrule.interop.jax import register_pytrees
    >>> register_pytrees()
    >>> params = (Affine(np.ones((3, 2)), np.ones(2)), ())
    >>> [jax.tree_util.keystr(path) for path, leaf in jax.tree_util.tree_leaves_with_path(params)]
    ['[0].W', '[0].b']
    """
    for cls in set(_subclasses(object)):
        if is_record(cls) and cls not in REGISTERED:
            with suppress(ValueError):  # its owner has told JAX of it in another way
                register(cls)


def register(cls: type[R], *, static: Collection[str] = ()) -> type[R]:
    """Make a JAX pytree of one class, as a decorator or a call.

    Parameters
    ----------
    cls
        An attrs class. `register_pytrees` covers those that are records; others, and records with static fields, are
        registered here.
    static
        The names of fields that are no numbers, such as a string, and that a compiled function depends on. They must be
        hashable, and another value compiles anew. All other fields are children of the pytree.

    Returns
    -------
    type[R]
        The same class.

    Raises
    ------
    TypeError
        If it is no attrs class.
    ValueError
        If it has no such field, or has been registered already.

    Notes
    -----
    A pytree is put together without the class's constructor and its checks: what JAX puts in the places of arrays
    (tracers, shapes, None) need not be valid parameters.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from attrs import frozen
    >>> from chainrule import Array
    >>> from chainrule.interop.jax import register
    >>> @frozen(eq=False)
    ... class Scaled:
    ...     factor: Array
    ...     unit: str
    >>> Scaled = register(Scaled, static=["unit"])
    >>> jax.tree.map(lambda leaf: 2 * leaf, Scaled(np.ones(2), "metre"))
    Scaled(factor=array([2., 2.]), unit='metre')
    """
    if not isinstance(cls, type) or not hasattr(cls, "__attrs_attrs__"):
        raise TypeError(f"register: it must be an attrs class, got {getattr(cls, '__name__', describe(cls))}")
    names = field_names(cls)
    unknown = sorted(set(static) - set(names))
    if unknown:
        raise ValueError(f"register: {cls.__name__} has no field {unknown[0]!r}, only {', '.join(names)}")
    data = tuple(name for name in names if name not in static)
    fixed = tuple(name for name in names if name in static)
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in data)

    def flatten(value: R) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return _fields(value, data), _fields(value, fixed)

    def flatten_with_keys(value: R) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(zip(keys, _fields(value, data), strict=True)), _fields(value, fixed)

    def unflatten(aux: tuple[Any, ...], children: tuple[Any, ...]) -> R:
        made = object.__new__(cls)
        for name, child in zip((*data, *fixed), (*children, *aux), strict=True):
            object.__setattr__(made, name, child)
        return made

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    REGISTERED.add(cls)
    return cls


def custom_vjp(layer: Layer[P, C]) -> Callable[[P, Array], Array]:
    """Make a JAX function of a layer: its value is our forward, its derivative our backward.

    `jax.grad` then calls what the layer defines, however its forward is computed, and keeps the layer's cache and
    nothing else between the two. It works under `jax.jit` and `jax.vmap`; being a rule for reverse mode, it has no
    forward mode (`jax.jvp`).

    Parameters
    ----------
    layer
        Any layer, a network too. It must run on JAX's arrays, as ours do.

    Returns
    -------
    Callable
        `(params, x) -> out`, of JAX arrays, or of NumPy arrays that become such. It raises what the layer's forward
        raises.

    Raises
    ------
    TypeError
        If it is no `Layer`.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from chainrule import Affine, affine, relu, sequential
    >>> from chainrule.interop.jax import custom_vjp
    >>> network = custom_vjp(sequential(affine, relu))
    >>> params = (Affine(jnp.asarray([[1.0, -1.0]]), jnp.zeros(2)), ())
    >>> jax.grad(lambda params: network(params, jnp.asarray([[3.0]])).sum())(params)[0].W.tolist()
    [[3.0, 0.0]]
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"custom_vjp: it must be a Layer, got {describe(layer)}")
    register_pytrees()

    def forward(params: P, x: Array) -> tuple[Array, C]:
        return layer.forward(*jax.tree.map(jax.numpy.asarray, (params, x)))  # where nothing is traced, x may be NumPy's

    def function(params: P, x: Array) -> Array:
        return forward(params, x)[0]

    differentiable: Any = jax.custom_vjp(function)
    differentiable.defvjp(forward, partial(_pullback, layer.backward))
    result: Callable[[P, Array], Array] = differentiable
    return result


def _pullback(backward: Callable[[C, Array], tuple[Array, P]], cache: C, dout: Array) -> tuple[P, Array]:
    """Our backward in the order of JAX's arguments: the derivative with respect to the parameters, then to x."""
    dx, grads = backward(cache, dout)
    return grads, dx


def _fields(value: object, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in names)


def _subclasses(cls: type) -> Iterator[type]:
    """All classes below one, which Python keeps track of itself."""
    children: list[type] = type.__subclasses__(cls)
    for below in children:
        yield below
        yield from _subclasses(below)
