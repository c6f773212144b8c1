import pickle
import re
from collections.abc import Callable
from importlib import import_module
from operator import itemgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    adam,
    clip_by_global_norm,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from strategies import Floating, all_dtypes, generators, normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Unit, affine, clip_by_global_norm, relu, sequential, sgd, softmax_cross_entropy
from chainrule import training_step
from chainrule.training.clipping import ClipByGlobalNorm

Params = tuple[Affine, Unit]


def accepted(grads: Params, array: Array) -> None:
    clip = clip_by_global_norm(1.0)
    assert_type(clip, ClipByGlobalNorm)
    assert_type(clip(grads), Params)
    assert_type(clip(array), Array)
    training_step(sequential(affine, relu), softmax_cross_entropy, sgd(0.1), adjust=clip)


def refused(grads: Params) -> None:
    clip_by_global_norm("1")  # rejected: a norm is a number
    clip_by_global_norm(1.0).most = 2.0  # rejected: it is frozen
    training_step(affine, softmax_cross_entropy, sgd(0.1), adjust=clip_by_global_norm)  # rejected: it makes one
    training_step(affine, softmax_cross_entropy, sgd(0.1), clip_by_global_norm(1.0))  # rejected: adjust is named
"""


def norm(grads: Any) -> float:
    return float(np.sqrt(sum((leaf.astype(np.longdouble) ** 2).sum() for leaf in tree.leaves(grads))))


@given(rng=generators, dtype=all_dtypes, most=st.floats(0.01, 10))
def test_the_norm_is_at_most_that_and_the_direction_stays(
    rng: np.random.Generator, dtype: Floating, most: float
) -> None:
    grads = (Affine(normal(rng, 3, 2, dtype=dtype), normal(rng, 2, dtype=dtype)), ())
    clipped = clip_by_global_norm(most)(grads)
    if norm(grads) <= most * (1 - 1e-15):
        assert clipped is grads
        return
    few = 4 * float(np.finfo(dtype).eps) + 1e-14
    assert norm(clipped) == pytest.approx(min(most, norm(grads)), rel=few)
    share = min(1.0, most / norm(grads))
    np.testing.assert_allclose(clipped[0].W, share * grads[0].W.astype(np.longdouble), rtol=few, atol=few * most)
    assert clipped[0].W.dtype == dtype
    assert not clipped[0].W.flags.writeable


def test_gradients_of_just_that_norm_come_back_themselves() -> None:
    grads = (np.array([3.0]), np.array([4.0]))
    assert clip_by_global_norm(5.0)(grads) is grads
    assert clip_by_global_norm(5.0)(()) == ()


def test_gradients_of_zeros_come_back_themselves() -> None:
    for dtype in (np.float32, np.float64):
        grads = (np.zeros((2, 3), dtype), np.zeros(0, dtype))
        assert clip_by_global_norm(0.5)(grads) is grads


@given(rng=generators, dtype=all_dtypes)
def test_the_norm_is_that_of_float64_in_any_dtype(rng: np.random.Generator, dtype: Floating) -> None:
    grads = (normal(rng, 3, 2, dtype=dtype), normal(rng, 5, dtype=dtype))
    assert clip_by_global_norm(norm(grads) * (1 + 1e-14))(grads) is grads
    assert clip_by_global_norm(norm(grads) * (1 - 1e-14))(grads) is not grads


def test_the_norm_of_a_large_array_counts_all_its_entries() -> None:
    grads = np.full((3, 2**16), 0.5, np.float32)
    clipped = clip_by_global_norm(np.sqrt(3) * 2**6)(grads)
    np.testing.assert_allclose(clipped, np.float32(0.25), rtol=1e-7)


@pytest.mark.parametrize("most", [1e-2, 1e-4, 1e-5])
def test_gradients_of_float16_are_clipped_to_norms_whose_share_is_below_its_smallest_number(most: float) -> None:
    grads = (np.full(4, 30000, np.float16), np.zeros(2, np.float16))
    clipped = clip_by_global_norm(most)(grads)
    np.testing.assert_array_equal(clipped[0], np.full(4, most / 2, np.float16))
    assert clipped[0].dtype == np.float16


STRICT: Any = import_module("array_api_strict")


def test_in_another_library_gradients_are_clipped_as_in_numpy() -> None:
    for grads, most, expected in (
        ([[3.0, 4.0]], 4.0, [[3 * 0.8, 4 * 0.8]]),
        ([[3.0], [4.0]], 4.0, [[3 * 0.8], [4 * 0.8]]),
        ([[3e-200], [4e-200]], 1e-200, [[0.6e-200], [0.8e-200]]),
        ([[3e200], [4e200]], 1e200, [[0.6e200], [0.8e200]]),
        ([[0.0, 0.0], []], 0.5, [[0.0, 0.0], []]),
    ):
        clipped = clip_by_global_norm(most)(tuple(STRICT.asarray(leaf, dtype=STRICT.float64) for leaf in grads))
        for leaf, numbers in zip(clipped, expected, strict=True):
            np.testing.assert_allclose(np.asarray(leaf), numbers, rtol=1e-15)


def test_in_another_library_nothing_can_be_made_of_nan() -> None:
    clipped = clip_by_global_norm(1.0)((STRICT.asarray([1.0, np.nan]), STRICT.asarray([2.0])))
    assert all(np.isnan(np.asarray(leaf)).all() for leaf in clipped)


def test_in_another_library_gradients_of_just_that_norm_are_not_changed() -> None:
    grads = STRICT.asarray([3.375, 2.625])  # the norm, divided as the code does, is not just 1
    np.testing.assert_array_equal(np.asarray(clip_by_global_norm(4.275657844121768)(grads)), np.asarray(grads))


def test_in_another_library_the_norm_is_taken_in_the_widest_dtype() -> None:
    grads = (STRICT.asarray([1 / 3, 0.0]), STRICT.asarray([2.0], dtype=STRICT.float32))
    narrow, wide = clip_by_global_norm(1.0)(grads)[::-1]
    np.testing.assert_allclose(np.asarray(wide), [1 / np.sqrt(37), 0.0], rtol=1e-15)
    assert narrow.dtype == STRICT.float32


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160, 1e200, 1.7e308])
def test_no_norm_overflows_or_vanishes(size: float) -> None:
    with np.errstate(all="raise"):
        clipped = clip_by_global_norm(size)((np.array([size, size]), np.array([-size])))
    np.testing.assert_allclose(clipped[0] / size, np.sqrt(1 / 3), rtol=1e-15)


def test_nothing_can_be_made_of_nan_and_infinity() -> None:
    for bad in (np.nan, np.inf):
        clipped = clip_by_global_norm(1.0)((np.array([1.0, bad]), np.array([2.0])))
        assert all(np.isnan(leaf).all() for leaf in clipped)


def test_a_step_is_taken_along_the_clipped_gradient() -> None:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 4, 3, 2)
    x, labels = rng.random((5, 4), np.float32), np.array([0, 1, 1, 0, 1])
    optimizer, clip = adam(0.1), clip_by_global_norm(0.01)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer, adjust=clip)
    state = optimizer.init(params)
    loss, grads = value_and_grad(two_layer.network, softmax_cross_entropy)(params, x, labels)
    assert tree.equal(step(params, state, x, labels), (*optimizer.step(state, params, clip(grads)), loss))


class Own:
    def init(self, params: Any) -> int:
        return 0

    def step(self, state: int, params: Any, grads: Any) -> tuple[Any, int]:
        return tree.map(np.subtract, params, grads), state


@pytest.mark.parametrize("optimizer", [sgd(0.1), adam(0.1), Own()], ids=["sgd", "adam", "somebody's"])
def test_what_adjust_may_not_return_is_said_in_its_name(optimizer: Any) -> None:
    params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    x, labels, state = np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]), optimizer.init(params)
    unlike = "adjust must return a tree like the gradients that it gets: trees differ at the root"
    shape = "a gradient that adjust returns has shape (3, 2), expected (4, 3) (the shape of the one that it gets)"
    wrong: list[tuple[Callable[[Any], Any], str]] = [
        (lambda _: None, unlike),
        (itemgetter(0), unlike),
        (list, unlike),
        (lambda grads: (grads[2], (), grads[0]), shape),
    ]
    for adjust, message in wrong:
        step = training_step(two_layer.network, softmax_cross_entropy, optimizer, adjust=adjust)
        with pytest.raises(ValueError, match=f"^{re.escape(f'training_step: {message}')}"):
            step(params, state, x, labels)


def test_what_is_wrong_elsewhere_is_not_laid_to_adjust() -> None:
    params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    x, labels, optimizer = np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]), adam(0.1)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer, adjust=clip_by_global_norm(1.0))
    with pytest.raises(ValueError, match=r"^adam: the moments of the state must be a tree like the parameters"):
        step(params, untyped(optimizer.init(params[0])), x, labels)


def test_it_is_a_value() -> None:
    assert clip_by_global_norm(1) == clip_by_global_norm(1.0) != clip_by_global_norm(2.0)
    assert repr(clip_by_global_norm(1)) == "clip_by_global_norm(1.0)"
    assert pickle.loads(pickle.dumps(clip_by_global_norm(1.0))) == clip_by_global_norm(1.0)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=re.escape("clip_by_global_norm: most must be a finite number > 0, got 0.0")):
        clip_by_global_norm(0)
    with pytest.raises(TypeError, match="clip_by_global_norm: most must be a number, got str"):
        clip_by_global_norm(untyped("1"))
    with pytest.raises(TypeError, match="clip_by_global_norm: grads is int64, not floating-point"):
        clip_by_global_norm(1)((np.array([1, 2]),))
