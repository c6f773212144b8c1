import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from attrs import frozen

from chainrule import Affine, Array, record, tree
from untyped import untyped


@frozen(eq=False)
@record
class State:
    steps: int
    momentum: Any


@frozen(eq=False)
@record
class Reshaping:
    shape: tuple[int, ...]
    W: Array


def params() -> tuple[Affine, tuple[()], Affine]:
    return Affine(np.ones((3, 2)), np.zeros(2)), (), Affine(np.full((2, 1), 2.0), np.ones(1))


def test_leaves_come_in_the_order_of_fields_with_their_paths() -> None:
    named = tree.named_leaves(params())
    assert [path for path, _ in named] == ["[0].W", "[0].b", "[2].W", "[2].b"]
    assert [leaf.shape for leaf in tree.leaves(params())] == [(3, 2), (2,), (2, 1), (1,)]
    assert tree.named_leaves(np.ones(3))[0][0] == ""
    assert tree.leaves(()) == []
    assert [path for path, _ in tree.named_leaves(State(3, params()))] == [
        ".momentum[0].W",
        ".momentum[0].b",
        ".momentum[2].W",
        ".momentum[2].b",
    ]


def test_a_record_with_a_shape_is_a_branch() -> None:
    assert [path for path, _ in tree.named_leaves(Reshaping((2, 3), np.ones(6)))] == [".W"]


def test_leaves_are_not_copies() -> None:
    p = params()
    assert tree.leaves(p)[0] is p[0].W


def test_map_keeps_types_and_carries_along_what_is_no_array() -> None:
    doubled = tree.map(lambda leaf: 2 * leaf, State(3, params()))
    assert type(doubled) is State
    assert doubled.steps == 3
    assert type(doubled.momentum[0]) is Affine
    np.testing.assert_array_equal(doubled.momentum[2].W, [[4], [4]])
    assert all(not leaf.flags.writeable for leaf in tree.leaves(doubled))


def test_map_over_several_trees() -> None:
    def combine(a: Array, b: Array, c: Array) -> Array:
        return a + b - c

    assert tree.equal(tree.map(combine, params(), params(), params()), params())


def test_map_may_change_shape_and_dtype() -> None:
    sizes = tree.map(lambda leaf: np.asarray(leaf.size, np.float32), params())
    assert [float(size) for size in tree.leaves(sizes)] == [6, 2, 2, 1]


def test_map_of_a_scalar_leaf_stays_an_array() -> None:
    doubled = tree.map(lambda leaf: leaf * 2, (np.array(1.5),))
    assert type(doubled[0]) is np.ndarray
    assert doubled[0].shape == ()


def test_what_f_returns_is_not_shared_if_it_can_be_written() -> None:
    buffer = np.ones(2)
    mapped = tree.map(lambda _: buffer, (np.zeros(2),))
    buffer[:] = 7
    np.testing.assert_array_equal(mapped[0], [1, 1])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (params()[:2], "trees differ at the root: a tuple of 3 and a tuple of 2"),
        ((params()[0], (), ()), "trees differ at [2]: Affine and a tuple of 0"),
        ((params()[0], (), np.ones(2)), "trees differ at [2]: Affine and f64[2]"),
        ((State(1, ()), (), params()[2]), "trees differ at [0]: Affine and State"),
    ],
)
def test_differing_structures_are_named(other: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tree.map(lambda a, _: a, params(), other)


def test_a_leaf_beside_a_branch_is_named() -> None:
    with pytest.raises(ValueError, match=re.escape("trees differ at [0]: f64[1] and a tuple of 0")):
        tree.map(lambda a, _: a, (np.ones(1),), untyped(((),)))


def test_errors_of_f_carry_the_path() -> None:
    def fail(leaf: Array) -> Array:
        if leaf.ndim == 1:
            raise ArithmeticError("no")
        return leaf

    with pytest.raises(ArithmeticError, match="no") as caught:
        tree.map(fail, params())
    assert caught.value.__notes__ == ["at [0].b"]
    with pytest.raises(ArithmeticError, match="no") as caught:
        tree.map(fail, np.ones(1))
    assert caught.value.__notes__ == ["at the only array"]


def test_replace_fills_the_leaves_in_order() -> None:
    arrays = [np.full(leaf.shape, float(i)) for i, leaf in enumerate(tree.leaves(params()))]
    replaced = tree.replace(params(), arrays)
    assert [float(leaf.flat[0]) for leaf in tree.leaves(replaced)] == [0, 1, 2, 3]
    for wrong in (arrays[:3], [*arrays, arrays[0]]):
        with pytest.raises(ValueError, match=f"replace: the tree has 4 arrays, got {len(wrong)}"):
            tree.replace(params(), wrong)


def test_equal_is_exact() -> None:
    assert tree.equal(params(), params())
    assert tree.equal(np.array([np.nan, -0.0]), np.array([np.nan, -0.0]))
    assert tree.equal(State(1, ()), State(1, ()))
    other_nan = np.array([0x7FF8000000000001], np.uint64).view(np.float64)  # of another bit pattern
    assert other_nan.tobytes() != np.array([np.nan]).tobytes()
    assert tree.equal(other_nan, np.array([np.nan]))
    for a, b in (
        (np.array([0.0]), np.array([-0.0])),
        (np.array([1.0]), np.array([np.nextafter(1.0, 2)])),
        (np.ones(2), np.ones(2, np.float32)),
        (np.ones(2), np.ones((2, 1))),
        (np.ones(2), (1.0, 1.0)),
        (params(), params()[:2]),
        (params(), (*params()[:2], ())),
        (State(1, ()), State(2, ())),
        (np.array([1]), np.array([2])),
    ):
        assert not tree.equal(a, b)
        assert not tree.equal(b, a)


def test_dot_is_the_sum_of_products_in_float64() -> None:
    assert tree.dot(params(), params()) == 6 + 0 + 8 + 1
    big = np.full(10, 1e30, np.float32)
    assert tree.dot(big, big) == pytest.approx(1e61, rel=1e-6)  # float32's rounding of 1e30; in float32 it is inf
    with pytest.raises(ValueError, match=re.escape("dot: shapes (2,) and (3,) differ")):
        tree.dot(np.ones(2), np.ones(3))


class Named(NamedTuple):
    a: Array


@pytest.mark.parametrize("container", [[np.ones(2)], {"W": np.ones(2)}, Named(np.ones(2))])
def test_what_would_be_passed_over_silently_is_refused(container: Any) -> None:
    kind = type(container).__name__
    with pytest.raises(TypeError, match=f"a tree is made of attrs records, tuples and arrays; the root is a {kind}"):
        tree.map(np.copy, container)
    with pytest.raises(TypeError, match=re.escape(f"[1] is a {kind}")):
        tree.leaves((np.ones(1), container))


def test_types_beside_arrays_are_carried_along() -> None:
    assert tree.leaves((np.float32, np.ones(1)))[0].shape == (1,)


@dataclass
class Plain:
    a: Array


def test_dataclasses_are_refused() -> None:
    with pytest.raises(TypeError, match="the root is a Plain"):
        tree.leaves(Plain(np.ones(2)))
