"""Parts of a cache beside the numbers of its arrays: others, and words, in lists, dictionaries and records."""

from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import attrs
import numpy as np

from chainrule.arrays.types import is_any_tuple, is_dict, is_list, is_numpy
from chainrule.laws.trials.arrays_in import DEEP
from chainrule.laws.trials.copies import same_numbers

Parts: TypeAlias = dict[tuple[Any, ...], Any]
"""The parts of a value by their places in it."""

MOST = 4096
"""The most parts that are looked at."""


def parts_in(value: Any) -> Parts:
    """The parts of a value: arrays, and what does not change by itself.

    Examples
    --------
    >>> from chainrule.laws.trials.parts_in import parts_in
    >>> parts_in((1, {"a": "b"}))
    {(0,): 1, (1, 'a'): 'b'}
    """
    found: Parts = {}
    _parts_in(value, (), found)
    return found


def _parts_in(value: Any, place: tuple[Any, ...], found: Parts) -> None:
    if len(place) > DEEP or len(found) >= MOST:
        return
    if value is None or is_numpy(value) or isinstance(value, int | float | complex | str | bytes | np.generic):
        found[place] = value
        return
    if is_list(value):
        found[(*place, len)] = len(value)
    for key, each in list(_inside(value).items()):
        _parts_in(each, (*place, key), found)


def _inside(value: Any) -> dict[Any, Any]:
    if is_dict(value):
        return value
    if is_list(value) or is_any_tuple(value):
        return dict(enumerate(value))
    kind: Any = value.__class__
    if attrs.has(kind):
        names = [each.name for each in attrs.fields(kind)]
    elif is_dataclass(value):
        names = [each.name for each in fields(value)]
    else:
        names = list(vars(value)) if isinstance(value, SimpleNamespace) else []
    return {name: getattr(value, name, None) for name in names}


def is_written(before: Parts, after: Parts) -> bool:
    """Tell whether parts have changed. What is computed once and kept is no change: it takes the place of nothing."""
    full = len(after) >= MOST
    return any(
        _differ(old, after[place]) if place in after else not full
        for place, old in before.items()
        if not (old is None or old is False or (place[-1:] == (len,) and old == 0))
    )


def _differ(old: Any, new: Any) -> bool:
    if old is new:
        return False
    if is_numpy(old):
        return not (is_numpy(new) and same_numbers(old, new))
    numbers: list[Any] = [*map(np.asarray, (old, new))]
    return old.__class__ is not new.__class__ or not same_numbers(*numbers)
