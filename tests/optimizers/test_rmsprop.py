from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given

from chainrule import rmsprop
from chainrule.optimizer import State
from strategies import generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, rmsprop
from chainrule.optimizer import State
from chainrule.rules.optimizers import ArrayOptimizer


def accepted(params: Affine, grads: Affine) -> None:
    optimizer = rmsprop(1e-3, decay=0.9, eps=1e-6)
    assert_type(optimizer, ArrayOptimizer)
    assert_type(optimizer.step(optimizer.init(params), params, grads), tuple[Affine, State[Affine]])


def refused(params: Affine) -> None:
    rmsprop(1e-3, alpha=0.9)  # rejected: the option is called decay
    rmsprop(1e-3).step(rmsprop(1e-3).init(params), params, (params, ()))  # rejected: other gradients
"""


def test_the_first_steps_by_hand() -> None:
    # Of gradients 2 and 4 the means of squares are 1 and 4.75.
    optimizer = rmsprop(0.5, decay=0.75, eps=0.0)
    params = np.array([1.0])
    params, state = optimizer.step(optimizer.init(params), params, np.array([2.0]))
    assert (params.tolist(), state.moments[0].tolist()) == ([0.0], [1.0])
    params, state = optimizer.step(state, params, np.array([4.0]))
    assert state.moments[0].tolist() == [4.75]
    assert params[0] == pytest.approx(-0.5 * 4 / np.sqrt(4.75), rel=1e-15)


@given(rng=generators, n=sides)
def test_steps_are_the_published_ones(rng: np.random.Generator, n: int) -> None:
    """Of gradients as small as eps, where it counts."""
    optimizer = rmsprop(0.1)
    at = expected = normal(rng, n)
    state, v = optimizer.init(at), np.zeros(n)
    for _ in range(4):
        grad = 1e-8 * normal(rng, n)
        at, state = optimizer.step(state, at, grad)
        v = 0.99 * v + 0.01 * grad**2
        expected = expected - 0.1 * grad / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(at, expected, rtol=0, atol=1e-14)  # four steps of 1 at most, a few roundings each


def test_gradients_that_cancel_leave_a_weight_where_it_was() -> None:
    """Nine of 0.1 and one of -0.9, again and again: their signs would carry it 0.8 along in a thousand steps."""
    optimizer, params = rmsprop(0.001, decay=0.999), np.zeros(2)
    state = State(optimizer.init(params).count, (np.array([0.09, 0.01]),))  # the means of their squares
    for step in range(1000):
        params, state = optimizer.step(state, params, np.array([-0.9 if step % 10 == 9 else 0.1, 0.1]))
    # 0.81 moves the mean of 0.09 by 0.9%, its root by half of that, and so each step of 0.003 back
    assert abs(params[0]) < 100 * 0.003 * 0.0045 * 2
    assert params[1] == pytest.approx(-1, rel=1e-6)


def test_the_options_are_torchs_unless_others_are_given() -> None:
    assert rmsprop(0.1) == rmsprop(0.1, 0.99, 1e-8) != rmsprop(0.1, decay=0.9)
    assert repr(rmsprop(0.1)) == "rmsprop(0.1, decay=0.99, eps=1e-08)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (partial(rmsprop, -1.0), ValueError, "rmsprop: learning_rate must be a finite number >= 0, got -1.0"),
        (partial(rmsprop, 0.1, decay=1), ValueError, "rmsprop: decay must be a finite number in [0, 1), got 1.0"),
        (partial(rmsprop, 0.1, decay=untyped("1")), TypeError, "rmsprop: decay must be a number, got str"),
        (partial(rmsprop, 0.1, eps=-1e-8), ValueError, "rmsprop: eps must be a finite number >= 0, got -1e-08"),
        (partial(rmsprop, 0.1, eps=untyped(None)), TypeError, "rmsprop: eps must be a number, got NoneType"),
    ],
)
def test_bad_options(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
