from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Array, lion, softmax_cross_entropy, training_step, tree, two_layer, value_and_grad
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, lion
from chainrule.optimizer import State
from chainrule.rules.optimizers import ArrayOptimizer


def all_of_them(path: str, array: Array) -> bool:
    return True


def accepted(params: Affine, grads: Affine) -> None:
    optimizer = lion(1e-4, b1=0.95, b2=0.98, weight_decay=1.0, decays=all_of_them)
    assert_type(optimizer, ArrayOptimizer)
    assert_type(optimizer.step(optimizer.init(params), params, grads), tuple[Affine, State[Affine]])


def refused(params: Affine) -> None:
    lion(1e-4, eps=1e-8)  # rejected: nothing is divided
    lion()  # rejected: there is no rate for all
"""


def every(path: str, array: Array) -> bool:
    return True


def test_the_first_steps_by_hand() -> None:
    # Of gradients 1, -1 and -1 the means that step are 0.25, -0.125 and -0.6875, and those that are kept 0.5, -0.25,..
    optimizer = lion(0.5, b1=0.75, b2=0.5)
    params = np.array([2.0])
    state = optimizer.init(params)
    for grad, place, mean in ((1.0, 1.5, 0.5), (-1.0, 1.0, -0.25), (-1.0, 1.5, -0.625)):
        params, state = optimizer.step(state, params, np.array([grad]))
        assert (params.tolist(), state.moments[0].tolist()) == ([place], [mean])


def published(b1: float, b2: float, rate: float, decay: float, params: Any, m: Any, g: Any) -> tuple[Any, Any]:
    """Algorithm 2 of the paper, for one array."""
    c = b1 * m + (1 - b1) * g
    return params - rate * (np.sign(c) + decay * params), b2 * m + (1 - b2) * g


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_fifty_training_steps_are_the_papers(decay: float) -> None:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 5, 7, 3, std=0.5, dtype=np.float64)
    x, labels = rng.standard_normal((50, 8, 5)), rng.integers(0, 3, (50, 8))
    optimizer = lion(0.01, weight_decay=decay, decays=every)
    step, state = training_step(two_layer.network, softmax_cross_entropy, optimizer), optimizer.init(params)
    gradient = value_and_grad(two_layer.network, softmax_cross_entropy)
    theirs = params
    means = [np.zeros_like(leaf) for leaf in tree.leaves(theirs)]
    for batch, targets in zip(x, labels, strict=True):
        params, state, _ = step(params, state, batch, targets)
        grads = tree.leaves(gradient(theirs, batch, targets)[1])
        moved = [
            published(0.9, 0.99, 0.01, decay, *each) for each in zip(tree.leaves(theirs), means, grads, strict=True)
        ]
        theirs, means = tree.replace(theirs, [new for new, _ in moved]), [mean for _, mean in moved]
    for a, b in zip(tree.leaves(params), tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_every_step_has_the_length_of_the_rate_whatever_the_gradient() -> None:
    params = np.zeros(4)
    for size in (1e-300, 1.0, 1e300):
        new, _ = lion(0.5).step(lion(0.5).init(params), params, size * np.array([1.0, -2.0, 0.0, -0.0]))
        np.testing.assert_array_equal(new, [-0.5, 0.5, 0.0, 0.0])


def test_nan_is_passed_on() -> None:
    params = np.zeros(2)
    new, _ = lion(0.5).step(lion(0.5).init(params), params, np.array([np.nan, 1.0]))
    np.testing.assert_array_equal(new, [np.nan, -0.5])


def test_the_options_are_those_of_the_paper_unless_others_are_given() -> None:
    assert lion(0.1) == lion(0.1, 0.9, 0.99, 0.0)
    assert repr(lion(0.1, decays=every)) == "lion(0.1, b1=0.9, b2=0.99, weight_decay=0.0, decays=every)"
    assert lion(0.1) not in {lion(0.1, b1=0.5), lion(0.1, b2=0.5), lion(0.1, weight_decay=0.5)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (partial(lion, -1.0), ValueError, "lion: learning_rate must be a finite number >= 0, got -1.0"),
        (partial(lion, 0.1, b1=1), ValueError, "lion: b1 must be a finite number in [0, 1), got 1.0"),
        (partial(lion, 0.1, b2=1), ValueError, "lion: b2 must be a finite number in [0, 1), got 1.0"),
        (partial(lion, 0.1, b2=untyped("1")), TypeError, "lion: b2 must be a number, got str"),
        (partial(lion, 0.1, weight_decay=-1), ValueError, "lion: weight_decay must be a finite number >= 0, got -1.0"),
        (
            partial(lion, 0.1, decays=untyped("W")),
            TypeError,
            "lion: decays must be a function of a path and an array, got str",
        ),
    ],
)
def test_bad_options(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
