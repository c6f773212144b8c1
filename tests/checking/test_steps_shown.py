"""The lines that show what is wrong with an optimizer: they run on a fresh one, and show it."""

from typing import Any

import numpy as np
import pytest

from broken import OPTIMIZERS, Broken
from chainrule import Report, adam, check_optimizer, sgd
from chainrule.checking.verdict import Verdict
from chainrule.laws import OPTIMIZER_LAWS
from chainrule.laws.steps_shown import WAYS, steps_shown

OUTSIDE = "a velocity kept outside the state"
"""The broken optimizer whose every step depends on those before it, so that a fresh one does something else."""


def report_of(subject: Broken, law: str) -> Report:
    rng = np.random.default_rng(0)
    params, grads = rng.standard_normal((2, 5, 3)).astype(np.float32)
    return check_optimizer(subject.make(), params, grads, rng=rng, only=[law])


def printed(lines: str, optimizer: Any) -> list[tuple[Any, ...]]:
    """What lines print, that are pasted where an optimizer's author has its functions."""
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
