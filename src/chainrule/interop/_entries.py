"""The entries of a file: the arrays and the values of a tree, by the paths at which Python reaches them.

`[0].W` is an array, and `.step` the value that a record carries along. Entries alone make a tree again, in the form of
another one.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.ownership import own
from chainrule.arrays.records import PLAIN, blank, field_names
from chainrule.arrays.types import Array, is_array, is_tuple

P = TypeVar("P")

Value: TypeAlias = "int | float | complex | bool | str | bytes | None"
"""The values that a record may carry along into a file."""

TEXTS: dict[str, tuple[Callable[[Any], str], Callable[[str], Value]]] = {
    "int": (hex, lambda text: int(text, 16)),  # of any size: decimals end at 4300 digits
    "float": (float.hex, float.fromhex),
    "complex": (repr, complex),
    "bool": (repr, lambda text: {"True": True, "False": False}[text]),
    "str": (str, str),
    "bytes": (bytes.hex, bytes.fromhex),
    "NoneType": (repr, lambda text: {"None": None}[text]),
}
"""By the name of a value's type, how it is written and read: exactly."""


def taken_apart(owner: str, value: object) -> tuple[dict[str, Array], dict[str, Value]]:
    """The arrays and the values of a tree by their paths; a TypeError, after `owner`, says what a file can't hold."""
    tree.named_leaves(value)  # which refuses containers that are no branches, and depths beyond Python's stack
    arrays: dict[str, Array] = {}
    values: dict[str, Value] = {}

    def take(path: str, leaf: Any) -> Any:
        if is_array(leaf):
            arrays[path] = leaf
        elif type(leaf).__name__ in TEXTS and type(leaf) in PLAIN:
            values[path] = leaf
        else:
            hold = "a file holds arrays, numbers, text, True, False and None"
            raise TypeError(f"{owner}: {path or 'the tree itself'} is {describe(leaf)}: {hold}")
        return leaf

    _mapped_whole(take, value)
    return arrays, values


def put_together(like: P, entries: Mapping[str, Any]) -> P:
    def entry(path: str, leaf: object) -> Any:
        return entries[path]

    made: P = _mapped_whole(entry, like)
    return made


def _mapped_whole(f: Callable[[str, Any], Any], value: Any) -> Any:
    try:
        return _mapped(f, "", value)
    except RecursionError:
        tree.map(own, value)  # which says how deep it is
        raise


def _mapped(f: Callable[[str, Any], Any], path: str, value: Any) -> Any:
    if is_tuple(value):
        return tuple([_mapped(f, f"{path}[{i}]", each) for i, each in enumerate(value)])
    kind: Any = value.__class__
    if not attrs.has(kind):
        if not is_a(value, Mapping):
            return f(path, value)
        for key in value:
            if not is_a(key, str):
                raise TypeError(f"the keys of {path or 'the tree'} must be strings, got {describe(key)}")
        return kind({key: _mapped(f, f"{path}[{key!r}]", each) for key, each in value.items()})
    made = blank(kind)  # as in `tree.map`: the parts of a record that is there fit each other
    for name in field_names(kind):
        object.__setattr__(made, name, _mapped(f, f"{path}.{name}", getattr(value, name)))
    return made
