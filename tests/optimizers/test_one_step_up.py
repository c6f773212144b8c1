"""Optimizers that go up the gradient at one step among many, and such whose steps are odd for a reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import Array, check_optimizer
from chainrule.laws.of_optimizers._alone import upward_step
from chainrule.laws.of_optimizers._pace import pace_of

RNG = np.random.default_rng
P, G = RNG(0).standard_normal((2, 5, 3))

Update = Callable[[int, Any, Array, Array], tuple[Any, Array]]


def nothing(p: Array) -> Any:
    return np.zeros_like(p)


@frozen
class Odd:
    """An optimizer of an update, which a count of steps and what it keeps are given to."""

    update: Update
    first: Callable[[Array], Any] = nothing
    up: tuple[int, ...] = ()

    def init(self, p: Array) -> Any:
        return 0, self.first(p)

    def step(self, state: Any, p: Array, g: Array) -> tuple[Array, Any]:
        count, kept = state
        kept, new = self.update(count, kept, p, -g if count + 1 in self.up else g)
        return new, (count + 1, kept)


def plain(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    return kept, p - 0.01 * g


def heavy(count: int, v: Any, p: Array, g: Array) -> tuple[Any, Array]:
    v = 0.9 * v + g
    return v, p - 0.01 * v


def decaying(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    return kept, p - 0.05 * g / (1 + count / 50)


def by_moments(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    m, v = 0.9 * kept[0] + 0.1 * g, 0.999 * kept[1] + 0.001 * g * g
    mean, square = m / (1 - 0.9 ** (count + 1)), v / (1 - 0.999 ** (count + 1))
    return (m, v), p - 0.01 * mean / (np.sqrt(square) + 1e-8)


def two(p: Array) -> Any:
    return np.zeros_like(p), np.zeros_like(p)


def ahead(count: int, slow: Any, p: Array, g: Array) -> tuple[Any, Array]:
    """Every fifth step comes back halfway to where it was five before."""
    new = p - 0.05 * g
    if count % 5 == 4:
        new = slow + 0.5 * (new - slow)
        return new.copy(), new
    return slow, new


def perturbed(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    """Every second step takes the one before back, which goes up (Foret and others, 2021)."""
    if count % 2 == 0:
        return p.copy(), p + 0.01 * g
    return kept, kept - 0.01 * g


def rarely_perturbed(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    if count % 50 == 30:
        return p.copy(), p + 0.01 * g
    return kept, (kept if count % 50 == 31 else p) - 0.01 * g


def optimistic(count: int, before: Any, p: Array, g: Array) -> tuple[Any, Array]:
    return g.copy(), p - 0.01 * (2 * g - before)


def by_sign_changes(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    sizes: Array = kept[0]
    before: Array = kept[1]
    same = np.sign(g) * np.sign(before)
    sizes = np.clip(np.where(same > 0, 1.2 * sizes, np.where(same < 0, 0.5 * sizes, sizes)), 1e-6, 0.05)
    return (sizes, g.copy()), p - sizes * np.sign(g)


def accumulating(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
    kept = kept + g
    return (np.zeros_like(p), p - 0.01 * kept) if count % 4 == 3 else (kept, p.copy())


def sizes(p: Array) -> Any:
    return np.full_like(p, 0.01), np.zeros_like(p)


UPDATES: dict[str, tuple[Update, Callable[[Array], Any]]] = {
    "plain": (plain, nothing),
    "heavy": (heavy, nothing),
    "decaying": (decaying, nothing),
    "by moments": (by_moments, two),
}

RIGHT: dict[str, tuple[Update, Callable[[Array], Any]]] = {
    **UPDATES,
    "ahead": (ahead, np.copy),
    "perturbed": (perturbed, np.copy),
    "rarely perturbed": (rarely_perturbed, np.copy),
    "optimistic": (optimistic, nothing),
    "by sign changes": (by_sign_changes, sizes),
    "accumulating": (accumulating, nothing),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("up", [(100,), (501,), (999,), (100, 200, 300)])
def test_a_step_that_goes_up_is_found(name: str, up: tuple[int, ...]) -> None:
    report = check_optimizer(Odd(*UPDATES[name], up), P, G, rng=RNG(0))
    note = f"step {up[0]} goes up its gradient, and others go down"
    assert [(each.law, each.note) for each in report.failures] == [("descends", note)]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_has_none(name: str) -> None:
    for seed in range(3):
        start, slopes = RNG(seed).standard_normal((2, 5, 3))
        optimizer = Odd(*RIGHT[name])
        assert upward_step(optimizer, start, slopes, pace_of(optimizer, start, slopes).along) == 0


@pytest.mark.parametrize("name", UPDATES)
def test_a_right_one_is_right(name: str) -> None:
    for seed in range(3):
        report = check_optimizer(Odd(*UPDATES[name]), P, G, rng=RNG(seed))
        assert report.ok, str(report)


def test_of_one_that_is_random_nothing_is_said() -> None:
    rng = RNG(0)

    def noisy(count: int, kept: Any, p: Array, g: Array) -> tuple[Any, Array]:
        return kept, p - 0.01 * g + 0.02 * rng.standard_normal(p.shape)

    optimizer = Odd(noisy)
    assert upward_step(optimizer, P, G, pace_of(optimizer, P, G).along) == 0
