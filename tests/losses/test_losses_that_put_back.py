"""Losses that write to an argument for a while, or in one layout alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Loss, check_loss
from strategies import seeded

RNG = np.random.default_rng


def put_back(a: Array) -> None:
    if a.flags.writeable:
        kept = a.copy()
        a[...] = 0
        a[...] = kept


def in_fortrans_order(a: Array) -> bool:
    return a.flags.f_contiguous and not a.flags.c_contiguous


def times(slopes: Array, dloss: Array | float) -> Array:
    return (slopes * dloss).astype(slopes.dtype)


def squared_error(write: Callable[[Array, Array], object]) -> Loss[Array, Any]:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        write(out, targets)
        off = out - targets
        return np.asarray((off * off).mean(), out.dtype), (2 * off / off.size).astype(out.dtype)

    return Loss(forward, times, lambda out, targets: np.asarray(((out - targets) ** 2).mean(-1)))


PUT_BACK: dict[str, tuple[Callable[[Array, Array], object], str, str]] = {
    "out": (lambda o, t: put_back(o), "out", "the call wrote to out while it lasted"),
    "targets": (lambda o, t: put_back(t), "targets", "the call wrote to targets while it lasted"),
    "out in Fortran's order": (
        lambda o, t: put_back(o) if in_fortrans_order(o) else None,
        "out",
        "the call wrote to out while it lasted, for arrays in Fortran's order",
    ),
    "targets with gaps": (
        lambda o, t: put_back(t) if not (t.flags.c_contiguous or t.flags.f_contiguous) else None,
        "targets",
        "the call wrote to targets while it lasted, for arrays with gaps in memory",
    ),
}


@pytest.mark.parametrize(("name", "seed"), seeded(PUT_BACK))
def test_an_argument_that_is_put_back_is_found(name: str, seed: int) -> None:
    write, field, note = PUT_BACK[name]
    out, targets = RNG(seed).standard_normal((2, 5, 3))
    report = check_loss(squared_error(write), out, targets, rng=RNG(seed))
    (wrong,) = [each for each in report.failures if each.law == "loss_memory"]
    assert (wrong.field, wrong.note) == (field, note)


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_writes_to_nothing_is_accepted(seed: int) -> None:
    out, targets = RNG(seed).standard_normal((2, 5, 3))
    report = check_loss(squared_error(lambda o, t: None), out, targets, rng=RNG(seed))
    assert report.ok, str(report)
