"""Named parameters: a dict of arrays as a record, so that it is a tree.

Trees are made of records and tuples (see `chainrule.tree`); other libraries keep parameters in dicts, lists and named
tuples. `named` makes records of these, and `natural` makes them what they were, for a function that expects it.
"""

import copyreg
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from keyword import iskeyword
from typing import Any, TypeAlias

from attrs import field, frozen, has

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.records import PLAIN, field_names, record
from chainrule.arrays.types import Array, is_any_tuple, is_array, is_tuple

Key: TypeAlias = Any
"""The key by which a dict finds a value: a string as a rule."""

CLASSES: dict[tuple[type, tuple[Key, ...]], "type[Parameters]"] = {}
"""The classes made so far, by what they are records of: gradients have the class of the parameters."""


@frozen(eq=False)
@record
class Parameters:
    """A record with a field for each entry of a dict; each set of names has a class of its own, below this one.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.interop.parameters import named
    >>> params = named({"weight": np.ones((3, 2)), "bias": np.zeros(2)})
    >>> params
    Parameters(weight=f64[3, 2], bias=f64[2])
    >>> params.bias
    array([0., 0.])
    """

    def __getattr__(self, name: str) -> Any:
        """Say which fields there are; those are found without it."""
        raise AttributeError(f"there is no parameter {name!r}, only {', '.join(field_names(type(self))) or 'none'}")


def named(value: Any, array: Callable[[Any], Array] | None = None) -> Any:
    """Make a tree of dicts, lists and named tuples of arrays.

    There are `Parameters` for each of them; tuples, records and arrays stay such, or each array becomes what the
    function makes of it. Numbers, strings and None are carried along; anything else is a TypeError. A key that is no
    name in Python is made one: `0` becomes `_0`, `layer.0` becomes `layer_0`, `lambda` becomes `lambda_`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tree
    >>> from chainrule.interop.parameters import named
    >>> params = named({"layers": [{"W": np.ones((3, 2))}, {"W": np.ones((2, 1))}], "scale": np.ones(1)})
    >>> [path for path, leaf in tree.named_leaves(params)]
    ['.layers._0.W', '.layers._1.W', '.scale']
    """
    if is_tuple(value):
        return tuple(named(each, array) for each in value)
    taken = _taken_apart(value)
    if taken is not None:
        origin, keys, values = taken
        return built(origin, keys, tuple(named(each, array) for each in values))
    kind: Any = value.__class__
    if has(kind) or is_array(value):
        return value if array is None else tree.map(array, value)
    if kind in PLAIN:
        return value
    raise TypeError(f"parameters: they must be dicts, lists, tuples, records and arrays, got {describe(value)}")


def _taken_apart(value: Any) -> tuple[type, tuple[Key, ...], tuple[Any, ...]] | None:
    kind: Any = value.__class__
    if issubclass(kind, Mapping):
        return dict, tuple(value), tuple(value.values())
    if issubclass(kind, list):
        return list, tuple(range(len(value))), tuple(value)
    is_named = issubclass(kind, tuple) and hasattr(value, "_fields")
    return (value.__class__, tuple(value._fields), tuple(value)) if is_named else None


def natural(params: Any) -> Any:
    """Make of `Parameters` what they were made of, with the arrays that they hold now; the rest stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.interop.parameters import named, natural
    >>> natural(named({"weight": np.ones(2), "scales": [np.zeros(1)]}))
    {'weight': array([1., 1.]), 'scales': [array([0.])]}
    """
    if is_tuple(params):
        return tuple(map(natural, params))
    if not isinstance(params, Parameters):
        return params
    kind, keys = _origin(type(params))
    values = [natural(getattr(params, name)) for name in field_names(type(params))]
    if kind is dict:
        return dict(zip(keys, values, strict=True))
    return values if kind is list else kind(*values)


def built(kind: type, keys: tuple[Key, ...], values: tuple[Any, ...]) -> Parameters:
    """A record of these values, that `natural` makes a dict, a list or a named tuple."""
    cls = CLASSES.get((kind, keys)) or CLASSES.setdefault((kind, keys), _class_for(kind, keys))
    return cls(*values)


def _class_for(kind: type, keys: tuple[Key, ...]) -> type[Parameters]:
    names = as_names(keys)
    body = {
        "__annotations__": dict.fromkeys(names, "object"),
        "__doc__": Parameters.__doc__,
        "__module__": __name__,
        **{name: field(alias=name) for name in names},
    }
    bare: type[Parameters] = type("Parameters", (Parameters,), body)
    made: type[Parameters] = frozen(eq=False)(record(bare))
    ORIGINS[made] = kind, keys
    copyreg.pickle(made, _reduced)  # pickle finds no class by a name that many have
    return made


ORIGINS: dict[type[Parameters], tuple[type, tuple[Key, ...]]] = {}
"""By class, what its records were made of: the type and the keys."""


def _origin(cls: type[Parameters]) -> tuple[type, tuple[Key, ...]]:
    return ORIGINS.get(cls, (dict, ()))


def as_names(keys: tuple[Key, ...]) -> list[str]:
    """Keys as names of fields."""
    names: list[str] = []
    for key in keys:
        names.append(_name(key, names))
    return names


def _name(key: Key, taken: list[str]) -> str:
    name = re.sub("^_+", "_", re.sub(r"\W", "_", str(key)))  # Python gives names with two a meaning of their own
    if not name.isidentifier():
        name = f"_{name}"
    while iskeyword(name) or name == "self" or name in taken or name in dir(Parameters):
        name += "_"
    return name


def _reduced(params: Parameters) -> tuple[Any, ...]:
    cls = type(params)
    return built, (*_origin(cls), tuple(getattr(params, name) for name in field_names(cls)))


def names_of_fields(value: object) -> tuple[str, ...]:
    """The names of the fields of a named tuple, or of those that a dataclass is made of; none of anything else.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from chainrule.interop.parameters import names_of_fields
    >>> @dataclass
    ... class Scale:
    ...     factor: float
    >>> names_of_fields(Scale(2.0)), names_of_fields((2.0,))
    (('factor',), ())
    """
    if is_any_tuple(value):
        return tuple(getattr(value, "_fields", ()))
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(each.name for each in fields(value) if each.init)
    return ()
