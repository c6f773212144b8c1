import math
import pickle
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from chainrule import (
    Affine,
    adagrad,
    adam,
    adamw,
    affine,
    identity,
    lion,
    mean_squared_error,
    rmsprop,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
)
from chainrule.schedules import Schedule, constant, cosine, exponential, join, linear, piecewise, warmup
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import adam, sgd
from chainrule.schedules import Schedule, constant, cosine, exponential, join, linear, piecewise, warmup


def accepted() -> None:
    assert_type(constant(0.1), Schedule)
    assert_type(warmup(10, cosine(0.1, 0.0, 100)), Schedule)
    assert_type(join([linear(0.0, 0.1, 10), exponential(0.1, 0.99)], [10]), Schedule)
    assert_type(piecewise((10, 20), (1, 0.1, 0.01)), Schedule)
    warmup(10, lambda step: 0.1 / (1 + step))
    sgd(constant(0.1))
    adam(warmup(10, constant(0.1)))


def refused() -> None:
    constant("fast")  # rejected: a rate is a number
    linear(0.1, 0.0)  # rejected: over how many steps
    linear(0.1, 0.0, 2.5)  # rejected: steps are whole
    warmup(10, 0.1)  # rejected: write constant(0.1)
    join(constant(0.1), [])  # rejected: several schedules
    piecewise(10, [0.1, 0.01])  # rejected: boundaries are a sequence
    sgd(constant)  # rejected: it makes a schedule
"""

SCHEDULES: dict[str, tuple[Callable[[], Schedule], list[float]]] = {
    "constant(0.1)": (lambda: constant(0.1), [0.1] * 7),
    "linear(0.1, 0.5, 4)": (lambda: linear(0.1, 0.5, 4), [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5]),
    "cosine(2.0, 1.0, 4)": (
        lambda: cosine(2.0, 1.0, 4),
        [2.0, 1.5 + math.sqrt(0.125), 1.5, 1.5 - math.sqrt(0.125), 1.0, 1.0, 1.0],
    ),
    "exponential(0.8, 0.5)": (lambda: exponential(0.8, 0.5), [0.8, 0.4, 0.2, 0.1, 0.05, 0.025, 0.0125]),
    "exponential(0.8, 1.0)": (lambda: exponential(0.8, 1), [0.8] * 7),
    "piecewise([1], [3.0, 0.3])": (lambda: piecewise([1], [3, 0.3]), [3, *[0.3] * 6]),
    "piecewise([2, 5], [3.0, 0.3, 0.1])": (lambda: piecewise([2, 5], [3, 0.3, 0.1]), [3, 3, 0.3, 0.3, 0.3, 0.1, 0.1]),
    "warmup(4, exponential(0.8, 0.5))": (
        lambda: warmup(4, exponential(0.8, 0.5)),
        [0.2, 0.2, 0.15, 0.1, 0.05, 0.025, 0.0125],
    ),
    "join([linear(0.0, 1.0, 2), exponential(1.0, 0.5), constant(0.1)], [2, 5])": (
        lambda: join([linear(0, 1, 2), exponential(1, 0.5), constant(0.1)], [2, 5]),
        [0, 0.5, 1, 0.5, 0.25, 0.1, 0.1],
    ),
}

each = pytest.mark.parametrize(("name", "make", "rates"), [(k, *v) for k, v in SCHEDULES.items()], ids=[*SCHEDULES])


@each
@pytest.mark.parametrize("kind", [int, np.int64, np.asarray])
def test_rates_are_those_by_hand(
    name: str, make: Callable[[], Schedule], rates: list[float], kind: Callable[[int], Any]
) -> None:
    schedule = make()
    found = [schedule(kind(step)) for step in range(7)]
    np.testing.assert_allclose(found, rates, rtol=1e-15, atol=1e-16)
    assert {type(rate) for rate in found} == {float}


@each
def test_schedules_are_values(name: str, make: Callable[[], Schedule], rates: list[float]) -> None:
    schedule = make()
    assert repr(schedule) == name
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule == make()
    assert hash(copy) == hash(schedule)
    assert schedule != constant(7.0)
    assert copy(3) == schedule(3)


def test_the_steps_of_another_library_give_a_rate_of_that_library() -> None:
    xp: Any = import_module("array_api_strict")
    for schedule in (cosine(2.0, 1.0, 4), warmup(4, cosine(2.0, 1.0, 4)), linear(2.0, 1.0, 4)):
        rate = schedule(xp.asarray(2.0))
        assert type(rate) is type(xp.asarray(2.0))
        assert float(rate) == schedule(2)


def test_a_joined_function_is_asked_for_whole_steps_from_its_start_on() -> None:
    asked: list[int] = []

    def rate(step: int) -> float:
        asked.append(step)
        return [0.4, 0.3, 0.2][step]

    joined = join([constant(0.5), rate], [2])
    assert [joined(step) for step in range(5)] == [0.5, 0.5, 0.4, 0.3, 0.2]
    assert {type(step) for step in asked} == {int}


def test_after_its_steps_a_schedule_stays_at_its_last_rate_exactly() -> None:
    assert linear(0.1, 0.3, 7)(10**9) == 0.3
    assert cosine(0.1, 0.3, 7)(7) == 0.3
    assert piecewise([3], [0.1, 0.3])(10**9) == 0.3


@pytest.mark.parametrize(
    "make",
    [sgd, partial(sgd, momentum=0.9), adam, adamw, rmsprop, adagrad, partial(lion, weight_decay=0.5)],
    ids=["sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad", "lion"],
)
def test_every_step_has_the_rate_of_its_own(make: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    params = Affine.init(rng, 4, 3, dtype=np.float64)
    x, labels = rng.standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])
    schedule = warmup(3, linear(0.5, 0.1, 5))
    optimizer = make(schedule)
    step = training_step(affine, softmax_cross_entropy, optimizer)
    scheduled, state = params, optimizer.init(params)
    by_hand, other = params, optimizer.init(params)
    for i in range(8):
        constant_rate = make(schedule(i))
        scheduled, state, _ = step(scheduled, state, x, labels)
        by_hand, other, _ = training_step(affine, softmax_cross_entropy, constant_rate)(by_hand, other, x, labels)
    for a, b in zip(tree.leaves(scheduled), tree.leaves(by_hand), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    assert int(state.count) == 8


def test_equal_schedules_make_equal_optimizers() -> None:
    assert sgd(linear(0.1, 0, 5)) == sgd(linear(0.1, 0, 5)) != sgd(linear(0.2, 0, 5))
    assert repr(sgd(warmup(10, constant(0.1)))) == "sgd(warmup(10, constant(0.1)))"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constant(-1), "constant: rate must be a finite number >= 0, got -1.0"),
        (lambda: linear(-1, 0.2, 3), "linear: first must be a finite number >= 0, got -1.0"),
        (lambda: linear(0.1, np.inf, 3), "linear: last must be a finite number >= 0, got inf"),
        (lambda: cosine(-1, 0.2, 3), "cosine: first must be a finite number >= 0, got -1.0"),
        (lambda: cosine(0.1, np.nan, 3), "cosine: last must be a finite number >= 0, got nan"),
        (lambda: exponential(-1, 0.5), "exponential: first must be a finite number >= 0, got -1.0"),
        (lambda: piecewise([3], [1, -1]), "piecewise: rates[1] must be a finite number >= 0, got -1.0"),
        (lambda: piecewise([1, -3], [1, 2, 3]), "piecewise: boundaries[1] must be >= 0, got -3"),
        (lambda: warmup(0, constant(1)), "warmup: steps must be >= 1, got 0"),
        (lambda: warmup(-1, constant(1)), "warmup: steps must be >= 1, got -1"),
        (lambda: linear(0.1, 0.2, 0), "linear: steps must be >= 1, got 0"),
        (lambda: cosine(0.1, 0.2, -3), "cosine: steps must be >= 1, got -3"),
        (lambda: exponential(0.1, 1.5), "exponential: factor must be a finite number in (0, 1], got 1.5"),
        (lambda: exponential(0.1, 0), "exponential: factor must be a finite number > 0, got 0.0"),
        (lambda: piecewise([3, 3], [1, 2, 3]), "piecewise: boundaries must increase from 1 on, got [3, 3]"),
        (lambda: piecewise([0], [1, 2]), "piecewise: boundaries must increase from 1 on, got [0]"),
        (lambda: piecewise([3], [1]), "piecewise: 1 boundary needs 2 rates, got 1"),
        (lambda: join([constant(1)], [3]), "join: 1 boundary needs 2 schedules, got 1"),
    ],
)
def test_bad_values(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constant(untyped("fast")), "constant: rate must be a number, got str"),
        (lambda: linear(0.1, 0.2, untyped(2.5)), "linear: steps must be an integer, got float"),
        (
            lambda: warmup(3, untyped(0.1)),
            "warmup: schedule must be a function of the steps, got float: write constant(0.1)",
        ),
        (lambda: warmup(3, untyped(1)), "warmup: schedule must be a function of the steps, got int: write constant(1)"),
        (lambda: warmup(3, untyped("fast")), "warmup: schedule must be a function of the steps, got str"),
        (lambda: warmup(3, untyped(dict)), "warmup: schedule must be a function of the steps, got the class dict"),
        (lambda: warmup(untyped(2.5), constant(1)), "warmup: steps must be an integer, got float"),
        (lambda: cosine(0.1, 0.2, untyped("3")), "cosine: steps must be an integer, got str"),
        (lambda: exponential(untyped("1"), 0.5), "exponential: first must be a number, got str"),
        (lambda: exponential(1, untyped("1")), "exponential: factor must be a number, got str"),
        (lambda: piecewise([3], [1, untyped(None)]), "piecewise: rates[1] must be a number, got NoneType"),
        (lambda: piecewise([1, untyped(2.5)], [1, 2, 3]), "piecewise: boundaries[1] must be an integer, got float"),
        (lambda: piecewise([1], untyped("ab")), "piecewise: rates must be a list or a tuple, got str"),
        (
            lambda: join([constant(1), untyped("b")], [3]),
            "join: schedules[1] must be a function of the steps, got str",
        ),
        (lambda: join([constant(1)] * 2, [untyped(2.5)]), "join: boundaries[0] must be an integer, got float"),
        (lambda: join([constant(1)] * 2, untyped(3)), "join: boundaries must be a list or a tuple, got int"),
        (lambda: join(untyped(constant(1)), []), "join: schedules must be a list or a tuple, got Schedule"),
        (lambda: piecewise(untyped(3), [1, 2]), "piecewise: boundaries must be a list or a tuple, got int"),
    ],
)
def test_bad_types(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=r".") as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize("make", [sgd, adam, lion], ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (-1.0, "a finite number >= 0, got -1.0"),
        (np.float32(-1), "a finite number >= 0, got -1.0"),
        (np.inf, "a finite number >= 0, got inf"),
        (np.nan, "a finite number >= 0, got nan"),
        (np.array(np.nan), "a finite number >= 0, got nan"),
        (None, "a number, got NoneType"),
        ("x", "a number, got str"),
        (True, "a number, got bool"),
        (np.ones(3), "a number, got f64[3]"),
    ],
    ids=repr,
)
def test_a_rate_that_is_none_is_refused_with_its_step(make: Callable[[Any], Any], rate: Any, message: str) -> None:
    def schedule(step: Any) -> Any:
        return 0.1 if step < 2 else rate

    optimizer = make(schedule)
    params, state = np.ones(2), optimizer.init(np.ones(2))
    for _ in range(2):
        params, state = optimizer.step(state, params, params)
    step = training_step(identity, mean_squared_error, optimizer)
    for call in (
        lambda: optimizer.step(state, params, params),
        lambda: step((), state, params[:, None], params[:, None]),
    ):
        with pytest.raises((TypeError, ValueError), match=r".") as refused:
            call()
        name = f"{make.__name__}: the rate that learning_rate gives at step 2 must be "
        assert str(refused.value) == name + message


@pytest.mark.parametrize("rate", [1, np.float64(1), np.array(1.0, np.float32), np.int64(1)], ids=repr)
def test_a_rate_is_a_number_of_any_kind(rate: Any) -> None:
    optimizer, params = sgd(lambda step: rate), np.array([1.0, 2.0], np.float32)
    new, _ = optimizer.step(optimizer.init(params), params, params)
    assert new.dtype == np.float32
    assert new.tolist() == [0, 0]


OF_ALL_KINDS = [
    constant(0.1),
    linear(1, 2, 5),
    cosine(1, 2, 5),
    exponential(1, 0.5),
    piecewise([1], [1, 2]),
    warmup(3, constant(1)),
    join([constant(1), constant(2)], [2]),
]


@pytest.mark.parametrize("schedule", OF_ALL_KINDS, ids=lambda schedule: str(schedule.name))
def test_a_step_is_one_number_from_0_on(schedule: Schedule) -> None:
    others = ("a", "str"), (None, "NoneType"), (np.arange(3), "i64[3]"), (np.array("a"), "<U1[]"), ([1], "list")
    for step, got in others:
        with pytest.raises(TypeError) as refused:
            schedule(step)
        assert str(refused.value) == f"{schedule.name}: the step must be a whole number, got {got}"
    for below in (-3, np.int64(-3), np.array(-3)):
        with pytest.raises(ValueError, match=rf"^{schedule.name}: the step must be >= 0, got -3$"):
            schedule(below)
    for part in (2.5, np.float32(2.5), np.array(2.5), np.nan):
        with pytest.raises(ValueError, match=rf"^{schedule.name}: the step must be a whole number, got (2.5|nan)$"):
            schedule(part)
    assert schedule(2) == schedule(np.int8(2)) == schedule(np.array(2))


def test_a_rate_of_another_library_is_not_read() -> None:
    strict: Any = import_module("array_api_strict")
    state = evolve(sgd(0.1).init(np.ones(1)), count=strict.asarray(0))
    assert sgd(lambda step: -step - 1).rate(state) == -1
    with pytest.raises(
        TypeError, match=r"^sgd: the rate that learning_rate gives at step .* must be a number, got f32"
    ):
        sgd(lambda step: strict.ones(3, dtype=strict.float32)).rate(state)
