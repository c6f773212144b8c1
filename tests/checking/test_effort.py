"""Effort: what a quick check leaves out, and that it finds what it does not."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Layer,
    affine,
    check_layer,
    check_loss,
    check_network,
    each_law,
    mean_squared_error,
    own,
    sgd,
)
from chainrule.checking.command import main
from chainrule.checking.each_law import checker
from chainrule.checking.effort import EFFORTS
from chainrule.laws import LAYER_LAWS, LOSS_LAWS, NETWORK_LAWS
from chainrule.laws.tables import TRAITS

X = np.random.default_rng(0).standard_normal((6, 4))

ELSEWHERE = tuple(name for name, law in TRAITS.items() if law.elsewhere)
"""The laws that a quick check leaves out."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def power(factor: float) -> Layer[tuple[()], Array]:
    return Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (factor * dout * cache, ()))


def right_below_5() -> Layer[tuple[()], Array]:
    """The identity, whose slope is doubled beyond 5, where a normal x is not."""
    return Layer(lambda params, x: (x.copy(), own(x)), lambda cache, dout: (np.where(cache > 5, 2 * dout, dout), ()))


def test_a_quick_check_runs_all_laws_but_those_that_look_elsewhere() -> None:
    params = Affine.init(rng(), 4, 3, dtype=np.float64)
    quick, full = (check_layer(affine, params, X, rng=rng(), effort=effort) for effort in EFFORTS)
    assert quick.ok
    assert full.ok
    laws = {verdict.law for verdict in full.verdicts}
    assert {verdict.law for verdict in quick.verdicts} == laws - set(ELSEWHERE)
    assert set(ELSEWHERE) < {*LAYER_LAWS, *LOSS_LAWS}
    assert set(LAYER_LAWS) & set(ELSEWHERE)
    assert set(LOSS_LAWS) & set(ELSEWHERE)


def test_a_quick_check_finds_a_wrong_derivative_and_says_what_is_wrong() -> None:
    report = check_layer(power(1.0), (), X, rng=rng(), effort="quick")
    assert report.failures[0].note == "it is half of what it should be: a missing factor of 2?"
    assert "import numpy" in report.example


def test_one_wrong_entry_of_thousands_is_found_though_few_are_tried_alone() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Affine]:
        dx, grads = affine.backward(cache, dout)
        wrong = grads.W.copy()
        wrong[40, 7] *= 1 + 1e-5
        return dx, Affine(wrong, grads.b)

    params, x = Affine.init(rng(), 64, 32, dtype=np.float64), rng().standard_normal((5, 64))
    report = check_layer(Layer(affine.forward, backward), params, x, rng=rng(), effort="quick")
    (wrong,) = [verdict for verdict in report.failures if verdict.law == "derivative"]
    assert (wrong.field, wrong.index) == ("grads.W", (40, 7))
    note = [verdict.note for verdict in report.verdicts if verdict.law == "derivative" and verdict.field == "dx"]
    assert note == ["32 of 320 entries were tried one by one, all along 8 directions"]


def test_what_is_wrong_elsewhere_only_a_full_check_finds() -> None:
    assert check_layer(right_below_5(), (), X, rng=rng(), effort="quick").ok
    assert "other_values" in {each.law for each in check_layer(right_below_5(), (), X, rng=rng()).failures}


def test_a_law_that_is_named_is_run_whatever_the_effort() -> None:
    report = check_layer(right_below_5(), (), X, rng=rng(), effort="quick", only=["other_values"])
    assert [verdict.law for verdict in report.failures] == ["other_values"]


def test_a_surrogate_stays_one() -> None:
    assert check_layer(power(1.0), (), X, rng=rng(), effort="quick", surrogate=True).ok


def test_losses_and_networks_take_it_too() -> None:
    loss = check_loss(mean_squared_error, X, X + 1, rng=rng(), effort="quick")
    assert {verdict.law for verdict in loss.verdicts} == set(LOSS_LAWS) - set(ELSEWHERE)
    params = Affine.init(rng(), 4, 3, dtype=np.float64)
    report = check_network(affine, mean_squared_error, params, X, X[:, :3].copy(), rng=rng(), effort="quick")
    laws = {verdict.law for verdict in report.verdicts}
    assert report.ok
    assert set(NETWORK_LAWS) < laws
    assert not laws & {*ELSEWHERE}


def test_each_law_lists_those_of_the_effort_and_an_optimizer_has_one() -> None:
    names = [law.name for law in each_law(affine, Affine.init(rng(), 4, 3, dtype=np.float64), X, effort="quick")]
    assert names == [name for name in LAYER_LAWS if name not in ELSEWHERE]
    for_losses = [law.name for law in each_law(mean_squared_error, X, X + 1, effort="quick")]
    assert for_losses == [name for name in LOSS_LAWS if name not in ELSEWHERE]
    quick, full = (checker(sgd(0.1), X, X, effort=effort)(rng=rng()) for effort in EFFORTS)
    assert str(quick) == str(full)


@pytest.mark.parametrize("check", [check_layer, check_loss])
def test_another_word_is_refused(check: Any) -> None:
    given = (affine, (), X) if check is check_layer else (mean_squared_error, X, X)
    with pytest.raises(ValueError, match=rf"{check.__name__}: effort must be \"quick\" or \"full\", got 'fast'"):
        check(*given, rng=rng(), effort="fast")


def test_the_command_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cases_of_effort.py").write_text(
        "import numpy as np\nfrom chainrule import relu\ncase = relu, (), np.ones((3, 2))\n", "utf-8"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert main(["cases_of_effort:case", "--effort", "quick"]) == 0
    assert "other_values" not in capsys.readouterr().out
    assert main(["cases_of_effort:case", "--effort", "fast"]) == 2
    assert "argument --effort: invalid choice: 'fast'" in capsys.readouterr().err
