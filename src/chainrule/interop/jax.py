"""JAX: records as pytrees, layers as functions whose derivative is the layer's own backward, functions as layers.

Layers, losses and optimizers run on JAX's arrays as they are. JAX does not know the fields of our records until
`register_pytrees()` has registered them. Then `jax.jit`, `jax.vmap`, `jax.grad` and sharding take parameters,
gradients, caches and states like any other arguments. `custom_vjp(layer)` makes a function of a layer, whose derivative
in JAX is our backward, `as_layer(f)` a layer of a function, so that `check_layer` can judge a `jax.custom_vjp` that
somebody has written by hand.

Import this module yourself: `import chainrule` never imports JAX. It needs `pip install
'chainrule[jax]'`.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.extras import pip_install
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import blank, field_names, is_record
from chainrule.arrays.types import Array, is_numpy
from chainrule.encoder import Encoder, seed_hint
from chainrule.interop.arguments import (
    Constant,
    Place,
    argument_names,
    arguments,
    beside,
    check_call,
    check_dout,
    check_place,
    constant_at,
    keep,
    name_of_function,
    positional,
)
from chainrule.interop.graph import Function, Graph, backward, grads
from chainrule.interop.in_code import Name, call_in_code, name_in_code, name_of_author
from chainrule.interop.parameters import named
from chainrule.layer import Layer
from chainrule.parts import Constants, Parts

try:
    jax: Any = import_module("jax")  # its types are no part of ours, and it need not be there where ours are checked
except ImportError as _missing:
    raise ImportError(f"chainrule.interop.jax needs the package jax: {pip_install('jax')}") from _missing

__all__ = ["as_encoder", "as_layer", "custom_vjp", "parameters", "register", "register_pytrees"]

P = TypeVar("P")
C = TypeVar("C")
R = TypeVar("R")

Pull: TypeAlias = Callable[[Any], tuple[Any, ...]]
"""From the derivative with respect to the result to those with respect to the arrays that move."""

Derive: TypeAlias = Callable[[Place, Any, list[Any], list[int]], tuple[Any, Pull]]
"""`(place of x, params, arrays of x and params, numbers of those that move) -> (out, pull)`."""

REGISTERED: set[type] = set()
"""The classes that are registered with JAX, which takes a class only once."""


def register_pytrees() -> None:
    """Make a JAX pytree of every record: of all of ours, and of your own classes made with `@record` so far.

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
    whole = import_module("chainrule")  # at the call: it stands above this file, and gives a name when it is asked for
    for name in whole.__all__:
        getattr(whole, name)  # which loads its file, with the records that are in it
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
        made = blank(cls)
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
        raise TypeError(f"custom_vjp: it must be a Layer, got {describe(layer)}{seed_hint(layer)}")
    register_pytrees()

    def forward(params: P, x: Array) -> tuple[Array, C]:
        return layer.forward(*jax.tree.map(jax.numpy.asarray, (params, x)))  # where nothing is traced, x may be NumPy's

    def function(params: P, x: Array) -> Array:
        return forward(params, x)[0]

    differentiable: Any = jax.custom_vjp(function)
    differentiable.defvjp(forward, partial(_pullback, layer.backward))
    result: Callable[[P, Array], Array] = differentiable
    return result


def as_layer(
    f: Callable[..., object],
    *,
    x: Place = 0,
    frozen: Collection[Place] = (),
    couples_rows: bool = False,
    jit: bool = False,
    vmap: bool = False,
) -> Layer[Any, Graph]:
    """Make a layer of a JAX function: its forward is the function, its backward what `jax.vjp` finds for it.

    `check_layer(as_layer(f), params, x, rng=rng)` then judges the derivative of a `jax.custom_vjp`, hand-written or a
    kernel's.

    Parameters
    ----------
    f
        A function of arrays, a `jax.custom_vjp` or not. It must return one array.
    x
        Which argument is x: its position, or its name. The entries of a tuple of parameters are the other arguments,
        in order, and an array alone is one; the fields of a record are arguments by their names if x has a name, and
        otherwise the record is one argument. What `parameters` made a record of is given to f as it was: so
        `f(params, x)` with a dict of parameters is `x=1`.
    frozen
        The names of parameters that are constant, or their positions: theirs are zeros, and a check and training know
        it.
    couples_rows
        Whether rows depend on each other, as in batch normalisation.
    jit
        Whether f is compiled, and its derivative with it. A check calls it thousands of times, and is faster then.
    vmap
        Whether f takes a row of x, without its first axis, and is mapped over the rows.

    Returns
    -------
    Layer
        For arrays of NumPy and of JAX; it returns what x is, in memory of its own. Where one of them is float64, f runs
        in 64 bits, whatever `jax_enable_x64` says, and otherwise as it says. Records of your own that are made later
        must be told to JAX by `register_pytrees`. None for a gradient is 0 in JAX: it is found as a wrong derivative.

    Raises
    ------
    TypeError
        If `f` can't be called, or `x` or `frozen` is no place of an argument.
    ValueError
        If `x` is a negative position.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from chainrule import check_layer
    >>> from chainrule.interop.jax import as_layer, parameters
    >>> @jax.custom_vjp
    ... def scaled(params, x):
    ...     return x * params["weight"]
    >>> def forward(params, x):
    ...     return scaled(params, x), (params, x)
    >>> def backward(kept, dout):
    ...     params, x = kept
    ...     return {"weight": (dout * x).mean(0)}, dout * params["weight"]
    >>> scaled.defvjp(forward, backward)
    >>> rng = np.random.default_rng(0)
    >>> params, x = parameters({"weight": rng.standard_normal(3)}), rng.standard_normal((5, 3))
    >>> report = check_layer(as_layer(scaled, x=1, jit=True), params, x, rng=rng)
    >>> [verdict.field for verdict in report.failures if verdict.law == "derivative"]
    ['grads.weight']
    """
    forward, parts = _subject(f, x, frozen, jit=jit, vmap=vmap, moves_x=True)
    return Layer(forward, backward, grads, name=name_of_function(f), parts=parts, couples_rows=couples_rows)


def as_encoder(
    f: Callable[..., object],
    *,
    x: Place = 0,
    frozen: Collection[Place] = (),
    couples_rows: bool = False,
    jit: bool = False,
    vmap: bool = False,
) -> Encoder[Any, Graph, Any]:
    """Make an encoder of a JAX function: as `as_layer`, for an x that needs no derivative, such as tokens.

    Parameters
    ----------
    f, x, frozen, couples_rows, jit, vmap
        As of `as_layer`.

    Returns
    -------
    Encoder
        As the layer of `as_layer`, without `dx`.

    Raises
    ------
    TypeError, ValueError
        As `as_layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_layer
    >>> from chainrule.interop.jax import as_encoder
    >>> def look_up(table, tokens):
    ...     return table[tokens]
    >>> rng = np.random.default_rng(0)
    >>> tokens = rng.integers(0, 10, (5, 3))
    >>> check_layer(as_encoder(look_up, x=1, jit=True), rng.standard_normal((10, 4)), tokens, rng=rng).ok
    True
    """
    forward, parts = _subject(f, x, frozen, jit=jit, vmap=vmap, moves_x=False)
    return Encoder(forward, grads, name=name_of_function(f), parts=parts, couples_rows=couples_rows)


def _subject(
    f: object, x: Place, frozen: Collection[Place], *, jit: bool, vmap: bool, moves_x: bool
) -> tuple[Function, Parts]:
    if isinstance(f, type) or not callable(f):
        raise TypeError(f"as_layer: it must be a function of arrays, got {describe(f)}")
    check_place(x)
    constant = constant_at(frozen, beside(positional(f), x))
    register_pytrees()
    call: Callable[..., Any] = partial(_call_rows if vmap else _call, f)
    call = jax.jit(call, static_argnums=0) if jit else call
    derive: Derive = _compiled(f, call) if jit else partial(_derived, f, call)
    forward = Function(
        partial(_forward, f, derive, x, constant, moves_x),
        "jax",
        partial(_in_code, f, x, jit, vmap),
        f=f,
        name=name_of_author(f),
        value=partial(_value, f, call, x),
        traced=not jit,
        others=tuple(beside(positional(f), x)),
        reads_beyond=partial(_reads_beyond, f, call, x),
        check_params=partial(_check_params, f, x, constant),
    )
    return forward, Constants(partial(keep, constant)) if frozen else ()


def parameters(source: object) -> Any:
    """Make a tree of NumPy arrays of a dict of arrays.

    Parameters
    ----------
    source
        Dicts, lists, tuples, records and arrays, nested.

    Returns
    -------
    Any
        A record (`chainrule.interop.parameters.Parameters`) for each dict, list and named tuple, which `as_layer` gives
        to the function as what it was. The arrays are copies, in their dtype.

    Raises
    ------
    TypeError
        If there is something else in it.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from chainrule.interop.jax import parameters
    >>> parameters({"hidden": (jnp.ones((3, 2)), jnp.zeros(2)), "eps": 1e-5}).hidden[1].tolist()
    [0.0, 0.0]
    """
    return named(source, np.array)


def _forward(
    f: Callable[..., object],
    derive: Derive,
    at: Place,
    constant: Constant,
    moves_x: bool,
    params: Any,
    x: Any,
) -> tuple[Any, Graph]:
    still = [not moves_x, *constant(params)]
    with _given(f, at, params, x) as given:
        moving = [i for i, each in enumerate(given) if jax.numpy.issubdtype(each.dtype, jax.numpy.floating)]
        moving = [i for i in moving if not still[i]]
        out, pull = derive(at, params, given, moving)
    give = np.array if is_numpy(x) else jax.numpy.array
    return give(out), Graph(partial(_pull, params, given, moving, out, pull, give))


def _check_params(f: Callable[..., object], at: Place, constant: Constant, params: Any, x: Any) -> None:
    constant(params)
    check_call(f, f, arguments(at, params, x), params)


def _value(f: Callable[..., object], call: Callable[..., Any], at: Place, params: Any, x: Any) -> Any:
    """The result of f alone: `jax.vjp` traces it anew at each call, which takes ten times as long."""
    with _given(f, at, params, x) as given:
        by_place, by_name = arguments(at, tree.replace(params, given[1:]), given[0])
        out = _one_array(f, call(at, *by_place, **by_name))
    return np.array(out) if is_numpy(x) else jax.numpy.array(out)


def _reads_beyond(f: Callable[..., object], call: Callable[..., Any], at: Place, params: Any, x: Any) -> bool:
    """Tell whether an index is beyond an axis: JAX takes the last entry in its place, and gives that no derivative."""
    checkify = import_module("jax.experimental.checkify")
    checked = checkify.checkify(partial(call, at), errors=checkify.index_checks)
    with _given(f, at, params, x) as given, suppress(Exception):  # not every function can be asked
        by_place, by_name = arguments(at, tree.replace(params, given[1:]), given[0])
        error, _ = checked(*by_place, **by_name)
        return error.get() is not None
    return False


@contextmanager
def _given(f: Callable[..., object], at: Place, params: Any, x: Any) -> Generator[list[Any]]:
    """Copies of x and of the arrays of params, for JAX, which keeps 64 bits meanwhile if they have them."""
    arrays = [x, *tree.leaves(params)]
    for i, array in enumerate(arrays):
        if not (is_numpy(array) or isinstance(array, jax.Array)):
            name = ["x", *argument_names(positional(f), at, params)][i]
            raise TypeError(f"as_layer: {name} must be an array of NumPy's or JAX's, got {describe(array)}")
    with _wide(*arrays):
        yield [_copied(each) for each in arrays]


def _derived(
    f: Callable[..., object], call: Callable[..., Any], at: Place, params: Any, given: list[Any], moving: list[int]
) -> tuple[Any, Pull]:
    def function(*moved: Any) -> Any:
        every = _with(given, moving, moved)
        by_place, by_name = arguments(at, tree.replace(params, every[1:]), every[0])
        return _one_array(f, call(at, *by_place, **by_name))

    found: tuple[Any, Pull] = jax.vjp(function, *[given[i] for i in moving])
    return found


def _compiled(f: Callable[..., object], call: Callable[..., Any]) -> Derive:
    """The same compiled, once for each shape: `jax.vjp` of a compiled function is itself not, and takes its time."""

    @partial(jax.jit, static_argnums=(0, 1, 2))
    def vjp(at: Place, form: Any, moving: tuple[int, ...], given: list[Any]) -> tuple[Any, Pull]:
        def function(*moved: Any) -> Any:
            by_place, by_name = jax.tree.unflatten(form, _with(given, moving, moved))
            return _one_array(f, call(at, *by_place, **by_name))

        found: tuple[Any, Pull] = jax.vjp(function, *[given[i] for i in moving])
        return found

    back = jax.jit(_pulled_back)

    def derive(at: Place, params: Any, given: list[Any], moving: list[int]) -> tuple[Any, Pull]:
        ordered, form = jax.tree.flatten(arguments(at, tree.replace(params, given[1:]), given[0]))
        places = {id(each): i for i, each in enumerate(ordered)}
        out, pull = vjp(at, form, tuple(places[id(given[i])] for i in moving), ordered)
        return out, partial(back, pull)

    return derive


def _pulled_back(pull: Pull, dout: Any) -> tuple[Any, ...]:
    return pull(dout)


def _with(given: Sequence[Any], moving: Sequence[int], moved: Sequence[Any]) -> list[Any]:
    others = dict(zip(moving, moved, strict=True))
    return [others.get(i, each) for i, each in enumerate(given)]


def _one_array(f: Callable[..., object], result: Any) -> Any:
    if not isinstance(result, jax.Array):
        raise TypeError(f"as_layer: {name_of_function(f)} must return an array, got {describe(result)}")
    return result


def _in_code(
    f: Callable[..., Any], at: Place, jit: bool, vmap: bool, params: Any, x: Any, write: Callable[[Any], str]
) -> str:
    name = name_in_code(f)
    name = f"jax.jit({name})" if jit else name
    if not vmap:
        return call_in_code(name, *arguments(at, params, x), write)
    of_row = call_in_code(name, *arguments(at, params, Name("row")), write)
    return f"jax.vmap(lambda row: {of_row})({write(x)})"


def _call(f: Callable[..., Any], at: Place, *by_place: Any, **by_name: Any) -> Any:
    return f(*by_place, **by_name)


def _call_rows(f: Callable[..., Any], at: Place, *by_place: Any, **by_name: Any) -> Any:
    def of_row(row: Any) -> Any:
        if isinstance(at, str):
            return f(*by_place, **{**by_name, at: row})
        return f(*by_place[:at], row, *by_place[at + 1 :])

    return jax.vmap(of_row)(by_name[at] if isinstance(at, str) else by_place[at])


def _pull(
    params: Any,
    given: list[Any],
    moving: list[int],
    out: Any,
    pull: Pull,
    give: Callable[[Any], Any],
    dout: Any,
    wants_dx: bool,
) -> tuple[Any, Any]:
    check_dout(dout, out.shape, out.dtype)
    with _wide(out, *given):
        found = dict(zip(moving, pull(_copied(dout)), strict=True))
        dx, *gradients = [
            give(found[i] if i in found else np.zeros(each.shape, each.dtype)) for i, each in enumerate(given)
        ]
    return dx, tree.replace(params, [read_only(each) for each in gradients])


def _copied(array: Any) -> Any:
    """An array of JAX, in memory of its own: of one of NumPy's without a compilation, as `jax.numpy.array` needs."""
    return jax.device_put(np.array(array)) if is_numpy(array) else jax.numpy.array(array)


def _wide(*arrays: Any) -> Any:
    """A context in which JAX keeps 64 bits, if there are floats that have them."""
    wide = any(array.dtype in {np.dtype(np.float64), np.dtype(np.complex128)} for array in arrays)
    return jax.enable_x64(True) if wide else nullcontext()


def _pullback(backward: Callable[[C, Array], tuple[Array, P]], cache: C, dout: Array) -> tuple[P, Array]:
    dx, grads = backward(cache, dout)
    return grads, dx


def _fields(value: object, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in names)


def _subclasses(cls: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(cls)
    for below in children:
        yield below
        yield from _subclasses(below)
