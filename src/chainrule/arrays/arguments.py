"""What the functions of a layer may expect of their arguments, and what they say when given something else."""

from typing import TypeGuard, TypeVar

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
    """Check that `dout` can be the derivative by an output.

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
    try:
        if dout.shape == shape and dout.dtype == dtype and (not is_numpy(dout) or is_plain(dout)):
            return
    except AttributeError:
        raise TypeError(f"{name} backward: dout must be an array, got {describe(dout)}") from None
    if dout.shape != shape:
        raise ValueError(f"{name} backward: dout has shape {dout.shape}, expected {shape} (the shape of out)")
    if dout.dtype == dtype:
        kind = type(dout).__name__
        raise TypeError(f"{name} backward: dout must be a plain array, got {kind}: convert it with np.asarray")
    raise TypeError(f"{name} backward: dout is {dout.dtype}, expected {dtype} (the dtype of out)")


def no_params(params: object, name: str) -> None:
    """Check that a layer without parameters was given none.

    Parameters
    ----------
    params
        The argument: must be `()`.
    name
        The layer, for the message.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not is_tuple(params) or params:
        raise TypeError(f"{name}: it has no parameters: params must be (), got {describe(params)}")


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
