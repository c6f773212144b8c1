"""Each law as a test of its own, with pytest alone."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Layer,
    affine,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    each_law,
    mean_squared_error,
    own,
    relu,
    sgd,
)
from chainrule.checking.each_law import CheckedLaw, checker
from chainrule.laws import LAYER_LAWS, LOSS_LAWS, NETWORK_LAWS, OPTIMIZER_LAWS

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, affine, each_law, mean_squared_error, relu, sgd
from chainrule.checking.each_law import CheckedLaw

x, params = np.ones((4, 3)), Affine(np.ones((3, 3)), np.ones(3))
assert_type(each_law(relu, (), x), list[CheckedLaw])
assert_type(each_law(affine, params, x, seed=1, surrogate=True), list[CheckedLaw])
assert_type(each_law(mean_squared_error, x, x), list[CheckedLaw])
assert_type(each_law(affine, mean_squared_error, params, x, x), list[CheckedLaw])
assert_type(each_law(sgd(0.1), params, params), list[CheckedLaw])
each_law(relu)  # rejected: no arguments
each_law(relu, x)  # rejected: no x
each_law(affine, x, x)  # rejected: other parameters
each_law(mean_squared_error, x, x, surrogate=True)  # rejected: a loss has none
"""

rng = np.random.default_rng(0)
X = rng.standard_normal((5, 3))
PARAMS = Affine.init(rng, 3, 2, dtype=np.float64)
HALF = Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (dout * cache, ()))


@pytest.mark.parametrize("law", each_law(affine, PARAMS, X))
def test_affine(law: CheckedLaw) -> None:
    law()


@pytest.mark.parametrize("law", each_law(mean_squared_error, X, X + 1))
def test_squares(law: CheckedLaw) -> None:
    law()


def names(*case: Any, **options: Any) -> list[str]:
    return [law.name for law in each_law(*case, **options)]


def test_the_laws_are_those_of_the_check() -> None:
    assert names(relu, (), X) == [*LAYER_LAWS]
    assert names(mean_squared_error, X, X) == [*LOSS_LAWS]
    assert names(sgd(0.1), X, X) == [*OPTIMIZER_LAWS]
    assert names(affine, mean_squared_error, PARAMS, X, X[:, :2]) == [*LAYER_LAWS, *LOSS_LAWS, *NETWORK_LAWS]
    assert not {"derivative", "any_dout"} & {*names(relu, (), X, surrogate=True)}


def test_each_law_reports_itself_alone() -> None:
    for law in each_law(affine, mean_squared_error, PARAMS, X, X[:, :2].copy()):
        assert {verdict.law for verdict in law.report().verdicts} <= {law.name}


def test_the_laws_that_fail_are_those_that_the_check_finds() -> None:
    found = {verdict.law for verdict in check_layer(HALF, (), X, rng=rng).failures}
    assert {law.name for law in each_law(HALF, (), X) if law.report().failures} == found


def test_some_laws_can_be_checked_alone() -> None:
    only = ["network_gradient", "structure", "mean_of_rows"]
    report = check_network(affine, mean_squared_error, PARAMS, X, X[:, :2].copy(), rng=rng, only=only)
    assert {verdict.law for verdict in report.verdicts} == {*only}
    assert report.ok


@pytest.mark.parametrize("name", ["gravity", "loss_derivative"])
def test_a_name_that_is_no_law_of_the_subject_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"check_layer: only='{name}' is none of its laws, which are .*structure, "):
        check_layer(relu, (), X, rng=rng, only=["structure", name])
    with pytest.raises(ValueError, match="check_optimizer: only='structure' is none of its laws"):
        check_optimizer(sgd(0.1), X, X, rng=rng, only=["structure"])
    with pytest.raises(ValueError, match="check_loss: only='structure' is none of its laws"):
        check_loss(mean_squared_error, X, X, rng=rng, only=["structure"])
    with pytest.raises(ValueError, match="check_network: only='gravity' is none of its laws"):
        check_network(affine, mean_squared_error, PARAMS, X, X[:, :2], rng=rng, only=["gravity"])


def test_a_law_draws_the_same_numbers_at_each_call_and_others_for_another_seed() -> None:
    one, other = ({law.name: law for law in each_law(HALF, (), X, seed=seed)}["derivative"] for seed in (0, 1))
    assert str(one.report()) == str(one.report()) != str(other.report())


def test_a_law_that_does_not_hold_raises_its_table() -> None:
    law = {law.name: law for law in each_law(HALF, (), X)}["derivative"]
    with pytest.raises(AssertionError, match=r"WRONG derivative  dx(.|\n)*a missing factor of 2\?\n0 of 1 hold"):
        law()


@pytest.mark.parametrize("case", [(relu, ()), (X, X, X), (), (relu, X, (), X, X), (mean_squared_error, X)])
def test_what_is_no_case_is_refused(case: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"expected \(layer, params, x\), .* or \(optimizer, params, grads\), got \("):
        checker(*case)


def test_a_function_beside_its_formula_is_for_another_check() -> None:
    kernel: Any = np.tanh
    with pytest.raises(TypeError, match=r"\): a function and its formula are checked by check_against$"):
        each_law(kernel, np.tanh, X)


SUITE = """
import numpy as np
import pytest
from chainrule import Layer, check_layer, each_law, own

rng = np.random.default_rng(0)
x = rng.standard_normal((4, 3))
half = Layer(lambda params, x: (x * x, own(x)), lambda cache, dout: (dout * cache, ()))


@pytest.mark.parametrize("law", each_law(half, (), x))
def test_half(law):
    law()


def test_report():
    check_layer(half, (), x, rng=rng).raise_if_wrong()
"""


def pytest_says(folder: Path, suite: str, *options: str) -> str:
    """The output of pytest on a test file of a user."""
    (folder / "test_mine.py").write_text(suite, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "test_mine.py"]
    return subprocess.run(command, capture_output=True, check=False, cwd=folder, text=True).stdout


def test_pytest_names_tests_by_their_laws(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, SUITE, "-v")
    assert "test_mine.py::test_half[derivative] FAILED" in said
    assert "test_mine.py::test_half[ownership] PASSED" in said


def test_pytest_shows_the_whole_table_and_the_line_of_the_test(tmp_path: Path) -> None:
    said = pytest_says(tmp_path, SUITE, "-k", "test_report")
    table = str(check_layer(HALF, (), X, rng=np.random.default_rng(0))).splitlines()
    laws = {line.split()[1] for line in table if line.startswith(("ok", "WRONG"))}
    shown = [line.removeprefix("E").strip() for line in said.splitlines() if line.startswith("E")]
    assert {line.split()[1] for line in shown if line.startswith(("ok", "WRONG"))} == laws
    assert any("a missing factor of 2?" in line for line in shown)
    assert "raise AssertionError" not in said
    assert re.search(r"^>? +check_layer\(half, \(\), x, rng=rng\)\.raise_if_wrong\(\)$", said, re.MULTILINE)


def test_each_law_needs_no_hypothesis(tmp_path: Path) -> None:
    code = "import sys; sys.modules['hypothesis'] = None; from chainrule import each_law; print(each_law.__name__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=tmp_path, text=True)
    assert run.stdout == "each_law\n"
