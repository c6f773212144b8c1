"""The builders, on arithmetic of one's own: laws, names, traits, and words for what does not fit."""

import math
import pickle
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import (
    Affine,
    Array,
    Embedding,
    Labels,
    Layer,
    LayerNorm,
    Unit,
    affine,
    check_layer,
    check_loss,
    check_optimizer,
    embedding,
    identity,
    layer_norm,
    mean_squared_error,
    prediction,
    record,
    relu,
    rules,
    sequential,
    sgd,
    sigmoid,
    training_step,
    tree,
    value_and_grad,
)
from chainrule.layer import Shape
from chainrule.parts import Chain
from untyped import untyped


@frozen(eq=False)
@record
class Gain:
    """A factor for each feature."""

    g: Array


@frozen(eq=False)
@record
class GainCache:
    """The numbers that backward of `gain` needs."""

    x: Array
    g: Array


def fits(params: Gain, x: Array) -> None:
    rules.fitting("gain", x, "g", params.g)


def forward(xp: rules.Namespace, params: Gain, x: Array, *, power: int = 1) -> tuple[Array, GainCache]:
    """The page of gain."""
    return x * params.g**power, GainCache(xp.own(x), params.g**power)


def backward(xp: rules.Namespace, cache: GainCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Gain]:
    return (dout * cache.g if wants_dx else None), Gain(xp.sum_rows(dout * cache.x))


def count(params: Gain, x: Shape, out: Shape) -> tuple[int, int]:
    return x[0], out[-1]


gain = rules.layer("gain", Gain, forward, backward, fits, event_axes=1, operations=count, onnx="Mul")


def squared(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    """The page of squares."""
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


def towering(xp: rules.Namespace, x: Array, *, base: float = 2.0) -> tuple[Array, Array]:
    return base**x, x


def above(xp: rules.Namespace, x: Array) -> Array:
    return xp.exp(x)


STRICT: Any = import_module("array_api_strict")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
GONE = rules.Inference(lambda statistics: identity)


def test_a_layer_of_a_rule_keeps_all_laws_and_says_its_traits() -> None:
    made = rules.layer("gain", Gain, forward, backward, fits, event_axes=1, operations=count, onnx="Mul")
    assert check_layer(made, Gain(RNG.standard_normal(3)), X, rng=RNG).ok
    assert (made.name, made.event_axes, made.elementwise, made.couples_rows) == ("gain", 1, False, False)
    assert made.operations is not None
    assert made.operations(Gain(np.ones(3)), (4, 3), (4, 5)) == (4, 5)
    assert (made.onnx, made.inference) == ("Mul", None)
    assert made.__doc__ == "The page of gain."
    with pytest.raises(ValueError, match=re.escape("gain: x has 2 features (4, 2) but g takes 3 (3,)")):
        made.forward(Gain(np.ones(3)), X[:, :2])
    other = rules.layer("mean", (), squared_rule, squared_back, couples_rows=True, elementwise=True, inference=GONE)
    assert (other.couples_rows, other.elementwise, other.inference) == (True, True, GONE)
    assert other.event_axes is None
    assert other.operations is None


def test_a_cache_of_any_type_without_a_signature_comes_back() -> None:
    def keep_nothing(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Any]:
        return x + x, ()

    def give_twice(xp: rules.Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
        return dout + dout, ()

    twice = rules.layer("twice", (), keep_nothing, give_twice)
    out, cache = twice.forward((), X)
    np.testing.assert_array_equal(twice.backward(cache, out)[0], 4 * X)
    with pytest.raises(TypeError, match=r"^twice backward: cache must be one of its own, got Saved of relu$"):
        twice.backward(relu.forward((), X)[1], out)


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


def test_a_matrix_takes_as_many_features_as_it_has_rows() -> None:
    @frozen(eq=False)
    @record
    class Matrix:
        M: Array

    def go(xp: rules.Namespace, params: Matrix, x: Array) -> tuple[Array, Matrix]:
        return xp.matmul(x, params.M), params

    def back(xp: rules.Namespace, cache: Matrix, dout: Array, wants_dx: bool) -> tuple[Array, Matrix]:
        return xp.matmul(dout, cache.M.T), cache

    def fit(params: Matrix, x: Array) -> None:
        rules.fitting("product", x, "M", params.M)

    for fits in ("M", fit):
        product = rules.layer("product", Matrix, go, back, fits)
        assert product.forward(Matrix(np.ones((3, 2))), X)[0].shape == (4, 2)
        with pytest.raises(ValueError, match=r"^product: x has 3 features \(4, 3\) but M takes 2 \(2, 3\)$"):
            product.forward(Matrix(np.ones((2, 3))), X)


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
        (lambda: gain.forward(params, X[0, 0, ...]), ValueError, "gain: x must have an axis of features, got shape ()"),
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
        (
            lambda: SQUARE.forward(untyped(params), X),
            TypeError,
            "square: it has no parameters: params must be (), got Gain",
        ),
    ):
        with pytest.raises(error, match=re.escape(words)):
            wrong()


SQUARE = rules.elementwise("square", squared, doubled, operations=(3, 2), onnx="Pow")


def test_an_elementwise_layer_takes_its_slope_from_a_function_from_what_is_saved_or_from_backward() -> None:
    by_backward = rules.elementwise("square", squared, backward=times_two)
    by_saved = rules.elementwise("cube", with_slope)
    square = rules.elementwise("square", squared, doubled, operations=(3, 2), onnx="Pow")
    for layer in (square, by_backward, by_saved, rules.elementwise("square", squared, doubled, quiet=False)):
        assert check_layer(layer, (), X, rng=RNG).ok
        assert (layer.elementwise, layer.event_axes, layer.couples_rows) == (True, 0, False)
    assert square.onnx == "Pow"
    assert square.operations is not None
    assert square.operations((), (4, 3), (4, 3)) == (36, 24)
    assert (by_saved.operations, by_saved.onnx) == (None, None)
    assert square.__doc__ == "The page of squares."
    out, cache = square.forward((), np.array([3.0]))
    assert (out[0], square.backward(cache, np.array([10.0]))[0][0]) == (9.0, 60.0)
    assert square.grads(cache, np.array([10.0])) == ()
    assert repr(rules.elementwise("power", partial(towering, base=3.0), above)) == "Layer(power(base=3.0))"


def test_a_slope_may_use_the_functions_of_the_library() -> None:
    steep = rules.elementwise("steep", towering, above)
    for x in (np.array([1.0, 0.0]), STRICT.asarray([1.0, 0.0])):
        out, cache = steep.forward((), x)
        np.testing.assert_allclose(np.asarray(steep.backward(cache, out)[0]), [2 * math.e, 1.0], rtol=1e-15)


def test_an_elementwise_layer_is_silent_unless_it_is_told_not_to_be() -> None:
    x = np.array([1000.0])
    with np.errstate(all="raise"):
        out, cache = rules.elementwise("exp", exploding).forward((), x)
        assert out[0] == np.inf
        rules.elementwise("exp", exploding).backward(cache, np.array([0.0]))
        loud = rules.elementwise("exp", exploding, quiet=False)
        with pytest.raises(FloatingPointError):
            loud.forward((), x)
        _, cache = loud.forward((), np.array([700.0]))
        with pytest.raises(FloatingPointError):
            loud.backward(cache, np.array([1e200]))


@pytest.mark.parametrize("quiet", [False, True])
def test_the_slope_of_an_elementwise_layer_is_not_computed_where_dx_is_not_wanted(quiet: bool) -> None:
    def unwanted(xp: rules.Namespace, saved: Array, dout: Array) -> Array:
        raise AssertionError("dx is not wanted")

    layer = rules.elementwise("square", squared, backward=unwanted, quiet=quiet)
    out, cache = layer.forward((), X)
    assert layer.grads(cache, out) == ()
    with pytest.raises(AssertionError, match="dx is not wanted"):
        layer.backward(cache, out)


def towers(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Kept]:
    return xp.exp(x), Kept(xp.own(x))


def slopes_of_towers(xp: rules.Namespace, cache: Kept, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    return xp.exp(cache.x) * dout, ()


def test_a_layer_warns_unless_it_is_told_to_be_quiet() -> None:
    x, ones = np.array([[1000.0]]), np.array([[1.0]])
    with np.errstate(all="raise"):
        quiet = rules.layer("towers", (), towers, slopes_of_towers, quiet=True)
        out, cache = quiet.forward((), x)
        assert (float(out[0, 0]), float(quiet.backward(cache, ones)[0][0, 0])) == (np.inf, np.inf)
        loud = rules.layer("towers", (), towers, slopes_of_towers)
        with pytest.raises(FloatingPointError):
            loud.forward((), x)
        with pytest.raises(FloatingPointError):
            loud.backward(cache, ones)


@pytest.mark.parametrize("beside", [relu, sigmoid])
def test_warnings_of_a_layer_are_seen_in_a_pass_beside_quiet_layers_and_those_of_quiet_ones_are_not(
    beside: Layer[Unit, Any],
) -> None:
    x, wanted = np.array([[1000.0]]), np.array([[0.0]])

    def runs(network: Layer[Any, Any], params: Any) -> list[Callable[[], object]]:
        step, state = training_step(network, mean_squared_error, sgd(0.1)), sgd(0.1).init(params)
        return [
            lambda: step(params, state, x, wanted),
            lambda: value_and_grad(network, mean_squared_error)(params, x, wanted),
            lambda: prediction(network)(params, x),
        ]

    def summed(parts: Any, xp: rules.Namespace, params: Any, x: Array) -> tuple[Array, list[Any]]:
        out, cache = parts[0].forward(xp, params, x * x)
        return out, [cache]

    def back(parts: Any, xp: rules.Namespace, caches: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
        dx, grads = parts[0].backward(xp, caches.pop(), dout, wants_dx)
        return dx, grads

    quiet = rules.layer("towers", (), towers, slopes_of_towers, quiet=True)
    loud = rules.layer("towers", (), towers, slopes_of_towers)
    squaring = rules.combinator("squaring", Chain((beside,)), (beside,), summed, back)
    with np.errstate(all="raise"):
        for run in [
            *runs(sequential(quiet, beside), ((), ())),
            *runs(sequential(relu, sequential(quiet, beside)), ((), ((), ()))),
        ]:
            run()
        for run in [
            *runs(sequential(loud, beside), ((), ())),
            *runs(sequential(relu, sequential(loud, quiet), beside), ((), ((), ()), ())),
        ]:
            with pytest.raises(FloatingPointError):
                run()
        x = np.array([[1e200]])
        for run in runs(squaring, ()):
            with pytest.raises(FloatingPointError):
                run()


def test_backward_of_a_rule_is_told_whether_dx_is_wanted_and_must_give_it_then() -> None:
    wanted: list[Any] = []

    def asked(xp: rules.Namespace, cache: Kept, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
        wanted.append(wants_dx)
        return None, ()

    layer = rules.layer("asked", (), squared_rule, asked)
    out, cache = layer.forward((), X)
    assert layer.grads(cache, out) == ()
    with pytest.raises(TypeError) as caught:
        layer.backward(cache, out)
    assert str(caught.value) == "asked backward: the rule gave no dx where it was wanted"
    assert wanted == [False, True]


def test_gradients_are_read_only_and_of_the_library_of_x() -> None:
    unchecked = rules.unchecked(Gain)

    def quick(xp: rules.Namespace, cache: GainCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Gain]:
        return dout * cache.g, unchecked(xp.sum_rows(dout * cache.x))

    params = Gain(np.array([1.0, 2.0, 3.0]))
    for layer in (gain, rules.layer("gain", Gain, forward, quick)):
        out, cache = layer.forward(params, X)
        for grads in (layer.grads(cache, out), layer.backward(cache, out)[1]):
            assert not grads.g.flags.writeable
    out, cache = gain.forward(Gain(STRICT.asarray([1.0, 2.0, 3.0])), STRICT.asarray(X))
    for grads in (gain.grads(cache, out), gain.backward(cache, out)[1]):
        assert type(grads.g) is type(out)


def test_the_library_of_a_cache_that_went_through_a_pickle_is_that_of_its_floats() -> None:
    seen: list[Any] = []

    def noted(xp: rules.Namespace, cache: Chosen, dout: Array) -> Scores:
        seen.append(xp)
        return Scores(xp.zeros_like(cache.s))

    scores = rules.encoder("scores", Scores, choose, noted)
    s = STRICT.asarray([[0.5], [1.5]])
    scores.grads(scores.forward(Scores(s), STRICT.asarray([1, 0]))[1], s)
    scores.grads(Chosen(STRICT.asarray([1, 0]), s), np.ones((2, 1)))
    assert seen[0] is seen[1]
    cache = pickle.loads(pickle.dumps(Chosen(np.array([1, 0]), np.ones((2, 1)))))
    assert scores.grads(cache, np.ones((2, 1))).s.tolist() == [[0], [0]]


def test_a_cache_of_another_layer_is_refused_where_types_say_less_than_usual() -> None:
    def unnamed(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Kept | None]:
        return x, None

    _, other = SQUARE.forward((), X)
    for layer, cache, message in (
        (
            rules.layer("unnamed", (), unnamed, untyped(squared_back)),
            other,
            "unnamed backward: cache must be one of its own, got Saved of square",
        ),
        (
            rules.layer("towers", (), towers, slopes_of_towers, quiet=True),
            GainCache(X, X),
            "towers backward: cache must be Kept, got GainCache",
        ),
        (
            rules.layer("towers", (), towers, slopes_of_towers, quiet=True),
            other,
            "towers backward: cache must be Kept, got Saved of square",
        ),
    ):
        with pytest.raises(TypeError) as caught:
            layer.backward(untyped(cache), X)
        assert str(caught.value) == message


def rows(xp: rules.Namespace, out: Array, targets: Array, *, scale: float = 1.0) -> tuple[Array, Array]:
    """The page of a loss."""
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
    plain = rules.loss("squares", rows)
    assert plain.operations is None
    assert plain.__doc__ == "The page of a loss."
    assert plain.rule is not None
    assert plain.rule.rows is rows


@pytest.mark.parametrize(("out", "what"), [(None, "out has"), ("scores", "scores have")])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4), (0, 2, 4)])
def test_a_loss_of_no_rows_is_refused(out: str | None, what: str, shape: tuple[int, ...]) -> None:
    loss = rules.loss("squares", rows) if out is None else rules.loss("squares", rows, out=out)
    empty = np.zeros(shape)
    calls: list[Callable[[], object]] = [
        lambda: loss.forward(empty, empty),
        lambda: loss.rows(empty, empty),
        lambda: value_and_grad(relu, loss)((), empty, empty),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="squares") as caught:
            call()
        assert str(caught.value) == f"squares: the mean over an empty batch is undefined, {what} shape {shape}"


def test_a_dloss_that_is_no_number_is_described() -> None:
    loss = rules.loss("squares", rows)
    with pytest.raises(TypeError) as caught:
        loss.backward(loss.forward(X, X)[1], np.ones(2))
    assert str(caught.value) == "squares backward: dloss must be a number or a 0-d array, got f64[2]"


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
    """The page of scores."""
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
    named = rules.encoder("scores", Scores, partial(choose, scale=2.0), collect, couples_rows=True, inference=GONE)
    assert repr(named) == "Encoder(scores(scale=2.0))"
    assert (named.couples_rows, named.inference, named.event_axes) == (True, GONE, None)
    counted = rules.encoder("scores", Scores, choose, collect, operations=count_scores)
    assert counted.operations is not None
    assert counted.operations(params, (4,), (4, 2)) == (4, 2)
    assert counted.__doc__ == "The page of scores."
    unchecked = rules.unchecked(Scores)

    def quick(xp: rules.Namespace, cache: Chosen, dout: Array) -> Scores:
        return unchecked(xp.add_rows(cache.labels, dout, len(cache.s)))

    with pytest.raises(TypeError, match="scores: params must be Scores, got Gain"):
        counted.forward(untyped(Gain(np.ones(3))), labels)
    assert not rules.encoder("scores", Scores, choose, quick).grads(cache, out).s.flags.writeable


def count_scores(params: Scores, x: Shape, out: Shape) -> tuple[int, int]:
    return x[0], out[-1]


SCORES = rules.encoder("scores", Scores, choose, collect, are_tokens)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SCORES.forward(untyped(Gain(np.ones(3))), np.array([0])),
            "scores: params must be Scores, got Gain",
        ),
        (
            lambda: SCORES.forward(Scores(untyped(np.ones((3, 2), int))), np.array([0])),
            "scores: params is int64, not floating-point: convert it first, e.g. with .astype(np.float32)",
        ),
        (
            lambda: SCORES.grads(untyped(Gain(np.ones(3))), np.ones((1, 2))),
            "scores backward: cache must be Chosen, got Gain",
        ),
    ],
)
def test_what_does_not_fit_an_encoder_is_refused_in_its_name(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "list"),
        (None, "NoneType"),
        ("Gain", "str"),
        ((Gain,), "a tuple of 1"),
        (np.ones(2), "f64[2]"),
        (Gain(np.ones(2)), "Gain"),
    ],
)
def test_a_builder_is_given_the_class_of_the_parameters(given: object, said: str) -> None:
    for build, form in ((rules.layer, "a record, or ()"), (rules.encoder, "a record")):
        with pytest.raises(TypeError, match=f"^{re.escape(f'named: params must be the class of {form}, got {said}')}$"):
            untyped(build)("named", given, forward, backward)


def test_parameters_of_another_dtype_are_refused_in_any_library() -> None:
    with pytest.raises(TypeError) as caught:
        gain.forward(Gain(STRICT.ones(3)), STRICT.asarray(X, dtype=STRICT.float32))
    assert str(caught.value) == (
        "gain: x is array_api_strict.float32 but the parameters are array_api_strict.float64: convert one of them"
    )


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
    rules.well_formed(
        "Pair", W=(np.ones((3, 2)), "inputs outputs"), b=(np.ones(2), "outputs"), c=(np.ones(3), "inputs")
    )
    with pytest.raises(ValueError, match=re.escape("Pair: W is (3, 2), so c must be (3,), got (2,)")):
        rules.well_formed(
            "Pair", W=(np.ones((3, 2)), "inputs outputs"), b=(np.ones(2), "outputs"), c=(np.ones(2), "inputs")
        )
    rules.well_formed("Pair", least=1, s=(np.ones(1), "features"))
    with pytest.raises(ValueError, match=re.escape("Pair: s must be 1-D (features,) with at least 1 of each, got")):
        rules.well_formed("Pair", least=1, s=(np.ones(0), "features"))


TWO_ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
"""An array that could be taken for a pair: it has two rows."""


def half_done(xp: rules.Namespace, *arrays: Any) -> Any:
    """The first result of a rule, without the second."""
    return 2 * arrays[0]


def gain_alone(xp: rules.Namespace, params: Unit, x: Array) -> Any:
    return 2 * x


def paired(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
    return 2 * x, ()


def dx_alone(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> Any:
    return 2 * dout


def moved(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
    return param - rate * grad


def elementwise_alone() -> object:
    return rules.elementwise("twice", half_done).forward((), TWO_ROWS)


def elementwise_warning() -> object:
    return rules.elementwise("twice", half_done, quiet=False).forward((), TWO_ROWS)


def layer_forward() -> object:
    return rules.layer("twice", (), gain_alone, dx_alone).forward((), TWO_ROWS)


def layer_backward() -> object:
    twice = rules.layer("twice", (), paired, dx_alone)
    return twice.backward(twice.forward((), TWO_ROWS)[1], TWO_ROWS)


def loss_forward() -> object:
    return rules.loss("twice", half_done).forward(TWO_ROWS, TWO_ROWS)


def loss_rows() -> object:
    return rules.loss("twice", half_done).rows(TWO_ROWS, TWO_ROWS)


def loss_in_a_pass() -> object:
    return value_and_grad(identity, rules.loss("twice", half_done))((), TWO_ROWS, TWO_ROWS)


def update_alone() -> object:
    optimizer = rules.optimizer("down", moved, 0.1)
    return optimizer.step(optimizer.init(TWO_ROWS), TWO_ROWS, TWO_ROWS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (elementwise_alone, "twice: forward must return (out, what its slope is computed of), got f64[2, 2]"),
        (elementwise_warning, "twice: forward must return (out, what its slope is computed of), got f64[2, 2]"),
        (layer_forward, "twice: forward must return (out, cache), got f64[2, 2]"),
        (layer_backward, "twice: backward must return (dx, grads), got f64[2, 2]"),
        (loss_forward, "twice: rows must return (losses, slopes), got f64[2, 2]"),
        (loss_rows, "twice: rows must return (losses, slopes), got f64[2, 2]"),
        (loss_in_a_pass, "twice: rows must return (losses, slopes), got f64[2, 2]"),
        (update_alone, "the update of an optimizer must return (param, moments), got f64[2, 2]"),
    ],
)
def test_two_rows_are_not_taken_for_two_results(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as refused:
        call()
    assert str(refused.value) == message


def test_what_is_no_function_is_refused_when_it_is_given() -> None:
    none: Any = untyped(None)
    for call, message in (
        (partial(rules.layer, "mine", (), none, dx_alone), "mine: forward must be a function, got NoneType"),
        (partial(rules.layer, "mine", (), paired, none), "mine: backward must be a function, got NoneType"),
        (partial(rules.elementwise, "mine", none), "mine: forward must be a function, got NoneType"),
        (partial(rules.loss, "mine", none), "mine: rows must be a function, got NoneType"),
        (partial(rules.encoder, "mine", Gain, none, none), "mine: forward must be a function, got NoneType"),
        (partial(rules.optimizer, "mine", untyped(3), 0.1), "mine: update must be a function, got int"),
    ):
        with pytest.raises(TypeError, match=f"^{message}$"):
            call()


@pytest.mark.parametrize(
    ("layer", "params", "x"),
    [
        (affine, Affine(np.ones((2, 3)), np.ones(3)), TWO_ROWS),
        (relu, (), TWO_ROWS),
        (layer_norm(eps=0.1), LayerNorm(np.ones(2), np.zeros(2)), TWO_ROWS),
        (embedding, Embedding(TWO_ROWS), np.array([1, 0])),
        (sequential(affine, relu), (Affine(np.ones((2, 3)), np.ones(3)), ()), TWO_ROWS),
    ],
    ids=str,
)
def test_one_function_of_a_pair_goes_to_another_process(layer: Any, params: Any, x: Any) -> None:
    forward, grads = pickle.loads(pickle.dumps((partial(layer.forward, params), layer.grads)))
    (out, cache), dout = forward(x), np.ones_like(layer.forward(params, x)[0])
    assert tree.equal(out, layer.forward(params, x)[0])
    assert tree.equal(grads(cache, dout), layer.grads(layer.forward(params, x)[1], dout))
