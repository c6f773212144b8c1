"""Faults at numbers that arguments don't have, at ties, and behind traits; and layers that are right there."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Encoder, Labels, Layer, Loss, Report, Unit, check_layer, check_loss, own, read_only
from checking.planted import RNG, X

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

SHARES = RNG(1).random((5, 4))


def elementwise(f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return f(x), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * slope(x), ()

    return Layer(forward, backward)


def reported(layer: Any, x: Array, params: Any = (), *, law: str) -> Report:
    with np.errstate(all="ignore"):
        return check_layer(layer, params, x, rng=RNG(0), only=["structure", law])


def said(report: Report) -> list[str]:
    return [f"{verdict.field}: {verdict.note}" for verdict in report.verdicts if not verdict.ok]


BOTH, LARGE = "for x of both signs where all had one", "for x ten times as large where all lay between 0 and 1"


Map: TypeAlias = Callable[[Array], Array]


def ones(x: Array) -> Array:
    return np.ones_like(x)


BEYOND: dict[str, tuple[Map, Map, Array, str]] = {
    "leaky relu": (lambda x: np.where(x > 0, x, 0.1 * x), ones, SHARES, BOTH),
    "its absolute": (np.abs, ones, SHARES, BOTH),
    "of what is negative": (np.abs, lambda x: -ones(x), -1 - SHARES, BOTH),
    "a signed square": (lambda x: x * np.abs(x), lambda x: 2 * x, 1 + SHARES, BOTH),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: (x > 0).astype(x.dtype), SHARES, LARGE),
}


ZEROS = "with zeros where it had none"


def divided_out(x: Array) -> Array:
    quotients: Array = x.prod(axis=-1, keepdims=True) / x
    return quotients


def of_the_others(x: Array) -> Array:
    """The product of the other numbers of each row."""
    repeated = np.repeat(x[..., None, :], x.shape[-1], axis=-2)
    repeated[..., np.arange(x.shape[-1]), np.arange(x.shape[-1])] = 1
    products: Array = repeated.prod(axis=-1)
    return products


def product_of_a_row(slope: Callable[[Array], Array]) -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return x.prod(axis=-1), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, Unit]:
        return dout[..., None] * slope(x), ()

    return Layer(forward, backward)


def notes(report: Report) -> list[str]:
    """The notes beside right verdicts."""
    assert report.ok, str(report)
    return [verdict.note for verdict in report.verdicts if verdict.note]


NOT_MEANT = "If this x is not meant, let forward refuse it"


def test_a_product_that_is_divided_by_each_number_is_right_but_for_a_note_on_0() -> None:
    divided = reported(product_of_a_row(divided_out), SHARES, law="other_values")
    assert notes(divided) == [f"for x {ZEROS}: it is not finite. {NOT_MEANT}"]
    assert notes(reported(product_of_a_row(of_the_others), SHARES, law="other_values")) == []


def scaled_by(of_scale: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    def forward(scale: Array, x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        return x * scale, (own(x), own(scale), own(x * scale))

    def backward(cache: tuple[Array, Array, Array], dout: Array) -> tuple[Array, Array]:
        x, scale, y = cache
        return dout * scale, (dout * (x if of_scale is kept else y / scale)).sum(axis=0)

    return Layer(forward, backward)


def kept(y: Array, scale: Array) -> Array:
    return y


def test_of_an_x_that_is_computed_from_y_it_cannot_be_told_for_a_scale_of_0() -> None:
    scale = 1 + RNG(2).random(4)
    (verdict,) = reported(scaled_by(np.divide), SHARES - 0.5, scale, law="other_values").undecided
    assert verdict.note == "for parameters with zeros where they had none: it is not finite"
    assert verdict.advice == "If these parameters are not meant, let forward refuse them"
    assert reported(scaled_by(kept), SHARES - 0.5, scale, law="other_values").ok


def distances(centres: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return np.sqrt(((x[:, None] - centres) ** 2).sum(axis=-1)), (own(x), own(centres))


def of_distances(least: float) -> Callable[[tuple[Array, Array], Array], tuple[Array, Array]]:
    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        x, centres = cache
        ways = x[:, None] - centres
        slopes: Array = dout[..., None] * ways / np.maximum(np.sqrt((ways**2).sum(axis=-1, keepdims=True)), least)
        return slopes.sum(axis=1), -slopes.sum(axis=0)

    return backward


def test_a_point_may_be_the_centre_that_its_distance_is_measured_from() -> None:
    centres = RNG(2).standard_normal((3, 5))
    report = reported(Layer(distances, of_distances(0.0)), X, centres, law="other_values")
    assert {verdict.field for verdict in report.undecided} == {"dx", "grads"}
    assert all(
        verdict.note.startswith("for an x with rows of params: it is nan at a kink") for verdict in report.undecided
    )
    assert reported(Layer(distances, of_distances(1e-300)), X, centres, law="other_values").ok


POSITIVE: dict[str, tuple[Map, Map]] = {
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "log": (np.log, lambda x: 1 / x),
    "one and a half": (lambda x: x**1.5, lambda x: 1.5 * np.sqrt(x)),
    "entropy": (lambda x: -x * np.log(x), lambda x: -np.log(x) - 1),
}


@pytest.mark.parametrize("name", POSITIVE)
def test_what_ends_at_0_is_right_on_positive_numbers(name: str) -> None:
    assert said(reported(elementwise(*POSITIVE[name]), 0.1 + SHARES, law="other_values")) == []


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_wrong_where_x_could_be_too_is_a_note(name: str) -> None:
    f, slope, x, words = BEYOND[name]
    (note,) = notes(reported(elementwise(f, slope), x, law="other_values"))
    assert note.startswith(f"{words}: ")
    assert note.endswith(f". {NOT_MEANT}")


@pytest.mark.parametrize("name", ["leaky relu", "its absolute", "relu6"])
def test_beside_shares_that_are_0_it_cannot_be_told(name: str) -> None:
    f, slope, x, words = BEYOND[name]
    some = x.copy()
    some[1, 2] = 0.0
    (verdict,) = reported(elementwise(f, slope), some, law="other_values").undecided
    assert verdict.note.startswith(f"{words}: ")
    assert verdict.advice == NOT_MEANT


WITHIN: dict[str, tuple[Map, Map]] = {
    "log": (np.log, lambda x: 1 / x),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "logit": (lambda x: np.log(x) - np.log1p(-x), lambda x: 1 / x + 1 / (1 - x)),
    "arccos": (np.arccos, lambda x: -1 / np.sqrt(1 - x * x)),
    "a power": (lambda x: np.asarray(x**1.5), lambda x: 1.5 * np.sqrt(x)),
}


@pytest.mark.parametrize("name", WITHIN)
def test_what_has_no_values_there_is_right(name: str) -> None:
    report = reported(elementwise(*WITHIN[name]), 0.1 + 0.8 * SHARES, law="other_values")
    assert report.ok, str(report)


# Ties.


def by_largest(params: Unit, x: Array) -> tuple[Array, tuple[Array, Array]]:
    largest = np.abs(x).max(axis=-1, keepdims=True)
    largest = np.where(largest == 0, 1, largest)
    return x / largest, (own(x), read_only(largest))


def of_all_that_tie(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Unit]:
    x, largest = cache
    return _by_largest(x, largest, dout, np.abs(x) == largest), ()


def of_the_first(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Unit]:
    x, largest = cache
    largest_at: Labels = np.abs(x).argmax(axis=-1)
    first = np.zeros_like(x)
    np.put_along_axis(first, largest_at[..., None], 1, axis=-1)
    return _by_largest(x, largest, dout, first), ()


def _by_largest(x: Array, largest: Array, dout: Array, chosen: Any) -> Array:
    dx: Array = dout / largest - chosen * np.sign(x) * (x * dout).sum(axis=-1, keepdims=True) / largest**2
    return dx


def pooled(params: Unit, x: Array) -> tuple[Array, tuple[Array, Array]]:
    windows = x.reshape(len(x), 2, 2)
    out = windows.max(axis=-1)
    return out, (own(windows), own(out))


def to_all_of_a_window(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Unit]:
    windows, out = cache
    return ((windows == out[..., None]) * dout[..., None]).reshape(len(dout), 4), ()


@pytest.mark.parametrize(
    ("forward", "x", "law"),
    [
        (by_largest, np.array([[2.0, 2, 1]]), "derivative"),
        (by_largest, np.array([[2.0, -2, 1], [1, 0.5, -1]]), "derivative"),
        (by_largest, RNG(0).standard_normal((5, 4)), "other_values"),
        (pooled, np.ones((3, 4)), "derivative"),
        (pooled, 1 + RNG(0).random((3, 4)), "other_values"),
    ],
    ids=["in x", "but for its sign", "elsewhere", "in windows", "in windows elsewhere"],
)
def test_ties_that_are_counted_twice_are_found(forward: Any, x: Array, law: str) -> None:
    backward = of_all_that_tie if forward is by_largest else to_all_of_a_window
    report = reported(Layer(forward, backward), x, law=law)
    assert any("where all entries move alike it is wrong: are ties counted twice?" in each for each in said(report))
    if forward is by_largest:
        assert reported(Layer(by_largest, of_the_first), x, law=law).ok


# Traits.


def softmax(params: Unit, x: Array) -> tuple[Array, Array]:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    out: Array = powers / powers.sum(axis=-1, keepdims=True)
    return out, own(out)


def of_softmax(out: Array, dout: Array) -> tuple[Array, Unit]:
    return out * (dout - (out * dout).sum(axis=-1, keepdims=True)), ()


def summed(params: Unit, x: Array) -> tuple[Array, None]:
    return np.cumsum(x, axis=1), None


def of_summed(cache: None, dout: Array) -> tuple[Array, Unit]:
    return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1].copy(), ()


def one_axis_less(params: Unit, x: Array) -> tuple[Array, tuple[int, ...]]:
    return x.sum(axis=1), x.shape


def of_one_axis_less(shape: tuple[int, ...], dout: Array) -> tuple[Array, Unit]:
    return np.broadcast_to(dout[:, None], shape).copy(), ()


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (Layer(softmax, of_softmax, elementwise=True), X, "elementwise, but out"),
        (Layer(softmax, of_softmax, event_axes=0), X, "event_axes=0, but out"),
        (Layer(summed, of_summed, event_axes=1), RNG(0).standard_normal((3, 5, 4)), "event_axes=1, but out"),
        (
            Layer(one_axis_less, of_one_axis_less, event_axes=1),
            RNG(0).standard_normal((3, 5, 4)),
            "event_axes=1, but out has shape (3, 4) for an x of (3, 5, 4)",
        ),
    ],
    ids=["elementwise", "numbers", "steps", "an axis that goes"],
)
def test_a_trait_that_is_not_so_is_found(layer: Any, x: Array, words: str) -> None:
    (verdict,) = (each for each in reported(layer, x, law="independent_rows").failures if each.field == "out")
    assert verdict.note.startswith(words)


@pytest.mark.parametrize("event_axes", [1, 2])
def test_a_trait_that_is_so_is_right(event_axes: int) -> None:
    x = RNG(0).standard_normal((3, 5, 4))
    assert reported(Layer(softmax, of_softmax, event_axes=event_axes), x, law="independent_rows").ok


def test_gradients_that_are_summed_over_one_axis_of_rows_alone_cannot_be_told() -> None:
    def scaled(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * params, (own(x), own(params))

    def summed_over_the_first(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        return dout * cache[1], (dout * cache[0]).sum(axis=0)

    def summed_over_all(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        return dout * cache[1], (dout * cache[0]).sum(axis=tuple(range(dout.ndim - 1)))

    params = RNG(0).standard_normal(5)
    report = reported(Layer(scaled, summed_over_the_first, event_axes=1), X, params, law="other_sizes")
    (verdict,) = report.undecided
    assert verdict.note == "for x (2, 6, 5), which has two axes of rows: has shape (6, 5), expected (5,)"
    assert reported(Layer(scaled, summed_over_all, event_axes=1), X, params, law="other_sizes").ok
    assert reported(Layer(scaled, summed_over_the_first), X, params, law="other_sizes").ok


# Far out, and written to.


def test_a_parameter_is_tried_far_out() -> None:
    def softened(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * np.logaddexp(0, params), (own(x), own(params))

    def overflowing(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        x, params = cache
        power = np.exp(params)
        return dout * np.logaddexp(0, params), (dout * x).sum(axis=0) * power / (1 + power)

    report = reported(Layer(softened, overflowing), X, RNG(0).standard_normal(5), law="other_values")
    assert any(each.startswith("grads: for params around") and "nan" in each for each in said(report)), str(report)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_dout_whose_square_is_beyond_its_dtype_is_tried(dtype: type[np.floating[Any]]) -> None:
    def by_its_norm(out: Array, dout: Array) -> tuple[Array, Unit]:
        size = np.sqrt((dout * dout).sum(axis=-1, keepdims=True))
        return dout / np.where(size == 0, 1, size).astype(dout.dtype) * size * (1 - out * out), ()

    layer = Layer(lambda params, x: (np.tanh(x), own(np.tanh(x))), by_its_norm)
    report = reported(layer, X.astype(dtype), law="scaled")
    assert any("times what it was" in each for each in said(report)), str(report)


def test_tokens_and_labels_that_are_not_given_are_not_written_to_either() -> None:
    def looked_up(table: Array, tokens: Any) -> tuple[Array, tuple[Any, tuple[int, ...]]]:
        tokens[tokens == 6] = 0
        return table[tokens], (own(tokens), table.shape)

    def added(cache: tuple[Any, tuple[int, ...]], dout: Array) -> Array:
        grads = np.zeros(cache[1], dout.dtype)
        np.add.at(grads, cache[0], dout)
        return grads

    encoder: Any = Encoder(looked_up, added)
    report = reported(encoder, np.array([[0, 1, 2], [3, 4, 5]]), RNG(0).standard_normal((7, 3)), law="other_values")
    assert said(report)[0] == "x: for tokens from 0 to 6: forward wrote to x"

    def rows(out: Array, labels: Any) -> Array:
        if (labels == 3).all():
            labels[:] = 0
        squares: Array = np.square(out[np.arange(len(out)), labels])
        return squares

    def forward(out: Array, labels: Any) -> tuple[Array, tuple[Array, Any]]:
        return np.asarray(rows(out, labels).mean()), (own(out), own(labels))

    def backward(cache: tuple[Array, Any], dloss: Any) -> Array:
        out, labels = cache
        grads = np.zeros_like(out)
        here = np.arange(len(out)), labels
        grads[here] = 2 * out[here] * (dloss / len(out))
        return grads

    loss: Any = Loss(forward, backward, rows)
    report = check_loss(loss, X[:, :4], np.array([0, 1, 2, 1, 0, 2]), rng=RNG(0), only=["loss_targets"])
    assert said(report)[0] == "targets: for labels of 3: a call wrote to targets"


# Parameters and an x that are exactly some number.


def scaled_by_power(power: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return np.abs(x) ** power, (own(x), own(power))


def of_power(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
    x, power = cache
    size = np.where(x == 0, 1, np.abs(x))  # at 0 both are 0
    dx = dout * power * np.sign(x) * size ** (power - 1)
    return dx, np.asarray((dout * size**power * np.log(size)).sum())


@pytest.mark.parametrize(("power", "special"), [(2.7, 2.0), (0.3, 0.5), (-0.3, -2.0)])
def test_a_parameter_of_one_number_is_tried_where_formulas_are_others(power: float, special: float) -> None:
    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        dx, dpower = of_power(cache, dout)
        return (0.5 * dx if cache[1] == special else dx), dpower

    x = 0.5 + RNG(0).random((5, 4))
    report = reported(Layer(scaled_by_power, backward), x, np.array(power), law="other_values")
    assert said(report)[0].startswith(f"dx: for params of {special:g}: "), str(report)
    assert reported(Layer(scaled_by_power, of_power), x, np.array(power), law="other_values").ok


def test_parameters_that_are_all_equal_are_tried_though_all_have_one_sign() -> None:
    def scaled(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * params, (own(x), own(params))

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        x, params = cache
        return dout * params * (0.5 if np.ptp(params) == 0 else 1), (dout * x).sum(axis=0)

    report = reported(Layer(scaled, backward), X, -1 - RNG(0).random(5), law="other_values")
    assert said(report)[0].startswith("dx: for params of equal numbers: "), str(report)


def test_an_x_of_ones_is_tried_where_all_of_it_is_positive() -> None:
    def slope(x: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.where(x == 1, 0.0, 1 / x)  # log has a slope of 1 there

    report = reported(elementwise(np.log, slope), 0.5 + SHARES, law="other_values")
    assert said(report)[0].startswith("dx: for x of ones: "), str(report)
