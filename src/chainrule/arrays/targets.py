"""Targets of a classifier: integer labels (...,), or rows of probabilities (..., k).

The number of axes alone tells which, never the number of entries, so that no shape has two meanings.
"""

import math
import sys
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import check_plain, conversion, describe, empty_batch, is_of_pandas
from chainrule.arrays.cells import row_name
from chainrule.arrays.labels import first_of, fit
from chainrule.arrays.libraries import namespace_of_labels, unlike
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.tuned import TUNED
from chainrule.arrays.types import Array, Labels, Mask, is_array, is_numpy

Targets: TypeAlias = Labels | Array
"""Integer labels (...,), or rows of probabilities (..., k).

Examples
--------
>>> import numpy as np
>>> from chainrule import Targets, softmax_cross_entropy
>>> labels: Targets = np.array([1])
>>> probabilities: Targets = np.array([[0.0, 1.0]])
>>> logits = np.array([[0.0, 3.0]])
>>> [float(softmax_cross_entropy.forward(logits, t)[0].round(4)) for t in (labels, probabilities)]
[0.0486, 0.0486]
"""

NUMBERED = "np.unique(labels, return_inverse=True)[1]"
"""The way from classes of any kind to numbers from 0 on."""


def labels_and_probabilities(xp: Namespace, logits: Array, targets: Targets, name: str) -> tuple[Labels, Array | None]:
    """Check targets against the logits that they belong to, and tell the two kinds apart.

    For logits (..., k), with a row and a class at least, targets are integer labels (...,), or rows of probabilities
    (..., k) of any real dtype. The result is the labels, or the likeliest class of each row of probabilities; and these
    in the dtype of the logits, or None. The name is the caller's, for messages.

    A ValueError if shapes do not fit, a label is not in [0, k), or a row has a negative entry or does not sum to 1 (to
    1e-6, or to the rounding of its numbers if that is coarser); values are checked in NumPy's arrays alone. A TypeError
    if they are of another library, or of another kind.
    """
    if type(targets) is np.ndarray and xp.reads_values and _are_labels(targets, logits.shape):
        return targets, None  # without the questions that the rest must answer
    shape = tuple(logits.shape)
    _check_logits(shape, name)
    _check_kind(targets, logits, name)
    read = xp.reads_values or is_numpy(targets)
    if targets.ndim == len(shape) - 1:
        return _labels(xp, targets, shape, name, read=read), None
    if tuple(targets.shape) != shape:
        raise ValueError(
            f"{name}: targets must be labels of shape {shape[:-1]} or probabilities of shape {shape}, "
            f"got {tuple(targets.shape)}"
        )
    if not xp.is_real(targets):
        raise TypeError(f"{name}: target probabilities must be real numbers, got {targets.dtype}")
    if read:
        _check_probabilities(np.asarray(targets), name)
    probabilities = xp.astype(targets, logits)
    return xp.argmax_last(probabilities), probabilities


def numbers(xp: Namespace, out: Array, targets: Array | Labels, name: str, *, what: str = "out") -> Array:
    """Return targets that are numbers, one for each entry of `out` (..., k), in the dtype of `out`.

    Another shape is a ValueError, because nothing is broadcast. Anything but real numbers in an array of the same
    library is a TypeError. `what` is what messages call `out`.
    """
    shape = tuple(out.shape)
    if len(shape) < 2:
        hint = f"{what}[:, None]" if len(shape) == 1 else f"{what}[None, None]"
        raise ValueError(
            f"{name}: {what} must have rows of numbers (..., k), got shape {shape}: add an axis, as {hint}"
        )
    if 0 in shape:
        raise empty_batch(name, what, shape)
    _check_kind(targets, out, name, "out is" if what == "out" else f"the {what} are")
    if tuple(targets.shape) != shape:
        axis = f": add an axis, as targets[{':, ' * targets.ndim}None]" if (*targets.shape, 1) == shape else ""
        raise ValueError(f"{name}: targets must have the shape of {what} {shape}, got {tuple(targets.shape)}{axis}")
    if not xp.is_real(targets):
        raise TypeError(f"{name}: targets must be real numbers, got {targets.dtype}")
    return xp.astype(targets, out)


def classes(labels: Labels, k: int, name: str) -> Namespace:
    """Check labels of any shape, each in [0, k), and find the functions for them.

    What is no array of integers is a TypeError, and a label out of range a ValueError, where values can be read.
    """
    _check_kind(labels, labels, name, what="labels")
    xp = namespace_of_labels(labels)
    _labels(xp, labels, (*labels.shape, k), name, read=is_numpy(labels) and labels.size > 0)
    return xp


def chances(xp: Namespace, logits: Array, targets: Array | Labels, name: str) -> Array:
    """Return targets that are probabilities, one for each logit of (..., k), in the dtype of the logits.

    A target outside [0, 1] is a ValueError, where values can be read. All else is as for `numbers`.
    """
    given = numbers(xp, logits, targets, name, what="logits")
    beyond = _first_beyond(targets, 0, 1) if xp.reads_values or is_numpy(targets) else None
    if beyond is not None:
        row, column = divmod(beyond, targets.shape[-1])
        place = f"{_row(row, targets.shape)}, column {column}"
        raise ValueError(f"{name}: targets must be in [0, 1], got {targets.flat[beyond]:g} at {place}")
    return given


def row_weights(xp: Namespace, out: Array, weights: Array | Labels | Mask, name: str) -> Array:
    """Return a weight for each row of `out` (..., k), in the dtype of `out`; truth values become 0 and 1.

    Another shape is a ValueError; so are weights that are negative or infinite in that dtype, and weights of 0 alone,
    where values can be read. Anything but numbers or truth values in an array of the same library is a TypeError.
    """
    shape = tuple(out.shape[:-1])
    _check_kind(weights, out, name, "out is", "weights")
    if tuple(weights.shape) != shape:
        raise ValueError(f"{name}: weights must be one for each row {shape}, got {tuple(weights.shape)}")
    if not (str(weights.dtype).endswith("bool") or xp.is_real(weights)):
        raise TypeError(f"{name}: weights must be real numbers or truth values, got {weights.dtype}")
    given = xp.astype(weights, out)
    if xp.reads_values or is_numpy(weights):
        held = given if xp.reads_values else TUNED.quietly(weights.astype, out.dtype)
        beyond = _first_beyond(held, 0, sys.float_info.max)
        if beyond is not None:
            value, place = weights.flat[beyond], _row(beyond, out.shape)
            as_held = f", {held.flat[beyond]:g} in {held.dtype}" if 0 <= value < math.inf else ""
            raise ValueError(f"{name}: weights must be finite and >= 0, got {value:g}{as_held} at {place}")
        if not held.any():
            as_held = f" in {held.dtype}" if weights.any() else ""
            raise ValueError(f"{name}: the mean over no rows is undefined, all weights are 0{as_held}")
    return given


def _check_logits(shape: tuple[int, ...], name: str) -> None:
    if len(shape) < 2:
        hint = f"logits[{', '.join(['None'] * (2 - len(shape)))}]"
        raise ValueError(
            f"{name}: logits must have rows of classes (..., k), got shape {shape}: add an axis, as {hint}"
        )
    if shape[-1] == 0:
        raise ValueError(f"{name}: logits have no classes, their shape is {shape}")
    if 0 in shape:
        raise empty_batch(name, "logits", shape)


def _check_kind(
    targets: Any, logits: Array | Labels, name: str, beside: str = "the logits are", what: str = "targets"
) -> None:
    """Check that targets are an array of numbers of the library of the logits; a TypeError names the conversion."""
    if is_of_pandas(targets):
        kind = type(targets).__name__
        raise TypeError(f"{name}: {what} must be an array, got pandas' {kind}: convert it with .to_numpy()")
    if not is_array(targets):
        raise TypeError(f"{name}: {what} must be an array, got {describe(targets)}{conversion(targets)}")
    if getattr(targets.dtype, "kind", None) in {"U", "S", "O", "T"}:
        raise TypeError(
            f"{name}: {what} must be numbers, got {targets.dtype}: number the classes, e.g. with {NUMBERED}"
        )
    check_plain(f"{name}: {what}", targets)
    libraries = unlike(targets, logits)
    if libraries is not None:
        raise TypeError(
            f"{name}: {what} are an array of {libraries[0]} but {beside} of {libraries[1]}: convert one of them"
        )


def _labels(xp: Namespace, labels: Targets, shape: tuple[int, ...], name: str, *, read: bool) -> Labels:
    if not xp.is_integral(labels):
        raise TypeError(f"{name}: labels must be integers, got {labels.dtype}")
    if tuple(labels.shape) != shape[:-1]:
        if len(shape) == 2:
            raise ValueError(f"{name}: {shape[0]} rows of logits {shape}, but {labels.shape[0]} labels")
        raise ValueError(f"{name}: logits {shape} have rows {shape[:-1]}, but labels {tuple(labels.shape)}")
    if read and not fit(labels, shape[-1]):
        found = first_of(labels, (labels < 0) | (labels >= shape[-1]))
        from_one = labels.min() == 1 and labels.max() == shape[-1]
        how = f": number the classes from 0, e.g. with {NUMBERED}" if from_one else ""
        raise ValueError(f"{name}: labels must be in [0, {shape[-1]}), got {found}{how}")
    return labels


def _check_probabilities(given: NDArray[Any], name: str) -> None:
    sums = given.sum(axis=-1, dtype=np.float64)
    # A row of k numbers that were rounded sums to 1 within k halves of their last digits.
    eps = float(np.finfo(given.dtype).eps) if given.dtype.kind == "f" else 0.0
    wrong = np.flatnonzero(~(np.abs(sums - 1) <= max(1e-6, eps * max(2, given.shape[-1]) / 2)))
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(f"{name}: target {_row(row, given.shape)} sums to {sums.flat[row]:g}, expected 1")
    if given.min() < 0:
        place = int(np.argmax(given.ravel() < 0))
        row, column = divmod(place, given.shape[-1])
        value = given.flat[place]
        raise ValueError(
            f"{name}: target probabilities must be >= 0, got {value:g} in {_row(row, given.shape)}, class {column}"
        )


def _first_beyond(values: NDArray[Any], least: float, most: float) -> int | None:
    if float(values.min()) >= least and float(values.max()) <= most:  # in float32 this bound would be infinite
        return None
    wide = values.astype(np.float64)
    return int(np.argmax(~((wide >= least) & (wide <= most))))


def _row(number: int, shape: tuple[int, ...]) -> str:
    return row_name(tuple(int(i) for i in np.unravel_index(number, shape[:-1])))


def _are_labels(targets: Targets, shape: tuple[int, ...]) -> TypeGuard[Labels]:
    if targets.dtype.kind not in "iu" or len(shape) < 2:
        return False
    return targets.shape == shape[:-1] and targets.size > 0 and fit(targets, shape[-1])
