"""Functions of arrays as `check_against` runs them: forward and back, with the results under the user's names."""

import inspect
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from attrs import field, frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import is_tuple
from chainrule.checking.bursts import slopes
from chainrule.interop.arguments import Place, name_of_function
from chainrule.laws._of_kernels.backends import Backend, OfJAX, Real, is_float
from chainrule.laws.trials.sizes import sizes_of
from chainrule.layer import Layer

Arguments: TypeAlias = tuple[Any, ...]
"""x, and then the parameters."""

Results: TypeAlias = dict[str, Any]
"""The output and the gradients by name, in the arrays of the library."""


@frozen(eq=False)
class Kernel:
    """A function of x and parameters, as a layer.

    If it takes one parameter `alone`, that is not in a tuple. `plain` is a function of tensors as it is, called with
    all arguments, and `author` the function as it was given.
    """

    layer: Any
    alone: bool
    names: "Names"
    backend: Backend
    plain: Callable[[Arguments], Any] | None = None
    author: Any = None

    def forward(self, args: Arguments) -> tuple[Any, Any]:
        result: object = self.layer.forward(self._params(args), args[0])
        if not is_tuple(result) or len(result) != 2:
            raise TypeError(f"forward must return (out, cache), got {describe(result)}")
        return result

    def backward(self, cache: Any, dout: Any) -> Results:
        dx, grads = self.layer.backward(cache, dout)
        found = {"": dx, **dict(tree.named_leaves(grads if not self.alone else (grads,)))}
        return {name: found[path] for path, name in self.names.gradients.items() if found.get(path) is not None}

    def run(self, args: Arguments, dout: Real) -> Results:
        out, cache = self.forward(args)
        return {self.names.out: out, **self.backward(cache, self.backend.like(dout, out))}

    def _params(self, args: Arguments) -> Any:
        return args[1] if self.alone else args[1:]


@frozen
class Names:
    """The names of the results: of gradients by path in `("", params)`, and of arguments and the output."""

    gradients: dict[str, str]
    arguments: tuple[str, ...]
    out: str = field(default="out")


def names_of(f: object, reference: object, args: Arguments, frozen: Collection[Place]) -> Names:
    """Call gradients after the arguments of the function, or if it does not say, of the reference."""
    known = next((some for each in (f, reference) if len(some := _positional(each)) >= len(args)), ())
    names = known[: len(args)] or ("x", *(f"params[{i}]" for i in range(len(args) - 1)))
    if any(place not in names if isinstance(place, str) else place not in range(len(names)) for place in frozen):
        raise ValueError(f"check_against: frozen names {list(frozen)}, but the arguments are {', '.join(names)}")
    still = {place if isinstance(place, str) else names[place] for place in frozen}
    gradients: dict[str, str] = {} if names[0] in still else {"": f"d{names[0]}"}
    for i, (name, arg) in enumerate(zip(names[1:], args[1:], strict=True)):
        for path, leaf in tree.named_leaves(arg):
            if is_float(leaf) and name not in still:
                gradients[f"[{i}]{path}"] = f"d{name}{path}"
    return Names(gradients, names)


def _positional(f: Any) -> tuple[str, ...]:
    if isinstance(f, Layer):
        return ()
    if hasattr(f, "named_parameters"):
        return ("x", *(name for name, _ in f.named_parameters()))
    taken, drop = f, 0
    if isinstance(f, type) and hasattr(f, "setup_context"):
        function: Any = f
        taken = function.forward
        drop = int(import_module("chainrule.interop._torch_layer").function_signature(f) != inspect.signature(taken))
    try:
        found = list(inspect.signature(taken).parameters.values())
    except (TypeError, ValueError):
        return ()
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return tuple(each.name for each in found if each.kind in kinds)[drop:]


def kernel(f: Any, library: str, args: Arguments, names: Names, backend: Backend, *, role: str) -> Kernel:
    if isinstance(f, Layer):
        return Kernel(f, len(args) == 2, names, backend, author=f)
    if not callable(f) or (isinstance(f, type) and not hasattr(f, "apply")):
        raise TypeError(f"check_against: {role} must be a Layer or a function of arrays, got {_function_name(f)}")
    if library == "numpy":
        if role == "f":
            raise TypeError(
                f"check_against: f is {_function_name(f)}, a function of NumPy arrays, which has no backward: "
                f"give Layer(forward, backward)"
            )
        return Kernel(_numerical(f), False, names, backend, author=f)
    interop: Any = import_module(f"chainrule.interop.{library}")
    still = [i for i in range(len(names.arguments) - 1) if not _moves(i, names)]
    frozen = () if hasattr(f, "named_parameters") else [i for i in still if _has_arrays(args[i + 1])]
    if library == "jax":
        return Kernel(interop.as_layer(f, frozen=frozen, jit=True), False, names, backend)
    as_it_is = import_module("chainrule.interop._torch_layer").plain(f)
    if "" in names.gradients:
        return Kernel(interop.as_layer(f, frozen=frozen), False, names, backend, as_it_is)
    encoder = interop.as_encoder(f, frozen=frozen)

    def backward(cache: Any, dout: Any) -> tuple[None, Any]:
        return None, encoder.grads(cache, dout)

    return Kernel(_OfParameters(encoder.forward, backward), False, names, backend, as_it_is)


@frozen(eq=False)
class _OfParameters:
    forward: Callable[[Any, Any], Any]
    backward: Callable[[Any, Any], tuple[None, Any]]


def _moves(i: int, names: Names) -> bool:
    return any(path.startswith(f"[{i}]") for path in names.gradients)


def _has_arrays(arg: object) -> bool:
    return bool(tree.leaves(arg))


def _function_name(f: object) -> str:
    return name_of_function(f) if callable(f) else describe(f)


def _numerical(f: Callable[..., Any]) -> Layer[Any, Any]:
    """A layer of a plain formula: its backward is a numerical derivative, in float64."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return np.asarray(f(x, *params)), (params, x)

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        params, x = cache
        flat = np.asarray(dout, np.float64).reshape(-1)
        every = [x, *tree.leaves(params)]

        def at(moved: list[Any]) -> Real:
            return np.asarray(f(moved[0], *tree.replace(params, moved[1:]))).reshape(-1)

        dx = _slopes_of_rows(f, params, x, flat) if _rows_alone(f, params, x) else _slopes(at, every, 0, flat)
        rest = [_slopes(at, every, i, flat) if is_float(leaf) else leaf for i, leaf in enumerate(every) if i]
        return dx, tree.replace(params, rest)

    return Layer(forward, backward, name=name_of_function(f))


def _slopes(at: Callable[[list[Any]], Real], every: list[Any], which: int, dout: Real) -> Real:
    leaf = np.asarray(every[which])
    sizes, result = sizes_of(leaf), np.zeros(leaf.shape)
    for index in np.ndindex(leaf.shape):

        def line(step: float, index: tuple[int, ...] = index) -> Real:
            moved = leaf.copy()
            moved[index] += step
            return at([moved if i == which else each for i, each in enumerate(every)])

        found = slopes(line, dout[None], 2.0**-8 * float(sizes[index]))
        result[index] = float((found.low + found.high)[0]) / 2
    return result


def _slopes_of_rows(f: Callable[..., Any], params: Any, x: Real, dout: Real) -> Real:
    """The same with respect to x, for all rows at once, each by its own output."""
    n = len(x)
    weights = np.zeros((n, n, dout.size // n))
    weights[np.arange(n), np.arange(n)] = dout.reshape(n, -1)
    result, size = np.zeros(x.shape), np.abs(sizes_of(x))
    for index in np.ndindex(x.shape[1:]):
        # All rows move by one step, that of a typical entry.
        place: tuple[Any, ...] = (slice(None), *index)
        first = 2.0**-8 * float(np.median(size[place]))

        def line(step: float, place: tuple[Any, ...] = place) -> Real:
            moved = x.copy()
            moved[place] += step
            return np.asarray(f(moved, *params)).reshape(-1)

        found = slopes(line, weights.reshape(n, -1), first)
        result[place] = (found.low + found.high) / 2
    return result


def _rows_alone(f: Callable[..., Any], params: Any, x: Real) -> bool:
    """Tell if a row of the output depends on that row of x alone, as far as one row shows."""
    if x.ndim < 2 or len(x) < 2 or x.size > 2**14:
        return False
    out = np.asarray(f(x, *params))
    other = np.flip(x, axis=0).copy()
    other[0] = x[0]
    again = np.asarray(f(other, *params))
    return out.shape[:1] == x.shape[:1] == again.shape[:1] and bool(np.allclose(out[0], again[0], rtol=1e-12, atol=0))


def lifted(args: Arguments, change: Callable[[Any], Any]) -> Arguments:
    return tuple(_mapped(arg, change) for arg in args)


def _mapped(arg: Any, change: Callable[[Any], Any]) -> Any:
    """As `tree.map`, which would copy arrays into the usual layout where records hold them."""
    if hasattr(arg, "shape") and hasattr(arg, "dtype"):
        return change(arg)
    if is_tuple(arg):
        return tuple(_mapped(each, change) for each in arg)
    return tree.replace(arg, [change(leaf) for leaf in tree.leaves(arg)])


def arrays_of(args: Arguments) -> list[Any]:
    return [leaf for arg in args for leaf in tree.leaves(arg)]


def in_memory(backend: Backend) -> bool:
    """True if arrays have a layout, and can be written to."""
    return not isinstance(backend, OfJAX)
