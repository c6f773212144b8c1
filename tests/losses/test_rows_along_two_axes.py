"""Losses whose forward takes rows along two axes, and whose backward may be meant for one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Labels, Loss, check_loss, mean_squared_error, own, softmax_cross_entropy

RNG = np.random.default_rng
OUT, TARGETS = RNG(0).standard_normal((6, 5)), RNG(1).standard_normal((6, 5))
OF_CLASSES = RNG(2).integers(0, 5, 6)

Rows = Callable[[Array, Array], Array]


def squared(rows: Rows, count: Callable[[Array], float]) -> Loss[Array, Array]:
    """Squared errors, of which the gradient is divided by a count of rows."""

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return rows(out, targets).mean(), own(out - targets)

    def backward(off: Array, dloss: Array | float) -> Array:
        return 2 * off * dloss / count(off)

    return Loss(forward, backward, rows)


def of_last(out: Array, targets: Array) -> Array:
    losses: Array = ((out - targets) ** 2).sum(axis=-1)
    return losses


def of_second(out: Array, targets: Array) -> Array:
    losses: Array = ((out - targets) ** 2).sum(axis=1)
    return losses


def of_all_but_first(out: Array, targets: Array) -> Array:
    losses: Array = ((out - targets) ** 2).reshape(len(out), -1).sum(axis=1)
    return losses


def of_matrices(out: Array, targets: Array) -> Array:
    if out.ndim != 2:
        raise ValueError("out has rows and columns")
    return of_last(out, targets)


def of_all_rows(off: Array) -> float:
    return off[..., 0].size


def by_class(count: Callable[[Array], float]) -> Loss[Labels, Any]:
    """A cross-entropy, of which the gradient is divided by a count of rows."""

    def hot(out: Array, labels: Labels) -> Array:
        return np.equal(labels[..., None], range(out.shape[-1])).astype(out.dtype)

    def rows(out: Array, labels: Labels) -> Array:
        shifted = out - out.max(axis=-1, keepdims=True)
        losses: Array = np.log(np.exp(shifted).sum(axis=-1)) - (shifted * hot(out, labels)).sum(axis=-1)
        return losses

    def forward(out: Array, labels: Labels) -> tuple[Array, Any]:
        e = np.exp(out - out.max(axis=-1, keepdims=True))
        return rows(out, labels).mean(), own(e / e.sum(axis=-1, keepdims=True) - hot(out, labels))

    def backward(off: Array, dloss: Array | float) -> Array:
        return off * dloss / np.asarray(count(off), off.dtype)

    return Loss(forward, backward, rows)


UNTOLD: dict[str, tuple[Loss[Any, Any], Any]] = {
    "squared": (squared(of_last, len), TARGETS),
    "by class": (by_class(len), OF_CLASSES),
}

RIGHT: dict[str, tuple[Loss[Any, Any], Any]] = {
    "of all rows": (squared(of_last, of_all_rows), TARGETS),
    "refused": (squared(of_matrices, len), TARGETS),
    "along the second axis, by accident": (squared(of_second, len), TARGETS),
    "a sum over the steps": (squared(of_all_but_first, len), TARGETS),
    "by class": (by_class(of_all_rows), OF_CLASSES),
    "the library's": (mean_squared_error, TARGETS),
    "the library's, by class": (softmax_cross_entropy, OF_CLASSES),
}


@pytest.mark.parametrize("name", UNTOLD)
@pytest.mark.parametrize("columns", [5, 3])
def test_a_gradient_that_is_divided_by_the_first_length_cannot_be_told(name: str, columns: int) -> None:
    loss, targets = UNTOLD[name]
    given = targets[:, :columns] if targets.ndim > 1 else targets % columns
    for seed in range(3):
        report = check_loss(loss, OUT[:, :columns], given, rng=RNG(seed))
        assert not report.failures, str(report)
        (verdict,) = report.undecided
        assert verdict.note.startswith(
            f"for out (2, {4 if columns == 3 else 3}, {columns}), which has two axes of rows: "
        )
        assert verdict.advice == "If rows are meant to have one axis, let forward refuse more of them"


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("columns", [5, 3])
def test_a_right_one_is_right(name: str, columns: int) -> None:
    loss, targets = RIGHT[name]
    given = targets[:, :columns] if targets.ndim > 1 else targets % columns
    for seed in range(3):
        report = check_loss(loss, OUT[:, :columns], given, rng=RNG(seed))
        assert report.ok, str(report)
