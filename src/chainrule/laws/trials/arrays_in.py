"""The arrays that are in a value of any kind, such as a cache, a state or a function."""

from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.records import Signature
from chainrule.arrays.types import is_any_tuple, is_dict, is_list, is_numpy

NO_ARRAYS = (str, bytes, int, float, complex, type, np.ufunc, np.dtype, BuiltinFunctionType, Signature)
"""Types of values that hold no array and need not be looked into."""

DEEP = 8
"""The levels of a value that are looked into for arrays."""


def arrays_in(value: Any) -> list[NDArray[Any]]:
    """All NumPy arrays in a value of any kind: a tree, a dictionary, an object, what a function has closed over.

    Each object is looked into once: layers of a network share much that holds no array.
    """
    found: list[NDArray[Any]] = []
    _arrays_in(value, DEEP, {}, found)
    return found


def _arrays_in(value: Any, deep: int, met: dict[int, Any], found: list[NDArray[Any]]) -> None:
    if is_numpy(value):
        found.append(value)
        return
    if deep == 0 or value is None or isinstance(value, NO_ARRAYS) or id(value) in met:
        return
    met[id(value)] = value  # kept, or another could get its id
    if is_dict(value):
        inside: list[Any] = list(value.values())
    elif is_list(value) or is_any_tuple(value):
        inside = list(value)
    elif isinstance(value, FunctionType):
        inside = [cell.cell_contents for cell in value.__closure__ or ()]
    else:
        kind: Any = value.__class__
        names: list[Any] = [*getattr(kind, "__slots__", ()), *getattr(value, "__dict__", {})]
        inside = [getattr(value, name, None) for name in names if isinstance(name, str)]
    for each in inside:
        _arrays_in(each, deep - 1, met, found)
