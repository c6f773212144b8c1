import copy
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve, field, frozen

from chainrule import Array, Sgd, own, read_only, record, tree
from chainrule.arrays.records import is_record, summary
from untyped import untyped


@frozen(eq=False)
@record
class Pair:
    a: Array
    b: Array
    steps: int = 0


def double(rate: float) -> float:
    return 2 * rate


@frozen(eq=False)
@record
class Doubling:
    rate: float = field(converter=double)


def test_arrays_are_copied_in_and_frozen_with_every_way_of_copying() -> None:
    a = np.ones(3)
    pair = Pair(a, np.arange(6.0).reshape(2, 3).T, 4)
    a[:] = 7
    assert pair.a.tolist() == [1, 1, 1]
    copies: list[Pair] = [
        pair,
        copy.copy(pair),
        copy.deepcopy(pair),
        pickle.loads(pickle.dumps(pair)),
        evolve(pair, steps=4),
    ]
    for each in copies:
        assert tree.equal(each, pair)
        assert all(not leaf.flags.writeable for leaf in tree.leaves(each))
    assert copy.deepcopy(pair) is pair


def test_fields_with_converters_of_their_own_keep_them() -> None:
    assert Doubling(2.0).rate == 4


def test_records_are_told_from_other_classes() -> None:
    assert is_record(Pair)
    assert not is_record(Sgd)
    assert not is_record(tuple)


def test_a_default_stays_a_default() -> None:
    assert Pair(np.ones(1), np.ones(1)).steps == 0


def test_freeze_marks_an_array_and_the_one_that_it_is_a_view_of() -> None:
    fresh = np.arange(6.0)
    view = read_only(fresh.reshape(2, 3))
    assert not view.flags.writeable
    assert not fresh.flags.writeable
    assert np.shares_memory(Pair(view, view).a, fresh)
    scalar = read_only(untyped(np.float32(2)))  # to a type checker still a scalar
    assert type(scalar) is np.ndarray
    assert not scalar.flags.writeable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.ones((784, 50), np.float32), "f32[784, 50]"),
        (np.ones(()), "f64[]"),
        (np.ones(2, int), "i64[2]"),
        (np.ones(2, np.uint8), "u8[2]"),
        (np.ones(2, complex), "c128[2]"),
        (np.ones(2, bool), "bool[2]"),
        ("text", "'text'"),
        (None, "None"),
    ],
)
def test_summaries(value: Any, expected: str) -> None:
    assert summary(value) == expected


def test_records_print_shapes() -> None:
    assert repr(Pair(np.ones(2), np.ones((0, 3), np.float16), 5)) == "Pair(a=f64[2], b=f16[0, 3], steps=5)"


@frozen(eq=False, kw_only=True)
@record
class Keywords:
    a: Array
    kind: ClassVar[str] = "keywords"


ZERO = np.zeros(1)


@frozen(eq=False)
@record
class Defaulted:
    a: Array
    b: Array = ZERO


def test_records_of_keywords_and_with_defaults() -> None:
    kept = Keywords(a=np.ones(2))
    assert tree.equal(pickle.loads(pickle.dumps(kept)), kept)
    assert repr(kept) == "Keywords(a=f64[2])"
    assert [path for path, _ in tree.named_leaves(kept)] == [".a"]
    b = np.ones(1)
    record_with_b = Defaulted(np.ones(2), b)
    b[:] = 7
    assert record_with_b.b.tolist() == [1]
    assert not Defaulted(np.ones(2)).b.flags.writeable


def test_record_below_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Late is built already: write @frozen\(eq=False\) above @record"):

        @record
        @frozen(eq=False)
        class Late:
            a: Array


def read_only_view(a: Array) -> Array:
    view = a[:]
    view.flags.writeable = False
    return view


def through_dlpack(a: Array) -> Any:
    return np.from_dlpack(read_only_view(a))


def windows(a: Array) -> Array:
    return np.lib.stride_tricks.sliding_window_view(a, 2)


def repeated(a: Array) -> Array:
    return np.broadcast_to(a, (2, 4))


@pytest.mark.parametrize("view", [read_only_view, through_dlpack, windows, repeated])
def test_read_only_views_of_memory_that_can_be_written_are_copied(view: Callable[[Array], Array]) -> None:
    a = np.arange(4.0)
    kept = own(view(a))
    before = kept.copy()
    a[:] = -1
    np.testing.assert_array_equal(kept, before)


def test_bytes_in_another_order_are_turned() -> None:
    kept = own(np.arange(3.0).astype(">f8"))
    assert kept.dtype.isnative
    assert kept.tolist() == [0, 1, 2]
