"""The arguments of a function that is to be a layer: which of them is x, and which parameters are constant.

x = 0         f(x, *params)             x = 1    f(params[0], x, *params[1:])
x = "name"    f(**params, name=x)
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Any, TypeAlias

from attrs import has

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.records import field_names
from chainrule.arrays.types import is_tuple
from chainrule.interop.parameters import names_of_fields, natural

Place: TypeAlias = int | str
"""Which argument is x: its position, or its name."""

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Arguments by position, and by name."""


def check_place(x: object) -> None:
    """Refuse what is no position and no name."""
    if isinstance(x, bool) or not isinstance(x, int | str):
        raise TypeError(f"as_layer: x must be the position or the name of an argument, got {describe(x)}")
    if isinstance(x, int) and x < 0:
        raise ValueError(f"as_layer: x must be a position from 0 on, got {x}")


def arguments(at: Place, params: Any, x: Any) -> Arguments:
    """The arguments of a call, by position and by name.

    `at` tells which argument is x. If a position, the entries of a tuple of parameters are the other arguments, or
    another tree is the only other one; a ValueError if there are too few. If a name, the fields of a record are
    arguments by their names. A record that was made of a dict becomes one again.

    Examples
    --------
    >>> from chainrule.interop.arguments import arguments
    >>> arguments(1, ("weight", "bias"), "x")
    (('weight', 'x', 'bias'), {})
    >>> arguments("x", ("weight", "bias"), "x")
    (('weight', 'bias'), {'x': 'x'})
    """
    params = natural(params)
    if isinstance(at, str):
        by_name = fields(params)
        return ((), {**by_name, at: x}) if by_name is not None else (as_tuple(params), {at: x})
    others = as_tuple(params)
    if at > len(others):
        raise ValueError(f"as_layer: x is argument {at}, but there are only {len(others)} parameters before it")
    return (*others[:at], x, *others[at:]), {}


def check_call(f: Callable[..., object], form: Callable[..., object] | Signature, args: Arguments, params: Any) -> None:
    """Refuse parameters that are not as many arguments as f has beside x, or have other names."""
    try:
        bound = form if isinstance(form, Signature) else signature(form)
    except (TypeError, ValueError):  # a function of another language need not say
        return
    by_place, by_name = args
    try:
        bound.bind(*by_place, **by_name)
    except TypeError as error:
        what = f"as_layer: {name_of_function(f)}{_named(bound)} can't be called with x and {describe(params)}"
        raise TypeError(f"{what} as params: {error}") from None


def _named(form: Signature) -> str:
    """The names of all arguments, without their types."""
    return str(Signature([each.replace(annotation=Parameter.empty) for each in form.parameters.values()]))


def fields(params: Any) -> dict[str, Any] | None:
    """The entries of a dict, a named tuple or a record by name; None for another tree."""
    kind: Any = params.__class__
    if kind is dict:
        return dict(params)
    names = field_names(kind) if has(kind) else names_of_fields(params)
    return {name: getattr(params, name) for name in names} if names or has(kind) else None


def as_tuple(params: Any) -> tuple[Any, ...]:
    """Parameters as arguments by position."""
    return params if is_tuple(params) else (params,)


def positional(f: Callable[..., object] | Signature) -> tuple[str, ...]:
    """The names of a function's arguments by position, as far as they can be known."""
    try:
        found = (f if isinstance(f, Signature) else signature(f)).parameters.values()
    except (TypeError, ValueError):  # a function of another language need not say
        return ()
    by_position = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    return tuple(each.name for each in found if each.kind in by_position)


def beside(known: tuple[str, ...], at: Place) -> list[str]:
    """The names of the arguments beside x."""
    return [name for i, name in enumerate(known) if at not in {i, name}]


def argument_names(known: tuple[str, ...], at: Place, params: Any) -> list[str]:
    """The names of a tree's arrays for messages: those of the function's arguments where they are known."""
    others, names = beside(known, at), list[str]()
    for path, _ in tree.named_leaves(params):
        if path.startswith("["):
            place, _, rest = path[1:].partition("]")
            names.append((others[int(place)] if int(place) < len(others) else f"params[{place}]") + rest)
        else:
            names.append(path.removeprefix(".") or (others[0] if others else "params"))
    return names


Constant: TypeAlias = Callable[[Any], list[bool]]
"""For parameters, which of their arrays are constant, in the order of `tree.leaves`."""


def constant_at(frozen: Collection[Place], others: Sequence[str] = ()) -> Constant:
    """The arrays at these places: names of a record's fields; positions in a tuple, or the names of those arguments.

    0 is a lone array.
    """
    is_list = is_a(frozen, Collection) and not is_a(frozen, str)
    if not is_list or not all(isinstance(each, int | str) for each in frozen):
        raise TypeError(f"as_layer: frozen must be names or positions in a list, got {frozen!r}")
    return partial(_constant_at, tuple(frozen), tuple(others))


def _constant_at(frozen: Sequence[Place], others: tuple[str, ...], params: Any) -> list[bool]:
    paths = [path for path, _ in tree.named_leaves(params)]
    if paths == [""]:
        unknown = [place for place in frozen if place not in {0, *others[:1]}]
        if unknown:
            raise ValueError(f"as_layer: frozen names {unknown[0]!r}, but the parameter is one array: say 0")
        return [bool(frozen)]
    in_tuple = is_tuple(params)
    places = [others.index(each) if in_tuple and each in others else each for each in frozen]
    roots = [f"[{place}]" if isinstance(place, int) else f".{place}" for place in places]
    for place, root in zip(frozen, roots, strict=True):
        if not any(_is_in(root, path) for path in paths):
            raise ValueError(f"as_layer: frozen names {place!r}, but the parameters are {', '.join(paths) or '()'}")
    return [any(_is_in(root, path) for root in roots) for path in paths]


def _is_in(root: str, path: str) -> bool:
    return path == root or path.startswith((f"{root}.", f"{root}["))


def keep(constant: Constant, old: Any, new: Any) -> Any:
    """The new parameters, and the old ones of what is constant: see `chainrule.parts.Constants`."""
    chosen = zip(constant(old), tree.leaves(old), tree.leaves(new), strict=True)
    return tree.replace(new, [before if still else after for still, before, after in chosen])


def check_dout(dout: Any, shape: Sequence[int], dtype: object) -> None:
    """Refuse a dout that is not like out."""
    if tuple(dout.shape) != tuple(shape):
        raise ValueError(f"as_layer: dout is {tuple(dout.shape)} but out is {tuple(shape)}")
    if dout.dtype != dtype:
        raise TypeError(f"as_layer: dout is {dout.dtype} but out is {dtype}")


def name_of_function(f: Any) -> str:
    """The name of a layer that is made of a function, a class or an object."""
    name = str(getattr(f, "__name__", type(f).__name__))
    return "function" if name == "<lambda>" else name
