import pickle

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, affine, huber, layer_norm, relu, sequential, softmax_cross_entropy, tree, value_and_grad
from strategies import Floating, dtypes, generators, normal, sides
from untyped import untyped

NETWORK = sequential(affine, relu, affine)
F = value_and_grad(NETWORK, softmax_cross_entropy)


@given(rng=generators, n=sides, dtype=dtypes)
def test_it_is_forward_and_backward_by_hand(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    d, h, k = rng.integers(1, 6, 3)
    params = (
        Affine(normal(rng, d, h, dtype=dtype), normal(rng, h, dtype=dtype)),
        (),
        Affine(normal(rng, h, k, dtype=dtype), normal(rng, k, dtype=dtype)),
    )
    x, labels = normal(rng, n, d, dtype=dtype), rng.integers(0, k, n)
    out, caches = NETWORK.forward(params, x)
    loss, cache = softmax_cross_entropy.forward(out, labels)
    _, grads = NETWORK.backward(caches, softmax_cross_entropy.backward(cache, 1.0))
    assert tree.equal(F(params, x, labels), (loss, grads))
    assert all(leaf.dtype == dtype for leaf in tree.leaves((loss, grads)))


def test_it_pickles() -> None:
    params = Affine(np.ones((3, 2)), np.zeros(2)), (), Affine(np.ones((2, 2)), np.zeros(2))
    x, labels = np.ones((4, 3)), np.array([0, 1, 1, 0])
    for f in (F, value_and_grad(NETWORK, softmax_cross_entropy)):
        assert tree.equal(pickle.loads(pickle.dumps(f))(params, x, labels), F(params, x, labels))


def test_errors_pass_through() -> None:
    params = Affine(np.ones((3, 2)), np.zeros(2)), (), Affine(np.ones((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="affine: x has 4 features"):
        F(params, np.ones((1, 4)), np.array([0]))
    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\), got 2 at row 0"):
        F(params, np.ones((1, 3)), np.array([2]))


def test_what_is_no_network_and_no_loss() -> None:
    for network, loss, message in (
        (
            affine.forward,
            softmax_cross_entropy,
            "value_and_grad: network must be a Layer or an Encoder, got method",
        ),
        (affine, softmax_cross_entropy.forward, "value_and_grad: loss must be a Loss, got method"),
        (affine, huber, "value_and_grad: loss must be a Loss, got function: call it first, as huber(...)"),
        (
            layer_norm,
            softmax_cross_entropy,
            "value_and_grad: network must be a Layer or an Encoder, got function: call it first, as layer_norm(...)",
        ),
        (
            [affine],
            softmax_cross_entropy,
            "value_and_grad: network must be a Layer or an Encoder, got list: unpack it, as sequential(*layers)",
        ),
    ):
        with pytest.raises(TypeError) as caught:
            value_and_grad(untyped(network), untyped(loss))
        assert str(caught.value) == message
