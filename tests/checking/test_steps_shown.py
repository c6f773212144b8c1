"""The lines that show what is wrong with an optimizer: they run on a fresh one, and show it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from broken import OPTIMIZERS, Broken
from chainrule import Report, adam, check_optimizer, sgd
from chainrule.checking.verdict import Verdict
from chainrule.laws import OPTIMIZER_LAWS
from chainrule.laws.showing.steps import WAYS, steps_shown

OUTSIDE = "a velocity kept outside the state"
"""The broken optimizer whose every step depends on those before it, so that a fresh one does something else."""


def report_of(subject: Broken, law: str) -> Report:
    rng = np.random.default_rng(0)
    params, grads = rng.standard_normal((2, 5, 3)).astype(np.float32)
    return check_optimizer(subject.make(), params, grads, rng=rng, only=[law])


def printed(lines: str, optimizer: Any) -> list[tuple[Any, ...]]:
    """All that lines print, that are pasted where an optimizer's author has its functions."""
    found: list[tuple[Any, ...]] = []

    def keep(*values: Any) -> None:
        found.append(values)

    with np.errstate(all="ignore"):  # a descent that does not end may overflow
        exec(lines, {"init": optimizer.init, "step": optimizer.step, "print": keep})  # noqa: S102  # as pasted
    return found


@pytest.mark.parametrize(
    ("subject", "law"),
    [(subject, law) for subject in OPTIMIZERS if subject.name != OUTSIDE for law in sorted(subject.laws)],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_law_that_rejects_an_optimizer_gives_lines_that_show_why_on_a_fresh_one(subject: Broken, law: str) -> None:
    report = report_of(subject, law)
    assert {verdict.law for verdict in report.failures} == {law}
    assert "chainrule" not in report.example
    (values,) = printed(report.example, subject.make())
    if law == "follows_gradient":
        down, up, still = values
        assert np.any(down * up >= 0) or np.any(still)
    elif law == "descends":
        end, start = values
        assert not end <= start
    else:
        got, expected = values
        assert got != expected


def test_every_law_of_optimizers_has_lines() -> None:
    assert {*WAYS, "follows_gradient"} == {*OPTIMIZER_LAWS}


def test_an_optimizer_that_refuses_read_only_arrays_is_shown_by_the_call() -> None:
    class InPlace:
        def init(self, params: Any) -> Any:
            return ()

        def step(self, state: Any, params: Any, grads: Any) -> Any:
            np.multiply(grads, 1, out=grads)  # the same numbers, so that no value shows it
            return params - 0.1 * grads, state

    rng = np.random.default_rng(0)
    report = check_optimizer(InPlace(), np.ones(3), np.ones(3), rng=rng, only=["step_purity"])
    assert report.example.splitlines()[-2:] == [
        "params.flags.writeable = grads.flags.writeable = False",
        "step(init(params), params, grads)[0]  # raises ValueError: output array is read-only",
    ]
    with pytest.raises(ValueError, match="read-only"):
        printed(report.example, InPlace())


@pytest.mark.parametrize("optimizer", [sgd(0.1, momentum=0.9), adam(0.01)])
@pytest.mark.parametrize("law", WAYS)
def test_of_a_right_optimizer_no_lines_show_anything(optimizer: Any, law: str) -> None:
    for field in ("arguments", "repetition", "ownership", "params", "state", "loss"):
        assert steps_shown(Verdict(law, field, ok=False), optimizer) == ""


class Steps:
    """An optimizer of two functions."""

    def __init__(self, init: Callable[[Any], Any], step: Callable[[Any, Any, Any], Any]) -> None:
        self.init, self.step = init, step


def stateless(params: Any) -> Any:
    return ()


def checked(optimizer: Any, params: Any, *only: str) -> Report:
    return check_optimizer(optimizer, params, params, rng=np.random.default_rng(0), only=only or None)


def test_an_optimizer_of_tuples_that_goes_the_wrong_way_is_reported() -> None:
    def uphill(state: Any, params: Any, grads: Any) -> Any:
        return tuple(a + 0.1 * b for a, b in zip(params, grads, strict=True)), state

    report = checked(Steps(stateless, uphill), (np.ones(3), np.ones((2, 2))))
    assert "follows_gradient" in {verdict.law for verdict in report.failures}


def warming_up(jumps: bool) -> Steps:
    """Slow in its first ten steps; or with a jump after five hundred."""

    def step(count: Any, params: Any, grads: Any) -> Any:
        rate = 50.0 if jumps and count > 500 else 0.1 * min(1.0, (float(count) + 1) / 10) ** 4
        return params - rate * grads, count + 1.0

    return Steps(lambda params: np.zeros(()), step)


def test_lines_of_a_descent_have_a_curvature_that_suits_more_than_the_first_step() -> None:
    report = checked(warming_up(jumps=True), np.ones(3), "descends")
    ((end, start),) = printed(report.example, warming_up(jumps=True))
    assert not end <= start
    ((end, start),) = printed(report.example, warming_up(jumps=False))
    assert end < start


@pytest.mark.parametrize(
    ("optimizer", "law", "last"),
    [
        (
            Steps(stateless, lambda state, p, g: (p - 0.1 * g, (1 * p,))),
            "step_structure",
            "print(len(state), len(before))",
        ),
        (
            Steps(lambda p: p, lambda state, p, g: (p - 0.1 * g, 1 * state)),
            "step_purity",
            "print((state.flags.writeable and np.shares_memory(state, params)), False)",
        ),
        (
            Steps(lambda p: None, lambda state, p, g: (p - 0.1 * g, 1 * p)),
            "step_structure",
            "print(type(state).__name__, type(before).__name__)",
        ),
        (
            Steps(stateless, lambda state, p, g: (p / "2", state)),
            "step_structure",
            "step(init(params), params, grads)  #",
        ),
    ],
    ids=["grows", "shares", "appears", "raises"],
)
def test_what_a_state_becomes_is_shown(optimizer: Any, law: str, last: str) -> None:
    report = checked(optimizer, np.ones(3), law)
    assert report.failures
    assert report.example.splitlines()[-1].startswith(last)
