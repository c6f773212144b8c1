"""Options for spatial axes, of which there are one to three: one for all, or a tuple with one for each."""

from typing import Any, TypeAlias

from chainrule.arrays.arguments import size
from chainrule.arrays.types import is_any_tuple

Each: TypeAlias = int | tuple[int, ...]
"""A number for all axes, or one for each."""

Margins: TypeAlias = int | tuple[int | tuple[int, int], ...]
"""A number for both ends of all axes; or one for each axis, or two: before it and after."""


def sizes(owner: str, name: str, value: Any, *, least: int = 0) -> Each:
    """Return an option that is an integer, or a tuple of them."""
    if not is_any_tuple(value):
        return size(owner, name, value, least=least, kind="an integer or a tuple of them")
    return tuple(size(owner, name, each, least=least) for each in value)


def margins(owner: str, value: Any, kind: str = "an integer or a tuple of them") -> Margins:
    """Return a padding that is an integer, or a tuple with an integer or a pair, before and after, for each axis."""
    if not is_any_tuple(value):
        return size(owner, "padding", value, kind=kind)
    return tuple(_pair(owner, each) if is_any_tuple(each) else size(owner, "padding", each) for each in value)


def _pair(owner: str, value: tuple[Any, ...]) -> tuple[int, int]:
    if len(value) != 2:
        raise ValueError(f"{owner}: padding of an axis must be one integer or two, before and after, got {value}")
    return size(owner, "padding", value[0]), size(owner, "padding", value[1])


def axes_of(owner: str, **options: Any) -> int:
    """Return for how many axes those options are that are tuples, from 1 to 3 and all the same; 1 if none is."""
    tuples = {name: option for name, option in options.items() if is_any_tuple(option)}
    numbers, given = {*map(len, tuples.values())}, ", ".join(f"{name}={option}" for name, option in tuples.items())
    if len(numbers) > 1:
        raise ValueError(f"{owner}: options must be for one number of axes, got {given}")
    axes = max(numbers, default=1)
    if not 1 <= axes <= 3:
        raise ValueError(f"{owner}: there must be 1 to 3 spatial axes, got {given}")
    return axes


def spatial(axes: int) -> str:
    """So many spatial axes, for a message: `"1 spatial axis"`, `"2 spatial axes"`."""
    return f"{axes} spatial {'axis' if axes == 1 else 'axes'}"
