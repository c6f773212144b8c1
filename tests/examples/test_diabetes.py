"""Models are compared on the same splits, what was broken off goes on, and intervals are right."""

from argparse import Namespace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from chainrule import Array, tree
from examples.programs import figure, functions, is_picture, refusal

BESIDE = r"beside \d+\.\d+ of a line and \d+\.\d+ of scikit-learn's network"


def test_it_compares_and_draws(tmp_path: Path) -> None:
    line = rf"error (FIGURE) {BESIDE}, on 2 splits, \d+ s"
    error = figure("diabetes", "--splits=2", "--save=run", folder=tmp_path, line=line)
    assert 45 < error < 65  # the mean of all rows has an error of 77
    assert figure("diabetes", "--splits=2", "--save=run", folder=tmp_path, line=line) == error
    assert is_picture(tmp_path / "diabetes.png")


def test_each_model_finds_a_line_where_there_is_one() -> None:
    diabetes, rng = functions("diabetes"), np.random.default_rng(0)
    x = rng.standard_normal((400, 3))
    y: Array = 100 + 10 * (x @ np.array([1.0, -2.0, 3.0]))
    for make in (diabetes.line, diabetes.theirs, diabetes.ours):
        wrong: Array = make(x, y, rng)(x) - y
        assert wrong.std() < 0.15 * y.std()


def test_what_was_broken_off_goes_on_to_the_same_errors(tmp_path: Path) -> None:
    diabetes = functions("diabetes")
    x, y = diabetes.datasets.load_diabetes(return_X_y=True)
    options = Namespace(seed=3, splits=3, save=tmp_path / "errors")
    *_, two = islice(diabetes.compare(x, y, options), 3)
    assert np.isnan(two.found).any(axis=1).tolist() == [False, False, True]
    start, *_, end = diabetes.compare(x, y, options)
    assert tree.equal(start, two)
    *_, unbroken = diabetes.compare(x, y, Namespace(seed=3, splits=3, save=None))
    assert tree.equal(end, unbroken)


def test_an_interval_holds_the_mean_and_is_as_wide_as_it_is_uncertain() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    mean, low, high = functions("diabetes").interval(values)
    assert mean == values.mean()
    assert low < mean < high
    # Of 400 normal values, 2 * 1.96 / sqrt(400) = 0.196: 10,000 samples give each end to a tenth of its distance.
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--splits=1",), "argument --splits: must be 2 or more, got '1'"),
        (("--splits=x",), "argument --splits: must be a whole number, 0 or more, got 'x'"),
        (("--save=damaged",), "damaged is damaged, or no safetensors file"),
        (("--save=kept", "--splits=2", "--seed=4"), "kept is of --seed 3, not of 4"),
        (("--save=kept", "--splits=5", "--seed=3"), "kept is of another --splits or program: "),
    ],
)
def test_what_it_cannot_do_is_a_sentence(options: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"not a run")
    diabetes = functions("diabetes")
    diabetes.keep(tmp_path / "kept", diabetes.Errors(3, np.full((2, 3), np.nan)))
    assert sentence in refusal("diabetes", *options, folder=tmp_path)
