import pickle
import re
import sys
from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given

from chainrule import Affine, Array, adam, own, record, sgd, tree
from strategies import Floating, all_dtypes, generators, normal
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


NAN = float("nan")


def with_payload(sign: int) -> Array:
    """A nan with other bits than NumPy's own."""
    return np.array([(sign << 63) | 0x7FF8000000000001], np.uint64).view(np.float64)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array(NAN), np.array(-NAN)),
        (np.array([NAN], np.float16), np.array([-NAN], np.float16)),
        (np.array([NAN], np.longdouble), np.array([-NAN], np.longdouble)),
        (with_payload(0), with_payload(1)),
        (with_payload(1).astype(np.complex128), np.array([complex(NAN, 0)])),
        (np.array([complex(0, NAN)]), np.array([complex(0, -NAN)])),
        (np.float32(NAN), np.float32(-NAN)),
        (NAN, float("-nan")),
        (complex(NAN, 1), complex(NAN, 1)),
        (State(1, (NAN, np.array([NAN]))), State(1, (float("nan"), np.array([-NAN])))),
    ],
)
def test_nan_equals_nan(a: Any, b: Any) -> None:
    assert tree.equal(a, b)
    assert tree.equal((a,), (b,))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (NAN, 0.0),
        (0.0, -0.0),
        (1.0, 1),
        (complex(NAN, 1), complex(NAN, 2)),
        (np.array([complex(NAN, 1)]), np.array([complex(NAN, 2)])),
        (np.array([complex(0.0, 1)]), np.array([complex(-0.0, 1)])),
        (np.array(NAN), NAN),
    ],
)
def test_nan_and_zeros_do_not_hide_a_difference(a: Any, b: Any) -> None:
    assert not tree.equal(a, b)
    assert not tree.equal((b,), (a,))


def test_dot_is_the_sum_of_products_in_float64() -> None:
    assert tree.dot(params(), params()) == 6 + 0 + 8 + 1
    big = np.full(10, 1e30, np.float32)
    assert tree.dot(big, big) == pytest.approx(1e61, rel=1e-6)  # float32's rounding of 1e30; in float32 it is inf
    with pytest.raises(ValueError, match=re.escape("dot: shapes (2,) and (3,) differ")):
        tree.dot(np.ones(2), np.ones(3))


class Named(NamedTuple):
    a: Array


@dataclass
class Plain:
    a: Array


class Model:
    def __init__(self, held: Any) -> None:
        self.name = "model"
        self.held = held


class Estimator:
    def __init__(self, held: Any) -> None:
        self.params_ = held


class Slotted:
    __slots__ = ("weights",)

    def __init__(self, weights: Array) -> None:
        self.weights = weights


def cyclic() -> Model:
    model = Model(None)
    model.held = {"me": model, "W": np.ones(2)}
    return model


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ([np.ones(2)], "a list: use a tuple"),
        (["text"], "a list: use a tuple"),
        ({"W": np.ones(2)}, "a dict: use a record"),
        (Named(np.ones(2)), "a Named: use a record"),
        (Plain(np.ones(2)), "a Plain that may hold arrays: use a record"),
        (Plain(untyped("text")), "a Plain that may hold arrays: use a record"),
        (Model(np.ones(2)), "a Model that may hold arrays: use a record"),
        (Model([params()]), "a Model that may hold arrays: use a record"),
        (Model(Model(np.ones(2))), "a Model that may hold arrays: use a record"),
        (Slotted(np.ones(2)), "a Slotted that may hold arrays: use a record"),
        (Estimator(np.ones(2)), "a Estimator that may hold arrays: use its params_"),
        (cyclic(), "a Model that may hold arrays: use a record"),
    ],
)
def test_what_would_be_passed_over_silently_is_refused(container: Any, said: str) -> None:
    told = "a tree is made of attrs records, tuples and arrays, but "
    with pytest.raises(TypeError, match=re.escape(f"{told}the tree itself is {said}")):
        tree.map(np.copy, container)
    with pytest.raises(TypeError, match=re.escape(f"{told}[1] is {said}")):
        tree.leaves((np.ones(1), container))
    with pytest.raises(TypeError, match=re.escape(f"{told}.momentum is {said}")):
        tree.map(np.copy, State(1, container))


def boxed(levels: int) -> Model:
    """An object that holds an array so many levels down."""
    return Model(boxed(levels - 1) if levels > 1 else np.ones(2))


VOCABULARY = {f"word {i}": i for i in range(16)}


def test_objects_are_searched_for_arrays_to_some_levels_and_not_through_a_vocabulary() -> None:
    with pytest.raises(TypeError, match="a Model that may hold arrays"):
        tree.leaves(boxed(4))
    with pytest.raises(TypeError, match="a Model that may hold arrays"):
        tree.leaves(Model({"W": np.ones(2), **VOCABULARY}))
    with pytest.raises(TypeError, match="a Model that may hold arrays"):
        tree.leaves(Model([np.ones(2), *VOCABULARY]))
    for carried in (boxed(5), Model({**VOCABULARY, "W": np.ones(2)}), Model([*VOCABULARY, np.ones(2)])):
        assert tree.leaves(carried) == []


def test_tensors_that_require_gradients_are_read_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    a = (torch.ones(3, requires_grad=True),)
    assert tree.equal(a, (torch.ones(3),))
    assert tree.dot(a, a) == 3.0


def test_zipped_lists_results_in_the_order_of_the_leaves() -> None:
    def sizes(a: Array, b: Array) -> tuple[int, int]:
        return a.size, b.size

    assert tree.zipped(sizes, params(), params()) == [(6, 6), (2, 2), (2, 2), (1, 1)]
    with pytest.raises(ValueError, match=re.escape("trees differ at [2]: Affine and a tuple of 0")):
        tree.zipped(sizes, params(), (params()[0], (), ()))


class Color(Enum):
    RED = "red"


@pytest.mark.parametrize("carried", [Color.RED, Model("text"), Model(["text"]), np.float32, len, params, "text"])
def test_what_holds_no_arrays_is_carried_along(carried: Any) -> None:
    assert tree.leaves((carried, np.ones(1)))[0].shape == (1,)
    assert tree.map(np.copy, State(1, carried)).momentum is carried


def nest(levels: int) -> Any:
    inner: Any = (np.ones(1),)
    for _ in range(levels - 1):
        inner = (inner,)
    return inner


def test_trees_may_be_some_hundred_levels_deep() -> None:
    deep = nest(sys.getrecursionlimit() // 4)
    assert [leaf.tolist() for leaf in tree.leaves(deep)] == [[1.0]]
    assert tree.equal(tree.map(np.copy, deep), deep)


def stepped(params: Any) -> object:
    return sgd(0.1).step(untyped(sgd(0.1).init(())), params, params)


def test_how_deep_a_tree_may_be_is_said() -> None:
    deep, limit = nest(20 * sys.getrecursionlimit()), sys.getrecursionlimit()
    told = (
        f"the tree is {20 * limit} levels deep, but Python's recursion limit of {limit} allows about {limit // 3}: "
        "nest it less, or raise the limit with sys.setrecursionlimit"
    )
    functions: list[Any] = [
        tree.leaves,
        tree.named_leaves,
        partial(tree.map, np.copy),
        partial(tree.equal, deep),
        partial(tree.replace, arrays=[np.ones(1)]),
        stepped,
        adam(0.1).init,
    ]
    for function in functions:
        with pytest.raises(ValueError, match=r"deep") as error:
            function(deep)
        assert str(error.value) == told
    with pytest.raises(ValueError, match=f"the tree is {20 * limit} levels deep"):
        tree.leaves((untyped(deep)[0], np.ones(1)))  # and something shallow beside it


def test_how_deep_a_tuple_may_be_is_said_where_it_is_kept() -> None:
    limit = sys.getrecursionlimit()
    assert own(nest(limit // 4))[0][0] is not None
    with pytest.raises(
        ValueError, match=f"the tuple is more than {limit // 3} levels deep, but Python's recursion limit"
    ):
        own(nest(2 * limit))


def test_a_function_that_calls_itself_for_ever_is_not_taken_for_a_deep_tree() -> None:
    def again(leaf: Array) -> Array:
        return again(leaf)

    for each in (params(), nest(sys.getrecursionlimit() // 3)):
        with pytest.raises(RecursionError):
            tree.map(again, each)


def test_one_tree_alone_is_zipped_too() -> None:
    assert tree.zipped(float, (np.asarray(1.0), (np.asarray(2.0),))) == [1.0, 2.0]


def a_tree(rng: np.random.Generator, dtype: Floating = np.float64) -> Any:
    d, m = rng.integers(0, 4, 2)
    affine_params = Affine(normal(rng, d, m, dtype=dtype), normal(rng, m, dtype=dtype))
    return affine_params, (), (normal(rng, 2, d, 3, dtype=dtype).T, np.asarray(normal(rng, 1, dtype=dtype)[0]))


@given(rng=generators, dtype=all_dtypes)
def test_a_vector_leads_back_to_its_tree(rng: np.random.Generator, dtype: Floating) -> None:
    params = a_tree(rng, dtype)
    vector, unravel = tree.ravel(params)
    assert vector.ndim == 1
    assert vector.dtype == dtype
    np.testing.assert_array_equal(vector, np.concatenate([leaf.ravel() for leaf in tree.leaves(params)]))
    assert tree.equal(unravel(vector), params)
    assert tree.equal(tree.ravel(unravel(vector))[0], vector)
    assert tree.equal(pickle.loads(pickle.dumps(unravel))(vector), params)


@given(rng=generators)
def test_both_ways_are_linear_and_keep_inner_products(rng: np.random.Generator) -> None:
    a = a_tree(rng)
    b = tree.map(lambda leaf: np.asarray(rng.standard_normal(leaf.shape)), a)
    (u, unravel), (v, _) = tree.ravel(a), tree.ravel(b)
    assert tree.equal(unravel(2 * u + v), tree.map(lambda x, y: 2 * x + y, a, b))
    np.testing.assert_allclose(
        u @ v, tree.dot(a, b), rtol=0, atol=1e-13
    )  # some 40 products of size 1, in another order


def test_each_array_gets_its_dtype_back_and_the_vector_the_one_that_holds_all() -> None:
    params = (np.array([1.5, 2.5], np.float16), np.array([0.1], np.float64))
    vector, unravel = tree.ravel(params)
    assert vector.dtype == np.float64
    assert tree.equal(unravel(vector), params)
    single = np.ones(3, np.float32)
    assert tree.ravel(single)[1](np.arange(3.0)).dtype == np.float32


def test_what_is_raveled_shares_no_memory_that_anybody_can_write_to() -> None:
    leaf = np.ones(3)
    vector, unravel = tree.ravel((leaf,))
    assert not vector.flags.writeable
    mine = vector.copy()
    (back,) = unravel(mine)
    leaf[:] = mine[:] = 7.0
    assert vector.tolist() == back.tolist() == [1, 1, 1]
    assert not back.flags.writeable


def test_a_tree_without_arrays_is_an_empty_vector() -> None:
    vector, unravel = tree.ravel(((), ()))
    assert vector.shape == (0,)
    assert unravel(vector) == ((), ())


def test_other_libraries_are_raveled_and_take_vectors_of_numpy() -> None:
    strict: Any = import_module("array_api_strict")
    params = (strict.ones((2, 3)), strict.zeros(2, dtype=strict.float32))
    vector, unravel = tree.ravel(untyped(params))
    assert vector.dtype == strict.float64
    for given_ in (vector, np.asarray(vector)):
        a, b = unravel(given_)
        assert (a.shape, a.dtype, b.dtype) == ((2, 3), strict.float64, strict.float32)
        assert np.asarray(a).sum() == 6


@pytest.mark.parametrize(
    ("vector", "error", "message"),
    [
        (np.ones(2), ValueError, "unravel: the vector must have shape (3,), got (2,)"),
        (np.ones((1, 3)), ValueError, "unravel: the vector must have shape (3,), got (1, 3)"),
        ([1.0, 2.0, 3.0], TypeError, "unravel: the vector must be an array, got list"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused(vector: Any, error: type[Exception], message: str) -> None:
    _, unravel = tree.ravel((np.ones(1), np.ones(2)))
    with pytest.raises(error, match=re.escape(message)):
        unravel(vector)


def test_what_has_no_place_in_a_vector_is_named() -> None:
    strict: Any = import_module("array_api_strict")
    with pytest.raises(TypeError, match=re.escape("ravel: [1] is int64, not floating-point: convert it first")):
        tree.ravel((np.ones(2), np.arange(2)))
    with pytest.raises(TypeError, match=re.escape("ravel: the array is int64, not floating-point: convert it first")):
        tree.ravel(np.arange(2))
    with pytest.raises(TypeError, match=re.escape("ravel: [0] and [1] are arrays of two libraries: convert one")):
        tree.ravel((np.ones(2), strict.ones(2)))


def test_a_product_beyond_float64_is_infinite_and_silent() -> None:
    large = np.full(3, 1e200)
    with np.errstate(all="raise"):
        assert tree.dot(large, large) == np.inf
        assert tree.dot(large, 1 / large) == pytest.approx(3)


def test_other_arrays_are_put_into_a_tree_of_some_hundred_levels() -> None:
    deep = nest(sys.getrecursionlimit() // 4)
    assert tree.leaves(tree.replace(deep, [np.zeros(2)]))[0].tolist() == [0.0, 0.0]


def test_numbers_are_equal_in_any_byte_order() -> None:
    numbers = np.array([1.0, -0.0, np.nan])
    swapped = numbers.astype(numbers.dtype.newbyteorder())
    assert tree.equal(swapped, numbers)
    assert not tree.equal(swapped, -numbers)
