import re
from typing import Any

import numpy as np
import pytest

from chainrule import Array, adam, rules, sgd, tree
from chainrule.optimizer import State
from chainrule.rules.optimizers import BLOCK
from strategies import normal
from untyped import untyped

SIZE = 2 * BLOCK + 3

OPTIMIZERS = {
    "adam": adam(0.1),
    "momentum": sgd(0.1, momentum=0.9),
    "nesterov": sgd(0.1, momentum=0.9, nesterov=True),
}


def test_the_first_steps_by_hand() -> None:
    # Of 1 and then 3 the means are 0.5 and 1.75, divided by 0.5 and 0.75; those of their squares 0.5 and 4.75.
    optimizer = adam(0.1, b1=0.5, b2=0.5, eps=0.0)
    params = np.array([1.0])
    params, state = optimizer.step(optimizer.init(params), params, np.array([1.0]))
    assert params[0] == pytest.approx(0.9, rel=1e-15)
    params, state = optimizer.step(state, params, np.array([3.0]))
    assert params[0] == pytest.approx(0.9 - 0.1 * (1.75 / 0.75) / np.sqrt(4.75 / 0.75), rel=1e-15)
    assert tree.equal(state.moments, (np.array([1.75]), np.array([4.75])))
    assert state.count == 2


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_large_arrays_are_stepped_as_their_pieces_are(optimizer: Any) -> None:
    rng = np.random.default_rng(0)
    param, grad = normal(rng, SIZE, dtype=np.float32), normal(rng, SIZE, dtype=np.float32)
    pieces = [slice(start, start + 1000) for start in (0, BLOCK - 500, SIZE - 1000)]
    whole, state = param, optimizer.init(param)
    parts = tuple(param[piece] for piece in pieces)
    state_of_parts = optimizer.init(parts)
    for _ in range(3):
        whole, state = optimizer.step(state, whole, grad)
        parts, state_of_parts = optimizer.step(state_of_parts, parts, tuple(grad[piece] for piece in pieces))
    for piece, part in zip(pieces, parts, strict=True):
        np.testing.assert_array_equal(whole[piece], part)
    for moment, moments_of_parts in zip(state.moments, state_of_parts.moments, strict=True):
        for piece, part in zip(pieces, moments_of_parts, strict=True):
            np.testing.assert_array_equal(moment[piece], part)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("size", [5, SIZE])
def test_a_state_that_can_be_written_to_is_not(optimizer: Any, size: int) -> None:
    rng = np.random.default_rng(0)
    param, grad = normal(rng, size), normal(rng, size)
    _, state = optimizer.step(optimizer.init(param), param, grad)
    writable: State[Array] = tree.map(np.copy, state)
    for leaf in tree.leaves(writable):
        leaf.flags.writeable = True
    before = [leaf.copy() for leaf in (param, grad, *tree.leaves(writable))]
    first = optimizer.step(writable, param, grad)
    for leaf, then in zip((param, grad, *tree.leaves(writable)), before, strict=True):
        np.testing.assert_array_equal(leaf, then)
    assert tree.equal(first, optimizer.step(state, param, grad))
    assert all(not leaf.flags.writeable for leaf in tree.leaves(first))


def test_an_update_may_use_a_moment_more_than_once_and_in_any_order() -> None:
    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        old, other = moments
        half = xp.times(old, 0.5)
        quarter = xp.times(old, 0.25)
        return xp.plus(half + quarter, param), (xp.times(other, 2.0), half)

    optimizer = rules.optimizer("odd", update, 0.1, moments=2)
    rng = np.random.default_rng(0)
    param, grad, a, b = (normal(rng, SIZE) for _ in range(4))
    new, state = optimizer.step(State(np.array(0), (a, b)), param, grad)
    np.testing.assert_array_equal(new, (a * 0.5 + a * 0.25) + param)
    np.testing.assert_array_equal(state.moments[0], b * 2.0)
    np.testing.assert_array_equal(state.moments[1], a * 0.5)


@pytest.mark.parametrize("size", [1, SIZE])
def test_adam_in_float16_does_not_move_where_the_gradient_is_zero(size: int) -> None:
    optimizer, param = adam(0.1), np.ones(size, np.float16)
    new, _ = optimizer.step(optimizer.init(param), param, np.zeros(size, np.float16))
    np.testing.assert_array_equal(new, param)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("size", [7, SIZE])
def test_steps_in_float16_are_those_in_float32_rounded(optimizer: Any, size: int) -> None:
    """Of gradients whose squares are 0 in float16, too."""
    rng = np.random.default_rng(0)
    param = normal(rng, size, dtype=np.float16)
    state, wide_state = optimizer.init(param), optimizer.init(param.astype(np.float32))
    for _ in range(5):
        grad = (normal(rng, size) * 10.0 ** rng.uniform(-6, 2, size)).astype(np.float16)
        wide, wide_state = optimizer.step(wide_state, param.astype(np.float32), grad.astype(np.float32))
        param, state = optimizer.step(state, param, grad)
        assert param.dtype == np.float16
        assert not param.flags.writeable
        np.testing.assert_array_equal(param, wide.astype(np.float16))
        assert tree.equal(state, wide_state)
    assert np.isfinite(param).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_gradient_beside_a_parameter_in_float16_has_its_shape_and_dtype(optimizer: Any) -> None:
    param = np.ones(3, np.float16)
    state = optimizer.init(param)
    with pytest.raises(TypeError, match=r"the gradient f32\[3\] must have the dtype of its parameter f16\[3\]"):
        optimizer.step(state, param, np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"the gradient f16\[1\] must have the shape of its parameter f16\[3\]"):
        optimizer.step(state, param, np.ones(1, np.float16))


def test_bad_options() -> None:
    with pytest.raises(ValueError, match=re.escape("adam: b1 must be a finite number in [0, 1), got 1.0")):
        adam(0.1, b1=1)
    with pytest.raises(ValueError, match=re.escape("adam: eps must be a finite number >= 0, got -1e-08")):
        adam(0.1, eps=-1e-8)
    with pytest.raises(TypeError, match="adam: b2 must be a number, got str"):
        adam(0.1, b2=untyped("0.999"))
    with pytest.raises(TypeError, match="adam: the state must be what init"):
        adam(0.1).step(sgd(0.1).init(np.ones(3)), np.ones(3), np.ones(3))
