import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Affine, Array, Labels, rules, sgd, tree
from chainrule.optimizer import State
from chainrule.rules.optimizers import BLOCK_ENTRIES, ArrayOptimizer
from strategies import Floating, all_dtypes, generators, normal, sides
from untyped import untyped

ONE = np.ones(1)


def step_of(optimizer: ArrayOptimizer, params: Any, grads: Any) -> Any:
    """The first step."""
    return optimizer.step(optimizer.init(params), params, grads)


@given(rng=generators, n=sides, dtype=all_dtypes, rate=st.floats(0, 4))
def test_one_step_is_the_published_update(rng: np.random.Generator, n: int, dtype: Floating, rate: float) -> None:
    p, g = normal(rng, n, 3, dtype=dtype), normal(rng, n, 3, dtype=dtype)
    optimizer = sgd(rate)
    stepped, state = optimizer.step(optimizer.init(p), p, g)
    np.testing.assert_array_equal(stepped, p - dtype(rate) * g)
    assert stepped.dtype == dtype
    assert (int(state.count), state.moments) == (1, ())


def test_a_large_array_is_stepped_whole() -> None:
    p = normal(np.random.default_rng(0), BLOCK_ENTRIES + 1)
    np.testing.assert_array_equal(step_of(sgd(0.5), p, p)[0], p / 2)


@pytest.mark.parametrize("optimizer", [sgd(0.5), sgd(0.5, momentum=0.5)], ids=repr)
def test_a_gradient_of_one_number_may_be_a_scalar_of_numpy(optimizer: ArrayOptimizer) -> None:
    stepped, state = step_of(optimizer, np.array(3.0), np.float64(2.0))
    assert (type(stepped), stepped.shape, float(stepped)) == (np.ndarray, (), 2.0)
    assert (state.count.dtype.kind, int(state.count)) == ("i", 1)
    assert optimizer.init(np.array(3.0)).count.dtype == np.int64


def test_a_step_without_factor_adds_the_gradient_and_leaves_it_alone() -> None:
    optimizer, grads = rules.optimizer("sum", None, 0.0), np.array([2.0])
    assert step_of(optimizer, np.array([3.0]), grads)[0].tolist() == [5.0]
    assert grads.tolist() == [2.0]


def test_a_rate_of_another_library_takes_the_dtype_of_the_parameter() -> None:
    strict: Any = import_module("array_api_strict")
    seen: list[Any] = []

    def rate(count: Any) -> Any:
        seen.append(count)
        return strict.astype(count, strict.float64) / 4

    param = strict.ones(3, dtype=strict.float32)
    stepped, state = sgd(rate).step(State(strict.asarray(2), ()), param, param)
    assert (stepped.dtype, float(stepped[0]), int(state.count)) == (strict.float32, 0.5, 3)
    assert [int(count) for count in seen] == [2]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_is_no_array_of_floats_is_refused_in_full(share: float) -> None:
    p, optimizer = np.ones(3), sgd(0.1, momentum=share)
    state = untyped(optimizer.init(p))
    masked = np.ma.masked_array(p)
    hint = "must be a plain array, got MaskedArray: convert it with np.asarray"
    for params, grads, message in (
        (
            np.ones(3, int),
            np.ones(3, int),
            "sgd: the parameter is int64, not floating-point: convert it first, e.g. with .astype(np.float32)",
        ),
        (masked, p, f"sgd: the parameter {hint}"),
        (p, masked, f"the parameter beside sgd: the parameter {hint}"),
        (p, p.astype(np.float32), "sgd: the gradient f32[3] must have the dtype of its parameter f64[3]"),
    ):
        beside = optimizer.init(p) if params.dtype.kind == "f" else State(state.count, (params,) * len(state.moments))
        with pytest.raises(TypeError) as caught:
            optimizer.step(untyped(beside), untyped(params), untyped(grads))
        assert str(caught.value) == message
    with pytest.raises(TypeError) as caught:
        optimizer.step(untyped(()), p, p)
    assert str(caught.value) == "sgd: the state must be what init(params) gives, got a tuple of 0"


def test_an_error_of_the_update_itself_is_passed_on() -> None:
    def update(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
        raise ValueError("not today")

    for moments in (0, 1):
        optimizer = rules.optimizer("lazy", update, 0.5, moments=moments)
        with pytest.raises(ValueError, match="not today") as caught:
            step_of(optimizer, (np.ones(1),), (np.ones(1),))
        assert str(caught.value) == "not today"


def test_the_path_on_the_books_valley_by_hand() -> None:
    # f = x^2 / 20 + y^2 from (-7, 2) at rate 0.95: x shrinks by 0.905 a step, y by -0.9.
    at, optimizer = np.array([-7.0, 2.0]), sgd(0.95)
    state = optimizer.init(at)
    for _ in range(30):
        at, state = optimizer.step(state, at, np.array([at[0] / 10, 2 * at[1]]))
    np.testing.assert_allclose(at, [-7 * 0.905**30, 2 * (-0.9) ** 30], rtol=1e-13)  # 30 steps of two roundings


@pytest.mark.parametrize(
    ("nesterov", "path"), [(False, [9.5, 8.75, 9.375]), (True, [9.25, 8.375, 9.6875])], ids=["Polyak", "Nesterov"]
)
def test_momentum_by_hand(nesterov: bool, path: list[float]) -> None:
    # Of the gradients 1, 1 and -2 half of the velocity is left: it is 1, 1.5 and -1.25.
    optimizer = sgd(0.5, momentum=0.5, nesterov=nesterov)
    at = np.array([10.0])
    state = optimizer.init(at)
    for grad, velocity, place in zip((1.0, 1.0, -2.0), (1.0, 1.5, -1.25), path, strict=True):
        at, state = optimizer.step(state, at, np.array([grad]))
        assert (at.tolist(), state.moments[0].tolist()) == ([place], [velocity])
    assert repr(optimizer) == ("sgd(0.5, momentum=0.5, nesterov=True)" if nesterov else "sgd(0.5, momentum=0.5)")


def test_momentum_is_polyaks_unless_nesterovs_is_asked_for() -> None:
    assert sgd(0.5, momentum=0.5) == sgd(0.5, 0.5, False) != sgd(0.5, 0.5, True)


@pytest.mark.parametrize("rate", [np.float64(0.1), np.float32(0.1), np.array(0.1)])
def test_no_kind_of_rate_promotes_float32(rate: Any) -> None:
    stepped, _ = step_of(sgd(rate), np.ones(3, np.float32), np.ones(3, np.float32))
    assert stepped.dtype == np.float32


def test_arguments_are_left_alone_and_results_are_fresh() -> None:
    params, grads = Affine(np.ones((3, 2)), np.zeros(2)), Affine(np.ones((3, 2)), np.ones(2))
    stepped, _ = step_of(sgd(0.5), params, grads)
    assert tree.equal(params, Affine(np.ones((3, 2)), np.zeros(2)))
    assert tree.equal(stepped, Affine(np.full((3, 2), 0.5), np.full(2, -0.5)))
    assert not any(np.shares_memory(a, b) for a in tree.leaves(stepped) for b in tree.leaves((params, grads)))
    assert tree.equal(stepped, step_of(sgd(0.5), params, grads)[0])


def test_rate_zero_and_gradient_zero_change_nothing() -> None:
    p = normal(np.random.default_rng(0), 5)
    assert tree.equal(step_of(sgd(0), p, p)[0], p)
    assert tree.equal(step_of(sgd(0.1), p, np.zeros(5))[0], p)


def test_optimizers_are_values() -> None:
    assert sgd(0.1) == sgd(0.1)
    assert hash(sgd(0.1)) == hash(sgd(0.1))
    assert sgd(0.1) not in {sgd(0.2), sgd(0.1, momentum=0.9)}
    assert sgd(0.1).learning_rate == 0.1
    assert repr(sgd(0.1)) == "sgd(0.1)"
    assert repr(sgd(0.1, momentum=0.9)) == "sgd(0.1, momentum=0.9)"


def halving(count: Labels) -> float:
    return 0.5 ** int(count)


def test_a_schedule_shows_its_name_and_tells_optimizers_apart() -> None:
    assert repr(sgd(halving)) == "sgd(halving)"
    assert repr(sgd(halving, momentum=0.5)) == "sgd(halving, momentum=0.5)"
    assert sgd(halving) == sgd(halving) != sgd(0.5)
    assert len({hash(sgd(rate)) for rate in (0.1, 0.2, 0.3, halving)}) > 1  # or sets of them would be lists


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"momentum": 1}, ValueError, "sgd: momentum must be a finite number in [0, 1), got 1.0"),
        ({"momentum": -0.5}, ValueError, "sgd: momentum must be a finite number in [0, 1), got -0.5"),
        ({"momentum": "0.5"}, TypeError, "sgd: momentum must be a number, got str"),
        ({"nesterov": True}, ValueError, "sgd: nesterov=True needs a momentum > 0, got 0"),
        ({"momentum": 0.9, "nesterov": "no"}, TypeError, "sgd: nesterov must be True or False, got str"),
        ({"nesterov": 0}, TypeError, "sgd: nesterov must be True or False, got int"),
    ],
)
def test_bad_momentum(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        sgd(0.1, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("rate", [-1, -1e-9, np.nan, np.inf])
def test_bad_rates(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"learning_rate must be a finite number >= 0, got {float(rate)}"):
        sgd(rate)


@pytest.mark.parametrize(
    ("rate", "got"),
    [
        ("0.1", "str"),
        (np.str_("0.1"), "<U3[]"),
        (None, "NoneType"),
        ([0.1], "list"),
        (1j, "complex"),
        (ONE, "f64[1]"),
        (np.True_, "bool[]"),
        (np.array(True), "bool[]"),
    ],
)
def test_rates_that_are_no_numbers(rate: Any, got: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"sgd: learning_rate must be a number, got {got}")):
        sgd(rate)


def test_gradients_that_do_not_fit_are_refused_and_named() -> None:
    params = (Affine(np.ones((3, 2)), np.zeros(2)), ())
    wrong = tree.map(lambda leaf: leaf[:1], params)
    with pytest.raises(ValueError, match=re.escape("the gradient f64[1, 2] must have the shape of")) as caught:
        step_of(sgd(0.1), params, wrong)
    assert caught.value.__notes__ == ["at [0].W"]
    with pytest.raises(
        TypeError, match=re.escape("the gradient f32[3, 2] must have the dtype of its parameter f64[3, 2]")
    ):
        step_of(sgd(0.1), params, tree.map(lambda leaf: leaf.astype(np.float32), params))
    with pytest.raises(ValueError, match="trees differ at the root: a tuple of 2 and a tuple of 1"):
        step_of(sgd(0.1), params, untyped(params[:1]))
    inner = (params, ())
    with pytest.raises(ValueError, match=r"trees differ at \[0\]: a tuple of 2 and a tuple of 1"):
        step_of(sgd(0.1), inner, untyped((params[:1], ())))


@pytest.mark.parametrize(("rate", "grad"), [(3e38, 1e3), (1e39, 1.0), (0.1, 5e-39)])
def test_beyond_the_dtype_it_is_silent_as_other_optimizers_are(rate: float, grad: float) -> None:
    params = np.ones(3, np.float32)
    with np.errstate(all="raise"):
        new, _ = sgd(rate).step(sgd(rate).init(params), params, np.full(3, grad, np.float32))
    assert (new == (1.0 if grad < 1 else -np.inf)).all()


def test_what_is_no_tree_of_arrays_is_refused_by_a_step_too() -> None:
    class Plain:
        """Holds no arrays."""

    state = sgd(0.1).init(())
    for wrong in (Plain(), "a", 1.0):
        with pytest.raises(TypeError, match="sgd: params must be arrays, in tuples and records, got"):
            untyped(sgd(0.1)).step(state, wrong, wrong)
