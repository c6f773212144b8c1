import copy
import pickle
from typing import Any

import numpy as np
import pytest
from attrs import evolve, field, frozen

from chainrule import Array, freeze, record, tree
from chainrule.record import summary
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


def test_a_default_stays_a_default() -> None:
    assert Pair(np.ones(1), np.ones(1)).steps == 0


def test_freeze_marks_an_array_and_the_one_that_it_is_a_view_of() -> None:
    fresh = np.arange(6.0)
    view = freeze(fresh.reshape(2, 3))
    assert not view.flags.writeable
    assert not fresh.flags.writeable
    assert np.shares_memory(Pair(view, view).a, fresh)
    scalar = freeze(untyped(np.float32(2)))  # to a type checker still a scalar
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
