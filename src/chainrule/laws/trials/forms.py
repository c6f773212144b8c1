"""The form of what a step takes and returns: containers, classes, shapes and dtypes, in words."""

from collections.abc import Mapping
from typing import Any

from chainrule.arrays.arguments import describe
from chainrule.arrays.types import is_any_tuple, is_dict, is_list, is_numpy


def refuse_swapped(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Refuse parameters and a state of which each has the form of the other, by the forms before a step and after."""
    if after["params"] == before["state"] != before["params"] == after["state"]:
        raise TypeError("step must return (params, state), got (state, params)")


def form_of(value: Any) -> str:
    """The containers of a value, with the shapes and dtypes of its arrays, and the classes of what is none."""
    if is_numpy(value) or hasattr(value, "dtype"):
        return describe(value)
    if is_dict(value):
        return "{" + ", ".join(f"{key}: {form_of(each)}" for key, each in value.items()) + "}"
    if is_list(value) or is_any_tuple(value):
        return f"{_kind(value)}({', '.join(map(form_of, value))})"
    kind: Any = value.__class__
    fields = getattr(kind, "__attrs_attrs__", None)
    if fields is not None:
        named = [each.name for each in fields if not each.name.startswith("_")]
        return f"{_kind(value)}({', '.join(f'{name}={form_of(getattr(value, name))}' for name in named)})"
    return _kind(value)


def _kind(value: object) -> str:
    return type(value).__name__
