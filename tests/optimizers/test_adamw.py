import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import (
    Affine,
    Array,
    adam,
    adamw,
    affine,
    lion,
    relu,
    rules,
    sequential,
    softmax_cross_entropy,
    training_step,
    tree,
)
from chainrule.rules.optimizers import BLOCK_ENTRIES, ArrayOptimizer
from strategies import generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Optimizer, Unit, adamw, affine, relu, schedules, sequential, softmax_cross_entropy
from chainrule import training_step
from chainrule.optimizer import State
from chainrule.rules.optimizers import ArrayOptimizer

Params = tuple[Affine, Unit, Affine]


def weights(path: str, array: Array) -> bool:
    return path.endswith(".W")


def accepted(params: Params, grads: Params, x: Array, labels: Array) -> None:
    optimizer = adamw(schedules.constant(1e-3), b1=0.9, b2=0.95, weight_decay=0.1, decays=weights)
    assert_type(optimizer, ArrayOptimizer)
    state = optimizer.init(params)
    assert_type(state, State[Params])
    assert_type(optimizer.step(state, params, grads), tuple[Params, State[Params]])
    anybodys: Optimizer[Params, State[Params]] = optimizer
    step = training_step(sequential(affine, relu, affine), softmax_cross_entropy, anybodys)
    assert_type(step(params, state, x, labels), tuple[Params, State[Params], Array])
    adamw(1e-3, decays=lambda path, array: array.ndim > 2)


def names(path: str) -> bool:
    return True


def refused(params: Params, grads: Affine) -> None:
    adamw(1e-3, weight_decay="0.1")  # rejected: a decay is a number
    adamw(1e-3, decays=names)  # rejected: it gets the array too
    adamw(1e-3, decays=("W",))  # rejected: it is a function
    adamw(1e-3).step(adamw(1e-3).init(params), params, grads)  # rejected: gradients of other parameters
"""


def every(path: str, array: Array) -> bool:
    return True


def weights(path: str, array: Array) -> bool:
    return path.endswith(".W")


def odd_ones(path: str, array: Array) -> bool:
    return array.ndim == 1 or path == "[1][1]"


def nothing(path: str, array: Array) -> bool:
    return False


def steps(optimizer: Any, params: Any, grads: Any, n: int = 3) -> Any:
    state = optimizer.init(params)
    for _ in range(n):
        params, state = optimizer.step(state, params, grads)
    return params, state


def test_the_first_steps_by_hand() -> None:
    # Of gradients of 1 the corrected means are 1. A step loses half of 0.5: 3 becomes 2.25, and then less the rate.
    optimizer = adamw(0.5, b1=0.5, b2=0.5, eps=0.0, weight_decay=0.5)
    params, grads = (np.array([[3.0]]), np.array([3.0])), (np.array([[1.0]]), np.array([1.0]))
    params, state = optimizer.step(optimizer.init(params), params, grads)
    assert [leaf.item() for leaf in params] == [1.75, 2.5]
    params, _ = optimizer.step(state, params, grads)
    assert [leaf.item() for leaf in params] == [0.8125, 2.0]


@given(rng=generators, n=sides)
def test_what_decays_shrinks_and_is_then_stepped_as_adam_steps(rng: np.random.Generator, n: int) -> None:
    params, grads = normal(rng, n, 3), normal(rng, n, 3)
    plain, decoupled = adam(0.1), adamw(0.1, weight_decay=0.5)
    state, same = plain.init(params), decoupled.init(params)
    expected = params
    for _ in range(4):
        expected, state = plain.step(state, 0.95 * expected, grads)
        params, same = decoupled.step(same, params, grads)
        np.testing.assert_array_equal(params, expected)
        assert tree.equal(same, state)


def test_arrays_of_two_axes_and_more_decay_unless_a_function_says_which() -> None:
    params = (Affine(np.ones((2, 3)), np.ones(3)), (np.ones((1, 1, 1)), np.array(1.0)))
    none = tree.map(np.zeros_like, params)
    cases: list[tuple[Any, list[bool]]] = [
        (None, [True, False, True, False]),
        (every, [True] * 4),
        (weights, [True, False, False, False]),
        (odd_ones, [False, True, False, True]),
    ]
    for make in (adamw, lion):
        for decays, expected in cases:
            new, _ = make(0.1, weight_decay=1.0, decays=decays).step(make(0.1).init(params), params, none)
            found = [set(leaf.ravel().tolist()) == {0.9} for leaf in tree.leaves(new)]
            assert found == expected
            assert all((leaf == 1).all() for leaf, moved in zip(tree.leaves(new), expected, strict=True) if not moved)


def test_the_function_gets_each_path_and_array_of_the_parameters() -> None:
    seen: list[tuple[str, Any]] = []

    def asked(path: str, array: Array) -> bool:
        seen.append((path, array))
        return False

    params = (Affine(np.ones((2, 3)), np.ones(3)), ())
    adamw(0.1, decays=asked).step(adamw(0.1).init(params), params, params)
    assert [path for path, _ in seen] == ["[0].W", "[0].b"]
    assert all(array is leaf for (_, array), leaf in zip(seen, tree.leaves(params), strict=True))


def test_what_says_neither_that_an_array_decays_nor_that_it_does_not_is_refused() -> None:
    params = (Affine(np.ones((2, 3)), np.ones(3)), ())
    optimizer = adamw(0.1, weight_decay=0.1, decays=untyped(print))
    with pytest.raises(TypeError, match=r"^adamw: what decays gives at params\[0\].W must be True or False, got NoneT"):
        optimizer.step(optimizer.init(params), params, params)


@pytest.mark.parametrize("make", [adamw, lion])
def test_without_decay_nothing_decays(make: Callable[..., ArrayOptimizer]) -> None:
    rng = np.random.default_rng(0)
    params, grads = normal(rng, 3, 2), normal(rng, 3, 2)
    kept = steps(make(0.1, weight_decay=0.0), params, grads)
    assert tree.equal(kept, steps(make(0.1, weight_decay=1.0, decays=nothing), params, grads))


def test_the_decay_goes_with_the_rate_of_the_step() -> None:
    optimizer = adamw(lambda count: 0.5 / (int(count) + 1), weight_decay=1.0)
    params = np.full((1, 1), 8.0)
    assert steps(optimizer, params, np.zeros((1, 1)), 2)[0].item() == 8 * 0.5 * 0.75


def test_a_large_array_decays_a_block_at_a_time_and_is_not_written_to() -> None:
    rng = np.random.default_rng(0)
    param, grad = (normal(rng, 2, BLOCK_ENTRIES, dtype=np.float32) for _ in range(2))
    before = param.copy()
    new, _ = adamw(0.1, weight_decay=0.5).step(adamw(0.1).init(param), param, grad)
    np.testing.assert_array_equal(param, before)
    expected, _ = adam(0.1).step(adam(0.1).init(param), param * 0.95, grad)
    np.testing.assert_array_equal(new, expected)


@pytest.mark.parametrize("size", [2, BLOCK_ENTRIES])
def test_an_update_may_use_what_has_decayed_more_than_once(size: int) -> None:
    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        doubled = xp.times(param, 2.0)
        return xp.plus(doubled + grad, param), moments

    optimizer = rules.optimizer("twice", update, 1.0, moments=1, weight_decay=0.5)
    param = np.ones((2, size))
    new, _ = optimizer.step(optimizer.init(param), param, param)
    assert set(new.ravel().tolist()) == {2.5}
    assert set(param.ravel().tolist()) == {1.0}


def test_an_optimizer_of_the_gradient_times_a_factor_may_decay() -> None:
    optimizer = rules.optimizer("decaying", None, 0.5, factor=lambda rate: -rate, weight_decay=0.5)
    params, x, labels = (Affine(np.ones((3, 2)), np.ones(2)), ()), np.ones((4, 3)), np.array([0, 1, 1, 1])
    network = sequential(affine, relu)
    new, _, _ = training_step(network, softmax_cross_entropy, optimizer)(params, optimizer.init(params), x, labels)
    # The softmax of equal logits is 1/2: of the bias the gradients are 1/4 and -1/4, and those of W the same.
    np.testing.assert_allclose(new[0].W, [[0.75 - 0.125, 0.75 + 0.125]] * 3, rtol=1e-15)
    np.testing.assert_allclose(new[0].b, [1 - 0.125, 1 + 0.125], rtol=1e-15)
    param, grad = np.ones((2, 2)), np.array([[1.0, -1.0], [0.0, 2.0]])
    given = grad.copy()
    np.testing.assert_array_equal(steps(optimizer, param, grad, 1)[0], [[0.25, 1.25], [0.75, -0.25]])
    np.testing.assert_array_equal(grad, given)  # which is the caller's, and not written to


def test_large_gradients_raise_no_warning() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        param, grad = np.ones((2, 1), dtype), np.full((2, 1), np.finfo(dtype).max)
        new, _ = steps(adamw(0.5), param, grad)
        assert np.isfinite(new).all()


def test_optimizers_are_values() -> None:
    optimizer = adamw(0.1, decays=weights)
    assert repr(optimizer) == "adamw(0.1, b1=0.9, b2=0.999, eps=1e-08, weight_decay=0.01, decays=weights)"
    assert repr(adamw(0.1)) == "adamw(0.1, b1=0.9, b2=0.999, eps=1e-08, weight_decay=0.01)"
    assert optimizer == adamw(0.1, 0.9, 0.999, 1e-8, 0.01, weights) == pickle.loads(pickle.dumps(optimizer))
    assert optimizer not in {adamw(0.1), adamw(0.1, decays=every), adamw(0.1, weight_decay=0.1, decays=weights)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (partial(adamw, -1.0), ValueError, "adamw: learning_rate must be a finite number >= 0, got -1.0"),
        (partial(adamw, 0.1, b1=1), ValueError, "adamw: b1 must be a finite number in [0, 1), got 1.0"),
        (partial(adamw, 0.1, b2=-0.5), ValueError, "adamw: b2 must be a finite number in [0, 1), got -0.5"),
        (partial(adamw, 0.1, eps=np.inf), ValueError, "adamw: eps must be a finite number >= 0, got inf"),
        (
            partial(adamw, 0.1, weight_decay=-0.1),
            ValueError,
            "adamw: weight_decay must be a finite number >= 0, got -0.1",
        ),
        (partial(adamw, 0.1, weight_decay=untyped("1")), TypeError, "adamw: weight_decay must be a number, got str"),
        (
            partial(adamw, 0.1, decays=untyped(True)),
            TypeError,
            "adamw: decays must be a function of a path and an array, got bool",
        ),
        (
            partial(adamw, 0.1, decays=untyped(Affine)),
            TypeError,
            "adamw: decays must be a function of a path and an array, got the class Affine",
        ),
    ],
)
def test_bad_options(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
