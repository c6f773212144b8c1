"""An objective: the loss of a network on one batch, as a function of the parameters."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, Embedding, Objective, affine, embedding, softmax_cross_entropy, value_and_grad
from strategies import generators, normal, sides
from untyped import untyped


@given(rng=generators, n=sides)
def test_it_is_the_loss_of_the_batch(rng: np.random.Generator, n: int) -> None:
    params, x, labels = Affine(normal(rng, 4, 3), normal(rng, 3)), normal(rng, n, 4), rng.integers(0, 3, n)
    f = Objective(affine, softmax_cross_entropy, x, labels)
    assert f(params) == value_and_grad(affine, softmax_cross_entropy)(params, x, labels)[0]


def test_of_an_encoder_it_is_a_function_of_the_table() -> None:
    f = Objective(embedding, softmax_cross_entropy, np.array([1, 0]), np.array([0, 2]))
    assert float(f(Embedding(np.zeros((2, 3))))) == pytest.approx(np.log(3), rel=1e-15)
    assert (
        repr(f) == "Objective(network=Encoder(embedding), loss=Loss(softmax_cross_entropy), x=i64[2], targets=i64[2])"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Objective(untyped(affine.forward), softmax_cross_entropy, np.ones((1, 2)), np.array([0])),
            "Objective: network must be a Layer or an Encoder, got method",
        ),
        (
            lambda: Objective(untyped(Affine), softmax_cross_entropy, np.ones((1, 2)), np.array([0])),
            "Objective: network must be a Layer or an Encoder, got the class Affine",
        ),
        (
            lambda: Objective(affine, untyped((1, 2)), np.ones((1, 2)), np.array([0])),
            "Objective: loss must be a Loss, got a tuple of 2",
        ),
    ],
)
def test_what_is_no_network_or_no_loss_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_numbers_that_are_written_to_afterwards_do_not_change_it() -> None:
    x, labels, params = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([0, 1]), Affine(np.eye(2), np.zeros(2))
    f = Objective(affine, softmax_cross_entropy, x, labels)
    before = f(params)
    x[:] = 7.0
    labels[:] = 0
    assert f(params) == before
