"""The derivative by x of rows that move at once, and of rows that do not stand apart."""

from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Unit, laws, own

X = np.random.default_rng(3).standard_normal((20, 10))  # more entries than are tried again one by one


def centred(x: Array) -> Array:
    out: Array = x - x.mean(axis=0)
    return out


def beside_the_last(x: Array) -> Array:
    out: Array = x + np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    return out


def of_the_next(dout: Array) -> Array:
    out: Array = dout + np.concatenate([dout[1:], np.zeros_like(dout[:1])])
    return out


@pytest.mark.parametrize(
    ("forward", "backward"), [(centred, centred), (beside_the_last, of_the_next)], ids=["their mean", "the one before"]
)
def test_a_right_derivative_of_rows_that_depend_on_each_other_is_right_whatever_the_layer_says(
    forward: Any, backward: Any
) -> None:
    layer: Layer[Unit, Unit] = Layer(
        lambda params, x: (own(forward(x)), ()), lambda cache, dout: (own(backward(dout)), ())
    )
    assert all(verdict.ok for verdict in laws.derivative(layer, (), X, np.random.default_rng(0)))
    assert not all(verdict.ok for verdict in laws.independent_rows(layer, (), X, np.random.default_rng(0)))


def test_an_entry_of_one_row_that_is_wrong_is_found_where_rows_move_at_once() -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        dx = dout * np.cos(cache)
        dx[4, 2] *= 1 + 1e-9
        return dx, ()

    layer: Layer[Unit, Array] = Layer(lambda params, x: (np.sin(x), own(x)), backward)
    (verdict,) = laws.derivative(layer, (), X, np.random.default_rng(0))
    assert verdict.wrong
    assert verdict.index == (4, 2)
