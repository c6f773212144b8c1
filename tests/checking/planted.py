"""Layers with a planted fault, and what the report is to say of it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import Array, Encoder, Layer, Verdict, check_layer, laws, own

RNG = np.random.default_rng
X = RNG(7).standard_normal((6, 5))


@frozen
class Planted:
    """A wrong layer, and what the report is to say of it."""

    layer: Layer[Any, Any] | Encoder[Any, Any, Any]
    law: str
    words: str
    x: Array = X
    params: Any = ()
    alone: bool = True
    """False where the law alone does not see it for each generator, or says what calls did that others made."""


def squares(p: Any, x: Array) -> tuple[Array, Array]:
    return x * x, own(x)


def squares_back(x: Array, d: Array) -> tuple[Array, Any]:
    return 2 * x * d, ()


BOX: dict[str, Array] = {}


def tangent_in_a_box(y: Array, d: Array) -> tuple[Array, Any]:
    """The backward of tanh by way of a dictionary of this module: in another file than forward's."""
    BOX["y"] = y
    columns = [(1 - BOX["y"][..., j] ** 2) * d[..., j] for j in range(d.shape[-1])]
    return np.stack(columns, -1), ()


LAWS = {
    *laws.__all__,
    *("dtypes", "values", "gradients", "rows", "columns", "lengths", "extremes", "parameters", "layouts"),
    *("requires_grad", "without_gradients", "repeated", "held", "stale", "unchanged", "kept", "not_a_number"),
    "unwritten",
}
"""The laws of layers, losses and optimizers, and those of `check_against`."""


def assert_sound(verdicts: Iterable[Verdict]) -> None:
    """Each verdict has what a table and a JSON of it take: a law, a field, words, and numbers or nan."""
    for each in verdicts:
        assert each.law in LAWS, each
        assert isinstance(each.field, str), each
        assert each.field, each
        assert type(each.ok) is bool, each
        assert type(each.undecided) is bool, each
        assert isinstance(each.note, str), each
        assert isinstance(each.advice, str), each
        numbers: tuple[object, ...] = (each.error, each.bound, each.got, each.expected, each.power)
        assert all(type(number) is float for number in numbers), each
        assert all(type(place) is int for place in each.index), each
        assert not (each.ok and each.undecided), each
        assert np.isnan(each.got) or not np.isnan(each.expected), each


def assert_found(planted: Planted) -> None:
    """The law that is for the fault says of it what it is to say."""
    only = [planted.law] if planted.alone else None
    report = check_layer(planted.layer, planted.params, planted.x, rng=RNG(0), only=only)
    assert_sound(report.verdicts)
    said = [f"{each.law}: {each.note}" for each in report.failures]
    assert any(each.startswith(f"{planted.law}: {planted.words}") for each in said), str(report)
