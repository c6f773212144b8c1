"""Losses that are checked where `out` is the targets: every gradient there is 0, the wrong ones too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Loss, check_loss, own
from checking.planted import RNG

OUT = RNG(0).standard_normal((6, 4))
SHARES = np.eye(4)[RNG(1).integers(0, 4, 6)]


def squares(of_dloss: Callable[[Any], Any]) -> Loss[Array, Any]:
    """Half the mean of squares, whose backward gets another dloss than it is given."""

    def forward(out: Array, targets: Array) -> tuple[Any, Array]:
        off = own(out - targets)
        return (off * off).mean() / 2, off

    def backward(off: Array, dloss: Any) -> Array:
        return np.asarray(off * (of_dloss(dloss) / off.size))

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(np.square(out - targets).mean(axis=-1) / 2)

    return Loss(forward, backward, rows)


def as_given(dloss: Any) -> Any:
    return dloss


def clipped(dloss: Any) -> Any:
    return np.clip(dloss, -10, 10)


def ignored(dloss: Any) -> Any:
    return dloss * 0 + 1


def of_one_sign(dloss: Any) -> Any:
    return abs(dloss)


@pytest.mark.parametrize("of_dloss", [clipped, ignored, of_one_sign])
@pytest.mark.parametrize("out", [OUT, SHARES], ids=["numbers", "shares"])
def test_a_wrong_one_is_found(of_dloss: Callable[[Any], Any], out: Array) -> None:
    assert check_loss(squares(of_dloss), out, out.copy(), rng=RNG(0)).failures


@pytest.mark.parametrize("out", [OUT, SHARES, np.zeros((6, 4))], ids=["numbers", "shares", "zeros"])
def test_a_right_one_is_accepted(out: Array) -> None:
    assert check_loss(squares(as_given), out, out.copy(), rng=RNG(0)).ok


def test_a_loss_without_slopes_is_accepted() -> None:
    def forward(out: Array, targets: Array) -> tuple[Any, Array]:
        return np.mean((out > 0) != (targets > 0), dtype=out.dtype), own(out)

    def backward(out: Array, dloss: Any) -> Array:
        return np.zeros_like(out)

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(np.mean((out > 0) != (targets > 0), axis=-1, dtype=out.dtype))

    assert check_loss(Loss(forward, backward, rows), OUT, OUT.copy(), rng=RNG(0)).ok
