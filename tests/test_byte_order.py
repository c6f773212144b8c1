"""Arrays in another byte order than the machine's give the same numbers, and what comes back is in the machine's."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalogue import ENCODERS, LAYERS, OTHERS, PARTLY_FIXED, Subject
from chainrule import (
    Affine,
    Array,
    Layer,
    Unit,
    adam,
    affine,
    identity,
    prediction,
    rules,
    sequential,
    sgd,
    training_step,
    tree,
    value_and_grad,
)
from chainrule.laws import LOSS_LAWS
from strategies import Floating, normal
from untyped import untyped

LOSSES = [each for each in OTHERS if each.laws is LOSS_LAWS]


def swapped(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder())


def is_the_same(found: Any, expected: Any) -> None:
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        assert a.dtype is b.dtype  # the one object that NumPy has of the machine's
        np.testing.assert_allclose(a, b, rtol=100 * float(np.finfo(b.dtype).eps))


def half_squares(xp: rules.Namespace, out: Array, targets: Any) -> tuple[Array, Array]:
    return xp.sum_last(out * out) / 2, out + 0


SQUARES = rules.loss("squares", half_squares)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("subject", [*LAYERS, *PARTLY_FIXED, *ENCODERS], ids=lambda each: each.name)
def test_of_x_and_dout_in_layers_and_networks(subject: Subject, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params, x = subject.make(rng, 4, dtype)
    layer, other = subject.layer, swapped(x)
    out, cache = layer.forward(params, x)
    given, cache_of_it = layer.forward(params, other)
    is_the_same(given, out)
    dout = normal(rng, *out.shape, dtype=dtype)
    for each in (cache, cache_of_it):
        is_the_same(layer.grads(each, swapped(dout)), layer.grads(cache, dout))
        if subject not in ENCODERS:
            is_the_same(layer.backward(each, swapped(dout)), layer.backward(cache, dout))
    is_the_same(prediction(layer)(params, other), out)
    if out.ndim < 2:
        return
    is_the_same(value_and_grad(layer, SQUARES)(params, other, None), value_and_grad(layer, SQUARES)(params, x, None))
    for optimizer in (sgd(0.1), adam(0.1)):
        step = untyped(training_step)(layer, SQUARES, optimizer)
        state = optimizer.init(params)
        is_the_same(step(params, state, other, None)[::2], step(params, state, x, None)[::2])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("subject", LOSSES, ids=lambda each: each.name)
def test_of_out_and_targets_in_losses(subject: Subject, dtype: Floating) -> None:
    out, targets = subject.make(np.random.default_rng(0), 4, dtype)
    loss, others = subject.layer, targets if hasattr(targets, "weights") else swapped(targets)
    value, cache = loss.forward(out, targets)
    for logits, wanted in ((swapped(out), targets), (out, others), (swapped(out), others)):
        given, cache_of_it = loss.forward(logits, wanted)
        is_the_same((given, loss.rows(logits, wanted)), (value, loss.rows(out, targets)))
        for dloss in (1.0, swapped(np.asarray(0.5, dtype))):
            is_the_same(loss.backward(cache_of_it, dloss), loss.backward(cache, dloss))
    if out.ndim == 2 and out.dtype == dtype:
        both = value_and_grad(identity, loss)
        is_the_same(both((), swapped(out), others), both((), out, targets))


def test_of_what_layers_without_a_rule_give() -> None:
    other: Layer[Unit, Any] = Layer(lambda _, x: (swapped(2 * x), x), lambda _, dout: (swapped(2 * dout), ()))
    mine: Layer[Unit, Any] = Layer(lambda _, x: (2 * x, x), lambda _, dout: (2 * dout, ()))
    rng = np.random.default_rng(0)
    params = Affine.init(rng, 3, 2, dtype=np.float64), (), Affine.init(rng, 2, 3, dtype=np.float64)
    x = normal(rng, 4, 3)
    found, expected = (sequential(affine, each, affine) for each in (other, mine))
    out, cache = expected.forward(params, x)
    given, cache_of_it = found.forward(params, x)
    is_the_same(given, out)
    is_the_same(found.backward(cache_of_it, swapped(out)), expected.backward(cache, out))
    is_the_same(value_and_grad(found, SQUARES)(params, x, None), value_and_grad(expected, SQUARES)(params, x, None))


@pytest.mark.parametrize("optimizer", [sgd(0.1), sgd(0.1, momentum=0.9), adam(0.1)], ids=repr)
@pytest.mark.parametrize("size", [3, 2**17 + 1])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_of_lone_arrays_in_optimizers(optimizer: Any, size: int, dtype: Floating) -> None:
    params, grads = np.ones(size, dtype), np.linspace(1, 2, size).astype(dtype)
    expected = optimizer.step(optimizer.init(params), params, grads)
    for a, b in ((swapped(params), grads), (params, swapped(grads)), (swapped(params), swapped(grads))):
        is_the_same(optimizer.step(optimizer.init(a), a, b)[0], expected[0])
