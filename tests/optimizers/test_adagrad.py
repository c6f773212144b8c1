from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given

from chainrule import adagrad
from strategies import generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, adagrad, schedules
from chainrule.optimizer import State
from chainrule.rules.optimizers import ArrayOptimizer


def accepted(params: Affine, grads: Affine) -> None:
    optimizer = adagrad(schedules.linear(0.1, 0.01, 100), eps=1e-6)
    assert_type(optimizer, ArrayOptimizer)
    assert_type(optimizer.step(optimizer.init(params), params, grads), tuple[Affine, State[Affine]])


def refused(params: Affine) -> None:
    adagrad("fast")  # rejected: a rate is a number or a schedule
    adagrad(0.1).step(params, params, params)  # rejected: parameters are no state
"""


def test_the_first_steps_by_hand() -> None:
    # Of gradients 3 and 4 the sums of squares are 9 and 25.
    optimizer = adagrad(0.5, eps=0.0)
    params = np.array([1.0])
    params, state = optimizer.step(optimizer.init(params), params, np.array([3.0]))
    assert (params.tolist(), state.moments[0].tolist()) == ([0.5], [9.0])
    params, state = optimizer.step(state, params, np.array([4.0]))
    assert state.moments[0].tolist() == [25.0]
    assert params[0] == pytest.approx(0.1, rel=1e-15)


@given(rng=generators, n=sides)
def test_steps_are_the_published_ones(rng: np.random.Generator, n: int) -> None:
    """Of gradients as small as eps, where it counts."""
    optimizer = adagrad(0.1)
    at = expected = normal(rng, n)
    state, s = optimizer.init(at), np.zeros(n)
    for _ in range(4):
        grad = 1e-10 * normal(rng, n)
        at, state = optimizer.step(state, at, grad)
        s = s + grad**2
        expected = expected - 0.1 * grad / (np.sqrt(s) + 1e-10)
        np.testing.assert_allclose(at, expected, rtol=0, atol=1e-14)  # four steps of 0.1 at most, a few roundings each


def test_under_a_steady_gradient_of_any_size_a_weight_goes_as_the_root_of_the_steps() -> None:
    params = np.zeros(2)
    optimizer = adagrad(1.0, eps=0.0)
    state = optimizer.init(params)
    for _ in range(100):
        params, state = optimizer.step(state, params, np.array([1e3, -1e-3]))
    way = sum(1 / np.sqrt(t) for t in range(1, 101))
    np.testing.assert_allclose(params, [-way, way], rtol=1e-13)  # a hundred sums, of some roundings each


def test_without_a_gradient_nothing_moves() -> None:
    params = np.ones(3)
    new, _ = adagrad(0.1).step(adagrad(0.1).init(params), params, np.zeros(3))
    np.testing.assert_array_equal(new, params)


def test_the_options_are_torchs_unless_others_are_given() -> None:
    assert adagrad(0.1) == adagrad(0.1, 1e-10) != adagrad(0.1, eps=1e-8)
    assert repr(adagrad(0.1)) == "adagrad(0.1, eps=1e-10)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (partial(adagrad, np.nan), ValueError, "adagrad: learning_rate must be a finite number >= 0, got nan"),
        (partial(adagrad, 0.1, eps=-1e-8), ValueError, "adagrad: eps must be a finite number >= 0, got -1e-08"),
        (partial(adagrad, 0.1, eps=untyped("1")), TypeError, "adagrad: eps must be a number, got str"),
    ],
)
def test_bad_options(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
