"""At kinks, where forward oscillates or jumps, and where numbers are not finite: what a report may and may not say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Layer,
    Loss,
    Report,
    Unit,
    affine,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    laws,
    mean_squared_error,
    own,
    relu,
    sequential,
    sgd,
    softmax_cross_entropy,
    tanh,
)

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

Function = Callable[[Any], Any]
where: Any = np.where
"""Without its many types."""
AT_X = ["derivative", "other_values", "other_sizes", "any_dout"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pointwise(f: Function, slope: Function) -> Layer[Unit, Array]:
    """A function of each number alone, with a slope of one's own."""

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return f(x).astype(x.dtype), own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return (dout * slope(cache)).astype(dout.dtype), ()

    return Layer(forward, backward)


def normal(*shape: int, seed: int = 1) -> Array:
    return rng(seed).standard_normal(shape)


def with_zeros() -> Array:
    x = normal(4, 3)
    x[[0, 2], [1, 2]] = 0.0
    return x


# Kinks.


def leaky(at_0: float) -> Layer[Unit, Array]:
    """Slopes 1 and 0.25, and one of one's own at 0."""
    return pointwise(lambda x: where(x > 0, x, 0.25 * x), lambda x: where(x > 0, 1.0, where(x < 0, 0.25, at_0)))


@pytest.mark.parametrize("at_0", [0.0, 0.2, 1.05, -1.0])
def test_a_number_outside_of_the_slopes_to_both_sides_is_wrong_and_its_entry_is_named(at_0: float) -> None:
    (found,) = check_layer(leaky(at_0), (), with_zeros(), rng=rng(), only=["derivative"]).failures
    assert found.index in {(0, 1), (2, 2)}
    assert found.got / found.expected == pytest.approx(at_0 / (0.25 if at_0 < 0.25 else 1.0))


def test_at_a_kink_it_is_said_that_there_is_one_and_which_numbers_would_be_right() -> None:
    doubled_at_0 = pointwise(np.abs, lambda x: where(x == 0, 2.0, np.sign(x)))
    for only, words in (("derivative", ""), ("other_values", "for x "), ("any_dout", "for dout ")):
        x = normal(4, 3) if only == "other_values" else with_zeros()
        (found,) = check_layer(doubled_at_0, (), x, rng=rng(), only=[only]).failures
        place = f"[{found.index[0]}, {found.index[1]}]"
        before, numbers = found.note.split(f"x{place} = 0 is at a kink: every dx{place} from ")
        low, high = map(float, numbers.removesuffix(" would be right").split(" to "))
        assert before.startswith(words)
        assert low == pytest.approx(-high)
        assert found.expected == pytest.approx(found.got / 2) == pytest.approx(high if found.got > 0 else low, rel=1e-5)


def test_where_it_is_twice_elsewhere_too_the_kink_is_not_blamed() -> None:
    doubled = pointwise(np.abs, lambda x: where(x == 0, 2.0, 2 * np.sign(x)))
    (found,) = check_layer(doubled, (), with_zeros(), rng=rng(), only=["derivative"]).failures
    assert found.note == "it is twice what it should be: is it added twice, or from an earlier call?"


@pytest.mark.parametrize("at_0", [0.25, 0.5, 1.0])
def test_a_number_between_them_is_right(at_0: float) -> None:
    report = check_layer(leaky(at_0), (), with_zeros(), rng=rng())
    assert report.ok, str(report)


def test_zeros_that_only_other_values_has_are_at_the_kink_too() -> None:
    report = check_layer(leaky(0.0), (), normal(4, 3), rng=rng(), only=["derivative", "other_values"])
    assert [each.law for each in report.failures] == ["other_values"], str(report)


def distance(at_target: float) -> Loss[Array, Any]:
    """The mean of |out - target|, with a slope of one's own where a target is met."""

    def forward(out: Array, targets: Array) -> tuple[Any, Any]:
        gap = out - targets.astype(out.dtype)
        return np.abs(gap).mean(), own(gap)

    def backward(gap: Array, dloss: Any) -> Array:
        slopes: Array = where(gap == 0, at_target, np.sign(gap)) * dloss / gap.size
        dout: Array = slopes.astype(gap.dtype)
        return dout

    def rows(out: Array, targets: Array) -> Any:
        return np.abs(out - targets.astype(out.dtype)).mean(axis=-1)

    return Loss(forward, backward, rows)


@pytest.mark.parametrize(("at_target", "ok"), [(2.0, False), (-1.5, False), (1.0, True), (-1.0, True), (0.0, True)])
def test_a_loss_is_held_to_the_slopes_of_its_sides_though_rounding_of_out_changes_the_side(
    at_target: float, ok: bool
) -> None:
    out, targets = normal(5, 3), normal(5, 3, seed=2)
    targets[:, 1] = out[:, 1]
    report = check_loss(distance(at_target), out, targets, rng=rng(), only=["loss_derivative"])
    assert report.ok == ok, str(report)
    assert all(each.index[1] == 1 for each in report.failures)


HIDDEN = sequential(affine, relu, affine)


def hidden(seed: int) -> Any:
    """Parameters with biases of 0, as most networks begin."""
    generator = rng(seed)
    first, last = (Affine.init(generator, *sizes, dtype=np.float64) for sizes in ((4, 6), (6, 2)))
    return Affine(first.W, np.zeros(6)), (), Affine(last.W, np.zeros(2))


def test_where_several_kinks_meet_nothing_is_wrong_and_what_cannot_be_told_is_said_with_its_remedy() -> None:
    only = [
        law for law in AT_X if law != "other_sizes"
    ]  # which meets kinks at sixty sizes, and takes ten times as long
    undecided = [
        each
        for seed in range(2)
        for each in _not_wrong(check_layer(HIDDEN, hidden(seed), np.zeros((5, 4)), rng=rng(seed), only=only)).undecided
    ]
    assert undecided
    for each in undecided:
        assert "several kinks of forward meet here, such as ReLU's at 0" in each.note
        assert f"move {'x' if each.field == 'dx' else 'params[0]'}" in each.note


def _not_wrong(report: Report) -> Report:
    assert not report.failures, str(report)
    return report


def test_where_several_kinks_meet_the_other_fields_are_judged() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, (first, none, last) = HIDDEN.backward(cache, dout)
        return dx, (first, none, Affine(last.W, 2 * last.b))

    doubled = Layer(HIDDEN.forward, backward)
    report = check_layer(doubled, hidden(0), np.zeros((5, 4)), rng=rng(), only=["derivative"])
    assert {each.field for each in report.failures} == {"grads[2].b"}


def test_the_gradient_of_a_network_is_decided_along_a_direction_where_all_entries_are_at_a_kink() -> None:
    generator = rng(3)
    first, last = (Affine.init(generator, *sizes, dtype=np.float64) for sizes in ((4, 1), (1, 2)))
    params = Affine(first.W, np.zeros(1)), (), Affine(last.W, np.zeros(2))
    report = check_network(
        HIDDEN, mean_squared_error, params, np.zeros((3, 4)), np.ones((3, 2)), rng=rng(), only=["network_gradient"]
    )
    assert report.ok, str(report)
    assert "grads[0].b" in {each.field for each in report.verdicts}


# Oscillations and jumps.


def fast(k: float) -> dict[str, Layer[Unit, Array]]:
    return {
        "|sin|": pointwise(lambda x: np.abs(np.sin(k * x)), lambda x: k * np.cos(k * x) * np.sign(np.sin(k * x))),
        "sin": pointwise(lambda x: np.sin(k * x), lambda x: k * np.cos(k * x)),
        "relu of sin": pointwise(
            lambda x: np.maximum(np.sin(k * x), 0), lambda x: k * np.cos(k * x) * (np.sin(k * x) > 0)
        ),
        "a ripple": pointwise(lambda x: x + 1e-3 * np.sin(k * x), lambda x: 1 + 1e-3 * k * np.cos(k * x)),
        "a saw": pointwise(lambda x: k * x - np.floor(k * x), lambda x: k + 0 * x),
    }


@pytest.mark.parametrize("k", [1e4, 1e6, 1e9])
@pytest.mark.parametrize("name", fast(1.0))
def test_what_oscillates_or_jumps_faster_than_the_steps_is_never_wrong(name: str, k: float) -> None:
    for seed in range(2):
        _not_wrong(check_layer(fast(k)[name], (), normal(4, 3, seed=seed), rng=rng(seed), only=AT_X))


def test_of_what_no_step_can_differentiate_it_is_said_so() -> None:
    report = check_layer(fast(1e9)["|sin|"], (), normal(4, 3), rng=rng(), only=["any_dout"])
    assert [each.law for each in report.undecided] == ["any_dout"], str(report)
    assert "oscillates faster than the steps" in report.undecided[0].note


def test_where_it_oscillates_within_the_steps_a_wrong_factor_is_still_found() -> None:
    twice = pointwise(lambda x: np.sin(1e3 * x), lambda x: 2e3 * np.cos(1e3 * x))
    assert check_layer(twice, (), normal(4, 3), rng=rng(), only=["derivative"]).failures


ROOT: dict[str, Layer[Unit, Array]] = {
    "|x|^1.5": pointwise(lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sqrt(np.abs(x)) * np.sign(x)),
    "x |x|": pointwise(lambda x: x * np.abs(x), lambda x: 2 * np.abs(x)),
    "the cube root, of infinite slope at 0": pointwise(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "x^2 sin(1/x), which has a derivative at 0": pointwise(
        lambda x: x * x * np.sin(1 / where(x == 0, 1, x)),
        lambda x: where(x == 0, 0, 2 * x * np.sin(1 / where(x == 0, 1, x)) - np.cos(1 / where(x == 0, 1, x))),
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the slope of the root divides by 0
@pytest.mark.parametrize("name", ROOT)
def test_odd_points_at_zero_are_right(name: str) -> None:
    report = check_layer(ROOT[name], (), with_zeros(), rng=rng(), only=[*AT_X, "linearity"])
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_a_straight_through_estimator_is_right_if_declared_and_wrong_if_not(seed: int) -> None:
    estimator = pointwise(np.floor, np.ones_like)
    assert check_layer(estimator, (), normal(4, 3), rng=rng(seed), surrogate=True).ok
    assert check_layer(estimator, (), normal(4, 3), rng=rng(seed), only=["derivative"]).failures


@pytest.mark.parametrize("seed", [5, 10, 20, 29, 56, 67])
def test_a_staircase_has_no_slope_far_out_where_steps_go_over_many_stairs(seed: int) -> None:
    stairs = pointwise(lambda x: np.floor(10 * x) / 10, np.zeros_like)
    x = np.random.default_rng(0).standard_normal((5, 4))
    verdicts = laws.other_values(stairs, (), x, rng(seed))
    assert all(verdict.ok for verdict in verdicts), str(verdicts)


def test_what_stands_still_as_given_and_moves_elsewhere_has_a_slope_there() -> None:
    without = pointwise(lambda x: np.maximum(np.abs(x) - 5, 0), np.zeros_like)
    assert all(verdict.ok for verdict in laws.derivative(without, (), normal(4, 3), rng()))
    (verdict,) = laws.other_values(without, (), normal(4, 3), rng())
    assert not verdict.ok


# Numbers that are not finite.


def spoiled(array: Array, value: float) -> Array:
    bad = array.copy()
    bad[1, 2] = value
    return bad


@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_an_argument_that_is_not_finite_is_named_and_nothing_is_wrong(value: float, word: str) -> None:
    params, x, labels = Affine.init(rng(), 4, 3, dtype=np.float64), normal(5, 4), np.array([0, 1, 2, 3, 0])
    reports = {
        "x": check_layer(affine, params, spoiled(x, value), rng=rng()),
        "params.W": check_layer(affine, Affine(spoiled(params.W, value), params.b), x, rng=rng()),
        "targets": check_loss(mean_squared_error, x, spoiled(x, value), rng=rng()),
        "grads": check_optimizer(sgd(0.1), x, spoiled(x, value), rng=rng()),
    }
    if value != -np.inf:  # whose probability is 0
        reports["out"] = check_loss(softmax_cross_entropy, spoiled(x, value), labels, rng=rng())
    for name, report in reports.items():
        assert not report.ok
        assert not report.failures, str(report)
        assert [each.field for each in report.undecided] == [name]
        assert f"there is {word} in {name}[1, 2]: " in report.undecided[0].note


def test_a_network_whose_targets_are_not_finite_is_told_so() -> None:
    targets = np.ones((5, 2))
    targets[3, 1] = np.nan
    report = check_network(
        HIDDEN, mean_squared_error, hidden(0), normal(5, 4), targets, rng=rng(), only=["network_gradient"]
    )
    assert not report.failures
    assert "nan in targets[3, 1]" in report.undecided[-1].note


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the infinities in between
def test_what_is_not_finite_and_gives_finite_results_is_judged() -> None:
    assert check_layer(tanh, (), spoiled(normal(5, 4), np.inf), rng=rng(), only=["derivative", "linearity"]).ok


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the logarithm
def test_a_forward_that_is_not_finite_is_named_as_that() -> None:
    x = np.abs(normal(4, 3))
    x[2, 1] = -1.0
    report = check_layer(pointwise(np.log, lambda x: 1 / x), (), x, rng=rng())
    assert not report.failures, str(report)
    assert [each.note for each in report.undecided] == ["forward gives nan in out[2, 1]"]


# What is right with arrays without axes.


def test_numpys_scalars_are_taken_for_arrays_without_axes() -> None:
    sine = Layer(lambda params, x: (np.sin(x), own(x)), lambda x, dout: (np.cos(x) * dout, ()), event_axes=0)
    report = check_layer(sine, (), np.array(0.3), rng=rng())
    assert report.ok, str(report)


def test_any_dout_is_judged_beside_kinks_where_it_cannot_be_at_them() -> None:
    for seed in range(5):
        verdicts = laws.any_dout(HIDDEN, hidden(seed), np.zeros((5, 4)), rng(seed))
        assert all(each.ok for each in verdicts)


def first_median() -> Layer[Unit, Any]:
    """The value in the middle, whose gradient goes to one of equal ones."""

    def forward(params: Unit, x: Array) -> tuple[Array, Any]:
        middle = np.argsort(x, axis=-1, kind="stable")[:, x.shape[1] // 2, None]
        return np.take_along_axis(x, middle, axis=-1), own((x, middle))

    def backward(cache: Any, dout: Array) -> tuple[Array, Unit]:
        x, middle = cache
        return where(np.arange(x.shape[1]) == middle, dout, dout.dtype.type(0)), ()

    return Layer(forward, backward)


@pytest.mark.parametrize("seed", range(8))
def test_of_equal_values_any_one_may_be_the_median(seed: int) -> None:
    x = normal(5, 5, seed=seed)
    x[rng(seed).random((5, 5)) < 0.4] = 0.0
    _not_wrong(check_layer(first_median(), (), x, rng=rng(seed), only=AT_X))


@pytest.mark.parametrize("distance_to_bend", [1e-3, 2e-5, 1.9e-5, 1e-6, 1e-8])
def test_close_to_a_bend_of_the_slope_the_error_of_differences_is_no_error_of_the_gradient(
    distance_to_bend: float,
) -> None:
    squared_hinge = pointwise(lambda x: np.maximum(1 - x, 0) ** 2, lambda x: -2 * np.maximum(1 - x, 0))
    x = np.full((4, 3), 1 - distance_to_bend) + normal(4, 3) * distance_to_bend / 10
    _not_wrong(check_layer(squared_hinge, (), x, rng=rng(), only=["derivative"]))


KINKS_ELSEWHERE: dict[str, tuple[Function, Function, Function]] = {
    "relu6": (lambda x: x.clip(0, 6), lambda x: (x > 0) & (x < 6), lambda x: where(x == 6, -1, (x > 0) & (x < 6))),
    "hard sigmoid": (
        lambda x: (x / 6 + 0.5).clip(0, 1),
        lambda x: (abs(x) < 3) / 6,
        lambda x: where(abs(x) == 3, -1, (abs(x) < 3) / 6),
    ),
    "softshrink": (
        lambda x: np.sign(x) * (abs(x) - 0.5).clip(0),
        lambda x: abs(x) > 0.5,
        lambda x: where(abs(x) == 0.5, 3, abs(x) > 0.5),
    ),
}
"""Activations, their slopes, and slopes that are wrong at their kinks alone."""


@pytest.mark.parametrize("name", KINKS_ELSEWHERE)
@pytest.mark.parametrize("seed", range(3))
def test_kinks_at_halves_and_whole_numbers_are_looked_at(name: str, seed: int) -> None:
    f, slope, wrong = KINKS_ELSEWHERE[name]
    x = normal(6, 4)
    report = check_layer(pointwise(f, slope), (), x, rng=rng(seed), only=AT_X)
    assert report.ok, str(report)
    report = check_layer(pointwise(f, wrong), (), x, rng=rng(seed), only=AT_X)
    assert [(each.law, each.field) for each in report.failures] == [("other_values", "dx")], str(report)
    assert "is at a kink" in report.failures[0].note


@pytest.mark.parametrize("most", [200.0, 1e3, 1e4])
def test_a_slope_is_that_of_the_function_far_out_too(most: float) -> None:
    layer = pointwise(lambda x: 2 * x, lambda x: where(abs(x) > most, 0, 2))
    report = check_layer(layer, (), normal(6, 4), rng=rng(), only=AT_X)
    assert [(each.law, each.field) for each in report.failures] == [("other_values", "dx")], str(report)


def test_a_slope_beside_a_kink_that_is_0_but_for_rounding_is_called_0() -> None:
    x = np.random.default_rng(5).standard_normal((6, 5))
    x[2, 3] = 0.3

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * np.where(cache > 0.3, 1.0, np.where(cache == 0.3, 2.0, 0.0)), ()

    layer = Layer(lambda p, x: (np.maximum(x - 0.3, 0.0), own(x)), backward)
    (wrong,) = check_layer(layer, (), x, rng=np.random.default_rng(0), only=["derivative"]).failures
    assert "x[2, 3] = 0.3 is at a kink: every dx[2, 3] from " in wrong.note
    assert " from 0 to " in wrong.note or wrong.note.endswith(" to 0 would be right")
