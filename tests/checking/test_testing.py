"""Strategies: drawn cases check themselves, and no deadline makes a test fail at times."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of

from chainrule import Affine, Layer, adam, affine, mean_squared_error, own, sigmoid, softmax_cross_entropy
from chainrule.arrays.types import Array, Generator, Labels
from chainrule.testing import (
    Case,
    LossCase,
    NetworkCase,
    OptimizerCase,
    cases,
    loss_cases,
    network_cases,
    optimizer_cases,
    tried_on,
)

TYPED = """
from chainrule import Affine, Array, adam, affine, mean_squared_error, relu, softmax_cross_entropy
from chainrule.arrays.types import Generator, Labels
from chainrule.testing import Case, LossCase, NetworkCase, OptimizerCase
from chainrule.testing import cases, loss_cases, network_cases, optimizer_cases, tried_on


def make(rng: Generator, n: int) -> tuple[Affine, Array]:
    return Affine.init(rng, 3, 2), rng.standard_normal((n, 3))


def labelled(rng: Generator, n: int) -> tuple[Array, Labels]:
    return rng.standard_normal((n, 3)), rng.integers(0, 3, n)


def make_more(rng: Generator, n: int) -> tuple[Affine, Array, Array]:
    return *make(rng, n), rng.standard_normal((n, 2))


def moved(rng: Generator) -> tuple[Affine, Affine]:
    return Affine.init(rng, 3, 2), Affine.init(rng, 3, 2)


@tried_on(cases(make))
def test_layer(case: Case[Affine]) -> None:
    case.check(affine)
    case.check(relu)  # rejected: relu has no such parameters


@tried_on(loss_cases(labelled), examples=3)
def test_loss(case: LossCase[Labels]) -> None:
    case.check(softmax_cross_entropy)


@tried_on(network_cases(make_more))
def test_network(case: NetworkCase[Affine, Array]) -> None:
    case.check(affine, mean_squared_error)


@tried_on(optimizer_cases(moved))
def test_optimizer(case: OptimizerCase[Affine]) -> None:
    case.check(adam(0.1))


cases(moved)  # rejected: no number of rows
tried_on(make)  # rejected: no strategy
"""

HALF = Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (dout * cache, ()))


def inputs(rng: Generator, n: int) -> tuple[tuple[()], Array]:
    return (), rng.standard_normal((n, 3))


def scores(rng: Generator, n: int) -> tuple[Array, Labels]:
    return rng.standard_normal((n, 4)), rng.integers(0, 4, n)


def lines(rng: Generator, n: int) -> tuple[Affine, Array, Array]:
    return Affine.init(rng, 3, 2, dtype=np.float64), rng.standard_normal((n, 3)), rng.standard_normal((n, 2))


def vectors(rng: Generator) -> tuple[Array, Array]:
    return rng.standard_normal(5), rng.standard_normal(5)


@tried_on(cases(inputs), examples=3)
def test_a_layer(case: Case[tuple[()]]) -> None:
    case.check(sigmoid)


@tried_on(loss_cases(scores), examples=3)
def test_a_loss(case: LossCase[Labels]) -> None:
    case.check(softmax_cross_entropy)


@tried_on(network_cases(lines), examples=3)
def test_a_network(case: NetworkCase[Affine, Array]) -> None:
    case.check(affine, mean_squared_error)


@tried_on(optimizer_cases(vectors))
def test_an_optimizer(case: OptimizerCase[Array]) -> None:
    case.check(adam(0.001))


@given(cases(inputs, min_rows=2, max_rows=3))
def test_the_number_of_rows_is_within_its_bounds(case: Case[tuple[()]]) -> None:
    assert 2 <= len(case.x) <= 3


def test_a_wrong_layer_raises_the_report() -> None:
    @tried_on(cases(inputs), examples=1)
    def test(case: Case[tuple[()]]) -> None:
        case.check(HALF)

    with pytest.raises(AssertionError, match=r"a missing factor of 2\?"):
        test()


def test_slow_cases_are_no_failures() -> None:
    count = 0

    @tried_on(cases(inputs), examples=2)
    def test(case: Case[tuple[()]]) -> None:
        nonlocal count
        count += 1
        time.sleep(0.3)  # hypothesis allows 0.2 s

    profile = settings_of.get_current_profile_name()
    settings_of.load_profile("default")
    try:
        test()
    finally:
        settings_of.load_profile(profile)
    assert 1 <= count <= 2
