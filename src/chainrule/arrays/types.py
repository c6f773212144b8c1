"""The types of arrays, and which values are arrays, of NumPy or of any library, or tuples.

mypy and pyright see NumPy arrays of floats. At run time any array of a library that follows the Python Array API
standard will do: JAX, CuPy and array-api-strict; torch and dask through array-api-compat.
"""

from types import ModuleType
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""An array of real floating-point numbers.

Examples
--------
>>> import numpy as np
>>> from chainrule import Array
>>> def double(x: Array) -> Array:
...     return 2 * x
>>> double(np.array([1.0, 2.0]))
array([2., 4.])
"""

Labels: TypeAlias = NDArray[np.integer[Any]]
"""An array of class numbers, 0 to k - 1.

Examples
--------
>>> import numpy as np
>>> from chainrule import Labels
>>> labels: Labels = np.array([3, 0])
>>> labels.dtype.kind
'i'
"""

Places: TypeAlias = NDArray[Any]
"""The position of the label in each row, in a form that the namespace chooses."""

Mask: TypeAlias = NDArray[np.bool_]
"""An array of truth values."""


class Groups(NamedTuple):
    """Groups of neighbouring channels of (n, positions, channels): means are those of a group in one example."""

    number: int
    """The number of groups; they divide the channels."""


Along: TypeAlias = int | Groups
"""The numbers of one mean: a line along an axis, -1 or 0, or a group of channels at all positions."""

Generator: TypeAlias = "np.random.Generator"
"""A generator of random numbers. A string, because numpy.random takes a third as long to import as all that is here."""

Unit: TypeAlias = tuple[()]
"""The parameters of a layer that has none: `()`.

Examples
--------
>>> from chainrule import Unit
>>> params: Unit = ()
"""


def is_numpy(value: object) -> TypeGuard[NDArray[Any]]:
    """Tell whether a value is a NumPy array, of any dtype."""
    return isinstance(value, np.ndarray)


def is_array(value: object) -> bool:
    """Tell whether a value is an array, of any library: it has a shape and a dtype, and is no class and no module."""
    if type(value) is np.ndarray:
        return True
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, type | ModuleType)


def library_name(value: object) -> str:
    """The name of the package that the class of a value comes from: the library of an array."""
    return type(value).__module__.partition(".")[0]


def is_plain(value: object) -> bool:
    """Tell whether a value is a NumPy array without rules of its own, which masked arrays and matrices have."""
    return type(value) in {np.ndarray, np.memmap} or getattr(value, "lifted", False) is True


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Tell whether a value is a tuple, and not one whose entries have names."""
    return type(value) is tuple


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    """Tell whether a value is a dictionary."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a value is a list."""
    return isinstance(value, list)


def is_any_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    """Tell whether a value is a tuple, whether its entries have names or not."""
    return isinstance(value, tuple)
