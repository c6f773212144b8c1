"""A fault is said first and in its own words; what follows from it does not say something else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Report, check_layer, check_optimizer, own
from untyped import untyped

RNG = np.random.default_rng(1)
X: Array = RNG.standard_normal((5, 3))
PARAMS = {"W": RNG.standard_normal((3, 4)), "b": np.zeros(4)}


def forward(params: Any, x: Array) -> tuple[Array, Any]:
    """`x W + b`."""
    return x @ params["W"] + params["b"], (own(x), params["W"])


def with_db(db: Callable[[Array], Array]) -> Report:
    """The report on the layer whose gradient of b is a function of dout."""

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, W = cache
        return dout @ W.T, {"W": x.T @ dout, "b": db(dout)}

    return check_layer(Layer(forward, backward), PARAMS, X, rng=np.random.default_rng(0))


def test_that_dout_is_ignored_comes_before_what_follows_from_it() -> None:
    report = with_db(lambda dout: np.ones_like(dout).sum(0))
    first, second, *rest = report.failures
    assert (first.law, first.note) == ("linearity", "it is the same for every dout: was dout ignored?")
    assert second.law == "derivative"
    assert {"scaled", "nan_shows"} <= {each.law for each in rest}


def test_a_factor_that_a_wrong_gradient_has_elsewhere_alone_is_not_asked_about() -> None:
    report = with_db(lambda dout: dout[0].copy())  # for a dout of ones the first row is the mean of all
    assert {each.law for each in report.failures} >= {"derivative", "other_values", "any_dout"}
    assert not any("a mean for a sum?" in each.note or "was it computed?" in each.note for each in report.failures)


def test_a_factor_that_it_has_as_given_is_asked_about_elsewhere_too() -> None:
    report = with_db(lambda dout: dout.mean(0))
    asked = {each.law for each in report.failures if each.note.endswith("a mean for a sum?")}
    assert {"derivative", "other_values", "any_dout"} <= asked


def test_an_x_that_is_written_to_is_not_called_kept() -> None:
    def doubled(params: Any, x: Array) -> tuple[Array, Any]:
        if x.flags.writeable:
            x *= 2
            return x.copy(), ()
        return 2 * x, ()

    layer = Layer(doubled, lambda cache, dout: (2 * dout, ()))
    report = check_layer(layer, (), X, rng=np.random.default_rng(0))
    assert [(each.law, each.field) for each in report.failures] == [("arguments_unchanged", "x")]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_step_that_does_not_return_parameters_and_state_is_told_so(*, swapped: bool) -> None:
    class Steps:
        def init(self, params: Any) -> Any:
            return {"steps": 0}

        def step(self, state: Any, params: Any, grads: Any) -> Any:
            new = {key: param - 0.1 * grads[key] for key, param in params.items()}
            return ({"steps": state["steps"] + 1}, new) if swapped else new["W"]

    params = {"W": np.ones((3, 2)), "b": np.zeros(2)}
    (verdict,) = check_optimizer(untyped(Steps()), params, params, rng=np.random.default_rng(0)).failures
    assert (verdict.law, verdict.field) == ("step_structure", "call")
    got = "(state, params)" if swapped else "f64[3, 2]"
    assert verdict.note == f"raised TypeError: step must return (params, state), got {got}"


def test_swapped_arrays_and_numbers_are_told_apart_too() -> None:
    class Counts:
        def init(self, params: Array) -> int:
            return 0

        def step(self, state: int, params: Array, grads: Array) -> Any:
            return state + 1, params - 0.1 * grads

    report = check_optimizer(untyped(Counts()), X, X, rng=np.random.default_rng(0))
    (verdict,) = report.failures
    assert verdict.note == "raised TypeError: step must return (params, state), got (state, params)"


def test_an_error_names_the_line_of_the_author_and_none_of_the_check() -> None:
    def backward(cache: Any, dout: Array) -> Any:
        raise np.linalg.LinAlgError("no") if cache is None else ValueError("never")

    line = backward.__code__.co_firstlineno + 1
    (verdict,) = check_layer(
        Layer(lambda params, x: (2 * x, None), backward), (), X, rng=np.random.default_rng(0)
    ).failures
    assert verdict.note == f"raised LinAlgError: no (backward, line {line})"

    def dx_alone(cache: Any, dout: Array) -> Any:
        return 2 * dout

    alone = Layer(lambda params, x: (2 * x, ()), dx_alone)
    report = check_layer(alone, (), X, rng=np.random.default_rng(0))
    (verdict,) = report.failures
    assert verdict.note == "raised TypeError: backward must return (dx, grads) with an array for dx, got f64[5, 3]"
    assert report.example.endswith("print(type(backward(cache, dout)).__name__, 'tuple')")


def test_an_error_of_a_function_of_numpy_names_the_line_that_called_it() -> None:
    def solved(params: Any, x: Array) -> tuple[Array, Any]:
        return np.linalg.inv(np.zeros((2, 2))) * x.sum(), ()

    line = solved.__code__.co_firstlineno + 1
    layer = Layer(solved, lambda cache, dout: (dout, ()))
    (verdict,) = check_layer(layer, (), X, rng=np.random.default_rng(0)).failures
    assert verdict.note == f"raised LinAlgError: Singular matrix (solved, line {line})"


def test_of_a_clipped_dout_the_numbers_that_came_are_shown() -> None:
    layer = Layer(lambda params, x: (2 * x, ()), lambda cache, dout: (2 * np.clip(dout, -8, 8), ()))
    report = check_layer(layer, (), X, rng=np.random.default_rng(0))
    (verdict,) = (each for each in report.failures if each.law == "scaled")
    assert abs(verdict.got) == 16
    assert np.sign(verdict.expected) == np.sign(verdict.got)
    assert abs(verdict.expected) > 1e6


@pytest.mark.parametrize("seed", [0, 1, 9])
def test_of_a_dout_of_some_rows_it_is_not_said_that_the_other_rows_are_right(seed: int) -> None:
    def norm(params: Any, x: Array) -> tuple[Array, Any]:
        scale = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        normal = scale * (x - x.mean(-1, keepdims=True))
        return params * normal, (normal.copy(), scale, params)

    def without_the_last_term(cache: Any, dout: Array) -> tuple[Array, Any]:
        normal, scale, weight = cache
        slope = dout * weight
        return scale * (slope - slope.mean(-1, keepdims=True)), (dout * normal).sum(0)

    layer, x = Layer(norm, without_the_last_term), np.random.default_rng(seed).standard_normal((5, 6))
    (verdict,) = check_layer(layer, np.ones(6), x, rng=np.random.default_rng(0), only=["any_dout"]).failures
    assert verdict.note in {"for dout mostly of zeros", "for dout of one entry, (4, 5)", "for dout of row 0 alone"}


def test_a_sum_over_all_calls_is_called_kept_before_it_hides_dout() -> None:
    sums = {"W": np.zeros((3, 4))}

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, W = cache
        sums["W"] = sums["W"] + x.T @ dout
        return dout @ W.T, {"W": sums["W"].copy(), "b": dout.sum(0)}

    first, *_ = check_layer(Layer(forward, backward), PARAMS, X, rng=np.random.default_rng(0)).failures
    assert (first.law, first.field) == ("process_unchanged", "the first call")
    assert first.note == "the first call gives other numbers than the next: is something kept?"
