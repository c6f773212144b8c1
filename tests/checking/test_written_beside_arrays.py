"""Writing to what is no array: numbers of a cache in lists, dictionaries and records."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest

from chainrule import Array, Layer, Unit, check_layer
from chainrule.laws.trials.parts_in import MOST, is_written, parts_in
from checking.planted import RNG, X

Write = Callable[[Any, Array], object]


@dataclass
class Data:
    y: Any = None
    calls: int = 0


@attrs.define
class Record:
    y: Any = None
    calls: int = 0


def tangent(make: Callable[[Array], Any], write: Write) -> Layer[Any, Any]:
    """tanh, whose backward writes to what its cache holds beside an array."""

    def forward(params: Unit, x: Array) -> tuple[Array, tuple[Array, Any]]:
        y: Array = np.tanh(x)
        return y, (y.copy(), make(y.copy()))

    def backward(cache: tuple[Array, Any], d: Array) -> tuple[Array, Unit]:
        y, rest = cache
        write(rest, d)
        return d * (1 - y * y), ()

    return Layer(forward, backward)


def counts(rest: Any, d: Array) -> None:
    rest.calls += 1


def replaces(rest: Any, d: Array) -> None:
    rest[0] = 2 * rest[0]


def squeezes(rest: Any, d: Array) -> None:
    rest["deep"][0]["count"] *= 2


def turns(rest: Any, d: Array) -> None:
    rest[0] = not rest[0]


def keeps_the_slope(rest: Any, d: Array) -> None:
    """The slope is computed when it is first asked for."""
    if rest["slope"] is None:
        rest["slope"], rest["known"], rest["more"] = 1 - rest["y"] ** 2, True, 1


def keeps_in_a_list(rest: Any, d: Array) -> None:
    if not rest:
        rest.append(d.shape)


def puts_back(rest: Any, d: Array) -> None:
    rest.append(rest.pop())


def in_itself(y: Array) -> Any:
    own: list[Any] = [y]
    own.append(own)
    return own


def nothing(rest: Any, d: Array) -> None:
    pass


WRITTEN: dict[str, Layer[Any, Any]] = {
    "a number in a list": tangent(lambda y: [0], lambda rest, d: rest.__setitem__(0, rest[0] + 1)),
    "nan in a list": tangent(lambda y: [np.nan], lambda rest, d: rest.__setitem__(0, 1.0)),
    "a number deep within": tangent(lambda y: {"deep": [{"count": 1}]}, squeezes),
    "a word of a dictionary": tangent(lambda y: {"a": "b"}, lambda rest, d: rest.update(a="c")),
    "a key": tangent(lambda y: {"a": 1}, lambda rest, d: rest.pop("a", None)),
    "a longer list": tangent(lambda y: [1], lambda rest, d: rest.append(1)),
    "a list that was empty": tangent(lambda y: [], lambda rest, d: rest.append(1)),
    "a switch": tangent(lambda y: [True], turns),
    "a switch that is off": tangent(lambda y: [False], turns),
    "another array": tangent(lambda y: [y], replaces),
    "no array": tangent(lambda y: [y], lambda rest, d: rest.__setitem__(0, None)),
    "a dataclass": tangent(Data, counts),
    "a record": tangent(Record, counts),
    "a namespace": tangent(lambda y: SimpleNamespace(calls=0), counts),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_found(name: str) -> None:
    report = check_layer(WRITTEN[name], (), X, rng=RNG(0), only=["structure", "arguments_unchanged"])
    assert [(each.field, each.note) for each in report.failures] == [
        ("cache", "the call wrote to what is no array in cache")
    ]


RIGHT: dict[str, Layer[Any, Any]] = {
    "a slope that is kept": tangent(lambda y: {"y": y, "slope": None, "known": False}, keeps_the_slope),
    "an empty list that is filled once": tangent(lambda y: [], keeps_in_a_list),
    "a list that is put back": tangent(lambda y: [y, 1], puts_back),
    "an equal array": tangent(lambda y: [y], lambda rest, d: rest.__setitem__(0, rest[0].copy())),
    "nan": tangent(lambda y: [float("nan"), np.float64("nan"), "word"], nothing),
    "nan again": tangent(lambda y: [np.nan], lambda rest, d: rest.__setitem__(0, float("nan"))),
    "a number that is set to itself": tangent(lambda y: [1000], lambda rest, d: rest.__setitem__(0, int("1000"))),
    "a list in itself": tangent(in_itself, nothing),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_the_same_or_kept_for_the_first_time_is_right(name: str) -> None:
    for seed in range(3):
        report = check_layer(RIGHT[name], (), X, rng=RNG(seed))
        assert report.ok, str(report)


def test_no_more_is_looked_at_than_takes_a_moment() -> None:
    before, after = [0] * (2 * MOST), [0] * MOST + [1] * MOST
    assert not is_written(parts_in(before), parts_in(after))
    assert is_written(parts_in(before), parts_in([1, *after[1:]]))
