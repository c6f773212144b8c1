"""Checks of arguments, and the messages for those that do not fit."""

import math
import sys
from contextlib import suppress
from operator import index
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
from attrs import has

from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, Generator, is_array, is_numpy, is_plain, is_tuple, library_name

R = TypeVar("R")


def record_of(value: object, cls: type[R], name: str) -> R:
    """Return a record of a class; a TypeError that begins with `name` if it is none."""
    if not isinstance(value, cls):
        raise TypeError(f"{name} must be {cls.__name__}, got {describe(value)}")
    return value


def like_out(dout: Array, shape: tuple[int, ...], dtype: object, name: str) -> None:
    """Check that `dout` can be the derivative with respect to an output of a shape and a dtype.

    A plain array of another shape is a ValueError, because NumPy would broadcast it silently; all else is a TypeError.
    """
    if type(dout) is np.ndarray and dout.shape == shape and dout.dtype is dtype:
        return
    like(dout, shape, dtype, f"{name} backward: dout", "out")


def like(derivative: Array, shape: tuple[int, ...], dtype: object, name: str, of: str) -> None:
    """Check that a derivative has the shape and the dtype of what it belongs to, in any byte order.

    `name` and `of` are for the message: `"affine backward: dout"` and `"out"`.
    """
    try:
        found = derivative.dtype.newbyteorder("=") if is_numpy(derivative) else derivative.dtype
        if derivative.shape == shape and found == dtype and (not is_numpy(derivative) or is_plain(derivative)):
            return
    except AttributeError:
        raise TypeError(f"{name} must be an array, got {describe(derivative)}") from None
    if derivative.shape != shape:
        raise ValueError(f"{name} has shape {derivative.shape}, expected {shape} (the shape of {of})")
    if found == dtype:
        check_plain(name, derivative)
    raise TypeError(f"{name} is {derivative.dtype}, expected {dtype} (the dtype of {of})")


def check_plain(name: str, value: object) -> None:
    """Refuse a masked array, a matrix and the like; a TypeError that begins with `name`."""
    if is_numpy(value) and not is_plain(value):
        raise TypeError(f"{name} must be a plain array, got {type(value).__name__}: convert it with np.asarray")


def number(
    owner: str,
    name: str,
    value: Any,
    *,
    least: float = 0.0,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return an option as a float of Python's: a NumPy scalar would promote arrays.

    It must be a real number (else a TypeError), finite, at least `least`, above `above` and below `below` (else a
    ValueError).
    """
    kind = value.dtype.kind if is_a(value, np.ndarray, np.generic) else ""
    is_other = kind in {*"OSUV"} or is_a(value, np.complexfloating) or is_truth(value)  # which float takes, or cuts
    if is_other or not hasattr(value, "__float__") or getattr(value, "shape", ()) != ():
        raise TypeError(f"{owner}: {name} must be a number, got {describe(value)}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    except TypeError:  # a 0-d array of complex numbers
        raise TypeError(f"{owner}: {name} must be a real number, got {describe(value)}") from None
    if not (math.isfinite(result) and least <= result < below and result > above):
        bound = f"> {above:g}" if above >= least else f">= {least:g}"
        if below < math.inf:
            bound = f"in {'(' if above >= least else '['}{bound.split()[1]}, {below:g})"
        bound = "" if least == above == -math.inf else f" {bound}"
        raise ValueError(f"{owner}: {name} must be a finite number{bound}, got {result}")
    return result


def size(owner: str, name: str, value: Any, *, least: int = 0, kind: str = "an integer") -> int:
    """Return an option that is a size as an int of Python's; one below `least` is a ValueError."""
    try:
        result = None if isinstance(value, bool) else index(value)
    except TypeError:  # of an array too, unless it is one integer
        result = None
    if result is None:
        raise TypeError(f"{owner}: {name} must be {kind}, got {type(value).__name__}")
    if result < least:
        raise ValueError(f"{owner}: {name} must be >= {least}, got {result}")
    if result > sys.maxsize:
        raise ValueError(f"{owner}: {name} must be <= {sys.maxsize}, the largest size that there is, got {result}")
    return result


def generator(owner: str, rng: Any) -> Generator:
    """Return a generator of random numbers; anything else is a TypeError."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{owner}: rng must be a numpy.random.Generator, got {describe(rng)}")
    return rng


def check_functions(record: object, *fields: str) -> None:
    """Refuse what can't be called in fields of a record that must be functions."""
    functions(type(record).__name__, **{name: getattr(record, name) for name in fields})


def two(given: Any, name: str, form: str) -> tuple[Any, Any]:
    """Return the pair that a function, called `name`, returns; anything else is a TypeError."""
    with suppress(TypeError, ValueError):
        if not is_array(given):  # two rows would be taken for a pair
            first, second = given
            return first, second
    raise TypeError(f"{name} must return {form}, got {describe(given)}")


def functions(owner: str, **given: object) -> None:
    """Refuse what can't be called in place of a function; a TypeError that begins with `owner`."""
    for name, value in given.items():
        if not callable(value):
            raise TypeError(f"{owner}: {name} must be a function, got {describe(value)}")


def is_branch(value: object) -> bool:
    """Tell whether a value is a tuple or a record, which hold the arrays of a tree."""
    return is_tuple(value) or has(type(value))


def check_tree(name: str, value: object) -> None:
    """Refuse what is no tree of arrays, such as a record of a plain class; a TypeError that begins with `name`."""
    if not (is_array(value) or is_branch(value)):
        raise TypeError(f"{name} must be arrays, in tuples and records, got {describe(value)}")


def truth(owner: str, name: str, value: bool) -> bool:
    """Return an option that is True or False as a bool of Python's; anything else is a TypeError."""
    if not is_truth(value):
        raise TypeError(f"{owner}: {name} must be True or False, got {describe(value)}")
    return bool(value)


def empty_batch(owner: str, name: str, shape: tuple[int, ...]) -> ValueError:
    """The error of an array of a shape without rows, of which a mean is asked."""
    has = "have" if name.endswith("s") else "has"
    return ValueError(f"{owner}: the mean over an empty batch is undefined, {name} {has} shape {tuple(shape)}")


def is_truth(value: object) -> bool:
    """Tell whether a value is True or False: of Python, of NumPy, or in a 0-d array of NumPy's."""
    return is_a(value, bool, np.bool_) or (is_numpy(value) and value.shape == () and value.dtype.kind == "b")


def is_a(value: object, *classes: type[object]) -> bool:
    """Tell whether a value is of one of some classes, without narrowing its type for a type checker."""
    return isinstance(value, classes)


def describe(value: object) -> str:
    """Describe a value for a message: `"f32[3, 2]"`, `"a tuple of 3"`, `"the class Sgd"`, else its type, `"list"`."""
    if is_array(value):
        return summary(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"a tuple of {len(value)}" if is_tuple(value) else type(value).__name__


def conversion(value: object, dtype: str = "") -> str:
    """The hint for what is no array and can become one: a list, a number, or a table of pandas; else nothing.

    `dtype` is that which a table of pandas is to get, such as `"np.float32"`.
    """
    if is_of_pandas(value):
        return f": convert it with .to_numpy({dtype})"
    return (
        ": convert it with np.asarray" if is_a(value, list, tuple, float, int, np.generic) or of_library(value) else ""
    )


def of_library(value: object) -> str:
    """The library of an array that is none of NumPy's, for a message, such as " of torch"; "" of anything else."""
    library = library_name(value).replace("jaxlib", "jax")
    is_other = hasattr(type(value), "dtype") and hasattr(type(value), "shape") and library not in {"numpy", "pandas"}
    return f" of {library}" if is_other else ""


def is_of_pandas(value: object) -> bool:
    """Tell whether a value is a column or a table of pandas, which has a dtype and is no array."""
    return library_name(value) == "pandas"


def remedy(value: object, combinator: str = "") -> str:
    """Advice on layers in a list, or a function of ours in place of what it makes; "" of anything else."""
    if combinator and (is_a(value, list) or is_tuple(value)):
        return f": unpack it, as {combinator}(*layers)"
    of_ours = is_a(value, FunctionType) and str(value.__module__).startswith("chainrule.")
    return f": call it first, as {getattr(value, '__name__', '')}(...)" if of_ours else ""
