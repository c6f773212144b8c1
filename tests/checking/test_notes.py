"""The words in which a law says what is wrong, where no other test reads them."""

from typing import Any

import numpy as np

from chainrule import (
    Affine,
    Array,
    Layer,
    Loss,
    affine,
    check_against,
    check_layer,
    laws,
    mean_squared_error,
    own,
    rules,
    sgd,
)
from untyped import untyped

X: Array = np.random.default_rng(1).standard_normal((4, 3))


def rising(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
    """A rate that grows along the array."""
    steps = np.arange(param.size, dtype=param.dtype).reshape(param.shape)
    return param - rate * steps * grad, moments


def test_a_step_that_depends_on_the_place_is_named() -> None:
    optimizer = rules.optimizer("rising", rising, 0.1)
    (verdict,) = laws.elementwise(untyped(optimizer), X, X, np.random.default_rng(0))
    assert not verdict.ok
    assert verdict.note == "a number's step depends on where it stands"


def bursting(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
    """Infinite from the hundredth step on."""
    (count,) = moments
    return np.where(count < 99, param - rate * grad, np.inf), (count + 1,)


def test_an_optimizer_that_leaves_all_bounds_is_stopped_at_that_step() -> None:
    optimizer = rules.optimizer("bursting", bursting, 0.1, moments=1)
    (verdict,) = laws.descends(untyped(optimizer), X, X, np.random.default_rng(0))
    assert not verdict.ok
    assert verdict.note == "after 100 steps on a quadratic it is not finite"


def test_a_gradient_of_another_shape_is_named_with_both() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, grads = affine.backward(cache, dout)
        return dx, untyped(Affine)(grads.W[:, :1], grads.b[:1])

    layer = Layer(affine.forward, backward, name="narrow")
    params = Affine.init(np.random.default_rng(2), 3, 2, dtype=np.float64)
    verdicts = laws.network_gradient(layer, mean_squared_error, params, X, np.ones((4, 2)), np.random.default_rng(0))
    assert [verdict.note for verdict in verdicts] == [
        "has shape (3, 1), expected (3, 2)",
        "has shape (1,), expected (2,)",
    ]


def test_what_no_number_of_the_dtype_can_hold_is_not_asked_about() -> None:
    square = Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (2 * cache * dout, ()), name="square")
    x = np.full((4, 3), 0.01, np.float16)
    x[0, 0] = 250  # whose square is near the largest number, while the others are to be right to a ten-millionth
    report = check_against(square, np.square, x, rng=np.random.default_rng(0))
    assert report.ok, str(report)


def test_the_optimizer_of_the_library_has_nothing_to_say() -> None:
    for law in (laws.elementwise, laws.descends):
        assert [verdict.note for verdict in law(sgd(0.1), X, X, np.random.default_rng(0))] == [""]


def test_digits_that_cancel_far_out_are_said_to() -> None:
    """`1 - sigmoid(x)` for x around 25, where it is 1e-11 and off by 1e-16."""

    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), own(x)

    def backward(x: Any, d: Array) -> tuple[Array, Any]:
        return d * (1 - 1 / (1 + np.exp(-x))), ()

    x = np.random.default_rng(0).standard_normal((5, 4)) + 25
    (first, *_) = check_layer(Layer(forward, backward), (), x, rng=np.random.default_rng(0)).failures
    assert (first.law, first.field) == ("derivative", "dx")
    assert "Digits cancel there" in first.note


def test_notes_on_a_loss_have_its_names_and_its_author_s_words_as_they_are() -> None:
    def backward(cache: Array, dloss: Array | float) -> Array:
        if np.abs(cache).max() > 5:
            raise ValueError("x is too large for dx")
        return dloss * 2 * cache / cache.size

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray((out * out).mean()), own(out)

    loss = Loss(forward, backward, lambda out, targets: np.mean(out * out, axis=-1))
    (verdict,) = laws.loss_values(loss, X, X, np.random.default_rng(0))
    assert verdict.note == "for out ten times as large: backward raises ValueError: x is too large for dx"
    assert verdict.advice == "If this out is not meant, let forward refuse it"
