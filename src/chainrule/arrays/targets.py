"""Targets: what a classifier should have said, as integer labels (n,) or as rows of probabilities (n, k).

The two are told apart by their dimensions alone, never by counting entries, so that no shape is read in two ways.
"""

from typing import TypeAlias, TypeGuard

import numpy as np

from chainrule.arrays.arguments import describe
from chainrule.arrays.labels import fit
from chainrule.arrays.libraries import unlike
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array, Labels, is_plain

Targets: TypeAlias = Labels | Array
"""Integer labels (n,), or rows of probabilities (n, k)."""


def labels_and_probabilities(xp: Namespace, logits: Array, targets: Targets, name: str) -> tuple[Labels, Array | None]:
    """Check targets against the logits that they belong to, and tell the two kinds apart.

    Parameters
    ----------
    xp
        The namespace of the logits.
    logits
        (n, k), n and k at least 1.
    targets
        Integer labels (n,), or rows of probabilities (n, k) of any real dtype, one-hot integers among them.
    name
        Who asks, for messages.

    Returns
    -------
    labels : Labels
        (n,): the labels, or the likeliest class of each row of probabilities.
    probabilities : Array or None
        (n, k), in the dtype of the logits; None if the targets are labels.

    Raises
    ------
    ValueError
        If shapes do not fit, a label is not in [0, k), or a row has a negative entry or does not sum to 1 (to 1e-6, or
        the rounding of its dtype if that is coarser). Values are checked only where reading them is free.
    TypeError
        If the targets are no array or one of another library, labels are no integers, or probabilities no real numbers.
    """
    if type(targets) is np.ndarray and xp.reads_values and _are_labels(targets, logits.shape):
        return targets, None  # without the questions that the rest must answer
    _check_logits(logits, name)
    n, k = logits.shape
    if not (hasattr(targets, "shape") and hasattr(targets, "dtype")):
        raise TypeError(f"{name}: targets must be an array, got {describe(targets)}")
    if type(targets).__module__.startswith("numpy") and not is_plain(targets):
        raise TypeError(f"{name}: targets must be a plain array, got {type(targets).__name__}: convert them first")
    libraries = unlike(targets, logits)
    if libraries is not None:
        raise TypeError(
            f"{name}: targets are an array of {libraries[0]} but the logits are of {libraries[1]}: convert one of them"
        )
    if targets.ndim == 1:
        return _labels(xp, targets, logits.shape, name), None
    if targets.shape != logits.shape:
        raise ValueError(
            f"{name}: targets must be labels of shape ({n},) or probabilities of shape ({n}, {k}), got {targets.shape}"
        )
    if not xp.is_real(targets):
        raise TypeError(f"{name}: target probabilities must be real numbers, got {targets.dtype}")
    probabilities = xp.astype(targets, logits)
    if xp.reads_values:
        _check_probabilities(probabilities, name)
    return xp.argmax_last(probabilities), probabilities


def _check_logits(logits: Array, name: str) -> None:
    if logits.ndim != 2:
        raise ValueError(f"{name}: logits must be 2-D (rows of classes), got shape {logits.shape}")
    if logits.shape[1] == 0:
        raise ValueError(f"{name}: logits have no classes, their shape is {logits.shape}")
    if logits.shape[0] == 0:
        raise ValueError(f"{name}: the mean over an empty batch is undefined, logits have shape {logits.shape}")


def _check_labels(labels: Labels, k: int, name: str) -> None:
    if not fit(labels, k):
        row = int(np.argmax((labels < 0) | (labels >= k)))
        raise ValueError(f"{name}: labels must be in [0, {k}), got {labels[row]} at row {row}")


def _check_probabilities(probabilities: Array, name: str) -> None:
    sums = probabilities.sum(axis=1, dtype=np.float64)
    slack = max(1e-6, float(np.finfo(probabilities.dtype).eps))
    wrong = np.flatnonzero(~(np.abs(sums - 1) <= slack))
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(f"{name}: target row {row} sums to {sums[row]:g}, expected 1")
    if probabilities.min() < 0:
        row, column = (int(i) for i in np.argwhere(probabilities < 0)[0])
        value = probabilities[row, column]
        raise ValueError(f"{name}: target probabilities must be >= 0, got {value:g} in row {row}, class {column}")


def _labels(xp: Namespace, labels: Targets, shape: tuple[int, ...], name: str) -> Labels:
    if not xp.is_integral(labels):
        raise TypeError(f"{name}: labels must be integers, got {labels.dtype}")
    if labels.shape[0] != shape[0]:
        raise ValueError(f"{name}: {shape[0]} rows of logits {shape}, but {labels.shape[0]} labels")
    if xp.reads_values:
        _check_labels(labels, shape[1], name)
    return labels


def _are_labels(targets: Targets, shape: tuple[int, ...]) -> TypeGuard[Labels]:
    """Whether targets are good labels for logits of a shape, as most are."""
    if targets.dtype.kind not in "iu" or len(shape) != 2:
        return False
    n, k = shape
    return targets.shape == (n,) and n > 0 and fit(targets, k)
