"""Wrong losses: a gradient that is wrong somewhere, by table; losses that break another law are listed after them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from adversaries import loss_forms as forms
from adversaries.case import Adversary, LossCase
from adversaries.loss_making import Rows, Seen, Spoil, case, drawn, made
from adversaries.losses_impure import IMPURE_LOSSES
from adversaries.losses_unsound import UNSOUND_LOSSES

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

WRONG_LOSSES: list[Adversary] = []

Where = Callable[[Seen], Any]
"""The entries of `out` that are meant: anything that broadcasts to its shape."""


def listed(name: str, kind: str, rows: Rows, spoil: Spoil, n: int = 7, dtype: Any = np.float64) -> None:
    WRONG_LOSSES.append(Adversary(name, kind, partial(case, rows, spoil, n=n, dtype=dtype)))


def times(factor: float, where: Where) -> Spoil:
    """A gradient that is off by a factor where it says."""
    return lambda seen: forms.where(where(seen), seen.dout * seen.dout.dtype.type(factor), seen.dout)


numbers: Any = np.arange


def row(i: int) -> Where:
    return lambda seen: numbers(len(seen.out))[:, None] == i % len(seen.out)


def column(j: int) -> Where:
    return lambda seen: numbers(seen.out.shape[-1]) == j % seen.out.shape[-1]


def entry(i: int, j: int) -> Where:
    return lambda seen: row(i)(seen) & column(j)(seen)


def everywhere(seen: Seen) -> Any:
    return True


def label(y: int) -> Where:
    """The row of labels y, counted from the end if negative."""
    return lambda seen: (seen.targets == y % seen.out.shape[-1])[..., None]


def at_label(seen: Seen) -> Any:
    return forms.one_hot(seen.out, seen.targets) > 0


# Relative errors, from 1e-6 to all of it.

PLANTED: list[tuple[str, Rows, float, str, Where]] = [
    ("cross entropy", forms.cross_entropy, 1e-6, "everywhere", everywhere),
    ("cross entropy", forms.cross_entropy, 1e-5, "in the last row", row(-1)),
    ("cross entropy", forms.cross_entropy, 1e-4, "in class 2", column(2)),
    ("cross entropy", forms.cross_entropy, 1e-3, "in the last entry", entry(-1, -1)),
    ("cross entropy", forms.cross_entropy, 1e-2, "at the label", at_label),
    ("cross entropy", forms.cross_entropy, 0.1, "in rows of label 0", label(0)),
    ("cross entropy", forms.cross_entropy, 1.0, "in rows of the last label", label(-1)),
    ("mean squares", forms.mean_squares, 1e-6, "in the last row", row(-1)),
    ("mean squares", forms.mean_squares, 1e-5, "in one entry", entry(3, 1)),
    ("mean squares", forms.mean_squares, 1e-3, "in the first column", column(0)),
    ("mean squares", forms.mean_squares, -2.0, "where out is negative", lambda seen: seen.out < 0),
    ("logistic", forms.logistic, 1e-5, "of targets that are 1", lambda seen: seen.targets == 1),
    ("logistic", forms.logistic, 1e-3, "in the first row", row(0)),
    ("huber", forms.huber, 1e-4, "within the bound", lambda seen: np.abs(seen.out - seen.targets) < 1),
    ("huber", forms.huber, 1e-2, "beyond the bound", lambda seen: np.abs(seen.out - seen.targets) > 1),
    ("hinge", forms.hinge, 0.1, "of targets that are -1", lambda seen: seen.targets < 0),
    ("poisson", forms.poisson, 1e-3, "of counts of 0", lambda seen: seen.targets == 0),
    ("gaussian", forms.gaussian, 1e-4, "in the variances", lambda seen: np.arange(4) >= 2),
    ("cosine", forms.cosine, 1e-6, "in the last column", column(-1)),
    ("triplet", forms.triplet, 1e-3, "in the strangers", lambda seen: np.arange(6) >= 4),
    ("log cosh", forms.log_cosh, 1e-2, "of even rows", lambda seen: (np.arange(len(seen.out)) % 2 == 0)[:, None]),
    ("two heads", forms.two_heads, 1e-4, "in the second head", column(-1)),
    ("masked squares", forms.masked_squares, 1e-2, "in the last row", row(-1)),
    ("focal", forms.focal, 1e-5, "at the label", at_label),
    ("worst hinge", forms.worst_hinge, 1.0, "at the rival", lambda seen: seen.slopes > 0),
    ("brier", forms.brier, 1e-6, "in one entry", entry(2, 2)),
]
for title, rows, error, place, where in PLANTED:
    listed(f"{title} off by {error:g} {place}", "planted", rows, times(1 + error, where))


# Terms that are missing, and means that are sums.


def focal_weight(seen: Seen) -> Any:
    log_p = forms.where(at_label(seen), forms.log_softmax(seen.out), 0).sum(axis=-1, keepdims=True)
    return np.expm1(log_p) ** 2


def lengths(x: Any) -> Any:
    return FREE.linalg.norm(x, axis=-1, keepdims=True)


def dice_with_its_whole_held_fixed(seen: Seen) -> Any:
    p = forms.sigmoid(seen.out)
    return seen.of(-2 * seen.targets / (p + seen.targets).sum(axis=-1, keepdims=True) * p * (1 - p))


def brier_as_if_classes_were_alone(seen: Seen) -> Any:
    p = forms.softmax(seen.out)
    return seen.of(2 * (p - at_label(seen)) * p * (1 - p))


FORGOTTEN: dict[str, tuple[Rows, Spoil]] = {
    "the gradient of a sum": (forms.cross_entropy, lambda seen: seen.dout * seen.n),
    "a mean over columns that is not divided by": (forms.mean_squares, lambda seen: seen.dout * 3),
    "divided by all numbers and not by rows": (forms.squares, lambda seen: seen.dout / 3),
    "divided by one row less": (forms.squares, lambda seen: seen.dout * (seen.n / max(seen.n - 1, 1))),
    "squares without their 2": (forms.squares, lambda seen: seen.dout / 2),
    "the sign of cross entropy": (forms.cross_entropy, lambda seen: -seen.dout),
    "no label taken from probabilities": (forms.cross_entropy, lambda seen: seen.of(forms.softmax(seen.out))),
    "weights of rows forgotten": (forms.weighted_cross_entropy, lambda seen: seen.dout / seen.targets[1][:, None]),
    "smoothing forgotten": (
        forms.smoothed_cross_entropy,
        lambda seen: seen.of(forms.softmax(seen.out) - at_label(seen)),
    ),
    "a temperature forgotten": (forms.tempered_cross_entropy, lambda seen: seen.dout * 4),
    "focal without the slope of its weight": (
        forms.focal,
        lambda seen: seen.of((forms.softmax(seen.out) - at_label(seen)) * focal_weight(seen)),
    ),
    "brier as if classes were alone": (forms.brier, brier_as_if_classes_were_alone),
    "cosine without its projection": (
        forms.cosine,
        lambda seen: seen.of(-seen.targets / lengths(seen.targets) / lengths(seen.out)),
    ),
    "dice with its whole held fixed": (forms.dice, dice_with_its_whole_held_fixed),
    "a mask forgotten": (forms.masked_squares, lambda seen: seen.of(2 * (seen.out - seen.targets[0]))),
    "quantiles the wrong way round": (
        forms.quantile,
        lambda seen: seen.of(forms.where(seen.out > seen.targets, 0.75, -0.25)),
    ),
    "variances without their half": (forms.gaussian, lambda seen: seen.dout * np.repeat([1.0, 2.0], 2)),
    "multiclass hinge whose label counts once": (
        forms.multiclass_hinge,
        lambda seen: seen.of(np.maximum(seen.slopes, -1)),
    ),
}
for title, (rows, spoil) in FORGOTTEN.items():
    listed(title, "missing term", rows, spoil)


# Right on these labels, and wrong on others: the case has all but those.


def unweighted(seen: Seen) -> Any:
    return forms.cross_entropy(seen.out, seen.targets[0])[1]


UNSEEN: dict[str, tuple[Rows, Callable[[Any], Any], Spoil]] = {
    "label 0 of which there is none": (forms.cross_entropy, lambda t: np.maximum(t, 1), times(1.1, label(0))),
    "the last label of which there is none": (
        forms.cross_entropy,
        lambda t: np.minimum(t, 2),
        times(1.1, label(-1)),
    ),
    "labels that are all equal": (
        forms.cross_entropy,
        lambda t: t,
        times(1.5, lambda seen: len(seen.out) > 1 and FREE.ptp(seen.targets) == 0),
    ),
    "weights below 0.1 raised to it": (
        forms.weighted_cross_entropy,
        lambda t: (t[0], forms.where(t[0] == 2, 0.0, t[1])),
        lambda seen: (
            forms.cross_entropy(seen.out, seen.targets[0])[1]
            * np.maximum(seen.targets[1], 0.1)[:, None]
            * (float(seen.dloss) / seen.n)
        ),
    ),
    "weights of 0 of which there is none here": (
        forms.weighted_cross_entropy,
        lambda t: t,
        lambda seen: forms.where(
            seen.targets[1][:, None] == 0,
            seen.of(unweighted(seen)),
            seen.dout,
        ),
    ),
    "a label that stands first twice": (
        forms.cross_entropy,
        lambda t: t,
        times(1.01, lambda seen: len(seen.out) > 1 and seen.targets[0] == seen.targets[1]),
    ),
}


def unseen(rows: Rows, change: Callable[[Any], Any], spoil: Spoil) -> LossCase:
    out, targets = drawn(rows)
    return LossCase(made(rows, spoil), out, change(targets))


for title, (rows, change, spoil) in UNSEEN.items():
    WRONG_LOSSES.append(Adversary(title, "labels", partial(unseen, rows, change, spoil)))


# Wrong by the number of rows.


def beyond(n: int) -> Where:
    return lambda seen: (np.arange(len(seen.out)) >= n)[:, None]


SIZES: dict[str, tuple[Rows, Spoil]] = {
    "one row alone": (forms.cross_entropy, times(2, lambda seen: len(seen.out) == 1)),
    "rows beyond the 64th": (forms.cross_entropy, times(0, beyond(64))),
    "rows beyond the 128th": (forms.mean_squares, times(0.5, beyond(128))),
    "rows beyond the 256th": (forms.logistic, times(1.01, beyond(256))),
    "more than 64 rows": (forms.huber, times(1.001, lambda seen: len(seen.out) > 64)),
    "more than 128 rows": (forms.cross_entropy, lambda seen: seen.dout * max(1.0, seen.n / 128)),
    "257 rows and more": (forms.squares, times(1.0001, lambda seen: len(seen.out) >= 257)),
    "rows after the last whole block of 32": (
        forms.mean_squares,
        times(0, lambda seen: beyond(len(seen.out) // 32 * 32)(seen) & (len(seen.out) > 32)),
    ),
    "as many rows as columns": (forms.cross_entropy, times(1.1, lambda seen: len(seen.out) == seen.out.shape[1])),
}
for title, (rows, spoil) in SIZES.items():
    listed(title, "size", rows, spoil)


# Wrong in one dtype.


def in_dtype(dtype: str, seen: Seen) -> Any:
    return seen.out.dtype == dtype


for kept, error in (("float32", 1e-2), ("float32", 1e-3), ("float16", 0.2)):
    for rows in (forms.cross_entropy, forms.mean_squares):
        for given in ("float64", kept):
            name = f"{rows.__name__.replace('_', ' ')} off by {error:g} in {kept} alone, given {given}"
            only = times(1 + error, partial(in_dtype, kept))
            listed(name, "dtype", rows, only, dtype=given)
listed(
    "cross entropy off by 0.0003 in the last row in float32 alone",
    "dtype",
    forms.cross_entropy,
    times(1.0003, lambda seen: row(-1)(seen) & (seen.out.dtype == np.float32)),
    dtype=np.float32,
)


# Wrong far out, small, or at ties.

PLACES: dict[str, tuple[Rows, Spoil]] = {
    "logits beyond 20": (forms.cross_entropy, times(1.1, lambda seen: np.abs(seen.out) > 20)),
    "logistic cut off beyond 15": (forms.logistic, times(0, lambda seen: np.abs(seen.out) > 15)),
    "numbers below a thousandth": (forms.mean_squares, times(0, lambda seen: np.abs(seen.out) < 1e-3)),
    "logits of 0": (forms.cross_entropy, times(2, lambda seen: seen.out == 0)),
    "rows of equal logits": (
        forms.cross_entropy,
        times(1.5, lambda seen: FREE.ptp(seen.out, axis=-1, keepdims=True) == 0),
    ),
}
for title, (rows, spoil) in PLACES.items():
    listed(title, "values", rows, spoil)


def at(rows: Rows, spoil: Spoil, change: Callable[[Any, Any], tuple[Any, Any]]) -> LossCase:
    return LossCase(made(rows, spoil), *change(*drawn(rows)))


def met(out: Any, targets: Any) -> tuple[Any, Any]:
    return forms.where(np.arange(out.shape[-1]) == 1, targets, out), targets


def bound(out: Any, targets: Any) -> tuple[Any, Any]:
    return forms.where(np.arange(3) == 1, 1.0, out), forms.where(np.arange(3) == 1, 0.0, targets)


def at_bound(seen: Seen) -> Any:
    return np.abs(seen.out - seen.targets) == 1


def tied(seen: Seen) -> Any:
    """Each of equal rivals gets the whole of the slope."""
    others = forms.where(at_label(seen), -np.inf, seen.out)
    rivals = others == others.max(axis=-1, keepdims=True)
    active = (seen.slopes != 0).any(axis=-1, keepdims=True)
    return seen.of(forms.where(active, rivals.astype(float) - at_label(seen), 0))


TIES: dict[str, tuple[Rows, Spoil, Callable[[Any, Any], tuple[Any, Any]]]] = {
    "absolute with slope 2 where a target is met": (
        forms.absolute,
        lambda seen: forms.where(seen.out == seen.targets, seen.of(2 / 3), seen.dout),
        met,
    ),
    "quantile with slope -1 where a target is met": (
        forms.quantile,
        lambda seen: forms.where(seen.out == seen.targets, seen.of(-1), seen.dout),
        met,
    ),
    "huber with slope 0 at its bound": (
        forms.huber,
        times(0, lambda seen: np.abs(seen.out - seen.targets) == 1),
        bound,
    ),
    "hinge with the opposite slope at its margin": (
        forms.hinge,
        lambda seen: forms.where(seen.out * seen.targets == 1, seen.of(seen.targets), seen.dout),
        met,
    ),
    "equal rivals that all get the slope": (
        forms.worst_hinge,
        tied,
        lambda out, labels: (forms.where(np.arange(4) == 3, 0.0, 2.0) + 0 * out, labels * 0 + 3),
    ),
    "squares with slope 1 where a target is met": (
        forms.squares,
        lambda seen: forms.where(seen.out == seen.targets, seen.of(1), seen.dout),
        met,
    ),
}
for title, (rows, spoil, tie) in TIES.items():
    WRONG_LOSSES.append(Adversary(title, "ties", partial(at, rows, spoil, tie)))


# Wrong in dloss.


def by(change: Callable[[float], float]) -> Spoil:
    """The gradient that `change(dloss)` would have."""
    return lambda seen: seen.slopes * seen.slopes.dtype.type(change(float(seen.dloss)) / seen.n)


DLOSS: dict[str, Spoil] = {
    "dloss ignored": by(lambda d: 1.0),
    "dloss squared": by(lambda d: d * d),
    "dloss added": by(lambda d: d + 1.0),
    "dloss added and one taken": lambda seen: seen.slopes / seen.n + (float(seen.dloss) - 1),
    "the size of dloss without its sign": by(abs),
    "the sign of dloss without its size": lambda seen: seen.slopes * (np.sign(float(seen.dloss)) / seen.n),
    "a dloss of 0 taken for 1": by(lambda d: d or 1.0),
    "a dloss below 0 taken for 0": by(lambda d: max(d, 0.0)),
    "dloss clipped at 100": by(lambda d: float(np.clip(d, -100, 100))),
    "dloss below 0.01 taken for 0": by(lambda d: d if abs(d) >= 0.01 else 0.0),
    "dloss rounded to a whole number": by(lambda d: float(round(d))),
    "dloss in float16": by(lambda d: float(np.float16(d))),
    "dloss divided by itself": lambda seen: (
        seen.dout * float(seen.dloss) / float(seen.dloss) if float(seen.dloss) else np.full_like(seen.dout, np.nan)
    ),
    "a gradient clipped to 1": lambda seen: np.clip(seen.dout, -1, 1),
    "a gradient of at least 1e-9": lambda seen: forms.where(np.abs(seen.dout) < 1e-9, 1e-9, seen.dout),
}
for title, spoil in DLOSS.items():
    for rows in (forms.cross_entropy, forms.mean_squares)[: 2 if "taken" in title else 1]:
        listed(f"{title} in {rows.__name__.replace('_', ' ')}", "dloss", rows, spoil)


# Rows of the gradient that should sum to 0 and do not.

SUMS: dict[str, Spoil] = {
    "a label of which 0.999 is taken": lambda seen: seen.dout + seen.of(1e-3 * at_label(seen)),
    "probabilities that sum to 1 and a millionth": lambda seen: seen.dout + seen.of(1e-6 * forms.softmax(seen.out)),
    "probabilities that forget the last class": lambda seen: forms.where(
        column(-1)(seen), seen.of(-1.0 * at_label(seen)), seen.dout
    ),
}
for title, spoil in SUMS.items():
    listed(title, "sums to 0", forms.cross_entropy, spoil)

WRONG_LOSSES.extend(UNSOUND_LOSSES)
WRONG_LOSSES.extend(IMPURE_LOSSES)
