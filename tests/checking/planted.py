"""Layers with a fault that strangers planted, and what the report is to say of it."""

from typing import Any

import numpy as np
from attrs import frozen

from chainrule import Array, Layer, check_layer, own

RNG = np.random.default_rng
X = RNG(7).standard_normal((6, 5))


@frozen
class Planted:
    """A wrong layer, and what the report is to say of it."""

    layer: Layer[Any, Any]
    law: str
    words: str
    x: Array = X
    params: Any = ()


def squares(p: Any, x: Array) -> tuple[Array, Array]:
    return x * x, own(x)


def squares_back(x: Array, d: Array) -> tuple[Array, Any]:
    return 2 * x * d, ()


def assert_found(planted: Planted) -> None:
    """A report says of the fault what it is to say."""
    report = check_layer(planted.layer, planted.params, planted.x, rng=RNG(0))
    said = [f"{each.law}: {each.note}" for each in report.failures]
    assert any(each.startswith(f"{planted.law}: {planted.words}") for each in said), str(report)
