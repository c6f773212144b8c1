"""Records: named arrays that nobody can write to.

Parameters, gradients and caches are frozen attrs classes. `@record`, under `@frozen(eq=False)`, adds what attrs leaves
open: arrays are read-only as they enter and stay so through pickling and copying (NumPy thaws them), and a record
prints as `Affine(W=f32[784, 50], b=f32[50])` and not as pages of digits.
"""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import attrs

from chainrule.arrays.ownership import own

T = TypeVar("T")
Q = ParamSpec("Q")

SIGNATURE = "_signature"
"""The field of a record that is no part of its value: see `Signature`."""

NAMES: dict[type, tuple[str, ...]] = {}
"""The names of fields, by class: finding them takes longer than a small layer."""


def dissected(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], Callable[..., Any]] | None:
    """What takes a record of a class apart, and what puts one together without its checks; None if it is no record."""
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
    """Which layer made a cache, with which functions, and what its output was like: what backward asks of `dout`."""

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
        The same class: arrays given to it are copied unless they are read-only (see `chainrule.own`), it is its own
        deep copy, pickling goes through its constructor, and it prints shapes in place of numbers.

    Raises
    ------
    TypeError
        If attrs has built the class already, and it is too late.

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
    if "__attrs_attrs__" in vars(cls):
        raise TypeError(f"record: {cls.__name__} is built already: write @frozen(eq=False) above @record, not below it")
    for name, kind in cls.__annotations__.items():
        if "ClassVar" in str(kind):
            continue
        default = vars(cls).get(name, attrs.NOTHING)
        if not hasattr(default, "_default"):  # not a field with options of its own
            setattr(cls, name, attrs.field(default=default, converter=own))
    cls.__annotations__[SIGNATURE] = "object"
    setattr(cls, SIGNATURE, attrs.field(init=False, repr=False, default=None))
    methods: dict[str, Any] = {
        "__repr__": _repr,
        "__reduce__": _reduce,
        "__copy__": _itself,
        "__deepcopy__": _itself,
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
    """
    built: Any = cls
    fields: list[Any] = [getattr(built, name).__set__ for name in field_names(built)]

    def make(*values: Any) -> T:
        made = cast("T", object.__new__(built))
        for put, value in zip(fields, values):  # noqa: B905  # strict takes longer
            put(made, value)
        return made

    def make_of_two(first: Any, second: Any) -> T:  # what most records are, in half the time
        made = cast("T", object.__new__(built))
        put_first(made, first)
        put_second(made, second)
        return made

    def make_of_one(value: Any) -> T:
        made = cast("T", object.__new__(built))
        put_first(made, value)
        return made

    if len(fields) == 1:
        (put_first,) = fields
        return cast("Callable[Q, T]", make_of_one)
    if len(fields) == 2:
        put_first, put_second = fields
        return cast("Callable[Q, T]", make_of_two)
    return cast("Callable[Q, T]", make)


def sign(cache: object, signature: Signature) -> None:
    """Write on a cache who made it. Only its maker does so, before anybody else holds it."""
    if hasattr(type(cache), SIGNATURE):
        object.__setattr__(cache, SIGNATURE, signature)


def signature_of(cache: object) -> Signature | None:
    """What stands on a cache; None if it is no record, or was put together by another."""
    return getattr(cache, SIGNATURE, None)


def is_record(cls: type) -> bool:
    """Whether `@record` and attrs have made a class."""
    return "__attrs_attrs__" in vars(cls) and getattr(cls, "__reduce__", None) is _reduce


def summary(value: object) -> str:
    """An array as its dtype and shape, `f32[784, 50]`; anything else as it prints itself."""
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


def _reduce(self: object) -> tuple[object, tuple[object, ...]]:
    cls: Any = type(self)
    return _built, (cls, {a.alias: getattr(self, a.name) for a in attrs.fields(cls) if a.init})


def _built(cls: type[T], fields: dict[str, Any]) -> T:
    return cls(**fields)


def _itself(self: T, memo: object = None) -> T:
    return self
