"""The builders, on arithmetic of one's own: laws, names, traits, and words for what does not fit."""

import re
from functools import partial

import numpy as np
import pytest
from attrs import frozen

from chainrule import Array, Labels, Unit, check_layer, check_loss, check_optimizer, record, rules
from chainrule.layer import Shape
from untyped import untyped


@frozen(eq=False)
@record
class Gain:
    """A factor for each feature."""

    g: Array


@frozen(eq=False)
@record
class GainCache:
    """What backward of `gain` needs."""

    x: Array
    g: Array


def fits(params: Gain, x: Array) -> None:
    rules.fitting("gain", x, "g", params.g)


def forward(xp: rules.Namespace, params: Gain, x: Array, *, power: int = 1) -> tuple[Array, GainCache]:
    return x * params.g**power, GainCache(xp.own(x), params.g**power)


def backward(xp: rules.Namespace, cache: GainCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Gain]:
    return (dout * cache.g if wants_dx else None), Gain(xp.sum_rows(dout * cache.x))


def count(params: Gain, x: Shape, out: Shape) -> tuple[int, int]:
    return x[0], out[-1]


gain = rules.layer("gain", Gain, forward, backward, fits, event_axes=1, operations=count, onnx="Mul")


def squared(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x * x, xp.own(x)


def doubled(xp: rules.Namespace, x: Array) -> Array:
    return 2 * x


def with_slope(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x * x * x, 3 * x * x


def times_two(xp: rules.Namespace, saved: Array, dout: Array) -> Array:
    return 2 * saved * dout


def exploding(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    out = xp.exp(x)
    return out, out


RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))


def test_a_layer_of_a_rule_keeps_all_laws_and_says_its_traits() -> None:
    assert check_layer(gain, Gain(RNG.standard_normal(3)), X, rng=RNG).ok
    assert (gain.name, gain.event_axes, gain.elementwise, gain.couples_rows) == ("gain", 1, False, False)
    assert gain.operations is not None
    assert gain.operations(Gain(np.ones(3)), (4, 3), (4, 5)) == (4, 5)
    assert (gain.onnx, gain.inference) == ("Mul", None)
    other = rules.layer("mean", (), squared_rule, squared_back, couples_rows=True, elementwise=True, inference="gone")
    assert (other.couples_rows, other.elementwise, other.inference) == (True, True, "gone")
    assert other.event_axes is None
    assert other.operations is None


def test_the_features_of_x_fit_a_field_by_its_name_and_operations_are_counted_by_the_number() -> None:
    named = rules.layer("gain", Gain, forward, backward, "g", operations=(2, 5))
    params = Gain(np.ones(3))
    assert named.forward(params, X)[0].shape == (4, 3)
    for wrong, words in (
        (np.ones((2, 4)), "gain: x has 4 features (2, 4) but g takes 3 (3,)"),
        (np.ones((2, 0)), "gain: x has 0 features (2, 0) but g takes 3 (3,)"),
        (np.ones(()), "gain: x must have an axis of features, got shape ()"),
    ):
        for layer in (gain, named):
            with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
                layer.forward(params, wrong)
    assert named.operations is not None
    assert named.operations(params, (4, 5, 3), (4, 5, 3)) == (120, 300)


@frozen(eq=False)
@record
class Kept:
    """An input."""

    x: Array


def squared_rule(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Kept]:
    return x * x, Kept(xp.own(x))


def squared_back(xp: rules.Namespace, cache: Kept, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    return 2 * cache.x * dout, ()


def test_options_that_are_bound_show_in_the_name() -> None:
    assert repr(rules.layer("gain", Gain, partial(forward, power=2), backward)) == "Layer(gain(power=2))"
    assert repr(rules.elementwise("square", squared, doubled)) == "Layer(square)"


def test_what_does_not_fit_a_rule_is_refused_in_its_name() -> None:
    params = Gain(np.ones(3))
    out, cache = gain.forward(params, X)
    for wrong, error, words in (
        (lambda: gain.forward(untyped(X), X), TypeError, "gain: params must be Gain, got f64[4, 3]"),
        (lambda: gain.forward(params, X[:, :2]), ValueError, "gain: x has 2 features (4, 2) but g takes 3 (3,)"),
        (lambda: gain.forward(params, untyped([[1.0]])), TypeError, "gain: x must be an array of floats, got list"),
        (lambda: gain.forward(params, X.astype(np.float32)), TypeError, "gain: x is float32 but the parameters are"),
        (lambda: gain.forward(params, X.astype(int)), TypeError, "gain: x is int64, not floating-point"),
        (lambda: gain.backward(cache, out[:, :2]), ValueError, "gain backward: dout has shape (4, 2), expected (4, 3)"),
        (lambda: gain.grads(cache, out.astype(np.float32)), TypeError, "gain backward: dout is float32, expected"),
        (lambda: gain.backward(untyped(params), out), TypeError, "gain backward: cache must be GainCache, got Gain"),
        (
            lambda: SQUARE.backward(untyped(cache), out),
            TypeError,
            "square backward: cache must be Saved, got GainCache",
        ),
        (lambda: SQUARE.forward(untyped(params), X), TypeError, "square: it has no parameters: params must be (), got"),
    ):
        with pytest.raises(error, match=re.escape(words)):
            wrong()


SQUARE = rules.elementwise("square", squared, doubled, operations=(3, 2), onnx="Pow")


def test_an_elementwise_layer_takes_its_slope_from_a_function_from_what_is_saved_or_from_backward() -> None:
    by_backward = rules.elementwise("square", squared, backward=times_two)
    by_saved = rules.elementwise("cube", with_slope)
    for layer in (SQUARE, by_backward, by_saved, rules.elementwise("square", squared, doubled, quiet=False)):
        assert check_layer(layer, (), X, rng=RNG).ok
        assert (layer.elementwise, layer.event_axes, layer.couples_rows) == (True, 0, False)
    assert SQUARE.onnx == "Pow"
    assert SQUARE.operations is not None
    assert SQUARE.operations((), (4, 3), (4, 3)) == (36, 24)
    assert by_saved.operations is None
    out, cache = SQUARE.forward((), np.array([3.0]))
    assert (out[0], SQUARE.backward(cache, np.array([10.0]))[0][0]) == (9.0, 60.0)
    assert SQUARE.grads(cache, np.array([10.0])) == ()


def test_an_elementwise_layer_is_silent_unless_it_is_told_not_to_be() -> None:
    x = np.array([1000.0])
    with np.errstate(all="raise"):
        out, cache = rules.elementwise("exp", exploding).forward((), x)
        assert out[0] == np.inf
        rules.elementwise("exp", exploding).backward(cache, np.array([0.0]))
        loud = rules.elementwise("exp", exploding, quiet=False)
        with pytest.raises(FloatingPointError):
            loud.forward((), x)


def rows(xp: rules.Namespace, out: Array, targets: Array, *, scale: float = 1.0) -> tuple[Array, Array]:
    error = out - targets
    return scale * xp.sum_last(error * error), 2 * scale * error


def divided(xp: rules.Namespace, out: Array, targets: Array) -> tuple[Array, Array, Array]:
    losses, slopes = rows(xp, out, targets)
    divisor = 1 + targets[..., 0] ** 2
    return losses / divisor, slopes, divisor


def test_a_loss_of_its_rows_keeps_all_laws() -> None:
    for loss in (rules.loss("squares", rows, out="scores", operations=(3, 1)), rules.loss("divided", divided)):
        assert check_loss(loss, X, RNG.standard_normal((4, 3)), rng=RNG).ok
        assert loss.rows(X, X).shape == (4,)
    named = rules.loss("squares", partial(rows, scale=2.0), out="scores", operations=(3, 1))
    assert repr(named) == "Loss(squares(scale=2.0))"
    assert named.operations is not None
    assert named.operations((4, 5)) == (60, 20)
    assert rules.loss("squares", rows).operations is None


def test_a_loss_is_the_mean_of_its_rows_on_any_axes_and_linear_in_dloss() -> None:
    loss = rules.loss("squares", rows, out="scores")
    out, targets = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 3, 4))
    value, cache = loss.forward(out, targets)
    np.testing.assert_allclose(value, ((out - targets) ** 2).sum(-1).mean(), rtol=1e-15)
    np.testing.assert_allclose(loss.backward(cache, 3.0), 3 * 2 * (out - targets) / 6, rtol=1e-15)
    np.testing.assert_array_equal(loss.backward(cache, np.float64(3.0)), loss.backward(cache, 3.0))
    for wrong, error, words in (
        (lambda: loss.forward(out[:0], targets[:0]), ValueError, "squares: the mean over an empty batch is undefined"),
        (lambda: loss.forward(untyped([1.0]), targets), TypeError, "squares: scores must be an array of floats"),
        (
            lambda: loss.backward(untyped(out), 1.0),
            TypeError,
            "squares backward: cache must be Slopes, got f64[2, 3, 4]",
        ),
        (
            lambda: loss.backward(cache, np.ones(2)),
            TypeError,
            "squares backward: dloss must be a number or a 0-d array",
        ),
    ):
        with pytest.raises(error, match=re.escape(words)):
            wrong()


def signs(
    xp: rules.Namespace, rate: float, param: Array, grad: Array, moments: tuple[Array, ...]
) -> tuple[Array, tuple[()]]:
    return param - rate * xp.sign(grad), ()


def test_an_optimizer_of_one_arrays_arithmetic_keeps_its_laws_and_follows_a_schedule() -> None:
    optimizer = rules.optimizer("signs", signs, 0.5)
    params, grads = (Gain(RNG.standard_normal(3)), ()), (Gain(RNG.standard_normal(3)), ())
    assert check_optimizer(optimizer, params, grads, rng=RNG).ok
    assert repr(optimizer) == "signs(0.5)"
    assert optimizer == rules.optimizer("signs", signs, 0.5) != rules.optimizer("signs", signs, 0.25)

    def halving(count: Labels) -> float:
        return float(0.5 ** int(count))

    scheduled = rules.optimizer("signs", signs, halving)
    state = scheduled.init(np.zeros(1))
    at = np.zeros(1)
    for _ in range(3):
        at, state = scheduled.step(state, at, np.ones(1))
    assert (at[0], int(state.count)) == (-1.75, 3)


def test_rates_that_are_none_are_refused() -> None:
    for wrong, error in ((-1.0, ValueError), (float("nan"), ValueError), (10**400, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="signs: learning_rate must be a "):
            rules.optimizer("signs", signs, untyped(wrong))
    with pytest.raises(TypeError, match="signs: the state must be what init"):
        rules.optimizer("signs", signs, 1.0).step(untyped(()), np.ones(1), np.ones(1))


@frozen(eq=False)
@record
class Scores:
    """A score for each token."""

    s: Array


@frozen(eq=False)
@record
class Chosen:
    """The tokens."""

    labels: Labels
    s: Array


def choose(xp: rules.Namespace, params: Scores, labels: Labels, *, scale: float = 1.0) -> tuple[Array, Chosen]:
    return scale * xp.take_rows(params.s, labels), Chosen(xp.own(labels), params.s)


def collect(xp: rules.Namespace, cache: Chosen, dout: Array) -> Scores:
    return Scores(xp.add_rows(cache.labels, dout, len(cache.s)))


def are_tokens(params: Scores, labels: Labels) -> None:
    if labels.max() >= len(params.s):
        raise ValueError("scores: no such token")


def test_an_encoder_of_a_rule_keeps_its_laws_and_says_its_traits() -> None:
    scores = rules.encoder("scores", Scores, choose, collect, are_tokens, event_axes=0, onnx="Gather")
    params, labels = Scores(RNG.standard_normal((5, 2))), np.array([1, 1, 4])
    assert check_layer(untyped(scores), params, untyped(labels), rng=RNG).ok
    assert (scores.name, scores.event_axes, scores.couples_rows, scores.onnx) == ("scores", 0, False, "Gather")
    assert (scores.operations, scores.inference) == (None, None)
    with pytest.raises(ValueError, match="scores: no such token"):
        scores.forward(params, labels + 1)
    out, cache = scores.forward(params, labels)
    np.testing.assert_array_equal(scores.grads(cache, np.ones_like(out)).s[:, 0], [0, 2, 0, 0, 1])
    named = rules.encoder("scores", Scores, partial(choose, scale=2.0), collect, couples_rows=True, inference="gone")
    assert repr(named) == "Encoder(scores(scale=2.0))"
    assert (named.couples_rows, named.inference, named.event_axes) == (True, "gone", None)


def test_parameters_are_well_formed_in_words_of_axes() -> None:
    rules.well_formed("Pair", W=(np.ones((3, 2)), "inputs outputs"), b=(np.ones(2), "outputs"))
    for arrays, error, words in (
        ({"W": (np.ones(3), "inputs outputs")}, ValueError, "Pair: W must be 2-D (inputs, outputs), got shape (3,)"),
        (
            {"W": (np.ones((3, 2)), "inputs outputs"), "b": (np.ones(3), "outputs")},
            ValueError,
            "Pair: W is (3, 2), so b must be (2,), got (3,)",
        ),
        ({"s": (np.ones(1, int), "features")}, TypeError, "Pair: s is int64, not floating-point"),
        (
            {"a": (np.ones(1), "features"), "b": (np.ones(1, np.float32), "features")},
            TypeError,
            "Pair: a is f64[1] but b is f32[1]: they must have one dtype",
        ),
    ):
        with pytest.raises(error, match=re.escape(words)):
            rules.well_formed("Pair", **untyped(arrays))
    with pytest.raises(ValueError, match=re.escape("Pair: s must be 1-D (features,) with at least 1 of each, got")):
        rules.well_formed("Pair", least=1, s=(np.ones(0), "features"))
