"""Layers may be nested as deep as all that is done with them works, and no deeper."""

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    add,
    affine,
    draw,
    fixed,
    identity,
    mean_squared_error,
    multiply,
    own,
    prediction,
    recomputed,
    residual,
    sequential,
    sgd,
    training_step,
    value_and_grad,
)
from untyped import untyped

MOST = sys.getrecursionlimit() // 8

Outer = Callable[[Any], Any]

OUTER: dict[str, tuple[Outer, Outer]] = {
    "sequential": (sequential, lambda params: (params,)),
    "residual": (residual, lambda params: params),
    "add": (lambda layer: add(layer, identity), lambda params: (params, ())),
    "multiply": (lambda layer: multiply(layer, identity), lambda params: (params, ())),
    "fixed": (fixed, lambda params: params),
    "recomputed": (recomputed, lambda params: params),
}


def nested(name: str, levels: int) -> tuple[Any, Any]:
    """A layer in layers in layers, and its parameters."""
    outer, of_params = OUTER[name]
    layer: Any = affine
    params: Any = Affine(np.eye(3) / 8, np.ones(3))
    for _ in range(levels):
        layer, params = outer(layer), of_params(params)
    return layer, params


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # products of products overflow
@pytest.mark.parametrize("name", OUTER)
def test_what_may_be_nested_so_deep_works(name: str) -> None:
    layer, params = nested(name, MOST)
    x, targets = np.ones((2, 3)), np.zeros((2, 3))
    out, cache = layer.forward(params, x)
    assert layer.backward(cache, np.ones_like(out))[0].shape == x.shape
    assert prediction(layer)(params, x).shape == out.shape
    assert value_and_grad(layer, mean_squared_error)(params, x, targets)[0].shape == ()
    optimizer = sgd(0.1)
    untyped(training_step)(layer, mean_squared_error, optimizer)(params, optimizer.init(params), x, targets)
    assert repr(layer).count("(") >= MOST
    assert repr(pickle.loads(pickle.dumps(layer))) == repr(copy.deepcopy(layer)) == repr(layer)
    assert own(params) is not None
    assert draw(layer)


@pytest.mark.parametrize("name", OUTER)
def test_deeper_is_refused_when_it_is_made_and_a_higher_limit_takes_it(name: str) -> None:
    words = f"the layer is {MOST + 1} levels deep, but Python's recursion limit of {sys.getrecursionlimit()} allows"
    with pytest.raises(ValueError, match=f"{name}: {words} about {MOST}: nest it less"):
        nested(name, 500)
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(8 * 500)
        assert "affine" in repr(nested(name, 500)[0])
    finally:
        sys.setrecursionlimit(limit)


def test_as_many_layers_as_one_likes_stand_beside_each_other() -> None:
    assert repr(sequential(*[affine] * 1000)).count("affine") == 1000
