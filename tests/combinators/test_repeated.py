"""One layer many times over."""

import sys

import numpy as np
import pytest

from chainrule import Affine, Layer, Unit, affine, relu, repeated, residual, rules, sequential, sigmoid, tree
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, relu, repeated, rules

def chosen(i: int) -> Layer[Unit, rules.Saved]:
    return relu

def accepted(params: Affine, x: Array) -> None:
    deep = repeated(affine, 3)
    assert_type(deep.grads(deep.forward((params, params, params), x)[1], x), tuple[Affine, ...])
    assert_type(repeated(chosen, n=2).forward(((), ()), x)[0], Array)

def mistakes(params: Affine, x: Array) -> None:
    repeated(affine)  # rejected: how often?
    repeated(affine, 3).forward(params, x)  # rejected: the parameters are a tuple
    repeated(affine, 2).forward(((), ()), x)  # rejected: those of another layer
"""


def test_it_is_the_layers_in_sequence() -> None:
    rng = np.random.default_rng(0)
    block = residual(sequential(affine, sigmoid))
    params = tuple((Affine(normal(rng, 3, 3), normal(rng, 3)), ()) for _ in range(3))
    x = normal(rng, 4, 3)
    one, other = repeated(block, n=3), sequential(block, block, block)
    out, caches = one.forward(params, x)
    a, b, c = params
    expected, others = other.forward((a, b, c), x)
    assert tree.equal((out, one.backward(caches, x)), (expected, other.backward(others, x)))


def test_a_function_gives_each_layer_by_its_index() -> None:
    seen: list[int] = []

    def layer(i: int) -> Layer[Unit, rules.Saved]:
        seen.append(i)
        return relu if i % 2 else sigmoid

    assert repr(repeated(layer, 3)) == "Layer(sequential(sigmoid, relu, sigmoid))"
    assert seen == [0, 1, 2]


def test_no_times_is_the_identity() -> None:
    x = np.ones((2, 3))
    out, caches = repeated(relu, 0).forward((), x)
    assert tree.equal((out, repeated(relu, 0).backward(caches, x)), (x, (x, ())))


def test_what_can_not_be_repeated() -> None:
    with pytest.raises(
        TypeError, match="repeated: f must be a Layer or a function of the index that gives one, got int"
    ):
        untyped(repeated)(3, 2)
    with pytest.raises(TypeError, match=r"repeated: f\(0\) must be a Layer, got int"):
        untyped(repeated)(abs, 2)
    with pytest.raises(ValueError, match="repeated: n must be >= 0, got -1"):
        repeated(relu, -1)
    with pytest.raises(ValueError, match=f"repeated: n must be <= {sys.maxsize}, the largest size that there is"):
        repeated(relu, 2**63)
    with pytest.raises(TypeError, match="repeated: n must be an integer, got float"):
        untyped(repeated)(relu, 2.0)
