"""Records: named arrays that nobody can write to.

Parameters, gradients and caches are frozen attrs classes. `@record`, under `@frozen(eq=False)`, adds three things:
arrays are read-only as they enter, they stay so through pickling and copying, after which NumPy's are writable again,
and a record prints as `Affine(W=f32[784, 50], b=f32[50])` and not as pages of digits.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from operator import attrgetter, is_
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import attrs

from chainrule.arrays.ownership import own
from chainrule.arrays.types import is_numpy, is_tuple

T = TypeVar("T")
Q = ParamSpec("Q")

SIGNATURE = "_signature"
"""The field of a record that is no part of its value: see `Signature`."""

NAMES: dict[type, tuple[str, ...]] = {}
"""The names of fields, by class: finding them takes longer than a small layer."""

PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None)})
"""The types that most records carry along, and that hold no arrays."""

FIELD: type[object] = type(cast("object", attrs.field()))
"""The class of a field before attrs builds the record."""

CLASS_VARIABLES = ("ClassVar", "typing.ClassVar", "t.ClassVar", "typing_extensions.ClassVar")
"""The beginnings of annotations of class variables: attrs reads no more of them either."""


def dissected(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], Callable[..., Any]] | None:
    """Two functions, to take a record apart and to build one without its checks; None if the class is no record."""
    if cls not in PARTS:
        PARTS[cls] = (fields_of(cls), unchecked(cls)) if is_record(cls) else None
    return PARTS[cls]


def fields_of(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives the fields of a class's records, in order."""
    names = field_names(cls)
    return attrgetter(*names) if len(names) > 1 else partial(_fields, names)


def first_of(cls: type) -> Callable[[Any], Any]:
    """A function that gives the first field of a class's records."""
    return attrgetter(*field_names(cls)[:1] or ("__class__",))


def _fields(names: tuple[str, ...], value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in names)


class Signature(NamedTuple):
    """The signature of a cache: the layer and the functions that made it, and the form of its output for `dout`."""

    layer: str
    xp: Any
    shape: tuple[int, ...]
    dtype: Any


PARTS: dict[type, tuple[Callable[[Any], tuple[Any, ...]], Callable[..., Any]] | None] = {}
"""By class, what `dissected` gives."""


def record(cls: type[T]) -> type[T]:
    """Make the class that `@frozen(eq=False)` is about to build own its arrays.

    `eq=False` because `==` on arrays gives arrays: compare records with `chainrule.tree.equal`.

    Parameters
    ----------
    cls
        A class of annotated fields.

    Returns
    -------
    type[T]
        The same class. Every field owns its value (see `chainrule.own`), after the converters of its own and before
        its validators: arrays are copied unless they are read-only, in tuples too. A pickled record comes back with the
        same fields, a deep copy shares what nobody can write to, and it prints shapes in place of numbers.

    Raises
    ------
    TypeError
        If attrs has built the class already, or if it inherits fields from a class that is no record.

    Examples
    --------
    >>> import numpy as np
    >>> from attrs import frozen
    >>> from chainrule import Array, record
    >>> @frozen(eq=False)
    ... @record
    ... class Scale:
    ...     factor: Array
    >>> Scale(np.ones(3, np.float32))
    Scale(factor=f32[3])
    """
    if not isinstance(cls, type) or not hasattr(cls, "__annotations__"):  # a class of Python's own
        raise TypeError(f"record: {getattr(cls, '__name__', summary(cls))} must be a class of annotated fields")
    if "__attrs_attrs__" in vars(cls):
        raise TypeError(f"record: {cls.__name__} is built already: write @frozen(eq=False) above @record, not below it")
    for base in cls.__mro__[1:]:
        if vars(base).get("__attrs_attrs__") and not is_record(base):
            raise TypeError(f"record: {cls.__name__} has fields of {base.__name__}: write @record on that class too")
    for name, kind in cls.__annotations__.items():
        default = vars(cls).get(name, attrs.NOTHING)
        if not isinstance(default, FIELD) and not _is_class_variable(kind):
            setattr(cls, name, attrs.field(default=default))
    fields: list[Any] = [each for each in vars(cls).values() if isinstance(each, FIELD)]
    for each in fields:
        each.converter = attrs.converters.pipe(each.converter, own) if each.converter else own
    if "__attrs_post_init__" in vars(cls):
        _own_what_it_sets(cls)
    cls.__annotations__[SIGNATURE] = "object"
    setattr(cls, SIGNATURE, attrs.field(init=False, repr=False, default=None))
    methods: dict[str, Any] = {
        "__repr__": _repr,
        "__reduce__": _reduce,
        "__copy__": _itself,
        "__deepcopy__": _deep_copy,
    }
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def unchecked(cls: Callable[Q, T]) -> Callable[Q, T]:
    """Make a second constructor of a record, for arrays that are read-only and fit each other already.

    The ordinary one checks and copies what comes from outside, which takes longer than a small layer.

    Parameters
    ----------
    cls
        A class made with `@frozen(eq=False)` and `@record`.

    Returns
    -------
    Callable
        It takes a value for each field, in order, and holds them as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, rules
    >>> same = rules.unchecked(Affine)
    >>> same(np.ones((3, 2)), np.zeros(2))
    Affine(W=f64[3, 2], b=f64[2])
    """
    built: Any = cls
    fields: list[Any] = [getattr(built, name).__set__ for name in field_names(built)]
    put_signature: Any = getattr(built, SIGNATURE).__set__

    def make(*values: Any) -> Any:
        made = object.__new__(built)
        for put, value in zip(fields, values):  # noqa: B905  # strict takes longer
            put(made, value)
        put_signature(made, None)
        return made

    def make_of_two(first: Any, second: Any) -> Any:  # what most records are, in half the time
        made = object.__new__(built)
        put_first(made, first)
        put_second(made, second)
        put_signature(made, None)
        return made

    def make_of_one(value: Any) -> Any:
        made = object.__new__(built)
        put_first(made, value)
        put_signature(made, None)
        return made

    fitting: Callable[..., T] = make
    if len(fields) == 1:
        (put_first,) = fields
        fitting = make_of_one
    if len(fields) == 2:
        put_first, put_second = fields
        fitting = make_of_two
    return fitting


def blank(cls: type[T]) -> T:
    """A record signed by nobody, whose fields are still to be set; its constructor may convert or refuse values."""
    made = object.__new__(cls)
    if getattr(cls, "__reduce__", None) is _reduce:  # a record, or made from one
        object.__setattr__(made, SIGNATURE, None)
    return made


def sign(made: T, signature: Signature | str | None) -> T:
    """Sign a cache, or a state by a name. Only its maker does so, before anybody else holds it."""
    if hasattr(type(made), SIGNATURE):
        object.__setattr__(made, SIGNATURE, signature)
    return made


def signature_of(cache: object) -> Signature | None:
    """The signature of a cache; None if it is no record, or was not made by a layer."""
    found = getattr(cache, SIGNATURE, None)
    return found if type(found) is Signature else None  # of a class, it is a descriptor


def is_record(cls: type) -> bool:
    """Tell whether a class was made by `@record` and attrs."""
    return "__attrs_attrs__" in vars(cls) and getattr(cls, "__reduce__", None) is _reduce


def summary(value: object) -> str:
    """An array as its dtype and shape, `f32[784, 50]`, in a tuple too; anything else as it prints itself."""
    if is_tuple(value):
        inside = ", ".join(map(summary, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return repr(value)
    kind = str(dtype).rpartition(".")[2]
    for long, short in (("complex", "c"), ("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i")):
        if kind.startswith(long):
            kind = short + kind.removeprefix(long)
            break
    return f"{kind}[{', '.join(str(side) for side in shape)}]"


def field_names(cls: type) -> tuple[str, ...]:
    """The names of an attrs class's fields, in order; none for another class."""
    if cls not in NAMES:
        NAMES[cls] = tuple(a.name for a in getattr(cls, "__attrs_attrs__", ()) if a.name != SIGNATURE)
    return NAMES[cls]


def _repr(self: object) -> str:
    fields = ", ".join(f"{name}={summary(getattr(self, name))}" for name in field_names(type(self)))
    return f"{type(self).__name__}({fields})"


def _is_class_variable(annotation: object) -> bool:
    """Tell whether an annotation is that of a class variable; it may be a string, even one with quotation marks."""
    return str(annotation).strip("'\"").startswith(CLASS_VARIABLES)


def _own_what_it_sets(cls: Any) -> None:
    set_fields = cls.__attrs_post_init__

    def own_fields(self: object) -> None:
        set_fields(self)
        for name in field_names(type(self)):
            value = getattr(self, name, None)  # it may leave one for later
            owned = own(value)
            if owned is not value:
                object.__setattr__(self, name, owned)

    cls.__attrs_post_init__ = own_fields
    cls._set_fields = set_fields  # attrs makes the class anew, and tells `super()` of it in what stands in the class


def _reduce(self: object) -> tuple[object, ...]:
    return _built, (type(self), tuple(getattr(self, name) for name in field_names(type(self))))


def _built(cls: type[T], values: tuple[object, ...]) -> T:
    """A record of these values; not by its constructor, which may convert again what it has converted."""
    made = blank(cls)
    for name, value in zip(field_names(cls), values, strict=True):
        object.__setattr__(made, name, own(value))
    return made


def _itself(self: T) -> T:
    return self


def _deep_copy(self: T, memo: dict[int, object]) -> T:
    values = tuple(getattr(self, name) for name in field_names(type(self)))
    copies = _all_copied(values, memo)
    return self if copies is values else _built(type(self), copies)


def _copied(value: object, memo: dict[int, object]) -> object:
    if is_numpy(value):
        return own(value)
    return _all_copied(value, memo) if is_tuple(value) else deepcopy(value, memo)


def _all_copied(values: tuple[object, ...], memo: dict[int, object]) -> tuple[object, ...]:
    copies = tuple(_copied(value, memo) for value in values)
    return values if all(map(is_, copies, values)) else copies
