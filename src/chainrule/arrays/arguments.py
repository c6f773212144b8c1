"""What the functions of a layer may expect of their arguments, and what they say when given something else."""

import math
from operator import index
from typing import Any, TypeGuard, TypeVar

import numpy as np

from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, is_numpy, is_plain

R = TypeVar("R")


def record_of(value: object, cls: type[R], name: str) -> R:
    """Check that an argument is the record that belongs to a layer.

    Parameters
    ----------
    value
        The argument.
    cls
        The class that it must be of.
    name
        The layer and the argument, for the message, such as `"affine: params"`.

    Returns
    -------
    R
        The value.

    Raises
    ------
    TypeError
        If it is of another class.
    """
    if not isinstance(value, cls):
        raise TypeError(f"{name} must be {cls.__name__}, got {describe(value)}")
    return value


def like_out(dout: Array, shape: tuple[int, ...], dtype: object, name: str) -> None:
    """Check that `dout` can be the derivative with respect to an output.

    Parameters
    ----------
    dout
        The array to check.
    shape, dtype
        Those of the layer's output.
    name
        The layer, for the message.

    Raises
    ------
    TypeError
        If `dout` is no array, or one with rules of its own (masked), or has another dtype.
    ValueError
        If it has another shape: NumPy would broadcast it silently.
    """
    if type(dout) is np.ndarray and dout.shape == shape and dout.dtype is dtype:
        return
    like(dout, shape, dtype, f"{name} backward: dout", "out")


def like(derivative: Array, shape: tuple[int, ...], dtype: object, name: str, of: str) -> None:
    """Check that a derivative is like what it belongs to.

    Parameters
    ----------
    derivative
        The array to check.
    shape, dtype
        What it must have.
    name, of
        The derivative and what it belongs to, for the message: `"affine backward: dout"` and `"out"`.

    Raises
    ------
    TypeError, ValueError
        As `like_out`.
    """
    try:
        if (
            derivative.shape == shape
            and derivative.dtype == dtype
            and (not is_numpy(derivative) or is_plain(derivative))
        ):
            return
    except AttributeError:
        raise TypeError(f"{name} must be an array, got {describe(derivative)}") from None
    if derivative.shape != shape:
        raise ValueError(f"{name} has shape {derivative.shape}, expected {shape} (the shape of {of})")
    if derivative.dtype == dtype:
        raise TypeError(f"{name} must be a plain array, got {type(derivative).__name__}: convert it with np.asarray")
    raise TypeError(f"{name} is {derivative.dtype}, expected {dtype} (the dtype of {of})")


def number(
    owner: str,
    name: str,
    value: Any,
    *,
    least: float = 0.0,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Check that an option is a finite number in a range, and make it a float of Python's.

    Parameters
    ----------
    owner, name
        The function and its argument, for messages.
    value
        The argument.
    least, above, below
        The range: the first is in it, the others are not.

    Returns
    -------
    float
        The number; a NumPy scalar would promote arrays.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not finite, or not in the range.
    """
    if isinstance(value, str | complex | bool) or not hasattr(value, "__float__") or getattr(value, "shape", ()) != ():
        raise TypeError(f"{owner}: {name} must be a number, got {describe(value)}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    except TypeError:  # one of NumPy's complex numbers
        raise TypeError(f"{owner}: {name} must be a real number, got {describe(value)}") from None
    if not (math.isfinite(result) and least <= result < below and result > above):
        bound = f">= {least:g}" if below == math.inf else f"in [{least:g}, {below:g})"
        bound = f"> {above:g}" if above >= least else bound
        raise ValueError(f"{owner}: {name} must be a finite number {bound}, got {result}")
    return result


def size(owner: str, name: str, value: Any) -> int:
    """Check that an option is a size, and make it an int of Python's.

    Parameters
    ----------
    owner, name
        The function and its argument, for messages.
    value
        The argument.

    Returns
    -------
    int
        The size.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is negative.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{owner}: {name} must be an integer, got {type(value).__name__}")
    result = index(value)
    if result < 0:
        raise ValueError(f"{owner}: {name} must be >= 0, got {result}")
    return result


def is_a(value: object, *classes: type[object]) -> bool:
    """Whether a value, of which a type checker knows nothing, is of a class; it knows no more afterwards."""
    return isinstance(value, classes)


def describe(value: object) -> str:
    """Say what a value is: an array by dtype and shape, a tuple by its length, anything else by its type.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    str
        Such as `"f32[3, 2]"`, `"a tuple of 3"` or `"list"`.
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return summary(value)
    return f"a tuple of {len(value)}" if is_tuple(value) else type(value).__name__


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Whether a value is a plain tuple."""
    return type(value) is tuple
