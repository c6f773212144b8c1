"""Arrays of any library to NumPy's and back, and their forms for messages."""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.libraries import library_of
from chainrule.arrays.records import summary
from chainrule.arrays.types import is_numpy, is_plain, library_name


def in_numpy(name: str, leaf: Any) -> NDArray[Any]:
    """The numbers of an array in NumPy; a TypeError that begins with `name` says the conversion that is needed."""
    others = is_a(leaf, np.generic) or _of_torch(leaf)
    if not (is_plain(leaf) if is_numpy(leaf) else others or library_of(leaf) is not None):
        raise TypeError(f"{name} is a {type(leaf).__name__}: convert it with np.asarray")
    try:
        return np.asarray(_torch().numpy_of(leaf) if _of_torch(leaf) else leaf)
    except (TypeError, ValueError, RuntimeError) as error:
        what = f"{name} is {describe(leaf)} of {type(leaf).__module__}"
        raise TypeError(f"{what}: convert it to NumPy's: {error}") from error


def moved(array: NDArray[Any], like: Any) -> Any:
    if is_numpy(like) or is_a(like, np.generic):
        return array
    if _of_torch(like):
        return _torch().tensor_of(array, like.device)
    where = {"device": like.device} if hasattr(like, "device") else {}
    return library_of(like).asarray(array.copy(), **where)


class _Form(NamedTuple):
    shape: tuple[int, ...]
    dtype: Any


def form(leaf: Any) -> str:
    """The dtype and the shape of an array, `f32[3, 2]`, in any byte order."""
    return summary(_Form(tuple(leaf.shape), _native(leaf.dtype) if is_numpy(leaf) else leaf.dtype))


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def _of_torch(leaf: object) -> bool:
    return library_name(leaf) == "torch"


def _torch() -> Any:
    return import_module("chainrule.interop._torch_layer")
