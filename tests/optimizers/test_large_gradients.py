"""Gradients of which some are many times as large as others: none of them may be dropped for that alone."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pytest

from adversaries.optimizer_making import ByArray
from adversaries.optimizers_right import adagrad, adam_by_hand, lion, momentum, plain, rmsprop, rprop, sign_descent
from chainrule import Affine, Array, Report, check_optimizer, tree
from strategies import seeded

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng
Update: TypeAlias = Callable[[int, Any, Any, Any], Any]


def report_of(optimizer: Any, seed: int, dtype: Any = np.float64) -> Report:
    rng = RNG(seed)
    params, grads = (
        Affine(rng.standard_normal((4, 3)).astype(dtype), rng.standard_normal(3).astype(dtype)) for _ in range(2)
    )
    return check_optimizer(optimizer, params, grads, rng=rng, only=["follows_gradient", "descends"])


def of(change: Callable[[Array], Any], update: Update = plain) -> Update:
    """An update whose gradients are changed before it."""
    return lambda count, p, g, kept: update(count, p, np.asarray(change(g), g.dtype), kept)


def dropped(limit: float, g: Array) -> Any:
    return np.where(np.abs(g) > limit, 0, g)


WRONG: dict[str, tuple[Update, int]] = {
    **{f"beyond {limit:g}": (of(partial(dropped, limit)), 0) for limit in (2, 5, 10, 30, 100, 300, 1e3, 1e4)},
    "before a momentum": (of(partial(dropped, 30), momentum), 1),
    "before adam": (of(partial(dropped, 1e3), adam_by_hand), 2),
    "before rmsprop": (of(partial(dropped, 1e4), rmsprop), 1),
    "in one of the arrays": (of(lambda g: dropped(300, g) if g.ndim == 1 else g), 0),
    "positive ones": (of(lambda g: np.where(g > 30, 0, g)), 0),
    "in float32 within": (
        lambda n, p, g, kept: (
            (p.astype(np.float32) - np.float32(0.1) * dropped(1e3, g).astype(np.float32)).astype(p.dtype),
            (),
        ),
        0,
    ),
}


@pytest.mark.parametrize(("name", "seed"), seeded(WRONG))
def test_large_gradients_that_are_dropped_are_found(name: str, seed: int) -> None:
    update, moments = WRONG[name]
    report = report_of(ByArray(update, moments), seed, np.float32 if "float32" in name else np.float64)
    assert {each.law for each in report.failures} == {"follows_gradient"}, str(report)
    dropping = "for large gradients" if name == "positive ones" else "times as large as others have no effect"
    assert any(dropping in each.note for each in report.failures), str(report)


class SkippingAll:
    """No step where the norm of all gradients is large."""

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        rate = 0.1 if tree.dot(grads, grads) < 1e3 else 0.0
        new: Any = tree.map(lambda p, g: p - p.dtype.type(rate) * g, params, grads)
        return new, state


class ClippingAll:
    """Gradients of a norm of at most 1, over all arrays."""

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        rate = 0.1 / max(1.0, float(tree.dot(grads, grads)) ** 0.5)
        new: Any = tree.map(lambda p, g: p - p.dtype.type(rate) * g, params, grads)
        return new, state


def skipped(g: Array) -> Any:
    return g if (g * g).sum() < 1e3 else 0 * g


def skipped_rows(g: Array) -> Any:
    return np.where((g * g).sum(-1, keepdims=True) < 1e3, g, 0) if g.ndim > 1 else g


def of_norm(limit: float, g: Array) -> Any:
    return g / max(limit, float(np.sqrt((g * g).sum())))


def trusting(count: int, p: Array, g: Array, kept: Any) -> Any:
    """LARS."""
    return p - 0.01 * float(np.linalg.norm(p)) * g / (float(np.linalg.norm(g)) + 1e-12), ()


RIGHT: dict[str, Callable[[], Any]] = {
    "clipped": lambda: ByArray(of(lambda g: np.clip(g, -1, 1))),
    "clipped before adam": lambda: ByArray(of(lambda g: np.clip(g, -1, 1), adam_by_hand), 2),
    "clipped by the norm of an array": lambda: ByArray(of(partial(of_norm, 1.0))),
    "clipped by the norm of all": ClippingAll,
    "divided by a norm": lambda: ByArray(of(partial(of_norm, 1e-12))),
    "divided by the largest": lambda: ByArray(of(lambda g: g / (np.abs(g).max(initial=0.0) + 1e-12))),
    "as long as the array": lambda: ByArray(trusting),
    "nothing where the norm of all is large": SkippingAll,
    "nothing of an array whose norm is large": lambda: ByArray(of(skipped)),
    "nothing of a row whose norm is large": lambda: ByArray(of(skipped_rows)),
    "falling with their size": lambda: ByArray(of(lambda g: g / (1 + g * g))),
    "signs": lambda: ByArray(sign_descent),
    "lion": lambda: ByArray(lion, 1),
    "adam": lambda: ByArray(adam_by_hand, 2),
    "rmsprop": lambda: ByArray(rmsprop, 1),
    "adagrad": lambda: ByArray(adagrad, 1),
    "rprop": lambda: ByArray(rprop, 2),
}


@pytest.mark.parametrize(("name", "seed"), seeded(RIGHT))
def test_gradients_that_are_bounded_or_skipped_as_a_whole_are_accepted(name: str, seed: int) -> None:
    report = report_of(RIGHT[name](), seed)
    assert not report.failures, str(report)
