"""Optimizers that compute in float32 whatever they get, or refuse float64, for parameters given in fewer digits."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from attrs import field, frozen

from chainrule import Affine, Array, Report, check_optimizer, tree
from strategies import seeded

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng

Update: TypeAlias = Callable[[int, Any, Any, Any], tuple[Any, Any]]
"""`(count, param, grad, moments) -> (param, moments)`, where the first step has the count 1."""


@frozen
class ByArray:
    """An optimizer whose state is the number of steps and some trees of moments, of a dtype or that of parameters."""

    update: Update
    moments: int = 0
    dtype: Any = field(default=None, kw_only=True)
    refused: tuple[Any, ...] = field(default=(), kw_only=True)

    def init(self, params: Any) -> Any:
        return 0, tuple(
            tree.map(lambda p: np.zeros(p.shape, self.dtype or p.dtype), params) for _ in range(self.moments)
        )

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        count, moments = state[0] + 1, state[1]

        def one(param: Array, grad: Array, *kept: Array) -> Any:
            if param.dtype in self.refused:
                raise ValueError(f"takes no {param.dtype}")
            return self.update(count, param, grad, kept)

        results = tree.zipped(one, params, grads, *moments)
        new = tree.replace(params, [result[0] for result in results])
        return new, (count, tuple(tree.replace(params, [each[1][i] for each in results]) for i in range(self.moments)))


def report_of(optimizer: Any, dtype: Any, seed: int) -> Report:
    rng = RNG(seed)
    params, grads = (
        Affine(rng.standard_normal((5, 3)).astype(dtype), rng.standard_normal(3).astype(dtype)) for _ in range(2)
    )
    return check_optimizer(optimizer, params, grads, rng=rng)


def wide(x: Array) -> Any:
    return x.astype(np.float32)


def plain(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - p.dtype.type(0.1) * g, ()


def in_float32(count: int, p: Array, g: Array, kept: Any) -> Any:
    return (wide(p) - np.float32(0.1) * wide(g)).astype(p.dtype), ()


def decaying_in_float32(count: int, p: Array, g: Array, kept: Any) -> Any:
    return (np.float32(0.999) * wide(p) - np.float32(0.1) * wide(g)).astype(p.dtype), ()


def momentum(count: int, p: Any, g: Any, kept: Any) -> Any:
    velocity = p.dtype.type(0.9) * kept[0] + g
    return p - p.dtype.type(0.05) * velocity, (velocity,)


def signs(count: int, p: Any, g: Any, kept: Any) -> Any:
    one = p.dtype.type
    return p - one(0.01) * np.sign(one(0.9) * kept[0] + one(0.1) * g), (one(0.99) * kept[0] + one(0.01) * g,)


def adam(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v = 0.9 * kept[0] + 0.1 * wide(g), 0.999 * kept[1] + 0.001 * wide(g) ** 2
    move = 0.01 * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + np.float32(1e-8))
    return (wide(p) - move).astype(p.dtype), (m, v)


class InItsState:
    """Its parameters are kept in float32."""

    def init(self, params: Any) -> Any:
        return tree.map(lambda p: np.array(p, np.float32), params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new: Any = tree.map(lambda p, g: p - np.float32(0.1) * wide(g), state, grads)
        return tree.map(lambda p, like: np.array(p, like.dtype), new, params), new


HALF, SINGLE, DOUBLE = np.float16, np.float32, np.float64

RIGHT: dict[str, tuple[Callable[[], Any], Any]] = {
    "float32 within, for float16": (lambda: ByArray(in_float32), HALF),
    "float32 within, for float32": (lambda: ByArray(in_float32), SINGLE),
    "float32 and decay within, for float16": (lambda: ByArray(decaying_in_float32), HALF),
    "adam in float32, for float16": (lambda: ByArray(adam, 2, dtype=SINGLE), HALF),
    "adam in float32, for float32": (lambda: ByArray(adam, 2, dtype=SINGLE), SINGLE),
    "parameters of float32 in the state, for float16": (InItsState, HALF),
    "parameters of float32 in the state, for float32": (InItsState, SINGLE),
    "no float64, for float32": (lambda: ByArray(plain, refused=(DOUBLE,)), SINGLE),
    "no float64, for float16": (lambda: ByArray(plain, refused=(DOUBLE,)), HALF),
    "momentum in float32 alone": (lambda: ByArray(momentum, 1, refused=(DOUBLE, HALF)), SINGLE),
    "adam in float32 alone": (lambda: ByArray(adam, 2, refused=(DOUBLE, HALF)), SINGLE),
    "signs in float32 alone": (lambda: ByArray(signs, 1, refused=(DOUBLE, HALF)), SINGLE),
    "momentum in float16 alone": (lambda: ByArray(momentum, 1, refused=(DOUBLE, SINGLE)), HALF),
    "signs in float16 alone": (lambda: ByArray(signs, 1, refused=(DOUBLE, SINGLE)), HALF),
}


@pytest.mark.parametrize(("name", "seed"), seeded(RIGHT))
def test_no_more_digits_are_asked_of_an_optimizer_than_its_parameters_have(name: str, seed: int) -> None:
    make, dtype = RIGHT[name]
    report = report_of(make(), dtype, seed)
    assert report.ok, str(report)


def with_gradients(change: Callable[[Array], Any]) -> Update:
    return lambda count, p, g, kept: plain(count, p, np.asarray(change(g), p.dtype), kept)


def without(which: Callable[[Array], Any]) -> Update:
    return with_gradients(lambda g: np.where(which(np.abs(g)), 0, g))


ALONE = (DOUBLE, HALF)

WRONG: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "up, in float32 alone": (
        lambda: ByArray(with_gradients(np.negative), refused=ALONE),
        SINGLE,
        "a number does not go against its gradient",
    ),
    "up, in float16 alone": (
        lambda: ByArray(with_gradients(np.negative), refused=(DOUBLE, SINGLE)),
        HALF,
        "a number does not go against its gradient",
    ),
    "no small gradients, in float32 alone": (
        lambda: ByArray(without(lambda g: g < 1e-3), refused=ALONE),
        SINGLE,
        "a gradient 0.0001 times as large has no effect",
    ),
    "growth, in float32 alone": (
        lambda: ByArray(lambda count, p, g, kept: (SINGLE(1.001) * p - SINGLE(0.1) * g, ()), refused=ALONE),
        SINGLE,
        "under a gradient of zero it moves away from 0",
    ),
    "no small gradients, given in float16": (
        lambda: ByArray(without(lambda g: g < 1e-6)),
        HALF,
        "a gradient 1e-07 times as large has no effect",
    ),
}


@pytest.mark.parametrize(("name", "seed"), seeded(WRONG))
def test_a_fault_is_found_in_the_digits_that_there_are(name: str, seed: int) -> None:
    make, dtype, words = WRONG[name]
    report = report_of(make(), dtype, seed)
    assert any(each.law == "follows_gradient" and words in each.note for each in report.failures), str(report)


def test_float64_is_judged_by_its_own_digits() -> None:
    assert report_of(ByArray(in_float32), DOUBLE, 0).failures


@pytest.mark.parametrize("dtype", [HALF, SINGLE, DOUBLE])
def test_an_optimizer_that_refuses_what_is_given_is_wrong(dtype: Any) -> None:
    report = report_of(ByArray(plain, refused=(dtype,)), dtype, 0)
    assert any("raised ValueError: takes no" in each.note for each in report.failures), str(report)


def test_a_rate_that_is_too_small_for_the_digits_is_no_fault_of_some_numbers_alone() -> None:
    slow = ByArray(lambda count, p, g, kept: ((wide(p) - np.float32(1e-5) * wide(g)).astype(p.dtype), ()))
    assert not report_of(slow, SINGLE, 0).failures
