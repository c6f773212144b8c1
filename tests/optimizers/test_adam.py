import pickle
import re
from collections.abc import Callable
from importlib import import_module
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given

from chainrule import (
    Affine,
    Array,
    adagrad,
    adam,
    adamw,
    affine,
    lion,
    mean_squared_error,
    rmsprop,
    rules,
    sgd,
    training_step,
    tree,
)
from chainrule.optimizer import State
from chainrule.rules.optimizers import BLOCK_ENTRIES
from strategies import generators, normal, sides
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, adam
from chainrule.optimizer import State
from chainrule.rules.optimizers import ArrayOptimizer


def accepted(params: Affine, grads: Affine) -> None:
    optimizer = adam(1e-3, b1=0.8, b2=0.99, eps=1e-6)
    assert_type(optimizer, ArrayOptimizer)
    assert_type(optimizer.step(optimizer.init(params), params, grads), tuple[Affine, State[Affine]])


def refused(params: Affine) -> None:
    adam(1e-3, betas=(0.9, 0.999))  # rejected: they are called b1 and b2
    adam(1e-3).step(adam(1e-3).init(params), params, (params, ()))  # rejected: other gradients
"""

SIZE = 2 * BLOCK_ENTRIES + 3


def every(path: str, array: Array) -> bool:
    return True


OPTIMIZERS = {
    "adagrad": adagrad(0.1),
    "adam": adam(0.1),
    "adamw": adamw(0.1, weight_decay=0.5, decays=every),
    "lion": lion(0.1, weight_decay=0.5, decays=every),
    "momentum": sgd(0.1, momentum=0.9),
    "nesterov": sgd(0.1, momentum=0.9, nesterov=True),
    "rmsprop": rmsprop(0.1),
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


@given(rng=generators, n=sides)
def test_steps_are_the_published_ones(rng: np.random.Generator, n: int) -> None:
    """Of gradients as small as eps, where it counts."""
    optimizer = adam(0.1)
    at = expected = normal(rng, n)
    state = optimizer.init(at)
    m = v = np.zeros(n)
    for t in range(1, 5):
        grad = 1e-8 * normal(rng, n)
        at, state = optimizer.step(state, at, grad)
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
        expected = expected - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(at, expected, rtol=0, atol=1e-15 * np.abs(expected).max() + 1e-14)


def test_the_options_are_those_of_the_paper_unless_others_are_given() -> None:
    assert adam(0.1) == adam(0.1, 0.9, 0.999, 1e-8)
    assert repr(adam(0.1)) == "adam(0.1, b1=0.9, b2=0.999, eps=1e-08)"
    assert adam(0.1) not in {adam(0.1, b1=0.5), adam(0.1, b2=0.5), adam(0.1, eps=0.5)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_large_arrays_are_stepped_as_their_pieces_are(optimizer: Any) -> None:
    rng = np.random.default_rng(0)
    param, grad = normal(rng, SIZE, dtype=np.float32), normal(rng, SIZE, dtype=np.float32)
    pieces = [slice(start, start + 1000) for start in (0, BLOCK_ENTRIES - 500, SIZE - 1000)]
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


def test_large_arrays_are_stepped_a_block_at_a_time_where_the_results_will_stand() -> None:
    seen: list[tuple[Array, ...]] = []

    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        kept = xp.times(moments[0], 0.5)
        kept += xp.plus(2 * grad, grad)
        new = xp.plus(-rate * kept, param)
        seen.append((param.copy(), grad.copy(), kept, new))
        return new, (kept,)

    optimizer = rules.optimizer("blocks", update, 0.5, moments=1, factor=halved)
    rng, shape = np.random.default_rng(0), (2, BLOCK_ENTRIES + 1)
    param, grad, moment = (normal(rng, *shape) for _ in range(3))
    new, state = optimizer.step(State(np.array(0), (moment,)), param, grad)
    assert [old.shape for old, *_ in seen] == [(BLOCK_ENTRIES,), (BLOCK_ENTRIES,), (2,)]
    assert [slope.shape for _, slope, *_ in seen] == [(BLOCK_ENTRIES,), (BLOCK_ENTRIES,), (2,)]
    np.testing.assert_array_equal(np.concatenate([old for old, *_ in seen]), param.ravel())
    np.testing.assert_array_equal(np.concatenate([slope for _, slope, *_ in seen]), 0.25 * grad.ravel())
    assert all(np.shares_memory(kept, state.moments[0]) for *_, kept, _ in seen)
    assert all(np.shares_memory(made, new) for *_, made in seen)
    np.testing.assert_array_equal(state.moments[0], 0.5 * moment + (2 * (0.25 * grad) + 0.25 * grad))
    np.testing.assert_array_equal(new, -0.5 * state.moments[0] + param)


def test_what_is_made_on_the_way_uses_the_place_of_the_new_parameter_in_blocks() -> None:
    seen: list[Array] = []

    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        room = xp.room(param)
        assert not np.shares_memory(xp.room(grad), room)
        seen.append(room)
        return xp.plus(xp.times_in(room, grad, -rate), param), moments

    optimizer = rules.optimizer("roomy", update, 0.5, moments=1)
    for size, shared in ((3, 1), (SIZE, 3)):
        param, grad = (normal(np.random.default_rng(0), size) for _ in range(2))
        new, _ = optimizer.step(optimizer.init(param), param, grad)
        np.testing.assert_array_equal(new, -0.5 * grad + param)
        assert [np.shares_memory(room, new) for room in seen] == [True] * shared
        seen.clear()


def halved(rate: float) -> float:
    return rate / 2


def test_an_update_that_forgets_a_moment_is_refused() -> None:
    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        return xp.plus(grad, param), moments[:1]

    optimizer, param = rules.optimizer("forgetful", update, 0.5, moments=2), np.ones(SIZE)
    with pytest.raises(ValueError, match="shorter"):
        optimizer.step(optimizer.init(param), param, param)


@pytest.mark.parametrize("size", [3, SIZE])
def test_a_factor_multiplies_the_gradient_before_moments_see_it(size: int) -> None:
    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        kept = moments[0] + grad
        return xp.plus(grad, param), (kept,)

    optimizer = rules.optimizer("sums", update, 0.5, moments=1, factor=halved)
    for dtype in (np.float16, np.float32, np.float64):
        param = np.ones(size, dtype)
        new, state = optimizer.step(optimizer.init(param), param, np.full(size, 2.0, dtype))
        assert new.dtype == dtype
        assert state.moments[0].dtype == (np.float64 if dtype is np.float64 else np.float32)
        assert (set(new.tolist()), set(state.moments[0].tolist())) == ({1.5}, {0.5})


def test_an_update_may_write_to_the_widened_copy_of_a_gradient_in_float16_alone() -> None:
    mine: list[bool] = []

    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        mine.append(xp.mine(grad))
        return xp.plus(grad, param), moments

    optimizer = rules.optimizer("writes", update, 0.5, moments=1)
    for dtype, size in ((np.float16, 3), (np.float32, 3), (np.float32, BLOCK_ENTRIES + 1)):
        param = np.ones(size, dtype)
        optimizer.step(optimizer.init(param), param, np.ones(size, dtype))
    assert mine == [True, False, False, False]


def test_what_is_prepared_is_prepared_once_of_a_number() -> None:
    seen: list[Any] = []

    def update(xp: rules.Namespace, rates: Any, param: Array, grad: Array, moments: Any) -> Any:
        return xp.plus(-rates * grad, param), ()

    def prepare(rate: Any, count: Any) -> Any:
        seen.append(count)
        return rate * count

    optimizer, params = rules.optimizer("later", update, 0.5, prepare=prepare), (np.ones(1), np.ones(2))
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.step(state, params, (np.ones(1), np.ones(2)))
    assert (seen, [type(count) for count in seen]) == ([1, 2], [int, int])
    assert [leaf.tolist() for leaf in params] == [[-0.5], [-0.5, -0.5]]


def test_numbers_of_another_library_take_the_dtype_of_the_parameter() -> None:
    strict: Any = import_module("array_api_strict")
    seen: list[Any] = []

    def update(xp: rules.Namespace, rates: Any, param: Array, grad: Array, moments: Any) -> Any:
        seen.append(rates)
        return xp.plus(-rates[0] * grad, param), moments

    def rate(count: Any) -> Any:
        return strict.astype(count, strict.float64) / 2

    def prepare(rate: Any, count: Any) -> Any:
        return rate, (strict.astype(count, strict.float64), 3.0)

    optimizer = rules.optimizer("other", update, rate, moments=1, prepare=prepare)
    param = strict.ones(3, dtype=strict.float32)
    state = State(strict.asarray(1), (strict.zeros(3, dtype=strict.float32),))
    new, state = optimizer.step(state, param, param)
    assert [seen[0][0].dtype, seen[0][1][0].dtype, new.dtype] == [strict.float32] * 3
    assert seen[0][1][1] == 3.0
    assert (float(new[0]), float(seen[0][1][0]), int(state.count)) == (0.5, 2.0, 2)


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


def masked(a: Array) -> Any:
    return np.ma.masked_array(a)


ONES = np.ones(3, np.float16)
PARAMETER = "adam: the parameter"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adam(0.1, b1=-0.5), ValueError, "adam: b1 must be a finite number in [0, 1), got -0.5"),
        (lambda: adam(0.1, b2=1), ValueError, "adam: b2 must be a finite number in [0, 1), got 1.0"),
        (lambda: adam(0.1, b1=untyped("1")), TypeError, "adam: b1 must be a number, got str"),
        (lambda: adam(0.1, eps=untyped("1")), TypeError, "adam: eps must be a number, got str"),
        (lambda: adam(-1.0), ValueError, "adam: learning_rate must be a finite number >= 0, got -1.0"),
        (
            lambda: adam(0.1).init((ONES, np.ones(3, int))),
            TypeError,
            "adam: params[1] is int64, not floating-point: convert it first, e.g. with .astype(np.float32)",
        ),
        (
            lambda: adam(0.1).step(untyped(adam(0.1).init(ONES)), np.ones(3, np.int16), np.ones(3, np.int16)),
            TypeError,
            f"{PARAMETER} is int16, not floating-point: convert it first, e.g. with .astype(np.float32)",
        ),
        (
            lambda: adam(0.1).step(adam(0.1).init(ONES), masked(ONES), ONES),
            TypeError,
            f"{PARAMETER} must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (
            lambda: adam(0.1).step(adam(0.1).init(ONES), ONES, masked(ONES)),
            TypeError,
            f"the parameter beside {PARAMETER} must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
    ],
)
def test_what_is_refused_is_said_in_full(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


@frozen(eq=False)
class Plain:
    """A record of somebody's, which was not made by `record`."""

    a: Any
    steps: int


TREES: dict[str, Any] = {
    "nothing": (),
    "empty parts": ((), (ONES, ()), ((),)),
    "a record in a tuple": (Affine(ONES[:, None], ONES[:1]), ()),
    "a class of attrs": (Plain(ONES, 3), ONES),
}


@pytest.mark.parametrize("kind", TREES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_each_array_of_a_tree_is_stepped_and_moments_are_trees_like_it(optimizer: Any, kind: str) -> None:
    params = tree.map(lambda leaf: leaf.astype(np.float64), TREES[kind])
    new, state = params, optimizer.init(params)
    for _ in range(2):
        new, state = optimizer.step(state, new, params)
    for (path, leaf), got in zip(tree.named_leaves(params), tree.leaves(new), strict=True):
        alone = leaf, optimizer.init(leaf)
        for _ in range(2):
            alone = optimizer.step(alone[1], alone[0], leaf)
        np.testing.assert_array_equal(got, alone[0], err_msg=path)
    for moment in state.moments:
        assert [path for path, _ in tree.named_leaves(moment)] == [path for path, _ in tree.named_leaves(params)]
        tree.map(np.add, moment, params)  # or it is of another structure
    assert type(new) is type(params)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_tuple_in_the_place_of_an_array_is_refused(share: float) -> None:
    optimizer, param = sgd(0.1, momentum=share), np.ones(3)
    with pytest.raises(ValueError, match=r"trees differ at the root: f64\[3\] and a tuple of 1"):
        optimizer.step(optimizer.init(param), param, untyped((param,)))
    with pytest.raises(ValueError, match=r"trees differ at \[1\]: f64\[3\] and a tuple of 0"):
        optimizer.step(untyped(optimizer.init((param, param))), (param, param), untyped((param, ())))


def test_moments_of_other_parameters_are_refused_at_their_place() -> None:
    optimizer, params = adam(0.1), (np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match=r"must have the shape of its parameter f64\[2\]") as caught:
        optimizer.step(optimizer.init((np.ones(3), np.ones(5))), params, params)
    assert caught.value.__notes__ == ["at [1]"]
    assert str(caught.value).startswith("adam: the moment in the state f64[5] must")
    differ = "adam: the moments of the state must be a tree like the parameters: trees differ at the root: a tuple of 2"
    with pytest.raises(ValueError, match=f"^{differ} and a tuple of 1$"):
        optimizer.step(untyped(optimizer.init((np.ones(3),))), params, params)
    with pytest.raises(
        TypeError, match=r"^adam: the moment in the state f32\[2\] must have the dtype of its parameter"
    ):
        optimizer.step(untyped(optimizer.init((np.ones(3), np.ones(2, np.float32)))), params, params)


def test_gradients_of_another_structure_are_named() -> None:
    optimizer, params = adam(0.1), (np.ones(3), np.ones(2))
    differ = "adam: the gradients must be a tree like the parameters: trees differ at the root: a tuple of 2 and"
    for grads, kind in ((params[:1], "a tuple of 1"), (None, "NoneType"), ([*params], "list")):
        with pytest.raises(ValueError, match=f"^{differ} {kind}$"):
            untyped(optimizer.step)(optimizer.init(params), params, grads)


def test_the_state_of_another_optimizer_with_as_many_moments_is_refused_by_name() -> None:
    params, x = Affine(np.ones((2, 3)), np.ones(3)), np.ones((4, 2))
    like_each_other = [
        (adam(0.1), adamw(0.1)),
        *permutations([sgd(0.1, 0.9), rmsprop(0.1), adagrad(0.1), lion(0.1)], 2),
    ]
    for of, other in like_each_other:
        first = of.init(params)
        later = of.step(first, params, params)[1]
        what = re.escape(f"{other.name}: the state must be what init(params) gives, got that of {of.name}")
        for state in (first, later):
            with pytest.raises(TypeError, match=f"^{what}$"):
                other.step(state, params, params)
            with pytest.raises(TypeError, match=f"^{what}$"):
                training_step(affine, mean_squared_error, other)(params, state, x, np.ones((4, 3)))


def test_a_state_is_taken_by_an_optimizer_of_other_options_and_where_it_does_not_say_whose_it_is() -> None:
    params = np.ones(3)
    state = rmsprop(0.1).step(rmsprop(0.1).init(params), params, params)[1]
    for of, held in (
        (rmsprop(0.2, decay=0.5), state),
        (lion(0.1), State(state.count, state.moments)),
        (lion(0.1), pickle.loads(pickle.dumps(state))),
        (lion(0.1), tree.map(np.copy, state)),
    ):
        assert of.step(held, params, params)[1].count == 2


def test_bad_options() -> None:
    with pytest.raises(ValueError, match=re.escape("adam: b1 must be a finite number in [0, 1), got 1.0")):
        adam(0.1, b1=1)
    with pytest.raises(ValueError, match=re.escape("adam: eps must be a finite number >= 0, got -1e-08")):
        adam(0.1, eps=-1e-8)
    with pytest.raises(TypeError, match="adam: b2 must be a number, got str"):
        adam(0.1, b2=untyped("0.999"))
    what = r"adam: the state must be what init\(params\) gives"
    with pytest.raises(TypeError, match=f"^{what}: it has 0 moments, 2 expected$"):
        adam(0.1).step(sgd(0.1).init(np.ones(3)), np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match=f"^{what}, got NoneType$"):
        adam(0.1).step(untyped(None), np.ones(3), np.ones(3))


def test_a_parameter_of_whole_numbers_is_called_so() -> None:
    optimizer, whole = adam(0.1), np.ones(2, np.int64)
    with pytest.raises(TypeError, match="adam: the parameter is int64"):
        optimizer.step(optimizer.init(np.ones(2)), untyped(whole), np.ones(2))
