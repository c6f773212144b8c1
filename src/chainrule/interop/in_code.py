"""Values and calls as they are written in code, for lines that are pasted elsewhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chainrule.arrays.records import field_names
from chainrule.arrays.types import is_any_tuple, is_dict, is_list
from chainrule.interop.parameters import names_of_fields


class Name(str):
    """A name in code, which is written as it is."""

    __slots__ = ()


def value_in_code(value: Any, names: Mapping[int, str]) -> str:
    """A value in code: dicts, lists, tuples and records of arrays, nested; numbers, strings and names.

    Arrays have names by their `id`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine
    >>> from chainrule.interop.in_code import value_in_code
    >>> params = Affine(np.ones((3, 2)), np.ones(2))
    >>> value_in_code({"first": (params, 2)}, {id(params.W): "W", id(params.b): "b"})
    "{'first': (Affine(W=W, b=b), 2)}"
    """
    if id(value) in names:
        return names[id(value)]
    if isinstance(value, Name):
        return str(value)
    inside = [value_in_code(each, names) for _, each in _entries(value)]
    kind: Any = value.__class__
    if is_dict(value):
        return f"{{{', '.join(f'{key!r}: {each}' for key, each in zip(value, inside, strict=True))}}}"
    if is_list(value):
        return f"[{', '.join(inside)}]"
    if kind is tuple:
        return f"({', '.join(inside)}{',' if len(inside) == 1 else ''})"
    fields = _fields(value)
    named = [f"{name}={each}" for name, each in zip(fields or (), inside, strict=True)]
    return repr(value) if fields is None else f"{kind.__name__}({', '.join(named)})"


def path_in_code(value: Any, array: Any, at: str) -> str:
    """The code that reaches an array from the value that holds it, whose name is `at`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.interop.in_code import path_in_code
    >>> bias = np.ones(2)
    >>> path_in_code([{"b": bias}], bias, "grads")
    "grads[0]['b']"
    """
    return next(path for path, each in reached(value, at) if each is array)


def call_in_code(f: str, by_place: tuple[Any, ...], by_name: Mapping[str, Any], code: Callable[[Any], str]) -> str:
    """A call in code: `f(x, W, eps=1e-5)`."""
    return f"{f}({', '.join([*map(code, by_place), *(f'{name}={code(each)}' for name, each in by_name.items())])})"


ASSIGNED = re.compile(
    "(x|p|out|targets)[0-9]*|dout|dx|cache|grads|got|pull|moved|step|loss|h|result|dtype|row|copied|copy|module"
    "|alone|together|before|right|first|kept|bad|scale|rows|counts|other|held|params|xs|pool|ThreadPoolExecutor"
    "|np|torch|jax|jnp|os|sys|random|warnings"
)
"""The names that lines give to things of their own, which therefore can't be the name of a function in them."""


def name_of_author(f: Any) -> str:
    """The name that the author of a function has for it; `f` for one without."""
    name = str(getattr(f, "__name__", ""))
    return name if name.isidentifier() else "f"


def name_in_code(f: Any) -> str:
    """The name of a function in lines of code: the author's, or `f` where the lines have another use for that.

    Examples
    --------
    >>> from chainrule.interop.in_code import name_in_code
    >>> def dout(x): ...
    >>> def swish(x): ...
    >>> name_in_code(dout), name_in_code(swish)
    ('f', 'swish')
    """
    name = name_of_author(f)
    return "f" if ASSIGNED.fullmatch(name) else name


def _fields(value: Any) -> tuple[str, ...] | None:
    kind: Any = value.__class__
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(field_names(kind))
    return names_of_fields(value) or None


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    fields = _fields(value)
    if fields is not None:
        yield from ((f".{name}", getattr(value, name)) for name in fields)
    elif is_dict(value):
        yield from ((f"[{key!r}]", each) for key, each in value.items())
    elif is_list(value) or is_any_tuple(value):
        yield from ((f"[{i}]", each) for i, each in enumerate(value))


def reached(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """All that a value holds, itself too, with the code that reaches it from the value's name."""
    yield at, value
    for step, each in _entries(value):
        yield from reached(each, at + step)
