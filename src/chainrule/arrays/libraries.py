"""The array libraries: `namespace(x)` finds the functions that fit an array, and refuses anything else.

Every layer begins with it, so its usual case, NumPy arrays of one float dtype, costs a fraction of a microsecond.
"""

from functools import lru_cache
from typing import Any, cast

import numpy as np

from chainrule.arrays.arguments import check_plain, conversion, describe, is_a, is_of_pandas
from chainrule.arrays.extras import pip_install
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.portable import Portable
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array, Labels, Mask, is_numpy, library_name


def namespace(x: Array, *params: Array, name: str = "x") -> Namespace:
    """Find the functions for `x`, and check that it may meet the parameters.

    `x` and `params` are arrays of real floating-point numbers, of one library and dtype; `name` is what messages call
    `x`, such as `"affine: x"`. Anything else, and a NumPy subclass with its own rules (`np.matrix`, masked arrays), is
    a TypeError.
    """
    if type(x) is np.ndarray and x.dtype.kind == "f":
        for param in params:
            if type(param) is not np.ndarray or param.dtype != x.dtype:
                break
        else:
            return TUNED
    return _general(x, params, name)


def namespace_of_labels(labels: Labels) -> Namespace:
    """Find the functions for an array of integers."""
    return TUNED if is_numpy(labels) else _portable(library_of(labels))


def seed_of(owner: str, seed: Any) -> Any:
    """Check a seed, and make NumPy's integers Python's.

    A seed is a whole number >= 0, or a 0-d array of another library, which may be traced and whose value is not read.
    """
    if is_a(seed, int, np.integer, np.ndarray) and not is_a(seed, bool):
        if is_numpy(seed) and (seed.shape != () or seed.dtype.kind not in "iu"):
            raise TypeError(f"{owner}: seed must be a whole number, got {describe(seed)}")
        if int(seed) < 0:
            raise ValueError(f"{owner}: seed must be >= 0, got {seed}")
        return int(seed)
    library = library_of(seed)
    if library is None or seed.shape != () or not library.isdtype(seed.dtype, "integral"):
        hint = ": take rng.integers(2**31)" if isinstance(seed, np.random.Generator) else ""
        raise TypeError(f"{owner}: seed must be a whole number, got {describe(seed)}{hint}")
    return seed


def same_dtype(a: Array, b: Array) -> bool:
    """Tell whether two arrays have one dtype, or NumPy dtypes that differ in byte order alone."""
    if a.dtype == b.dtype:
        return True
    return is_numpy(a) and is_numpy(b) and a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")


def alike(record: str, **arrays: Array) -> None:
    """Check that the arrays of a record, by their fields, have one library and one floating-point dtype."""
    first, *others = arrays
    library = namespace(arrays[first], name=f"{record}: {first}")
    for other in others:
        a, b = arrays[first], arrays[other]
        found = namespace(b, name=f"{record}: {other}")
        if found is not library and not (_is_lifted(a) or _is_lifted(b)):
            what = f"{record}: {first} is an array of {_name(a)} but {other} of {_name(b)}"
            raise TypeError(f"{what}: convert one of them")
        if not same_dtype(a, b):
            raise TypeError(
                f"{record}: {first} is {describe(a)} but {other} is {describe(b)}: they must have one dtype"
            )


def unlike(x: Array | Labels | Mask, beside: Array | Labels) -> tuple[str, str] | None:
    """Name the libraries of two arrays that differ and can't meet; None if they can.

    NumPy's arrays may meet those of JAX, which takes them for constants.
    """
    if is_numpy(x) and is_numpy(beside):
        return None
    try:
        library = library_of(x)
    except TypeError:
        return None
    expected = library_of(beside)
    if library is None or library is expected or (is_numpy(x) and expected.__name__ == "jax.numpy"):
        return None
    return _name(x), _name(beside)


def meets(owner: str, name: str, array: Array | Mask, x: Array) -> None:
    """Check that an array that a layer was made with is of the library of `x`; a TypeError names both."""
    libraries = unlike(array, x)
    if libraries is not None:
        of = f"x is an array of {libraries[1]} but {name} of {libraries[0]}"
        raise TypeError(f"{owner}: {of}: convert one of them")


def can_meet(name: str, array: Array, of: str, beside: Array) -> None:
    """Check that an array is of the library of what it belongs to; a TypeError names both."""
    libraries = unlike(array, beside)
    if libraries is not None:
        raise TypeError(f"{name} is an array of {libraries[0]} but {of} of {libraries[1]}: convert one of them")


def _general(x: Array, params: tuple[Array, ...], name: str) -> Namespace:
    found = _of_one(x, name)
    for param in params:
        other = _of_one(param, f"the parameter beside {name}")
        if _is_lifted(x) or _is_lifted(param):  # a complex step, which real arrays may meet
            found = other if _is_lifted(param) else found
        elif found is not other:
            raise TypeError(
                f"{name} is an array of {_name(x)} but the parameters are of {_name(param)}: convert one of them"
            )
        elif not same_dtype(x, param):
            how = f", e.g. with .astype(np.{param.dtype})" if is_numpy(x) else ""
            raise TypeError(f"{name} is {x.dtype} but the parameters are {param.dtype}: convert one of them{how}")
    return found


def _of_one(x: Any, name: str) -> Namespace:
    if is_numpy(x):
        if _is_lifted(x):
            lifted: Any = x.__array_namespace__()
            return cast("Namespace", lifted)
        check_plain(name, x)
        if x.dtype.kind != "f":
            how = "convert it first, e.g. with .astype(np.float32)"
            if x.dtype.kind in "OSTU":
                how += ", and text to columns of 0 and 1, e.g. with pandas.get_dummies"
            raise TypeError(f"{name} is {x.dtype}, not floating-point: {how}")
        return TUNED
    library = library_of(x)
    if library is None:
        raise TypeError(f"{name} must be an array of floats, got {type(x).__name__}{conversion(x, 'np.float32')}")
    if not library.isdtype(x.dtype, "real floating"):
        raise TypeError(f"{name} is {x.dtype}, not real floating-point: convert it first")
    return _portable(library)


def library_of(x: Any) -> Any:
    """The Array API namespace of an array's library; None if it is no array."""
    if not hasattr(x, "dtype") or isinstance(x, np.generic) or is_of_pandas(x):
        return None
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    try:
        from array_api_compat import array_namespace  # noqa: PLC0415  # an extra
    except ImportError:
        raise TypeError(
            f"arrays of {type(x).__module__} need the package array-api-compat: {pip_install('portable')}"
        ) from None
    try:
        return array_namespace(x)
    except TypeError:
        return None


@lru_cache(maxsize=16)
def _portable(library: Any) -> Portable:
    return Portable(library)


def _is_lifted(x: Array) -> bool:
    return getattr(x, "lifted", False)


def _name(x: Array | Labels | Mask) -> str:
    return library_name(x).replace("jaxlib", "jax")
